//! One case in several launches.

use super::agreement::Agreement;
use super::middle;
use crate::analysis::times_ms;
use crate::base::caveat::Caveat;
use crate::base::failure::CaseError;
use crate::report::{Case, Measured, Outcome, Replicate, Replication};

/// A launch's case with its figures.
#[derive(Debug, Clone, Copy)]
struct LaunchCase<'a> {
    replicate: usize,
    case: &'a Case,
    measured: &'a Measured,
}

/// A case as all launches together have it: `found` in those that got to it, with their numbers. It is reproducible
/// when it varies by no more than `bound` percent, where that is configured.
pub(super) fn merged(
    found: &[(usize, &Case)],
    launches: usize,
    bound: Option<f64>,
) -> Option<Case> {
    let cases: Vec<LaunchCase<'_>> = found
        .iter()
        .filter_map(|&(replicate, case)| {
            Some(LaunchCase { replicate, case, measured: case.measured.as_ref()? })
        })
        .collect();
    let worst = found.iter().copied().reduce(|a, b| if is_worse(b.1, a.1) { b } else { a })?;
    let typical = middle(cases.clone(), |one| one.measured.latency.median);
    let mut merged = typical.map_or(worst.1, |one| one.case).clone();
    if launches > 1 {
        let alike = found.iter().all(|(_, case)| case.outcome == Outcome::Skipped);
        if !alike {
            blame(&mut merged, worst);
        }
        merged.replication = replication(&cases, bound);
        for caveat in cases.iter().flat_map(|one| &one.case.caveats) {
            if !merged.caveats.iter().any(|known: &Caveat| known.mark() == caveat.mark()) {
                merged.caveats.push(caveat.clone());
            }
        }
    }
    Some(merged)
}

fn is_worse(case: &Case, than: &Case) -> bool {
    match (&case.error, &than.error) {
        (Some(a), Some(b)) => {
            let (a, b) = (a.kind.exit(), b.kind.exit());
            a != b && a.worst(b) == a
        }
        (a, None) => {
            a.is_some() || (case.outcome == Outcome::Skipped && than.outcome == Outcome::Measured)
        }
        (None, Some(_)) => false,
    }
}

/// What went wrong in any launch went wrong; which one it was is said.
fn blame(merged: &mut Case, (replicate, worst): (usize, &Case)) {
    merged.outcome = worst.outcome;
    let named = |text: &str| format!("in launch {}: {text}", replicate + 1);
    merged.reason = worst.reason.as_deref().map(named);
    merged.error =
        worst.error.clone().map(|error| CaseError { detail: named(&error.detail), ..error });
    if worst.error.is_some() && worst.accuracy.is_some() {
        merged.accuracy.clone_from(&worst.accuracy);
    }
}

fn replication(cases: &[LaunchCase<'_>], bound: Option<f64>) -> Option<Replication> {
    let confidence = cases.first()?.measured.latency.confidence;
    let medians: Vec<f64> = cases.iter().map(|one| one.measured.latency.median).collect();
    let Agreement { median_ms, ci, between_percent, reproducible } =
        Agreement::of(&medians, confidence, bound)?;
    let launches = cases.iter().map(replicate).collect();
    Some(Replication { launches, median_ms, ci, between_percent, reproducible })
}

fn replicate(launch: &LaunchCase<'_>) -> Replicate {
    Replicate {
        replicate: launch.replicate,
        median_ms: launch.measured.latency.median,
        iterations: launch.measured.iterations,
        invalid: launch.measured.invalid,
        times_ms: times_ms(launch.case),
    }
}
