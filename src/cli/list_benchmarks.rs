//! `list-benchmarks`: what can be measured.

use std::path::PathBuf;

use serde::Serialize;
use wildmatch::WildMatch;

use super::{kernels, write};
use crate::base::error::{Error, Exit, Result, suggestion};
use crate::base::units::counted;
use crate::benchmark::work::Element;
use crate::benchmark::{Benchmark, SUITES, Values, catalogue};
use crate::plan::usual_sizes;
use crate::render::{Document, Format, Render, Section};

#[derive(Serialize)]
pub(super) struct List(Vec<Listed>);

/// A benchmark, and how many sizes it is measured with where none is asked for.
#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    benchmark: &'static Benchmark,
    sizes: Option<usize>,
}

impl From<&'static Benchmark> for Listed {
    fn from(benchmark: &'static Benchmark) -> Self {
        Self { benchmark, sizes: usual_sizes(benchmark) }
    }
}

impl Render for List {
    const OWN: &'static [Format] = &[Format::NamesOnly];

    fn document(&self) -> Document {
        let summary = self.0.iter().map(|Listed { benchmark, sizes }| {
            let usual = if benchmark.default { "*" } else { " " };
            let folder = benchmark.folder.as_ref();
            let from = folder.map_or(String::new(), |from| format!(" ({})", from.display()));
            let sizes = sizes.map_or_else(|| "?".to_owned(), |sizes| sizes.to_string());
            let (name, description) = (&benchmark.name, &benchmark.description);
            format!("{name:<15} {usual}{sizes:>3} {description}{from}")
        });
        let summary = Section::notes("", summary);
        let suites = SUITES.map(|(name, members)| format!("{name:<16}  {}", members.join(" ")));
        let is_whole = self.0.len() > SUITES.len();
        let suites = is_whole.then(|| Section::notes("Names for several", suites));
        let details = self.0.iter().map(|listed| describe(listed).in_files());
        let total: usize = self.0.iter().filter_map(|listed| listed.sizes).sum();
        let count = counted(self.0.len(), "benchmark");
        Document {
            verdict: format!("{count} with {} in all", counted(total, "size")),
            title: "Benchmarks".to_owned(),
            sections: summary.into_iter().chain(suites.flatten()).chain(details).collect(),
            ..Document::default()
        }
    }

    fn own(&self, _: Format) -> Result<String> {
        Ok(self.0.iter().map(|listed| format!("{}\n", listed.benchmark.name)).collect())
    }
}

/// Lists the benchmarks that a filter names; with types and keys `in_full`, or where there is only one.
pub(super) fn run(
    format: Format,
    filter: Option<&str>,
    in_full: bool,
    paths: &[PathBuf],
) -> Result<Exit> {
    let found = kernels::discover(paths)?;
    let filter = filter.unwrap_or("*");
    let is_glob = filter.contains(['*', '?']);
    let matcher = WildMatch::new(&if is_glob { filter.to_owned() } else { format!("*{filter}*") });
    let is_meant = |benchmark: &&Benchmark| benchmark.names().any(|name| matcher.matches(name));
    let listed: Vec<&Benchmark> = catalogue().filter(is_meant).collect();
    if listed.is_empty() {
        let near = suggestion(filter, catalogue().flat_map(Benchmark::names));
        return Err(Error::usage(format!("no benchmark's name has '{filter}' in it; {near}")));
    }
    let in_full = in_full || listed.len() == 1;
    let listed = List(listed.into_iter().map(Listed::from).collect());
    write(&listed, format, &[], in_full)?;
    if format == Format::Table && !in_full {
        super::say(
            "\n* runs when none is named; --filter NAME shows types and keys, -v those of all\n\
             the number: its sizes where none is asked for",
        );
    }
    Ok(kernels::exit(found))
}

fn describe(Listed { benchmark, sizes }: &Listed) -> Section {
    let default = if benchmark.default { " (default)" } else { "" };
    let title = format!("{}: {}{default}", benchmark.name, benchmark.description);
    let mut lines = Vec::new();
    if let Some(folder) = &benchmark.folder {
        lines.push(format!("found in {}", folder.display()));
    }
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
    if let Some(sizes) = sizes {
        lines.push(format!("{} where none is asked for", counted(*sizes, "size")));
    }
    if !benchmark.presets.is_empty() {
        let names: Vec<&str> = benchmark.presets.iter().map(|preset| &*preset.name).collect();
        lines.push(format!("sizes by name: {}", names.join(" ")));
    }
    if benchmark.placements {
        lines.push("placement: out, in, or both [out]".to_owned());
    }
    Section { title, ..Section::default() }.with(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::CATALOGUE;
    use crate::render::snapshots::pages;

    #[test]
    fn a_line_of_a_terminal_is_enough() {
        let lines =
            List(CATALOGUE.iter().map(Listed::from).collect()).document().sections.remove(0).notes;
        assert_eq!(lines.len(), CATALOGUE.len());
        let long = lines.iter().find(|line| line.text.chars().count() > 78);
        assert_eq!(long, None);
    }

    #[test]
    fn as_pages() {
        pages("list-benchmarks", &List(CATALOGUE.iter().take(2).map(Listed::from).collect()));
    }
}
