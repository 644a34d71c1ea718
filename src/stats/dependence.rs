//! The effective sample size of autocorrelated values.

use std::f64::consts::{SQRT_2, TAU};

use statrs::function::erf::erfc_inv;

use super::modes::Split;
use super::order::{ranks, samples_needed, sorted_with_index};
use super::sample::{autocorrelations, variance};

/// Fewest blocks that are held against each other: with 12, runs of independent values lose their intervals.
const FEWEST_BLOCKS: usize = 25;

/// Upper bound of φ, so that the sum of its powers stays short.
const MAX_PHI: f64 = 0.99;

/// Least share of the variance that is taken for left; bounds τ where it is as long as the series.
const LEAST_LEFT: f64 = 0.05;

/// Correlations below this are left out of the sum.
const NEGLIGIBLE: f64 = 1e-4;

/// Intervals of Simpson's rule over a smooth function.
const INTERVALS: u32 = 16;

/// The number of independent values that would estimate the `q` quantile as precisely as `values`, which are in
/// order of time: n/τ with the autocorrelation time τ = 1 + 2 Σ ρ_k of the indicator x ≤ quantile, as a
/// quantile varies like the mean of its indicator (Sen, 1968). Between 1 and n: negative correlation does not
/// raise it above n.
///
/// τ is the longest of three: that of the indicator itself, which holds for any dependence but wastes most of what a few
/// hundred values tell; that of their ranks, which uses all values, as if they were of an AR(1) process; and that of
/// the mode each value is of, where there are two (`Split`), whose changes the noise within the modes hides from
/// the others. How often intervals by it hold is in docs/results/2026-11-29-intervals.md.
pub fn effective_samples(values: &[f64], q: f64) -> f64 {
    effective_size(&sorted_with_index(values), q)
}

/// The number of values like `values` that the `q` quantile needs for an interval.
pub fn iterations_needed(values: &[f64], q: f64, confidence: f64) -> usize {
    let per_sample = values.len().max(1) as f64 / effective_samples(values, q);
    (samples_needed(q, confidence) as f64 * per_sample).ceil() as usize
}

/// [`effective_samples`] of ascending values, each with its index in time.
pub(super) fn effective_size(sorted: &[(f64, usize)], q: f64) -> f64 {
    let n = sorted.len() as f64;
    // The share of values below each value, in order of time.
    let shares: Vec<f64> = ranks(sorted).0.iter().map(|rank| (rank - 0.5) / n).collect();
    let indicator = shares.iter().map(|&share| f64::from(share <= q)).collect();
    let modes = Split::of(sorted).map(|split| split.membership(sorted));
    let time = autocorrelation_time(indicator)
        .max(time_of_indicator(autocorrelation_time(shares), q))
        .max(modes.map_or(1.0, autocorrelation_time));
    (n / time).clamp(1.0, n.max(1.0))
}

/// The autocorrelation time, at least 1: values are averaged over blocks of 1, 2, 4, … of them (Flyvbjerg and Petersen,
/// 1989), and what is still correlated between the blocks of a size is taken for AR(1), τ = (1 + φ)/(1 − φ) blocks. The
/// longest of all sizes counts: small blocks tell more of short correlation, only large ones tell of slow noise beneath
/// fast. A φ within a standard error of 0, 1/√k for k blocks, or within two where there are larger blocks to choose from,
/// counts as 0. What the blocks vary about their own mean lacks up to τ/k of all; half of it is made up for, as the
/// correction of φ does the rest.
fn autocorrelation_time(mut blocks: Vec<f64>) -> f64 {
    let single = variance(&blocks);
    let (mut time, mut size) = (1.0f64, 1.0);
    while single > 0.0 && (blocks.len() >= FEWEST_BLOCKS || size == 1.0) {
        let grown = size * variance(&blocks) / single;
        let (phi, count) = (lag_one(&blocks), blocks.len() as f64);
        let noise = count.sqrt().recip();
        if phi > if size > 1.0 { 2.0 * noise } else { noise } {
            let of_blocks = (1.0 + phi) / (1.0 - phi);
            time = time.max(grown * of_blocks / (1.0 - of_blocks / (2.0 * count)).max(LEAST_LEFT));
        } else if grown > 1.0 + 2.0 * SQRT_2 * noise {
            time = time.max(grown);
        }
        blocks = blocks.chunks_exact(2).map(|pair| f64::midpoint(pair[0], pair[1])).collect();
        size *= 2.0;
    }
    time
}

/// The correlation of neighbours, which small samples underestimate by (1 + 4φ)/n (Kendall, 1954).
fn lag_one(values: &[f64]) -> f64 {
    let raw = autocorrelations(values.to_vec())(1);
    (raw + (1.0 + 4.0 * raw) / values.len() as f64).min(MAX_PHI)
}

