//! A comparison where GitHub shows it: annotations in the log, and the summary of a step.

use std::fmt::Write as _;

use super::verdicts::{by_urgency, sentence, verdict};
use super::{Render as _, markdown};
use crate::base::plain::plain;
use crate::report::{Compared, Comparison, Verdict};

/// Most annotations of a kind; GitHub shows ten a step.
const ANNOTATION_LIMIT: usize = 10;

/// Workflow commands: an error for each regression and failure, a warning for what cannot be compared or has
/// vanished.
pub fn annotations(comparison: &Comparison) -> String {
    let cases = by_urgency(comparison);
    let of = |command: &str, verdicts: &[Verdict]| {
        let matching: Vec<&&Compared> =
            cases.iter().filter(|case| verdicts.contains(&case.verdict)).collect();
        let mut lines = String::new();
        for case in matching.iter().take(ANNOTATION_LIMIT) {
            let title = format!("{}: {}", verdict(case), case.id);
            let _ = writeln!(
                lines,
                "::{command} title={}::{}",
                property(&title),
                data(&sentence(case))
            );
        }
        if matching.len() > ANNOTATION_LIMIT {
            let more = matching.len() - ANNOTATION_LIMIT;
            let _ = writeln!(lines, "::{command}::and {more} more, see the summary of this step");
        }
        lines
    };
    let errors = of("error", &[Verdict::Regressed, Verdict::Failed]);
    let warnings = of("warning", &[Verdict::NotComparable, Verdict::Vanished]);
    errors + &warnings
}

/// What `$GITHUB_STEP_SUMMARY` takes: the Markdown form, with a mark by which a comment on a pull request is found
/// again.
pub fn step_summary(comparison: &Comparison) -> String {
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
