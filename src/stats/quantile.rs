//! Quantiles, and the sample size that their intervals need.

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
