//! `list-benchmarks`: what can be measured.

use clap::{Args, ValueEnum};
use wildmatch::WildMatch;

use crate::benchmark::{Benchmark, CATALOGUE};
use crate::error::{Error, Exit, Result};
use crate::report::say;
use crate::work::Element;

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
        CATALOGUE.iter().filter(|benchmark| matcher.matches(benchmark.name)).collect();
    match args.format {
        Form::NamesOnly => chosen.iter().for_each(|benchmark| say(benchmark.name)),
        Form::Json => {
            let text = serde_json::to_string_pretty(&chosen)
                .map_err(|why| Error::internal(format!("cannot print: {why}")))?;
            say(&text);
        }
        Form::Table => chosen.iter().for_each(|benchmark| describe(benchmark)),
    }
    Ok(Exit::Ok)
}

fn describe(benchmark: &Benchmark) {
    say(&format!("{:<12} {}", benchmark.name, benchmark.description));
    if !benchmark.precisions.is_empty() {
        let names: Vec<&str> = benchmark.precisions.iter().copied().map(Element::name).collect();
        say(&format!("{:12}   types: {}", "", names.join(" ")));
    }
    for key in benchmark.keys {
        let medium = key.presets.map_or(String::new(), |presets| format!(" [{}]", presets[1]));
        say(&format!("{:12}   {}: {}{medium}", "", key.name, key.help));
    }
    if benchmark.placements {
        say(&format!("{:12}   placement: out, in, or both [out]", ""));
    }
}
