//! `verdict`: one line and the exit code of a finished report or comparison, for scripts under launchers that rewrite
//! exit codes.

use std::path::Path;

use crate::base::error::{Error, Exit, Result};
use crate::base::files::read_bounded;
use crate::render::{Render as _, say};
use crate::report::{COMPARISON_SCHEMA, Comparison, FILE_LIMIT, Report};

pub(super) fn run(path: &Path) -> Result<Exit> {
    // Once: a pipe gives what it has to the first who reads.
    let text = read_bounded(path, FILE_LIMIT)?;
    let comparison: Option<Comparison> = serde_json::from_str(&text).ok();
    let is_known = |comparison: &Comparison| comparison.schema == COMPARISON_SCHEMA;
    let (verdict, exit) = match comparison.filter(is_known) {
        Some(comparison) => (comparison.document().verdict, comparison.exit),
        None => {
            let report = Report::from_text(&text, path)?;
            (report.verdict(), report.run.exit)
        }
    };
    say(&verdict);
    Exit::from_code(exit)
        .ok_or_else(|| Error::file("use", path, format!("its exit code {exit} is unknown")))
}
