//! From times to what the report says of them.

use std::collections::BTreeMap;

use crate::base::units::milliseconds;
use crate::measure::stop::rounds_missing;
use crate::plan::Budget;
use crate::report::{Definition, Latency};
use crate::stats::{self, Modes};

/// Quantiles that every report has.
const QUANTILES: [f64; 4] = [0.5, 0.9, 0.95, 0.99];

/// Blocks of iterations that medians are given for, and the fewest iterations that make them.
const BLOCKS: usize = 10;
const FEWEST: usize = 2 * BLOCKS;

/// The figures of `nanos`, in order of time. `clock_error` bounds what different clocks add to or take
/// from each, ns.
pub fn latency(
    nanos: &[f64],
    definition: Definition,
    budget: &Budget,
    clock_error: f64,
) -> Latency {
    let confidence = budget.confidence;
    let median = milliseconds(stats::median(nanos).unwrap_or(0.0));
    let mean = milliseconds(stats::mean(nanos));
    // One value has no spread.
    let variance = (nanos.len() > 1).then(|| stats::variance(nanos) * 1e-12);
    let std_dev = variance.map(f64::sqrt);
    let asked = budget.target.iter().flat_map(|target| target.quantiles.iter().copied());
    let quantiles = QUANTILES.into_iter().chain(asked).map(|q| (name(q), q));
    let modes = stats::undecided_modes(nanos).map(|modes| Modes {
        low: milliseconds(modes.low),
        high: milliseconds(modes.high),
        ..modes
    });
    let (mut quantile_ci, mut iterations_needed) = (BTreeMap::new(), BTreeMap::new());
    for (name, q) in quantiles {
        match stats::quantile_interval(nanos, q, confidence) {
            Some(interval) => {
                let ends = [milliseconds(interval.low), milliseconds(interval.high)];
                quantile_ci.insert(name, ends);
            }
            // However many there are, they may be of two modes.
            None if q == 0.5 && modes.is_some() => {}
            None => {
                let needed = stats::iterations_needed(nanos, q, confidence);
                iterations_needed.insert(name, needed);
            }
        }
    }
    let quantile = |q: f64| {
        let value = stats::quantile(nanos, q).map(milliseconds);
        value.filter(|_| quantile_ci.contains_key(&name(q)))
    };
    let percent = |part: f64, whole: f64| if whole > 0.0 { 100.0 * part / whole } else { 0.0 };
    let half_width = |q: f64| {
        let [low, high] = quantile_ci.get(&name(q))?;
        Some(percent((high - low) / 2.0, quantile(q)?))
    };
    let target_met = budget.target.as_ref().map(|target| rounds_missing(nanos, target) == 0);
    let steady = stats::steadiness(nanos);
    Latency {
        definition,
        unit: "ms".to_owned(),
        median,
        ci: quantile_ci.get(&name(0.5)).copied(),
        confidence,
        half_width_percent: half_width(0.5),
        target_met,
        mean,
        variance,
        std_dev,
        cv_percent: std_dev.map(|std_dev| percent(std_dev, mean)),
        min: milliseconds(nanos.iter().copied().fold(f64::INFINITY, f64::min)),
        max: milliseconds(nanos.iter().copied().fold(0.0, f64::max)),
        p50: quantile(0.5),
        p90: quantile(0.9),
        p95: quantile(0.95),
        p99: quantile(0.99),
        iterations_needed,
        outliers: stats::outliers(nanos).beyond_outer,
        autocorrelation: stats::autocorrelation(nanos),
        effective_samples: stats::effective_samples(nanos, 0.5),
        steady_state: steady.map(|(steadiness, _)| steadiness),
        modes,
        blocks: blocks(nanos),
        steady_since: steady.map(|(_, since)| since),
        clock_error_ms: (definition == Definition::LastEndMinusFirstStart)
            .then(|| milliseconds(clock_error)),
        quantile_ci,
    }
}

/// `p95` for 0.95, `p99.9` for 0.999.
fn name(q: f64) -> String {
    format!("p{}", (q * 1e5).round() / 1e3)
}

/// Medians of equally many iterations after one another, ms; none where those are few.
fn blocks(nanos: &[f64]) -> Vec<f64> {
    if nanos.len() < FEWEST {
        return Vec::new();
    }
    let edge = |block: usize| block * nanos.len() / BLOCKS;
    let medians = (0..BLOCKS).filter_map(|i| stats::median(&nanos[edge(i)..edge(i + 1)]));
    medians.map(milliseconds).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Target;

    fn budget(target: Option<Target>) -> Budget {
        Budget {
            quick: false,
            warmup: 5,
            iterations: 100,
            batch: None,
            target,
            min_seconds: 0.0,
            max_seconds: None,
            confidence: 0.95,
            check_every: None,
        }
    }

    /// Independent-looking times: a multiplicative walk through 0..n.
    fn nanos(n: u32) -> Vec<f64> {
        (0..n).map(|i| 1e6 + f64::from(i * 37 % n)).collect()
    }

    #[test]
    fn quantiles_beyond_the_data_are_null_with_the_number_needed() {
        let latency = latency(&nanos(101), Definition::SlowestRank, &budget(None), 0.0);
        assert!(latency.p95.is_some() && latency.p99.is_none());
        assert!(latency.quantile_ci.contains_key("p95"));
        assert!(latency.iterations_needed["p99"] >= 368);
        assert_eq!((latency.min, latency.target_met), (1.0, None));
        assert_eq!(latency.clock_error_ms, None);
    }

    #[test]
    fn one_value_has_no_spread() {
        let of = |nanos: &[f64]| latency(nanos, Definition::SlowestRank, &budget(None), 0.0);
        let one = of(&[2e6]);
        assert_eq!((one.variance, one.std_dev, one.cv_percent), (None, None, None));
        assert_eq!((one.mean, one.median, one.min, one.max), (2.0, 2.0, 2.0, 2.0));
        assert_eq!(of(&[2e6, 2e6]).variance, Some(0.0));
    }

    #[test]
    fn between_two_modes_there_is_no_interval_and_no_number_that_helps() {
        let target = Target { half_width: 0.5, quantiles: Vec::new(), confidence: 0.95 };
        let nanos: Vec<f64> =
            nanos(200).iter().zip(0..).map(|(n, i)| n * f64::from(1 + i / 7 % 2)).collect();
        let latency = latency(&nanos, Definition::SlowestRank, &budget(Some(target)), 0.0);
        let modes = latency.modes.unwrap();
        assert!((modes.low - 1.0).abs() < 1e-3 && (modes.high - 2.0).abs() < 1e-3, "{modes:?}");
        assert_eq!((latency.ci, latency.p50, latency.half_width_percent), (None, None, None));
        assert!(!latency.iterations_needed.contains_key("p50"));
        assert_eq!(latency.target_met, Some(false));
    }

    #[test]
    fn a_target_is_met_by_every_quantile_asked_for_or_not_at_all() {
        let met = |half_width, quantiles: &[f64]| {
            let target = Target { half_width, quantiles: quantiles.to_vec(), confidence: 0.95 };
            latency(&nanos(101), Definition::SlowestRank, &budget(Some(target)), 0.0).target_met
        };
        assert_eq!(met(0.01, &[]), Some(true));
        assert_eq!(met(0.01, &[0.95]), Some(true));
        assert_eq!(met(0.01, &[0.999]), Some(false));
        assert_eq!(met(1e-6, &[]), Some(false));
    }
}
