//! One case in several launches.

use super::{agreement, middle};
use crate::base::caveat::Caveat;
use crate::base::failure::CaseError;
use crate::report::times_ms;
use crate::report::{Case, Definition, Measured, Outcome, Replicate, Replication};

/// The number of a launch, its case, and the figures.
type LaunchCase<'a> = (usize, &'a Case, &'a Measured);

/// A case as all launches together have it: `found` in those that got to it, with their numbers. It is reproducible
/// when it varies by no more than `bound` percent, where that is configured.
pub(super) fn merged(
    found: &[(usize, &Case)],
    launches: usize,
    bound: Option<f64>,
) -> Option<Case> {
    let measured =
        found.iter().filter_map(|&(launch, case)| Some((launch, case, case.measured.as_deref()?)));
    let cases: Vec<LaunchCase<'_>> = measured.collect();
    let worst = found.iter().copied().reduce(|a, b| if is_worse(b.1, a.1) { b } else { a })?;
    let typical = middle(cases.clone(), |(.., measured)| measured.latency.median);
    let mut merged = typical.map_or(worst.1, |(_, case, _)| case).clone();
    if launches > 1 {
        let alike = found.iter().all(|(_, case)| case.outcome == Outcome::Skipped);
        if !alike {
            blame(&mut merged, worst);
        }
        merged.replication = replication(&cases, bound);
        for caveat in cases.iter().flat_map(|(_, case, _)| &case.caveats) {
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
    let (.., first) = cases.first()?;
    let replicate = |&(replicate, case, measured): &LaunchCase<'_>| Replicate {
        replicate,
        median_ms: measured.latency.median,
        local_median_ms: measured.by(Definition::SlowestRank).map(|latency| latency.median),
        iterations: measured.iterations,
        invalid: measured.invalid,
        times_ms: times_ms(case),
    };
    let launches: Vec<Replicate> = cases.iter().map(replicate).collect();
    let medians: Vec<f64> = launches.iter().map(|launch| launch.median_ms).collect();
    let agreement = agreement(&medians, first.latency.confidence, bound)?;
    Some(Replication { launches, ..agreement })
}
