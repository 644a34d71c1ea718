//! `import`: other tools' results as a report.

use std::path::PathBuf;

use clap::Args;

use crate::base::error::{Exit, Result};
use crate::benchmark;
use crate::import::{self, Asked};
use crate::plan::config::{Config, OutputConfig};
use crate::render::{Output, tell};

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// Output of nccl-tests (text, or JSON by -J) or of the OSU micro-benchmarks; several make one report
    #[arg(required = true, value_name = "RESULT")]
    files: Vec<PathBuf>,
    /// How many ranks there were, where a file does not tell
    #[arg(long, value_name = "N")]
    ranks: Option<usize>,
    /// Which benchmark it is, where a file does not tell, as before nccl-tests 2.17
    #[arg(long, short, value_name = "NAME")]
    benchmark: Option<String>,
    /// File to write, in the format that its ending names; repeatable [default: results.json]
    #[arg(long, short, value_name = "FILE")]
    output: Vec<PathBuf>,
    /// Format of files whose ending names none, such as json
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

pub(super) fn run(args: ImportArgs) -> Result<Exit> {
    let files = Some(args.output).filter(|files| !files.is_empty());
    let config =
        Config { output: OutputConfig { files, format: args.format }, ..Config::default() };
    let benchmark = args.benchmark.map(|name| benchmark::named(&name)).transpose()?;
    let asked = Asked { ranks: args.ranks, benchmark };
    let report = import::import(&args.files, &asked, &config)?;
    let outputs = Output::resolve(&config)?;
    for output in &outputs {
        output.write(&report)?;
    }
    tell(&report, &outputs, false, "");
    Exit::of(report.run.exit)
}
