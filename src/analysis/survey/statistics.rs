//! The statistics of a case.

use super::ranks;
use crate::analysis::launches::agreement;
use crate::analysis::times_ms;
use crate::report::{Case, Measured, Over, Report, Samples, Statistics};
use crate::stats;

/// The figures of a case whose launches have these medians, ms. `None` where no launch measured it.
pub(super) fn statistics(report: &Report, case: &Case, medians: &[f64]) -> Option<Statistics> {
    let Measured { latency, iterations, invalid, .. } = case.measured.as_ref()?;
    let bound = report.run.config.comparison.reproducible;
    let agreement = agreement(medians, latency.confidence, bound).filter(|_| medians.len() > 1);
    let agreement = agreement.as_ref();
    let median_ms = agreement.map_or(latency.median, |agreement| agreement.median_ms);
    // What the launch in the middle says of its own median, brought to this one.
    let scale = if latency.median > 0.0 { median_ms / latency.median } else { 1.0 };
    let (ci, ci_over) = match agreement.and_then(|agreement| agreement.ci) {
        Some(ci) => (Some(ci), Some(Over::Launches)),
        None => {
            (latency.ci.map(|ci| ci.map(|end| end * scale)), latency.ci.map(|_| Over::Iterations))
        }
    };
    // Where the report does not hold the samples there are medians of blocks, which are something else.
    let times = match case.samples {
        Samples::Inline { .. } => times_ms(case),
        _ => Vec::new(),
    };
    let rate = case.quoted_rate();
    Some(Statistics {
        launches: medians.len(),
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
        between_percent: agreement.map(|agreement| agreement.between_percent),
        reproducible: agreement.map(|agreement| agreement.reproducible),
        rank_spread: ranks::spread(case),
        rate: rate.map(|(_, rate)| rate / scale),
        rate_unit: rate.map(|(metric, _)| metric.unit.name().to_owned()),
    })
}
