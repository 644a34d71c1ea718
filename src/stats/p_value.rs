//! p-values: of a test, of a binomial tail, and adjusted for multiple testing.

use statrs::function::beta::beta_reg;

/// A test's statistic and p-value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TestResult {
    /// The statistic of the test.
    pub statistic: f64,
    /// The p-value, in (0, 1].
    pub p: f64,
}

/// Clamps a p-value to (0, 1]. A probability that underflows is not 0, and NaN counts as no evidence: 1.
pub(super) fn clamp_p(p: f64) -> f64 {
    if p.is_nan() { 1.0 } else { p.clamp(f64::MIN_POSITIVE, 1.0) }
}

/// The probability of `k` or more successes in `n` trials, each with probability `p`: P(B ≥ k) = I_p(k, n − k + 1).
/// `k` and `n` need not be integers, so that correlated trials can enter with their effective number.
pub fn binomial_tail(k: f64, n: f64, p: f64) -> f64 {
    if !(n > 0.0 && k > 0.0 && p > 0.0 && p < 1.0) {
        return 1.0;
    }
    clamp_p(beta_reg(k.min(n), n - k.min(n) + 1.0, p))
}

/// Adjusts the p-values of a family to control the false discovery rate (Benjamini and Hochberg, 1995): the i-th
/// smallest of m becomes the least m p_j/j of all j ≥ i. Holds for independent and positively dependent tests. The
/// order is kept, as in R's p.adjust; NaN counts as 1.
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    adjusted(p, 1.0)
}

/// As [`benjamini_hochberg`], for any dependence, with an additional factor Σ 1/i (Benjamini and Yekutieli, 2001).
pub fn benjamini_yekutieli(p: &[f64]) -> Vec<f64> {
    adjusted(p, (1..=p.len()).map(|i| (i as f64).recip()).sum())
}

fn adjusted(p: &[f64], factor: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![1.0; p.len()];
    let mut least = 1.0f64;
    for (rank, &place) in (1..).zip(&order).collect::<Vec<_>>().into_iter().rev() {
        // `min` ignores NaN.
        least = least.min(p[place] * (factor * p.len() as f64 / f64::from(rank)));
        adjusted[place] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::golden::{close, golden, numbers};
    use proptest::prelude::*;

    #[test]
    fn p_values_are_never_0_nor_beyond_1() {
        let found = [0.25, 0.0, 1.5, f64::NAN].map(clamp_p);
        assert_eq!(found, [0.25, f64::MIN_POSITIVE, 1.0, 1.0]);
    }

    #[test]
    fn tails_by_hand() {
        let near = |p: f64, expected: f64| assert!((p - expected).abs() < 1e-12, "{p} {expected}");
        near(binomial_tail(3.0, 3.0, 0.5), 0.125);
        near(binomial_tail(2.0, 3.0, 0.5), 0.5);
        near(binomial_tail(1.0, 4.0, 0.25), 1.0 - 0.75f64.powi(4));
        assert_eq!(binomial_tail(0.0, 10.0, 0.5), 1.0);
        assert_eq!(binomial_tail(1.0, 0.0, 0.5), 1.0);
        assert_eq!(binomial_tail(5.0, 10.0, f64::NAN), 1.0);
    }

    #[test]
    fn adjusted_as_in_scipy() {
        for case in golden("families") {
            let p = numbers(&case["p"]);
            let pairs = [
                (benjamini_hochberg(&p), numbers(&case["benjamini_hochberg"])),
                (benjamini_yekutieli(&p), numbers(&case["benjamini_yekutieli"])),
            ];
            for (found, expected) in pairs {
                assert_eq!(found.len(), expected.len());
                found.into_iter().zip(expected).for_each(|(p, expected)| close(p, expected, 1e-12));
            }
        }
    }

    #[test]
    fn one_p_is_its_own_and_no_number_is_no_evidence() {
        assert_eq!(benjamini_hochberg(&[]), Vec::<f64>::new());
        assert_eq!(benjamini_hochberg(&[0.04]), [0.04]);
        assert_eq!(benjamini_hochberg(&[f64::NAN, 0.01, -f64::NAN]), [1.0, 0.015, 0.015]);
    }

    proptest! {
        #[test]
        fn more_is_less_likely(n in 1.0f64..2000.0, share in 0.0f64..=1.0, p in 0.001f64..0.999) {
            let tail = binomial_tail(share * n, n, p);
            prop_assert!(tail > 0.0 && tail <= 1.0, "{}", tail);
            prop_assert!(binomial_tail(share * n * 0.9, n, p) >= tail - 1e-9);
        }

        #[test]
        fn adjusting_raises_and_keeps_the_order(p in prop::collection::vec(1e-300f64..=1.0, 1..60)) {
            for adjusted in [benjamini_hochberg(&p), benjamini_yekutieli(&p)] {
                for (i, &raised) in adjusted.iter().enumerate() {
                    prop_assert!(raised >= p[i] && raised <= 1.0);
                    prop_assert!((0..p.len()).all(|j| p[j] < p[i] || adjusted[j] >= raised));
                }
            }
            let mut reversed = p.clone();
            reversed.reverse();
            let mut back = benjamini_hochberg(&reversed);
            back.reverse();
            prop_assert_eq!(benjamini_hochberg(&p), back);
        }
    }
}
