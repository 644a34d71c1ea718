//! `verdict`: one line and the exit code of a finished report, for scripts under launchers that rewrite
//! exit codes.

use std::path::Path;

use crate::base::error::{Error, Exit, Result};
use crate::render::say;
use crate::report::Report;

pub(super) fn run(path: &Path) -> Result<Exit> {
    let report = Report::load(path)?;
    say(&report.verdict());
    Exit::from_code(report.run.exit).ok_or_else(|| {
        Error::file("use the report", path, format!("its exit code {} is unknown", report.run.exit))
    })
}
