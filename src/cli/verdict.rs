//! `verdict`: one line and the exit code of a finished report, for scripts under launchers that rewrite
//! exit codes.

use std::path::PathBuf;

use clap::Args;

use crate::base::error::{Error, Exit, Result};
use crate::render::say;
use crate::report::Report;

/// Arguments of `verdict`.
#[derive(Debug, Args)]
pub(super) struct VerdictArgs {
    /// The report, JSON
    report: PathBuf,
}

/// Runs the command.
pub(super) fn run(args: &VerdictArgs) -> Result<Exit> {
    let report = Report::load(&args.report)?;
    say(&report.verdict());
    Exit::from_code(report.run.exit).ok_or_else(|| {
        let why = format!("its exit code {} is unknown", report.run.exit);
        Error::file("use the report", &args.report, why)
    })
}
