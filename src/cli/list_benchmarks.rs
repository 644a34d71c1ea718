//! `list-benchmarks`: what can be measured.

use clap::{Args, ValueEnum};
use wildmatch::WildMatch;

use crate::base::error::{Error, Exit, Result};
use crate::benchmark::work::Element;
use crate::benchmark::{Benchmark, CATALOGUE, Values};
use crate::report::say;

/// Arguments of `list-benchmarks`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Form,
    /// Only names that match this glob
    #[arg(long, value_name = "GLOB")]
    filter: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// One name a line.
    NamesOnly,
}

/// Runs the command.
pub(super) fn run(args: &ListArgs) -> Result<Exit> {
    let matcher = WildMatch::new(args.filter.as_deref().unwrap_or("*"));
    let chosen: Vec<&Benchmark> =
        CATALOGUE.iter().filter(|benchmark| is_meant(benchmark, &matcher)).collect();
    match args.format {
        Form::NamesOnly => chosen.iter().for_each(|benchmark| say(&benchmark.name)),
        Form::Json => {
            let text = serde_json::to_string_pretty(&chosen)
                .map_err(|why| Error::internal(format!("cannot print: {why}")))?;
            say(&text);
        }
        Form::Table => chosen.iter().for_each(|benchmark| describe(benchmark)),
    }
    Ok(Exit::Ok)
}

fn is_meant(benchmark: &Benchmark, matcher: &WildMatch) -> bool {
    matcher.matches(&benchmark.name) || benchmark.aliases.iter().any(|alias| matcher.matches(alias))
}

fn describe(benchmark: &Benchmark) {
    let usual = if benchmark.usual { " (usual)" } else { "" };
    say(&format!("{:<14} {}{usual}", benchmark.name, benchmark.description));
    let line = |text: String| say(&format!("{:14}   {text}", ""));
    if !benchmark.aliases.is_empty() {
        line(format!("also: {}", benchmark.aliases.join(" ")));
    }
    if !benchmark.precisions.is_empty() {
        let names: Vec<&str> = benchmark.precisions.iter().copied().map(Element::name).collect();
        line(format!("types: {}", names.join(" ")));
    }
    for key in &benchmark.keys {
        let words = match key.values {
            Values::Words(words) => format!(": {}", words.join(", ")),
            _ => String::new(),
        };
        let usual = key.usual();
        let usual = if usual.is_empty() { usual } else { format!(" [{usual}]") };
        line(format!("{}: {}{words}{usual}", key.name, key.help));
    }
    if benchmark.placements {
        line("placement: out, in, or both [out]".to_owned());
    }
}
