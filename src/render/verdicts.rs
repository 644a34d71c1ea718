//! What is said of the cases of a comparison.

use std::fmt::Write as _;

use super::plot::Tone;
use super::words::{percent, probability, quantity, word};
use crate::report::{Compared, Comparison, Verdict};

/// The cases, the most pressing verdicts first, and of one verdict the largest changes.
pub(super) fn by_urgency(comparison: &Comparison) -> Vec<&Compared> {
    let mut cases: Vec<&Compared> = comparison.cases.iter().collect();
    let size = |case: &Compared| case.worse_percent.map_or(0.0, f64::abs);
    cases.sort_by(|a, b| a.verdict.cmp(&b.verdict).then(size(b).total_cmp(&size(a))));
    cases
}

/// `NOT COMPARABLE`.
pub(super) fn name(verdict: Verdict) -> String {
    word(verdict).to_uppercase()
}

/// How a verdict is to be taken.
pub(super) fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Regressed | Verdict::Suspected | Verdict::Failed | Verdict::Vanished => Tone::Bad,
        Verdict::NotComparable | Verdict::Unstable | Verdict::Inconclusive | Verdict::Shifted => {
            Tone::Doubtful
        }
        Verdict::Improved => Tone::Good,
        Verdict::Equivalent | Verdict::New => Tone::Plain,
    }
}

pub(super) fn verdict(case: &Compared) -> String {
    match case.severity {
        Some(severity) => format!("{} ({})", name(case.verdict), word(severity)),
        None => name(case.verdict),
    }
}

/// Why, and what would tell more.
pub(super) fn remarks(case: &Compared) -> String {
    let needed = case.launches_needed.map(|launches| launches_needed(launches, launches));
    case.remarks.iter().cloned().chain(needed).collect::<Vec<_>>().join("; ")
}

/// So many launches that nobody makes them.
pub(super) const FUTILE: usize = 100;

/// How many launches would tell of one case, or of several that need from `least` to `most`.
pub(super) fn launches_needed(least: usize, most: usize) -> String {
    match () {
        () if least >= FUTILE => {
            format!("more than {FUTILE} launches of each side would be needed")
        }
        () if least == most => format!("about {least} launches of each side would tell"),
        () => format!("about {least} to {most} launches of each side would tell"),
    }
}

/// One line on a case for logs: what changed and how sure that is.
pub(super) fn sentence(case: &Compared) -> String {
    let mut text = format!("{} {}", case.id, verdict(case));
    if let (Some(worse), Some(before), Some(after)) =
        (case.worse_percent, case.baseline, case.candidate)
    {
        let word = if worse >= 0.0 { "worse" } else { "better" };
        let _ = write!(
            text,
            ": {} {word}, {} before and {} now",
            percent(worse.abs()),
            quantity(before, &case.unit),
            quantity(after, &case.unit)
        );
    }
    if let Some([low, high]) = case.ci {
        let _ = write!(text, ", ratio within {low:.3} to {high:.3}");
    }
    if let Some(p) = case.p_adjusted.filter(|_| case.verdict == Verdict::Regressed) {
        let _ = write!(text, ", adjusted p {}", probability(p));
    }
    match remarks(case) {
        remarks if remarks.is_empty() => text,
        remarks => format!("{text} ({remarks})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_that_need_different_numbers_of_launches_are_told_as_a_range() {
        assert_eq!(launches_needed(5, 5), "about 5 launches of each side would tell");
        assert_eq!(launches_needed(5, 75), "about 5 to 75 launches of each side would tell");
        assert_eq!(
            launches_needed(100, 400),
            "more than 100 launches of each side would be needed"
        );
    }
}
