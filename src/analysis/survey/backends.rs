//! Cases that several backends have measured, side by side.

use super::subject::{Subject, origin};
use crate::report::{AcrossBackends, BackendTime, Origin};

/// The cases that more than one backend has measured, in their order; figures of a model or of ranks that share a GPU are
/// left out.
pub(super) fn across(subjects: &[Subject<'_>]) -> Vec<AcrossBackends> {
    let mut found: Vec<AcrossBackends> = Vec::new();
    for subject in subjects.iter().filter(|subject| origin(subject.report) == Origin::Measured) {
        let Some(statistics) = &subject.examined.statistics else { continue };
        let Some(latency) = subject.case.latency().filter(|_| statistics.median_ms > 0.0) else {
            continue;
        };
        let time = BackendTime {
            backend: subject.report.run.backend.clone(),
            reports: subject.examined.reports.clone(),
            median_ms: statistics.median_ms,
            definition: latency.definition,
            speedup: 1.0,
        };
        match found.iter_mut().find(|case| case.id == subject.case.id) {
            Some(case) => {
                let speedup = case.times[0].median_ms / time.median_ms;
                case.times.push(BackendTime { speedup, ..time });
            }
            None => {
                found.push(AcrossBackends { id: subject.case.id.clone(), times: vec![time] });
            }
        }
    }
    found.retain(|case| case.times.iter().any(|time| time.backend != case.times[0].backend));
    found
}