/// The autocorrelation time of the indicator of the `q` quantile of a normal AR(1) process whose own is `time`.
fn time_of_indicator(time: f64, q: f64) -> f64 {
    let phi = ((time - 1.0) / (time + 1.0)).min(MAX_PHI);
    let powers = std::iter::successors(Some(phi), |power| Some(power * phi));
    let powers = powers.take_while(|&power| power > NEGLIGIBLE);
    1.0 + 2.0 * powers.map(|rho| indicator_correlation(rho, q)).sum::<f64>()
}

/// The correlation of the indicators x ≤ z and y ≤ z, with z the `q` quantile, of standard normal x and y with
/// correlation `rho`: the integral over r from 0 to rho of the bivariate density at (z, z) (Plackett, 1954),
/// divided by q(1 − q). With r = sin t the density is exp(−z²/(1 + sin t))/2π; the median gives (2/π) asin rho.
fn indicator_correlation(rho: f64, q: f64) -> f64 {
    let z = SQRT_2 * erfc_inv(2.0 * q);
    let step = rho.asin() / f64::from(INTERVALS);
    let density = |i: u32| (-z * z / (1.0 + (step * f64::from(i)).sin())).exp() / TAU;
    let inner = |i: u32| if i % 2 == 1 { 4.0 * density(i) } else { 2.0 * density(i) };
    let sum = density(0) + (1..INTERVALS).map(inner).sum::<f64>() + density(INTERVALS);
    sum * step / 3.0 / (q * (1.0 - q))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::Stream;
    use crate::stats::autoregressive;

    #[test]
    fn theory_of_normal_processes() {
        for rho in [0.1f64, 0.5, 0.9] {
            let expected = rho.asin() * 2.0 / std::f64::consts::PI;
            assert!((indicator_correlation(rho, 0.5) - expected).abs() < 1e-9, "{rho}");
        }
        // P(x, y ≤ z) = ∫ φ(x) Φ((z − 0.8x)/0.6) dx = 0.924756976 by 2,000,000 trapezia.
        assert!((indicator_correlation(0.8, 0.95) - 0.468_567_910).abs() < 1e-6);
        for phi in [0.0, 0.3, 0.5, 0.8] {
            let time = 1.0
                + (1..100)
                    .map(|k| 4.0 / std::f64::consts::PI * f64::powi(phi, k).asin())
                    .sum::<f64>();
            let values = autoregressive(phi, 50_000, &mut Stream::new(1, "theory", &[]));
            let share = effective_samples(&values, 0.5) / 50_000.0 * time;
            // The longest of all sizes is rather too long than too short.
            assert!((0.85..1.05).contains(&share), "{phi}: {share}");
        }
    }

    #[test]
    fn hand_made_series() {
        // r_1 = 0.7, so φ = 0.7 + 3.8/10 is bounded, and so is what is left.
        let halves = [[1.0; 5], [0.0; 5]].concat();
        assert!((autocorrelation_time(halves) - 1.99 / 0.01 / LEAST_LEFT).abs() < 1e-6);
        // Blocks of two vary twice as much as independent ones.
        let pairs: Vec<f64> = (0..1000).map(|i| f64::from(i / 2 % 2)).collect();
        assert!((autocorrelation_time(pairs) - 2.0).abs() < 0.01);
        let alternating: Vec<f64> = (0..100).map(|i| f64::from(i % 2)).collect();
        assert_eq!(effective_samples(&alternating, 0.5), 100.0);
        assert_eq!(effective_samples(&[0.1; 100], 0.5), 100.0);
        assert_eq!(effective_samples(&[], 0.5), 1.0);
        let rising: Vec<f64> = (0..100).map(f64::from).collect();
        assert!(effective_samples(&rising, 0.5) < 3.0);
        assert!(iterations_needed(&rising, 0.5, 0.95) > 200);
        assert_eq!(iterations_needed(&alternating, 0.95, 0.95), 72);
    }

    /// Noise that hides a slow process from neighbours.
    #[test]
    fn slow_noise_beneath_fast_is_found_in_blocks() {
        let slow = autoregressive(0.9, 1000, &mut Stream::new(1, "slow", &[]));
        let fast = autoregressive(0.0, 1000, &mut Stream::new(1, "fast", &[]));
        let sum = slow.iter().zip(fast).map(|(slow, fast)| slow + fast).collect();
        // Half of the variance has a time of 19.
        let time = autocorrelation_time(sum);
        assert!((7.0..16.0).contains(&time), "{time}");
    }
}
