//! A result where GitHub shows it: annotations in the log, and the summary of a step.

use std::io::Write as _;
use std::path::Path;

use super::Render;
use super::comment::{STEP_LIMIT, within};
use super::document::Document;
use super::plot::Tone;
use super::terminal::command;
use super::verdicts::{by_urgency, sentence, verdict};
use crate::base::error::{Error, Result};
use crate::base::plain::plain;
use crate::report::{Comparison, Verdict};

/// Most annotations of a kind; GitHub shows ten a step.
const ANNOTATION_LIMIT: usize = 10;

/// Prints annotations and adds to the step's summary, under GitHub Actions or where it is `asked_for`.
///
/// # Errors
/// Usage error when the summary cannot be written.
pub fn publish_on_github<R: Render>(result: &R, asked_for: bool) -> Result<()> {
    if !asked_for && std::env::var_os("GITHUB_ACTIONS").is_none_or(|value| value != "true") {
        return Ok(());
    }
    let annotations = result.annotations();
    if !annotations.is_empty() {
        command(annotations.trim_end());
    }
    match std::env::var_os("GITHUB_STEP_SUMMARY") {
        Some(path) => append(Path::new(&path), &step_summary(&result.document())),
        None => Ok(()),
    }
}

/// Adds to a file that others add to as well.
fn append(path: &Path, text: &str) -> Result<()> {
    let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|why| Error::file("add to", path, why))
}

/// Workflow commands: an error for what is bad, a warning for what is doubtful.
pub(super) fn annotations(document: &Document) -> String {
    let of = |command: &str, tone: Tone| {
        let all = document.attention.iter().filter(|item| item.tone == tone).map(|item| {
            let title = property(&format!("{} {}", document.title, item.at));
            format!("::{command} title={title}::{}\n", data(&item.says))
        });
        limited(command, all.collect())
    };
    of("error", Tone::Bad) + &of("warning", Tone::Doubtful)
}

/// As many annotations as GitHub shows, and how many there are more.
fn limited(command: &str, all: Vec<String>) -> String {
    let more = all.len().saturating_sub(ANNOTATION_LIMIT);
    let more =
        (more > 0).then(|| format!("::{command}::and {more} more, see the summary of this step\n"));
    all.into_iter().take(ANNOTATION_LIMIT).chain(more).collect()
}

/// Those of a comparison: an error for what regressed or failed, a warning for what may have, vanished or cannot be
/// compared.
pub(super) fn of_comparison(comparison: &Comparison) -> String {
    let cases = by_urgency(comparison);
    let of = |command: &str, verdicts: &[Verdict]| {
        let matching = cases.iter().filter(|case| verdicts.contains(&case.verdict));
        let all = matching.map(|case| {
            let title = property(&format!("{}: {}", verdict(case), case.id));
            format!("::{command} title={title}::{}\n", data(&sentence(case)))
        });
        limited(command, all.collect())
    };
    let errors = of("error", &[Verdict::Regressed, Verdict::Failed]);
    let warnings =
        [Verdict::Suspected, Verdict::NotComparable, Verdict::Vanished, Verdict::Unstable];
    let warnings = of("warning", &warnings);
    errors + &warnings
}

/// What `$GITHUB_STEP_SUMMARY` takes: a comment with more room.
pub(super) fn step_summary(document: &Document) -> String {
    within(document, None, STEP_LIMIT)
}

/// A message of a workflow command: what would end it is written by its number.
fn data(text: &str) -> String {
    plain(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of one, which also ends at colons and commas.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
