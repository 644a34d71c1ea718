//! Limits from what a fleet of healthy machines reaches.

use std::collections::BTreeMap;

use super::FLEET;
use crate::base::error::{Error, Result};
use crate::base::metric::Direction;
use crate::base::units::counted;
use crate::benchmark::metric::{LATENCY, Metric, OPERATIONS};
use crate::plan::config::LimitConfig;
use crate::report::Report;
use crate::stats;

/// How probably a healthy machine is worse than its limit.
const BROKEN: f64 = 0.01;

/// A bound that lets a machine pass which is so many times worse than the others bounds nothing.
const LOOSEST: f64 = 2.0;

/// How probably a healthy machine is taken for a sick one.
const SICK: f64 = 0.001;

/// For every case that at least three reports measured, an absolute bound on the rate that people quote for it, or
/// on its time where it has none: `margin` (a share) off the middle of the reports, or so far that one in a hundred
/// healthy machines lies beyond, where that is more: Student's t by the deviation of the reports' logarithms. What
/// lies so far off at least three others that one in a thousand would is sick, and is left out. Where machines differ so much
/// that one of half the rate would pass, there is no limit, and that is said.
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
    let mut loose = Vec::new();
    let limits: Vec<LimitConfig> = figures
        .into_iter()
        .filter(|(_, (_, values))| values.len() >= FLEET)
        .filter_map(|((case, key), (metric, values))| {
            let healthy = healthy(values.iter().map(|value| value.ln()).collect());
            let middle = stats::mean(&healthy);
            let spread = distance(&healthy, BROKEN)?;
            if spread > LOOSEST.ln() {
                loose.push(case);
                return None;
            }
            let off = margin.ln_1p().max(spread);
            let (at_least, at_most) = match metric.direction {
                Direction::HigherIsBetter => (Some(rounded((middle - off).exp())), None),
                Direction::LowerIsBetter => (None, Some(rounded((middle + off).exp()))),
            };
            let (case, metric) = (case.to_owned(), key.to_owned());
            Some(LimitConfig { case, metric, at_least, at_most, ..Default::default() })
        })
        .collect();
    if let Some(first) = loose.first() {
        tracing::warn!(
            "the reports differ so much that a machine of half the speed would pass: no limit for {}, such as {first}",
            counted(loose.len(), "case")
        );
    }
    if limits.is_empty() && loose.is_empty() {
        return Err(Error::usage(format!(
            "it takes {FLEET} reports of a case to derive limits, and no case is in so many ({} given); give reports \
             of more machines",
            reports.len()
        )));
    }
    Ok(limits)
}

/// The values without those that are too far off the others, the farthest first.
fn healthy(mut values: Vec<f64>) -> Vec<f64> {
    while values.len() > FLEET {
        let Some(median) = stats::median(&values) else { break };
        values.sort_by(|a, b| (a - median).abs().total_cmp(&(b - median).abs()));
        let Some((farthest, others)) = values.split_last() else { break };
        let bound = distance(others, SICK / 2.0);
        if bound.is_none_or(|bound| (farthest - stats::mean(others)).abs() <= bound) {
            break;
        }
        values.pop();
    }
    values
}

/// So far off the mean of `values` a further one lies with probability `tail`, if all are normal.
fn distance(values: &[f64], tail: f64) -> Option<f64> {
    let n = values.len() as f64;
    let quantile = stats::t_quantile(1.0 - tail, n - 1.0)?;
    Some(quantile * (stats::variance(values) * (1.0 + n.recip())).sqrt())
}

/// With as many digits as people write.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}
