//! A comparison where GitHub shows it: annotations in the log, and the summary of a step.

use std::io::Write as _;
use std::path::Path;

use super::terminal::command;
use super::verdicts::{by_urgency, sentence, verdict};
use super::{Render as _, markdown};
use crate::base::error::{Error, Result};
use crate::base::plain::plain;
use crate::report::{Compared, Comparison, Verdict};

/// Most annotations of a kind; GitHub shows ten a step.
const ANNOTATION_LIMIT: usize = 10;

/// Prints annotations and adds to the step's summary, under GitHub Actions or where it is `asked_for`.
///
/// # Errors
/// Usage error when the summary cannot be written.
pub fn publish_on_github(comparison: &Comparison, asked_for: bool) -> Result<()> {
    if !asked_for && std::env::var_os("GITHUB_ACTIONS").is_none_or(|value| value != "true") {
        return Ok(());
    }
    let annotations = annotations(comparison);
    if !annotations.is_empty() {
        command(annotations.trim_end());
    }
    match std::env::var_os("GITHUB_STEP_SUMMARY") {
        Some(path) => append(Path::new(&path), &step_summary(comparison)),
        None => Ok(()),
    }
}

/// Adds to a file that others add to as well.
fn append(path: &Path, text: &str) -> Result<()> {
    let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|why| Error::file("add to", path, why))
}

/// Workflow commands: an error for what regressed or failed, a warning for what may have, vanished or cannot be
/// compared.
pub(super) fn annotations(comparison: &Comparison) -> String {
    let cases = by_urgency(comparison);
    let of = |command: &str, verdicts: &[Verdict]| {
        let matching: Vec<&&Compared> =
            cases.iter().filter(|case| verdicts.contains(&case.verdict)).collect();
        let named = matching.iter().take(ANNOTATION_LIMIT).map(|case| {
            let title = property(&format!("{}: {}", verdict(case), case.id));
            format!("::{command} title={title}::{}\n", data(&sentence(case)))
        });
        let more = matching.len().saturating_sub(ANNOTATION_LIMIT);
        let more = (more > 0)
            .then(|| format!("::{command}::and {more} more, see the summary of this step\n"));
        named.chain(more).collect::<String>()
    };
    let errors = of("error", &[Verdict::Regressed, Verdict::Failed]);
    let warnings =
        [Verdict::Suspected, Verdict::NotComparable, Verdict::Vanished, Verdict::Unstable];
    let warnings = of("warning", &warnings);
    errors + &warnings
}

/// What `$GITHUB_STEP_SUMMARY` takes: Markdown, with a mark by which a comment on a pull request is found again.
pub(super) fn step_summary(comparison: &Comparison) -> String {
    format!("<!-- tesserabench -->\n{}", markdown::draw(&comparison.document()))
}

/// A message of a workflow command: what would end it is written by its number.
fn data(text: &str) -> String {
    plain(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of one, which also ends at colons and commas.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
