//! What else is remarked about a case, beside how its time has changed.

use super::Rules;
use super::evidence::Evidence;
use crate::benchmark::metric::HOST_PEAK;
use crate::report::Case;

/// From which probability and ratio on it is remarked that launches differ more.
const SPREAD_P: f64 = 0.01;
const SPREAD_RATIO: f64 = 2.0;

/// How much more the results err, where that is too much.
pub(super) fn drift(baseline: &Case, candidate: &Case, rules: &Rules) -> Option<(f64, String)> {
    let error = |case: &Case| case.accuracy.as_ref().map(|accuracy| accuracy.max_rel);
    let (before, after) = (error(baseline)?, error(candidate)?);
    (after - before > rules.accuracy_drift).then(|| {
        let remark =
            format!("ACCURACY: the largest relative error grew from {before:.2e} to {after:.2e}");
        (after - before, remark)
    })
}

/// How much more memory the hungriest rank takes, where that is worth a warning.
pub(super) fn memory(baseline: &Case, candidate: &Case, rules: &Rules) -> Option<String> {
    let (before, after) = (baseline.figure(&HOST_PEAK)?, candidate.figure(&HOST_PEAK)?);
    (after > before * (1.0 + rules.memory)).then(|| {
        let (before, after) = (before / 1e6, after / 1e6);
        format!("MEMORY: a rank takes up to {after:.1} MB, {before:.1} MB before")
    })
}

/// How much more the launches differ from each other than before, where that is no accident: such a case may be faster
/// and still be worse to rely on.
pub(super) fn spread(evidence: &Evidence) -> Option<String> {
    let ([before, after], p) = evidence.spread?;
    (p <= SPREAD_P && after >= SPREAD_RATIO * before).then(|| {
        let [before, after] = [before, after].map(|deviation| 100.0 * deviation);
        format!("SPREAD: launches differ by {after:.1} %, {before:.1} % before (p {p:.4})")
    })
}
