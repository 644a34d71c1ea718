//! What helps with a case that failed or is slow: the files of a bundle that follow from its report.

use std::fmt::Write as _;

use super::document::{Document, Section};
use super::words::word;
use super::{Format, Render as _, markdown, no_json, peers};
use crate::base::error::Result;
use crate::base::plain::plain;
use crate::report::{Case, Report};

/// The files by their names: the cases, their page, the commands, and where they were measured.
///
/// # Errors
/// Internal error when a text cannot be formed.
pub fn support_files(report: &Report, cases: &[&Case]) -> Result<Vec<(String, String)>> {
    let is_asked = |id: &str| cases.iter().any(|case| case.id == id);
    let mut of_cases = report.clone();
    of_cases.cases.retain(|case| is_asked(&case.id));
    of_cases.limits.retain(|check| is_asked(&check.case));
    of_cases.scaling.clear();
    of_cases.pair_matrices.clear();
    let json = |value: serde_json::Result<String>| value.map_err(no_json);
    let cases: Vec<&Case> = of_cases.cases.iter().collect();
    Ok(vec![
        ("cases.md".to_owned(), markdown::draw(&of_cases.document())),
        ("cases.html".to_owned(), Format::Html.write(&of_cases, true)?),
        ("cases.json".to_owned(), json(serde_json::to_string_pretty(&cases))?),
        ("commands.txt".to_owned(), commands(report, &cases)),
        ("environment.json".to_owned(), json(serde_json::to_string_pretty(&report.origins()))?),
        ("report.json".to_owned(), report.carried()?),
    ])
}

/// The page on what a bundle has, with what each file is, and on what it lacks.
pub fn support_contents(
    report: &Report,
    cases: &[&Case],
    files: &[(String, String)],
    missing: &[String],
) -> String {
    let missing = Section::notes("not in it", missing.iter().cloned());
    let sections = [
        Section::table(
            "cases",
            cases,
            &[
                ("id", &|case: &&&Case| case.id.as_str().into()),
                ("ended", &|case| word(case.outcome).into()),
                ("why", &|case| {
                    let error = case.error.as_ref().map(|error| error.detail.as_str());
                    error.or(case.reason.as_deref()).into()
                }),
            ],
        ),
        Section::table(
            "files",
            files,
            &[
                ("file", &|(name, _): &&(String, String)| name.as_str().into()),
                ("is", &|(_, about)| about.as_str().into()),
            ],
        ),
    ];
    markdown::draw(&Document {
        title: "Support bundle".to_owned(),
        verdict: report.verdict(),
        facts: vec![format!("run {}, {}", report.run.id, report.run.started)],
        sections: sections.into_iter().flatten().chain(missing).collect(),
        ..Document::default()
    })
}

/// The commands that measure each case again, by this program and by others.
fn commands(report: &Report, cases: &[&Case]) -> String {
    let mut text = "# Read before you run: names and options come from the report.\n".to_owned();
    for case in cases {
        let _ = writeln!(text, "\n# {}", plain(&case.id));
        let all = peers::commands(report, case);
        if all.len() == 1 {
            text += "# nccl-tests and the OSU benchmarks have no such test.\n";
        }
        for (what, command) in all {
            let _ = writeln!(text, "# {what}\n{}", plain(&command));
        }
    }
    text
}
