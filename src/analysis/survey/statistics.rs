//! The statistics of a case.

use super::ranks;
use super::subject::Subject;
use crate::analysis::times_ms;
use crate::report::{Measured, Over, Samples, Statistics};
use crate::stats;

/// Up to what variation between launches a case is reproducible where the run's configuration says nothing,
/// percent.
pub(super) const REPRODUCIBLE_PERCENT: f64 = 5.0;

/// The figures of a subject. `None` where no launch measured it.
pub(super) fn statistics(subject: &Subject<'_>) -> Option<Statistics> {
    let measured = subject.case.measured.as_ref()?;
    let Measured { latency, iterations, invalid, .. } = measured;
    let (median_ms, ci, ci_over) = match subject.over_launches(latency.confidence) {
        Some((median, ci)) => (median, Some(ci), Some(Over::Launches)),
        None => (latency.median, latency.ci, latency.ci.map(|_| Over::Iterations)),
    };
    // Where the report does not hold the samples there are medians of blocks, which are something else.
    let times = match subject.case.samples {
        Samples::Inline { .. } => times_ms(subject.case),
        _ => Vec::new(),
    };
    let between_percent = subject.between_percent();
    let bound = subject.report.run.config.comparison.reproducible.unwrap_or(REPRODUCIBLE_PERCENT);
    let rate = subject.case.quoted_rate();
    Some(Statistics {
        launches: subject.medians.len(),
        iterations: *iterations,
        effective_samples: latency.effective_samples,
        invalid: *invalid,
        median_ms,
        ci,
        ci_over,
        confidence: latency.confidence,
        width_percent: ci
            .filter(|_| median_ms > 0.0)
            .map(|[low, high]| 100.0 * (high - low) / median_ms),
        mean_ms: latency.mean,
        std_dev_ms: latency.std_dev,
        cv_percent: latency.cv_percent,
        min_ms: latency.min,
        max_ms: latency.max,
        p95_ms: latency.p95,
        p99_ms: latency.p99,
        iterations_needed: latency.iterations_needed.clone(),
        outliers: (!times.is_empty()).then(|| stats::outliers(&times)),
        far_outliers: latency.outliers,
        autocorrelation: latency.autocorrelation,
        shapiro_wilk_p: stats::shapiro_wilk(&times).map(|found| found.p),
        anderson_darling_p: stats::anderson_darling(&times).map(|found| found.p),
        steady_state: latency.steady_state,
        steady_since: latency.steady_since,
        between_percent,
        reproducible: between_percent.map(|percent| percent <= bound),
        rank_spread: ranks::spread(subject.case),
        // The rate at the headline's median, brought to this one.
        rate: rate.filter(|_| median_ms > 0.0).map(|rate| rate.value * latency.median / median_ms),
        rate_unit: rate.map(|rate| rate.unit.to_owned()),
    })
}
