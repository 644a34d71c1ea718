//! Quantiles and their exact, distribution-free intervals.

use statrs::distribution::{Binomial, DiscreteCDF as _};

/// An interval that holds the true value with at least the stated confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// True coverage for independent samples; at least what was asked for.
    pub coverage: f64,
}

/// The values in rising order.
pub(super) fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The `q` quantile, Hyndman and Fan's type 8 (1996), which is median-unbiased; numpy and R default
/// to type 7. `None` for no values.
pub fn quantile(values: &[f64], q: f64) -> Option<f64> {
    quantile_of_sorted(&sorted(values), q)
}

pub(super) fn quantile_of_sorted(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = (sorted.len() as f64 + 1.0 / 3.0) * q + 1.0 / 3.0 - 1.0;
    let below = (place.floor().max(0.0) as usize).min(last);
    let above = (below + 1).min(last);
    let share = (place - below as f64).clamp(0.0, 1.0);
    Some(sorted[below] + share * (sorted[above] - sorted[below]))
}

/// The median; `None` for no values.
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// The interval of the `q` quantile from order statistics: with B ~ Binomial(n, q), the l-th and u-th
/// smallest values where l = max{r: P(B ≤ r−1) ≤ α/2} and u = min{s: P(B ≥ s) ≤ α/2}; coverage is
/// 1 − P(B ≤ l−1) − P(B ≥ u) (David and Nagaraja, Order Statistics, 7.1). Exact for independent
/// values; `None` when there are too few ([`samples_needed`]).
pub fn quantile_interval(values: &[f64], q: f64, confidence: f64) -> Option<Interval> {
    let sorted = sorted(values);
    let n = sorted.len() as u64;
    let binomial = Binomial::new(q, n).ok()?;
    let tail = (1.0 - confidence) / 2.0;
    // cdf(r − 1) ≤ tail holds for r up to the first r with cdf(r) > tail.
    let lower = (0..=n).find(|&r| binomial.cdf(r) > tail).filter(|&r| r >= 1)?;
    let upper = (1..=n).find(|&s| binomial.sf(s - 1) <= tail)?;
    let coverage = 1.0 - binomial.cdf(lower - 1) - binomial.sf(upper - 1);
    let at = |rank: u64| sorted[rank as usize - 1];
    Some(Interval { low: at(lower), high: at(upper), coverage })
}

/// The least number of independent values that give the `q` quantile an interval: both
/// P(B ≤ 0) = (1−q)^n and P(B ≥ n) = q^n must not exceed α/2.
pub fn samples_needed(q: f64, confidence: f64) -> usize {
    let tail = (1.0 - confidence) / 2.0;
    let needed = |p: f64| (tail.ln() / p.ln()).ceil();
    needed(q).max(needed(1.0 - q)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_of_type_8() {
        // R: quantile(1:10, c(.1, .5, .9), type = 8)
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        for (q, expected) in
            [(0.1, 1.366_666_666_666_667), (0.5, 5.5), (0.9, 9.633_333_333_333_333)]
        {
            assert!((quantile(&values, q).unwrap() - expected).abs() < 1e-12, "{q}");
        }
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[7.0], 0.99), Some(7.0));
    }

    #[test]
    fn the_exact_interval_of_the_median() {
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        let interval = quantile_interval(&values, 0.5, 0.95).unwrap();
        assert_eq!((interval.low, interval.high), (2.0, 9.0));
        assert!((interval.coverage - 0.978_515_625).abs() < 1e-12, "{}", interval.coverage);
        assert_eq!(quantile_interval(&values[..5], 0.5, 0.95), None);
    }

    #[test]
    fn quantiles_need_samples() {
        for (q, n) in [(0.5, 6), (0.95, 72), (0.99, 368), (0.999, 3688)] {
            assert_eq!(samples_needed(q, 0.95), n);
            let values: Vec<f64> = (0..n).map(|i| i as f64).collect();
            assert!(quantile_interval(&values, q, 0.95).is_some(), "{q}");
            assert!(quantile_interval(&values[1..], q, 0.95).is_none(), "{q}");
        }
    }

    proptest! {
        #[test]
        fn an_interval_holds_the_sample_median(
            values in prop::collection::vec(-1e6f64..1e6, 6..200),
        ) {
            let interval = quantile_interval(&values, 0.5, 0.95).unwrap();
            let median = median(&values).unwrap();
            prop_assert!(interval.low <= median && median <= interval.high);
            prop_assert!(interval.coverage >= 0.95);
        }
    }
}
