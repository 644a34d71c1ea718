//! Warming up: until time is flat.

use crate::stats;

/// Blocks of rounds after which it is warm, flat or not.
const MOST_BLOCKS: u32 = 20;

/// Time after which it is warm, flat or not, seconds: far more than clocks and caches need.
const PATIENCE_S: f64 = 2.0;

/// Medians of two blocks that differ by less are the same, as a share of them.
const SAME: f64 = 0.02;

/// Looks at block after block of untimed rounds.
#[derive(Debug, Default)]
pub(super) struct Warmup {
    blocks: u32,
    last: Option<f64>,
}

impl Warmup {
    /// Whether it is warm after one more block (of `--warmup` rounds) that took its rounds `nanos`, `elapsed_s` after
    /// the first began. As long as ranks come late to the start it is not. Flat means: the medians of two blocks
    /// differ by less than 2 %, or by no more than the spread within the blocks explains.
    pub(super) fn is_over(&mut self, nanos: &[f64], late: bool, elapsed_s: f64) -> bool {
        self.blocks += 1;
        let quantile = |q| stats::quantile(nanos, q).unwrap_or(0.0);
        let median = quantile(0.5);
        // A median's standard error is 1.25 sigma / sqrt(n), and sigma is the interquartile range / 1.35,
        // for normal values; two of them, and twice that for 95 %.
        let spread = (quantile(0.75) - quantile(0.25)) / 1.35;
        let chance = 2.0 * 2f64.sqrt() * 1.25 * spread / (nanos.len() as f64).sqrt();
        let last = self.last.replace(median);
        let flat =
            !late && last.is_some_and(|last| (median - last).abs() <= chance.max(SAME * last));
        flat || self.blocks >= MOST_BLOCKS || elapsed_s > PATIENCE_S
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lasts_until_time_is_flat() {
        let mut warmup = Warmup::default();
        let took = [9e3, 5e3, 3e3, 2e3, 1.99e3];
        let over = took.map(|nanos| warmup.is_over(&[nanos; 5], false, 0.0));
        assert_eq!(over, [false, false, false, false, true]);
    }

    #[test]
    fn it_ends_when_time_never_gets_flat() {
        let mut warmup = Warmup::default();
        let blocks = (0..)
            .map(|i| 2f64.powi(i))
            .take_while(|&nanos| !warmup.is_over(&[nanos; 5], false, 0.0));
        assert_eq!(blocks.count(), MOST_BLOCKS as usize - 1);
        assert!(Warmup::default().is_over(&[1.0], true, 2.5));
    }

    #[test]
    fn noise_is_not_a_trend() {
        let mut warmup = Warmup::default();
        assert!(!warmup.is_over(&[100.0, 120.0, 140.0, 110.0, 130.0], false, 0.1));
        assert!(warmup.is_over(&[110.0, 130.0, 150.0, 120.0, 140.0], false, 0.2));
    }
}
