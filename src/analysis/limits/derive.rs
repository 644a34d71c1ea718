//! Limits from what a fleet of healthy machines reaches.

use std::collections::BTreeMap;

use super::FLEET;
use crate::base::error::{Error, Result};
use crate::base::metric::Direction;
use crate::benchmark::metric::{LATENCY, Metric, OPERATIONS};
use crate::plan::config::LimitConfig;
use crate::report::Report;
use crate::stats;

/// Standard deviations that healthy machines may lie apart.
const REACH: f64 = 3.0;

/// The median distance of normal values from their median, in standard deviations.
const MEDIAN_DISTANCE: f64 = 0.6745;

/// For every case that at least three reports measured, an absolute bound on the rate that people quote for it, or
/// on its time where it has none: `margin` (a share) off the median of the reports, or three of their standard
/// deviations (by the median distance from the median, which a sick machine among them does not move) where that
/// is more.
///
/// # Errors
/// Usage error when there are too few reports of any case.
pub fn derive_limits(reports: &[Report], margin: f64) -> Result<Vec<LimitConfig>> {
    let mut figures: BTreeMap<(&str, &'static str), (&'static Metric, Vec<f64>)> = BTreeMap::new();
    for case in reports.iter().flat_map(|report| &report.cases) {
        let rate = case.quoted_rate().filter(|(metric, _)| **metric != OPERATIONS);
        let metric = rate.map_or(&LATENCY, |(metric, _)| metric);
        let Some(value) = case.figure(metric) else { continue };
        let known = figures.entry((&case.id, metric.key));
        known.or_insert((metric, Vec::new())).1.push(value);
    }
    let limits: Vec<LimitConfig> = figures
        .into_iter()
        .filter(|(_, (_, values))| values.len() >= FLEET)
        .filter_map(|((case, key), (metric, values))| {
            let median = stats::median(&values)?;
            let distances: Vec<f64> = values.iter().map(|value| (value - median).abs()).collect();
            let spread = REACH * stats::median(&distances)? / MEDIAN_DISTANCE / median;
            let off = margin.max(spread);
            let (at_least, at_most) = match metric.direction {
                Direction::HigherIsBetter => (Some(rounded(median * (1.0 - off))), None),
                Direction::LowerIsBetter => (None, Some(rounded(median * (1.0 + off)))),
            };
            let (case, metric) = (case.to_owned(), key.to_owned());
            // A fleet that differs by more than everything bounds nothing.
            at_least.is_none_or(|least| least > 0.0).then(|| LimitConfig {
                case,
                metric,
                at_least,
                at_most,
                ..Default::default()
            })
        })
        .collect();
    if limits.is_empty() {
        return Err(Error::usage(format!(
            "it takes {FLEET} reports of a case to derive limits, and no case is in so many ({} given); give reports \
             of more machines",
            reports.len()
        )));
    }
    Ok(limits)
}

/// With as many digits as people write.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}
