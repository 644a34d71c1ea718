//! Resampling.

use super::order::{Interval, median, quantile_of_sorted, sorted};
use crate::random::Stream;

/// Resamples drawn.
const RESAMPLES: usize = 2000;

/// The percentile interval of `median(base) / median(other)`, by a moving-block bootstrap of both
/// (Künsch, 1989): blocks of ⌈n^(1/3)⌉ neighbours keep the dependence between iterations. The same
/// stream gives the same interval. `None` when either side has no values or a median of zero.
pub fn ratio_of_medians(
    base: &[f64],
    other: &[f64],
    confidence: f64,
    random: &mut Stream,
) -> Option<Interval> {
    if base.is_empty() || other.is_empty() || median(other)? == 0.0 {
        return None;
    }
    let ratios: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| Some(resampled_median(base, random)? / resampled_median(other, random)?))
        .filter(|ratio| ratio.is_finite())
        .collect();
    let ratios = sorted(&ratios);
    let tail = (1.0 - confidence) / 2.0;
    Some(Interval {
        low: quantile_of_sorted(&ratios, tail)?,
        high: quantile_of_sorted(&ratios, 1.0 - tail)?,
        coverage: confidence,
    })
}

fn resampled_median(values: &[f64], random: &mut Stream) -> Option<f64> {
    let n = values.len();
    let block = (n as f64).cbrt().ceil() as usize;
    let mut resample = Vec::with_capacity(n + block);
    while resample.len() < n {
        let start = random.below(n - block + 1);
        resample.extend_from_slice(&values[start..start + block]);
    }
    resample.truncate(n);
    median(&resample)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u64, n: usize, scale: f64) -> Vec<f64> {
        let mut random = Stream::new(seed, "test", &[]);
        (0..n).map(|_| scale * (1.0 + 0.1 * random.unit())).collect()
    }

    #[test]
    fn the_interval_covers_the_true_ratio_about_as_often_as_it_says() {
        let covered = (0..200).filter(|&seed| {
            let (base, other) = (noise(2 * seed, 60, 2.0), noise(2 * seed + 1, 60, 1.0));
            let mut random = Stream::new(seed, "bootstrap", &[]);
            let interval = ratio_of_medians(&base, &other, 0.95, &mut random).unwrap();
            interval.low <= 2.0 && 2.0 <= interval.high
        });
        // Binomial(200, 0.95) falls below 177 with probability 5e-5; the bootstrap is a little narrow.
        assert!(covered.count() >= 177);
    }

    #[test]
    fn the_same_stream_gives_the_same_interval() {
        let (base, other) = (noise(1, 30, 3.0), noise(2, 30, 1.0));
        let interval =
            || ratio_of_medians(&base, &other, 0.95, &mut Stream::new(7, "b", &[])).unwrap();
        assert_eq!(interval(), interval());
        let mut random = Stream::new(7, "b", &[]);
        assert_eq!(ratio_of_medians(&[], &other, 0.95, &mut random), None);
        assert_eq!(ratio_of_medians(&base, &[0.0; 3], 0.95, &mut random), None);
    }
}
