//! How far launches agree.

use crate::stats;

/// Variation between launches up to which a case counts as reproducible, percent of the mean, unless configured.
pub(in crate::analysis) const REPRODUCIBLE_PERCENT: f64 = 5.0;

/// What the medians of launches come to.
#[derive(Debug, Clone, Copy)]
pub(in crate::analysis) struct Agreement {
    /// Their median, ms.
    pub(in crate::analysis) median_ms: f64,
    /// Its interval from order statistics over launches, where there are enough.
    pub(in crate::analysis) ci: Option<[f64; 2]>,
    /// Their standard deviation as percent of their mean.
    pub(in crate::analysis) between_percent: f64,
    /// Whether that is no more than the bound; one launch does not tell.
    pub(in crate::analysis) reproducible: bool,
}

impl Agreement {
    /// Of the launches with these medians; `None` where there is none. `bound` is that of a reproducible case, where
    /// it is configured.
    pub(in crate::analysis) fn of(
        medians: &[f64],
        confidence: f64,
        bound: Option<f64>,
    ) -> Option<Self> {
        let mean = stats::mean(medians);
        let std_dev = stats::variance(medians).sqrt();
        let between_percent = if mean > 0.0 { 100.0 * std_dev / mean } else { 0.0 };
        let interval = stats::independent_median_interval(medians, confidence);
        let bound = bound.unwrap_or(REPRODUCIBLE_PERCENT);
        Some(Self {
            median_ms: stats::median(medians)?,
            ci: interval.map(|interval| [interval.low, interval.high]),
            between_percent,
            reproducible: medians.len() > 1 && between_percent <= bound,
        })
    }
}
