//! Order statistics: ranks, quantiles, the sample size that intervals of quantiles need, and outliers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The values in ascending order, each with its index in `values`.
pub(super) fn sorted_with_index(values: &[f64]) -> Vec<(f64, usize)> {
    let mut sorted: Vec<_> = values.iter().copied().zip(0..).collect();
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    sorted
}

/// The `q` quantile, Hyndman and Fan's type 8 (1996), which is median-unbiased; NumPy and R default
/// to type 7. `None` for no values.
pub fn quantile(values: &[f64], q: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
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

/// The smallest number of independent values for which the `q` quantile has an interval: both
/// P(B ≤ 0) = (1−q)^n and P(B ≥ n) = q^n must not exceed α/2.
pub(super) fn samples_needed(q: f64, confidence: f64) -> usize {
    let tail = (1.0 - confidence) / 2.0;
    let needed = |p: f64| (tail.ln() / p.ln()).ceil();
    needed(q).max(needed(1.0 - q)) as usize
}

/// The ranks, from 1, of ascending values, each with its index; tied values have their mean rank. Also the tie term
/// Σ (t³ − t) over ties of t values, 0 without ties.
pub(super) fn ranks(sorted: &[(f64, usize)]) -> (Vec<f64>, f64) {
    let mut ranks = vec![0.0; sorted.len()];
    let (mut ties, mut below) = (0.0, 0);
    for tie in sorted.chunk_by(|a, b| a.0 == b.0) {
        let size = tie.len() as f64;
        let rank = below as f64 + (size + 1.0) / 2.0;
        tie.iter().for_each(|&(_, place)| ranks[place] = rank);
        ties += size * size * size - size;
        below += tie.len();
    }
    (ranks, ties)
}

/// Numbers of values beyond Tukey's fences (Exploratory Data Analysis, 1977).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outliers {
    /// Values beyond the inner fences: more than 1.5 interquartile ranges from the quartiles.
    pub beyond_inner: usize,
    /// Their percentage of all values.
    pub beyond_inner_percent: f64,
    /// Values beyond the outer fences: more than 3 interquartile ranges from the quartiles.
    pub beyond_outer: usize,
    /// Their percentage of all values.
    pub beyond_outer_percent: f64,
}

/// Counts the outliers of `values`, by quartiles of type 8. Of normal values 0.7 % lie beyond the inner
/// fences and one in 430 000 beyond the outer fences. Times have longer tails and more outliers.
pub fn outliers(values: &[f64]) -> Outliers {
    let quartiles = (quantile(values, 0.25), quantile(values, 0.75));
    let (Some(low), Some(high)) = quartiles else { return Outliers::default() };
    let beyond = |ranges: f64| {
        let reach = ranges * (high - low);
        values.iter().filter(|&&value| value < low - reach || value > high + reach).count()
    };
    let percent = |count: usize| 100.0 * count as f64 / values.len() as f64;
    let (inner, outer) = (beyond(1.5), beyond(3.0));
    Outliers {
        beyond_inner: inner,
        beyond_inner_percent: percent(inner),
        beyond_outer: outer,
        beyond_outer_percent: percent(outer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::hostile::sample;
    use proptest::prelude::*;

    #[test]
    fn ties_share_the_mean_of_their_ranks() {
        let tied = ranks(&sorted_with_index(&[3.0, 0.0, 3.0, -0.0, 3.0, 9.0]));
        assert_eq!(tied, (vec![4.0, 1.5, 4.0, 1.5, 4.0, 6.0], 6.0 + 24.0));
        assert_eq!(ranks(&[]), (vec![], 0.0));
    }

    #[test]
    fn outliers_are_counted_on_both_sides() {
        let mut values: Vec<f64> = (0..97).map(f64::from).collect();
        assert_eq!(outliers(&values), Outliers::default());
        // The interquartile range is about 50.
        values.extend([-100.0, 200.0, 1e4]);
        let found = outliers(&values);
        assert_eq!((found.beyond_inner, found.beyond_outer), (3, 1));
        assert_eq!((found.beyond_inner_percent, found.beyond_outer_percent), (3.0, 1.0));
        // Where most are equal, any other lies beyond.
        assert_eq!(outliers(&[&[5.0; 20][..], &[6.0]].concat()).beyond_outer, 1);
        assert_eq!(outliers(&[]), Outliers::default());
    }

    proptest! {
        #[test]
        fn outer_ones_are_among_the_inner(values in sample(0)) {
            let found = outliers(&values);
            prop_assert!(found.beyond_outer <= found.beyond_inner);
            prop_assert!(found.beyond_inner <= values.len());
            prop_assert!((0.0..=100.0).contains(&found.beyond_inner_percent));
        }
    }
}
