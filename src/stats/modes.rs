//! Two modes: values that lie around two levels, with little between them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Share of the variance that two levels explain, from which on they are modes. They explain 64 % of normal and 75 % of
/// evenly spread values.
const EXPLAINED: f64 = 0.85;

/// Fewest values that show modes: of fewer, two levels explain as much by chance.
const FEWEST: usize = 25;

/// Levels closer than this share of the higher are one.
const TOLERANCE: f64 = 0.02;

/// Two modes of a series of values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Modes {
    /// Median of the lower mode.
    pub low: f64,
    /// Median of the higher.
    pub high: f64,
    /// Share of the values that are in the higher.
    pub high_share: f64,
    /// How often neighbours in time are of different modes.
    pub changes: usize,
}

/// Where ascending values part in two modes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Split {
    /// How many are in the lower mode.
    pub(super) below: usize,
    /// The medians of the modes.
    low: f64,
    high: f64,
}

impl Split {
    /// The split that explains most of the variance (Otsu, 1979), of ascending values with their indices in time.
    pub(super) fn of(sorted: &[(f64, usize)]) -> Option<Self> {
        let n = sorted.len() as f64;
        let mean = sorted.iter().map(|(value, _)| value / n).sum::<f64>();
        let total: f64 = sorted.iter().map(|(value, _)| (value - mean).powi(2)).sum();
        let (mut sum, mut best, mut below) = (0.0, 0.0, 0);
        for (count, (value, _)) in (1..sorted.len()).zip(sorted) {
            sum += value - mean;
            let explained = sum * sum * n / (count as f64 * (n - count as f64));
            if explained > best {
                (best, below) = (explained, count);
            }
        }
        if sorted.len() < FEWEST || best <= EXPLAINED * total {
            return None;
        }
        let (low, high) = (sorted[below / 2].0, sorted[below.midpoint(sorted.len())].0);
        (high - low > TOLERANCE * high.abs()).then_some(Self { below, low, high })
    }

    /// 1 for each value of the lower mode, 0 for the others, in order of time.
    pub(super) fn membership(&self, sorted: &[(f64, usize)]) -> Vec<f64> {
        let mut membership = vec![0.0; sorted.len()];
        sorted[..self.below].iter().for_each(|&(_, at)| membership[at] = 1.0);
        membership
    }

    /// What there is to say of the modes.
    pub(super) fn modes(&self, sorted: &[(f64, usize)]) -> Modes {
        let membership = self.membership(sorted);
        let changes = membership.windows(2).filter(|pair| pair[0] != pair[1]).count();
        let high_share = 1.0 - self.below as f64 / sorted.len() as f64;
        Modes { low: self.low, high: self.high, high_share, changes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::Stream;
    use crate::stats::autoregressive;
    use crate::stats::order::sorted_with_index;

    fn split(values: &[f64]) -> Option<Modes> {
        let sorted = sorted_with_index(values);
        Split::of(&sorted).map(|split| split.modes(&sorted))
    }

    #[test]
    fn two_levels_are_told_from_one() {
        let noise = autoregressive(0.0, 200, &mut Stream::new(1, "modes", &[]));
        let around = |gap: f64| -> Vec<f64> {
            let level = |i: usize| if i / 20 % 4 == 3 { 1.0 + gap } else { 1.0 };
            noise.iter().enumerate().map(|(i, noise)| level(i) * (1.0 + 0.01 * noise)).collect()
        };
        let found = split(&around(0.2)).unwrap();
        assert!((found.low - 1.0).abs() < 0.005 && (found.high - 1.2).abs() < 0.01, "{found:?}");
        assert!((found.high_share - 0.2).abs() < 1e-9 && found.changes == 4, "{found:?}");
        assert_eq!(split(&[[1.0; 10], [2.0; 10]].concat()), None);
        assert_eq!(split(&around(0.02)), None);
        let even: Vec<f64> = (0..200).map(f64::from).collect();
        let long_tail: Vec<f64> = noise.iter().map(|noise| (0.5 * noise).exp()).collect();
        for one in [&noise, &even, &long_tail, &vec![0.1; 50], &vec![0.0; 50], &vec![]] {
            assert_eq!(split(one), None);
        }
        // Closer than the tolerance, though nothing lies between.
        assert_eq!(split(&[[1.0; 20], [1.01; 20]].concat()), None);
    }
}
