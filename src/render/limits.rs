//! Limits as a section.

use super::document::{Attention, Section};
use super::plot::Tone;
use super::words::quantity;
use crate::base::metric::Direction;
use crate::report::{Basis, LimitCheck, LimitOutcome};

const TITLE: &str = "limits";

/// Each figure that breaks one.
pub(super) fn attention(checks: &[LimitCheck]) -> impl Iterator<Item = Attention> {
    let broken = checks.iter().filter(|check| check.outcome == LimitOutcome::Broken);
    broken.map(|check| Attention { says: sentence(check), at: TITLE.to_owned(), tone: Tone::Bad })
}

/// In how many figures the limits are kept, and each in which they are not.
pub(super) fn section(checks: &[LimitCheck]) -> Option<Section> {
    let count = |outcome| checks.iter().filter(|check| check.outcome == outcome).count();
    let (kept, unchecked) = (count(LimitOutcome::Kept), count(LimitOutcome::Unchecked));
    let checked = checks.len() - unchecked;
    let kept = (checked > 0).then(|| format!("{kept} of {checked} kept"));
    let unchecked = (unchecked > 0).then(|| format!("{unchecked} not checked"));
    let counts: Vec<String> = kept.into_iter().chain(unchecked).collect();
    let others = checks.iter().filter(|check| check.outcome != LimitOutcome::Kept).map(sentence);
    let lines = std::iter::once(counts.join(", ")).chain(others);
    Section::notes(TITLE, lines).filter(|_| !checks.is_empty())
}

fn sentence(check: &LimitCheck) -> String {
    let of = check.of.as_ref().map_or_else(String::new, |of| format!(" ({of})"));
    let broken = if check.outcome == LimitOutcome::Broken { "BROKEN " } else { "" };
    let what = format!("{broken}limit {}: {} of {}{of}", check.limit, check.metric, check.case);
    let basis = match &check.basis {
        Basis::Absolute => String::new(),
        Basis::Ceiling { percent, ceiling: Some(ceiling), source } => format!(
            ", {percent} % of the ceiling of {} ({})",
            quantity(*ceiling, &check.unit),
            source.as_deref().unwrap_or("no source")
        ),
        Basis::Ceiling { percent, .. } => format!(", {percent} % of a ceiling"),
        Basis::Fleet { percent, members } => {
            format!(", {percent} % of the median of {members}")
        }
    };
    let (Some(value), Some(bound)) = (check.value, check.bound) else {
        let why = check.why.as_deref().unwrap_or("there is nothing to hold it against");
        return format!("{what} was NOT CHECKED: {why}");
    };
    let relation = match (check.direction, check.outcome) {
        (Direction::HigherIsBetter, LimitOutcome::Broken) => "is below",
        (Direction::LowerIsBetter, LimitOutcome::Broken) => "is above",
        _ => "keeps to",
    };
    let missing = check.missing_percent.unwrap_or(0.0);
    let by = match check.outcome {
        LimitOutcome::Broken => format!(" by {missing:.1} %"),
        _ => format!(" with {:.1} % to spare", -missing),
    };
    let unit = &check.unit;
    format!("{what}: {} {relation} {}{by}{basis}", quantity(value, unit), quantity(bound, unit))
}
