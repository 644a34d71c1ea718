//! The trimmed mean, and how well it is known.

/// The share of the values that is left out at each end.
const TRIMMED: f64 = 0.2;

/// The mean of the values without the largest and the smallest fifth of them, each rounded down: of fewer than five
/// values, of all. One launch of five that was disturbed does not move it far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Trimmed {
    pub(super) mean: f64,
    /// The variance of one value, by which the plain mean of as many would be as uncertain as this one:
    /// n(n − 1)s²/(h(h − 1)), with s² the winsorised variance and h the number of values that are left (Yuen, 1974).
    pub(super) variance: f64,
    /// Degrees of freedom of the variance: h − 1.
    pub(super) freedom: f64,
    /// The number of values.
    pub(super) n: f64,
}

impl Trimmed {
    pub(super) fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        Self::of_repeated(&sorted, &vec![1; sorted.len()])
    }

    /// Of `sorted` values, each as often as its count says.
    pub(super) fn of_repeated(sorted: &[f64], counts: &[usize]) -> Self {
        let n: usize = counts.iter().sum();
        let left_out = (TRIMMED * n as f64) as usize;
        let mut seen = 0;
        // How often each value is left, and how often it stands in the winsorised sample: there, those that are left
        // out at an end are as the last that is not.
        // Differences of large values keep their digits.
        let origin = sorted.first().copied().unwrap_or(0.0);
        let parts = |value: &f64, count: usize, seen: &mut usize| {
            let (from, to) = (*seen, *seen + count);
            *seen = to;
            let left = to.min(n - left_out).saturating_sub(from.max(left_out));
            let is_first = from <= left_out && left_out < to;
            let is_last = from < n - left_out && n - left_out <= to;
            let ends = usize::from(is_first) + usize::from(is_last);
            (value - origin, left as f64, (left + ends * left_out) as f64)
        };
        let (mut sum, mut winsorised) = (0.0, 0.0);
        for (value, count) in sorted.iter().zip(counts) {
            let (value, left, times) = parts(value, *count, &mut seen);
            sum += left * value;
            winsorised += times * value;
        }
        let (h, n_values) = ((n - 2 * left_out) as f64, n as f64);
        let centre = winsorised / n_values;
        let mut squares = 0.0;
        seen = 0;
        for (value, count) in sorted.iter().zip(counts) {
            let (value, _, times) = parts(value, *count, &mut seen);
            squares += times * (value - centre).powi(2);
        }
        let variance = if h > 1.0 { n_values * squares / (h * (h - 1.0)) } else { 0.0 };
        Self { mean: origin + sum / h, variance, freedom: h - 1.0, n: n_values }
    }
}

/// The mean of `values` without the largest and the smallest fifth of them, each rounded down: of fewer than five
/// values, of all; NaN for no values.
pub fn trimmed_mean(values: &[f64]) -> f64 {
    Trimmed::of(values).mean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::golden::{close, golden, number, numbers};

    #[test]
    fn as_in_scipy() {
        for case in golden("pairs") {
            let [x, y] = ["x", "y"].map(|side| Trimmed::of(&numbers(&case[side])));
            let yuen = &case["yuen"];
            let [a, b] = [x, y].map(|side| side.variance / side.n);
            let freedom = (a + b).powi(2) / (a * a / x.freedom + b * b / y.freedom);
            close(y.mean - x.mean, number(&yuen["difference"]), 1e-6);
            close((y.mean - x.mean) / (a + b).sqrt(), number(&yuen["t"]), 1e-6);
            close(freedom, number(&yuen["freedom"]), 1e-7);
        }
    }

    #[test]
    fn a_count_is_as_good_as_a_repeated_value() {
        let repeated = Trimmed::of(&[1.0, 1.0, 1.0, 2.0, 5.0, 5.0, 9.0]);
        assert_eq!(Trimmed::of_repeated(&[1.0, 2.0, 4.0, 5.0, 9.0], &[3, 1, 0, 2, 1]), repeated);
        assert_eq!(repeated.mean, 14.0 / 5.0);
    }

    #[test]
    fn one_of_five_does_not_move_it() {
        let calm = Trimmed::of(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        let disturbed = Trimmed::of(&[1.0, 2.0, 3.0, 4.0, 500.0]);
        assert_eq!(calm, disturbed);
        assert_eq!(Trimmed::of(&[7.0]), Trimmed { mean: 7.0, variance: 0.0, freedom: 0.0, n: 1.0 });
    }
}
