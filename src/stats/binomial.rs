//! The tail of the binomial distribution.

use statrs::function::beta::beta_reg;

use super::test_result::clamp_p;

/// The probability of `k` or more successes in `n` trials, each with probability `p`: P(B ≥ k) = I_p(k, n − k + 1).
/// `k` and `n` need not be integers, so that correlated trials can enter with their effective number.
pub fn binomial_tail(k: f64, n: f64, p: f64) -> f64 {
    if !(n > 0.0 && k > 0.0 && p > 0.0 && p < 1.0) {
        return 1.0;
    }
    clamp_p(beta_reg(k.min(n), n - k.min(n) + 1.0, p))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tails_by_hand() {
        let close = |p: f64, expected: f64| assert!((p - expected).abs() < 1e-12, "{p} {expected}");
        close(binomial_tail(3.0, 3.0, 0.5), 0.125);
        close(binomial_tail(2.0, 3.0, 0.5), 0.5);
        close(binomial_tail(1.0, 4.0, 0.25), 1.0 - 0.75f64.powi(4));
        assert_eq!(binomial_tail(0.0, 10.0, 0.5), 1.0);
        assert_eq!(binomial_tail(1.0, 0.0, 0.5), 1.0);
        assert_eq!(binomial_tail(5.0, 10.0, f64::NAN), 1.0);
    }

    proptest! {
        #[test]
        fn more_is_less_likely(n in 1.0f64..2000.0, share in 0.0f64..=1.0, p in 0.001f64..0.999) {
            let tail = binomial_tail(share * n, n, p);
            prop_assert!(tail > 0.0 && tail <= 1.0, "{}", tail);
            prop_assert!(binomial_tail(share * n * 0.9, n, p) >= tail - 1e-9);
        }
    }
}
