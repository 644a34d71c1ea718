//! `import`: other tools' results as a report.

use std::path::PathBuf;

use clap::Args;

use super::sides::LogArgs;
use super::{is_stdout, write};
use crate::base::error::{Error, Exit, Result};
use crate::import::{FILE_LIMIT, File, import};
use crate::plan::config::{Config, OutputConfig};
use crate::render::{Format, Outputs, tell};
use crate::report::Report;
use crate::run::keep_earlier;

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// Output of nccl-tests, OSU, IMB, nvbandwidth, perftest, nvbench …, or a folder of Criterion; several make one report
    #[arg(required = true, value_name = "RESULT")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    logs: LogArgs,
    /// File to write, in the format that its ending names; repeatable; - is standard output [default: results.json]
    #[arg(long, short, value_name = "FILE")]
    output: Vec<PathBuf>,
    /// Format of -, and of files whose ending names none, such as json
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

pub(super) fn run(args: ImportArgs) -> Result<Exit> {
    let logs = args.files.iter().map(|path| File::read(path, FILE_LIMIT));
    let asked = args.logs.asked()?;
    if args.output.iter().any(|path| is_stdout(path)) {
        let [_] = &args.output[..] else {
            return Err(Error::usage(
                "--output - is for one report alone; leave the other files out",
            ));
        };
        let format = args.format.as_deref().map_or(Ok(Format::Json), Format::named::<Report>)?;
        let report = import(logs, &asked, &Config::default())?;
        write(&report, format, &[], true)?;
        return Exit::of(report.run.exit);
    }
    let files = Some(args.output).filter(|files| !files.is_empty());
    let output = OutputConfig { files, format: args.format, ..OutputConfig::default() };
    let config = Config { output, inputs: args.files.clone(), ..Config::default() };
    let outputs = Outputs::resolve(&config)?;
    let report = import(logs, &asked, &config)?;
    keep_earlier(&outputs)?;
    outputs.write(&report)?;
    tell(&report, &outputs, false, "");
    Exit::of(report.run.exit)
}
