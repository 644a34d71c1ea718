//! When to stop: once intervals are narrow enough.

use crate::plan::Target;
use crate::stats::{effective_samples, iterations_needed, quantile, quantile_interval};

/// What values must be worth before an interval decides, in independent ones. The worth is itself an
/// estimate, with an error of about 1/√worth, and to stop is to pick the times when it is too high.
/// Without this bound the median's interval covers in 86 % of runs at φ = 0.8 and a coefficient of
/// variation of 1 %, with 40 in 93.6 %, with 50 in 94.4 %; only series that reach the target early
/// pay for it. An interval narrower than the target, or a second look to confirm the first, costs
/// 15 % more iterations everywhere and mends less (86 and 89 %).
const WORTH: usize = 50;

/// Rounds before the first look. In fewer a level that holds for tens of rounds seems to be the only one: of runs that
/// change between two levels every 25 rounds, 10 % stop in one of them after 50, 4 % after 100.
const FIRST: usize = 100;

/// Least rounds between two looks.
const FEWEST: usize = 10;

/// How many rounds to run before the next look at `values`, in order of time; 0 when the target is met.
/// Widths shrink with 1/√n. A prediction from few values is poor, so they at most double.
pub fn rounds_missing(values: &[f64], target: &Target) -> usize {
    let n = values.len();
    if n < FIRST {
        return FIRST - n;
    }
    let quantiles = target.quantiles.iter().chain(&[0.5]);
    let needed = quantiles.map(|&q| needed(values, q, target)).fold(0.0, f64::max);
    if needed <= n as f64 { 0 } else { (needed.ceil() as usize - n).clamp(FEWEST, n) }
}

/// How many values in all the interval of the `q` quantile takes.
fn needed(values: &[f64], q: f64, target: &Target) -> f64 {
    let n = values.len() as f64;
    let worthy = n * WORTH as f64 / effective_samples(values, q);
    let reached = quantile_interval(values, q, target.confidence).zip(quantile(values, q));
    let Some((interval, value)) = reached else {
        let needed = worthy.max(iterations_needed(values, q, target.confidence) as f64);
        // Enough of them, but of two modes: nobody knows how many tell in which the median is.
        return if needed > n { needed } else { 2.0 * n };
    };
    let (half, bound) = ((interval.high - interval.low) / 2.0, target.half_width * value);
    if half <= bound { worthy } else { worthy.max(n * (half / bound).powi(2)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::Stream;
    use crate::stats::autoregressive;

    fn target(quantiles: &[f64]) -> Target {
        Target { half_width: 0.01, quantiles: quantiles.to_vec(), confidence: 0.95 }
    }

    #[test]
    fn it_looks_seldom_and_stops() {
        assert_eq!(rounds_missing(&[], &target(&[])), 100);
        assert_eq!(rounds_missing(&[1.0; 45], &target(&[])), 55);
        assert_eq!(rounds_missing(&[1.0; 100], &target(&[])), 0);
        assert_eq!(rounds_missing(&[0.0; 100], &target(&[])), 0);
        // Too few for p99 (368), and for p99.9.
        assert_eq!(rounds_missing(&[1.0; 300], &target(&[0.99])), 68);
        assert_eq!(rounds_missing(&[1.0; 360], &target(&[0.99])), 10);
        assert_eq!(rounds_missing(&[1.0; 100], &target(&[0.999])), 100);
        // Far too wide.
        let wide: Vec<f64> = (0..100).map(|i| 1.0 + f64::from(i % 2)).collect();
        assert_eq!(rounds_missing(&wide, &target(&[])), 100);
    }

    /// In how many of 300 runs the interval that ended a run covers the quantile.
    fn covered(phi: f64, cv: f64, quantiles: &[f64], q: f64, truth: f64) -> usize {
        let target = target(quantiles);
        let covers = |&seed: &u64| {
            let values = autoregressive(phi, 20_000, &mut Stream::new(seed, "stop", &[]));
            let values: Vec<f64> = values.iter().map(|value| 1.0 + cv * value).collect();
            let mut n = 0;
            while let more @ 1.. = rounds_missing(&values[..n], &target) {
                n += more;
            }
            let interval = quantile_interval(&values[..n], q, 0.95).unwrap();
            (interval.low - 1.0) / cv <= truth && truth <= (interval.high - 1.0) / cv
        };
        (0..300).filter(covers).count()
    }

    #[test]
    fn intervals_of_ended_runs_cover_as_often_as_they_say() {
        for phi in [0.0, 0.5, 0.8] {
            let median = covered(phi, 0.02, &[], 0.5, 0.0);
            assert!(median >= 279, "{median} of 300 at {phi}");
        }
        let p95 = covered(0.5, 0.02, &[0.95], 0.95, 1.644_854);
        assert!(p95 >= 279, "{p95} of 300");
    }

    #[test]
    fn what_changes_between_two_modes_does_not_stop() {
        let target = target(&[]);
        for stay in [5.0, 25.0] {
            let stops = |&seed: &u64| {
                let values =
                    crate::stats::switching(stay, 3000, &mut Stream::new(seed, "stop", &[]));
                let mut n = 0;
                while let more @ 1.. = rounds_missing(&values[..n], &target) {
                    n += more;
                    if n > values.len() {
                        return false;
                    }
                }
                true
            };
            let stopped = (0..300).filter(stops).count();
            assert!(stopped <= 21, "{stopped} of 300 at {stay}");
        }
    }
}
