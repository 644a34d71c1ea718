//! The Mann-Whitney rank-sum test.

use statrs::distribution::{ContinuousCDF as _, Normal};
use statrs::function::factorial::ln_binomial;

use super::order::{ranks, sorted_with_index};
use super::p_value::{TestResult, clamp_p};

/// Up to this number of values in both samples the distribution of U is exact: f64 holds the counts exactly, and
/// the normal approximation is good beyond.
const EXACT_LIMIT: usize = 40;

/// Tests H₀: P(x < y) + P(x = y)/2 = 1/2, against a larger probability (Mann and Whitney, 1947). The statistic is
/// U: the number of pairs whose greater value is in the second sample; ties count one half. It does not compare
/// medians. Exact for up to 40 values without ties; otherwise the normal approximation, corrected for ties and
/// continuity, which is rough for few values with many ties. `None` for an empty sample or NaN.
pub fn rank_sum(x: &[f64], y: &[f64]) -> Option<TestResult> {
    let (u, ties) = mann_whitney_u(x, y)?;
    let (m, n) = (x.len(), y.len());
    let pairs = (m * n) as f64;
    let p = if ties == 0.0 && m + n <= EXACT_LIMIT {
        // By symmetry.
        exact_cdf(pairs - u, m, n)
    } else {
        let all = (m + n) as f64;
        let variance = pairs / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
        let beyond = u - pairs / 2.0 - 0.5;
        // If all values are tied, U has one possible value.
        if variance > 0.0 { Normal::standard().sf(beyond / variance.sqrt()) } else { 1.0 }
    };
    Some(TestResult { statistic: u, p: clamp_p(p) })
}

/// The smallest p-value that [`rank_sum`] can return without ties: one of all orders where it is exact.
pub fn smallest_rank_sum_p(x: usize, y: usize) -> f64 {
    let exact = x + y <= EXACT_LIMIT;
    if exact { (-ln_binomial((x + y) as u64, y as u64)).exp() } else { 0.0 }
}

/// U of `y`, ties as halves, and the [tie term](ranks).
pub(super) fn mann_whitney_u(x: &[f64], y: &[f64]) -> Option<(f64, f64)> {
    let all = [x, y].concat();
    if x.is_empty() || y.is_empty() || all.iter().any(|value| value.is_nan()) {
        return None;
    }
    let (ranks, ties) = ranks(&sorted_with_index(&all));
    let n = y.len() as f64;
    let sum: f64 = ranks[x.len()..].iter().sum();
    Some((sum - n * (n + 1.0) / 2.0, ties))
}

/// P(U ≤ `u`) under H₀ for `m` and `n` values without ties, by the recurrence
/// N(u; m, n) = N(u − n; m − 1, n) + N(u; m, n − 1): the greatest value is in the first sample or in the second.
fn exact_cdf(u: f64, m: usize, n: usize) -> f64 {
    // counts[i][u] for i values of the first sample and `others` of the second.
    let mut counts = vec![vec![0.0; m * n + 1]; m + 1];
    counts.iter_mut().for_each(|of_u| of_u[0] = 1.0);
    for others in 1..=n {
        for i in 1..=m {
            for u in others..=i * others {
                counts[i][u] += counts[i - 1][u - others];
            }
        }
    }
    let total: f64 = counts[m].iter().sum();
    counts[m].iter().take(u as usize + 1).sum::<f64>() / total
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::golden::{close, golden, number, numbers};
    use crate::stats::hostile::sample;
    use proptest::prelude::*;

    fn greater(x: &[f64], y: &[f64]) -> f64 {
        rank_sum(x, y).unwrap().p
    }

    fn two_sided(x: &[f64], y: &[f64]) -> f64 {
        (2.0 * greater(x, y).min(greater(y, x))).min(1.0)
    }

    #[test]
    fn separated_samples_in_either_order() {
        let (low, high) = ([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]);
        for (x, y) in [(low, high), (high, low)] {
            assert!((two_sided(&x, &y) - 0.1).abs() < 1e-15);
        }
        assert!((greater(&low, &high) - 0.05).abs() < 1e-15);
        assert_eq!(greater(&high, &low), 1.0);
        let rising: Vec<f64> = (0..16).map(f64::from).collect();
        let separated = |k: usize| two_sided(&rising[..k], &rising[k..2 * k]);
        assert!((separated(5) - 2.0 / 252.0).abs() < 1e-15);
        assert!((separated(8) - 2.0 / 12870.0).abs() < 1e-15);
        // Of unequal sizes, both ways round.
        assert!((two_sided(&rising[..2], &rising[2..9]) - 2.0 / 36.0).abs() < 1e-15);
        assert!((two_sided(&rising[..7], &rising[7..9]) - 2.0 / 36.0).abs() < 1e-15);
    }

    #[test]
    fn rank_sums_as_in_scipy() {
        for case in golden("pairs") {
            let (x, y) = (numbers(&case["x"]), numbers(&case["y"]));
            let expected = &case["rank_sum"];
            let found = rank_sum(&x, &y).unwrap();
            assert_eq!(found.statistic, number(&expected["u"]));
            close(two_sided(&x, &y), number(&expected["two_sided"]), 1e-9);
            close(greater(&y, &x), number(&expected["less"]), 1e-9);
            close(found.p, number(&expected["greater"]), 1e-9);
        }
    }

    #[test]
    fn equal_values_say_nothing() {
        assert_eq!(two_sided(&[1.0; 4], &[1.0; 9]), 1.0);
        assert_eq!(rank_sum(&[], &[1.0]), None);
        assert_eq!(rank_sum(&[f64::NAN], &[1.0]), None);
    }

    proptest! {
        #[test]
        fn swapped_samples_have_mirrored_p(x in sample(1), y in sample(1)) {
            let (there, back) = (rank_sum(&x, &y).unwrap(), rank_sum(&y, &x).unwrap());
            prop_assert_eq!(there.statistic, (x.len() * y.len()) as f64 - back.statistic);
            // Each value of U counts on both sides.
            prop_assert!(there.p + back.p >= 1.0 - 1e-9);
            for p in [there.p, back.p, two_sided(&x, &y)] {
                prop_assert!(p > 0.0 && p <= 1.0, "{}", p);
            }
        }
    }
}
