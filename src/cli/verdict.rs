//! `verdict`: one line and the exit code of a finished report or comparison, for scripts under launchers that rewrite
//! exit codes.

use std::path::Path;

use serde::Deserialize;

use crate::base::error::{Error, Exit, Result};
use crate::base::files::read_bounded;
use crate::render::{Render as _, say};
use crate::report::{COMPARISON_SCHEMA, Comparison, FILE_LIMIT, Report, Verdict};

pub(super) fn run(path: &Path) -> Result<Exit> {
    // Once: a pipe gives what it has to the first who reads.
    let text = read_bounded(path, FILE_LIMIT)?;
    let (verdict, exit) = match is_comparison(&text) {
        true => {
            let read = serde_json::from_str(&text).map_err(|why| why.to_string());
            let comparison: Comparison =
                read.map_err(|why| Error::file("use the comparison", path, why))?;
            let any = |verdict| comparison.cases.iter().any(|case| case.verdict == verdict);
            let is_bad = any(Verdict::Regressed) || any(Verdict::NotComparable);
            if is_bad && comparison.exit == Exit::Ok.code() {
                let told = "its exit code is 0, but its cases say otherwise";
                return Err(Error::file("use the comparison", path, told));
            }
            (comparison.document().verdict, comparison.exit)
        }
        false => {
            let report = Report::from_text(&text, path)?;
            (report.verdict(), report.run.exit)
        }
    };
    say(&verdict);
    Exit::from_code(exit)
        .ok_or_else(|| Error::file("use", path, format!("its exit code {exit} is unknown")))
}

fn is_comparison(text: &str) -> bool {
    /// The rest is passed over.
    #[derive(Deserialize)]
    struct Head {
        schema: String,
    }
    serde_json::from_str(text).is_ok_and(|Head { schema }| schema == COMPARISON_SCHEMA)
}
