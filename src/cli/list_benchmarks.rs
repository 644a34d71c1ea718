//! `list-benchmarks`: what can be measured.

use serde::Serialize;
use wildmatch::WildMatch;

use super::write;
use crate::base::error::{Exit, Result};
use crate::benchmark::work::Element;
use crate::benchmark::{Benchmark, CATALOGUE, Values};
use crate::render::{Document, Format, Render, Section};

#[derive(Serialize)]
pub(super) struct List(Vec<&'static Benchmark>);

impl Render for List {
    const OWN: &'static [Format] = &[Format::NamesOnly];

    fn document(&self) -> Document {
        Document {
            title: "Benchmarks".to_owned(),
            sections: self.0.iter().map(|benchmark| describe(benchmark)).collect(),
            ..Document::default()
        }
    }

    fn own(&self, _: Format) -> Result<String> {
        Ok(self.0.iter().map(|benchmark| format!("{}\n", benchmark.name)).collect())
    }
}

pub(super) fn run(format: Format, filter: &str) -> Result<Exit> {
    let matcher = WildMatch::new(filter);
    let is_meant = |benchmark: &&Benchmark| {
        let mut names = std::iter::once(&benchmark.name).chain(&benchmark.aliases);
        names.any(|name| matcher.matches(name))
    };
    write(&List(CATALOGUE.iter().filter(is_meant).collect()), format, &[], false)?;
    Ok(Exit::Ok)
}

fn describe(benchmark: &Benchmark) -> Section {
    let default = if benchmark.default { " (default)" } else { "" };
    let title = format!("{}: {}{default}", benchmark.name, benchmark.description);
    let mut lines = Vec::new();
    if !benchmark.aliases.is_empty() {
        lines.push(format!("also: {}", benchmark.aliases.join(" ")));
    }
    if !benchmark.precisions.is_empty() {
        let names: Vec<&str> = benchmark.precisions.iter().copied().map(Element::name).collect();
        lines.push(format!("types: {}", names.join(" ")));
    }
    for key in &benchmark.keys {
        let words = match key.values {
            Values::Words(words) => format!(": {}", words.join(", ")),
            _ => String::new(),
        };
        let default = key.default();
        let default = if default.is_empty() { default } else { format!(" [{default}]") };
        lines.push(format!("{}: {}{words}{default}", key.name, key.help));
    }
    if benchmark.placements {
        lines.push("placement: out, in, or both [out]".to_owned());
    }
    Section { title, ..Section::default() }.with(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::snapshots::pages;

    #[test]
    fn as_pages() {
        pages("list-benchmarks", &List(CATALOGUE.iter().take(2).collect()));
    }
}
