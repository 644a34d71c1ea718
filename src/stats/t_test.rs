//! Welch's t-test, and the quantiles of Student's t.

use statrs::distribution::{ContinuousCDF as _, Normal, StudentsT};

use super::p_value::clamp_p;
use super::sample::{Scale, mean, variance};

/// Degrees of freedom beyond which t is transformed to normal: the library's tail has an error of 1e-11 there, and
/// of 1 % at 10¹².
const NORMAL_FROM: f64 = 1e4;

/// Bisection steps; enough for full precision.
const BISECTIONS: usize = 100;

/// The difference of two means with its standard error (Welch, 1947).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Welch {
    /// The mean of the second sample minus that of the first.
    pub difference: f64,
    /// Its standard error √(a + b) with a = s₁²/n₁ and b = s₂²/n₂; 0 if both samples are constant.
    pub standard_error: f64,
    /// Degrees of freedom (a + b)²/(a²/(n₁ − 1) + b²/(n₂ − 1)) (Satterthwaite, 1946), not rounded;
    /// n₁ + n₂ − 2, their limit, if both samples are constant.
    pub freedom: f64,
}

/// Compares the means of `x` and `y`. `None` for fewer than two values in either, or a range that is not finite.
///
/// Constant samples have a standard error of 0: the caller must account for the resolution of its timer.
pub fn welch(x: &[f64], y: &[f64]) -> Option<Welch> {
    if x.len().min(y.len()) < 2 {
        return None;
    }
    let scale = Scale::of(x.iter().chain(y))?;
    let [(n1, mean1, a), (n2, mean2, b)] = [x, y].map(|values| {
        let (n, values) = (values.len() as f64, scale.values(values));
        (n, mean(&values), variance(&values) / n)
    });
    let both = a + b;
    // Shares of the sum, because squares of small variances underflow; clamped against rounding.
    let (least, most) = (n1.min(n2) - 1.0, n1 + n2 - 2.0);
    let freedom = match both > 0.0 {
        true => 1.0 / ((a / both).powi(2) / (n1 - 1.0) + (b / both).powi(2) / (n2 - 1.0)),
        false => most,
    }
    .clamp(least, most);
    let [difference, standard_error] = [mean2 - mean1, both.sqrt()].map(|it| it * scale.range);
    Some(Welch { difference, standard_error, freedom })
}

impl Welch {
    /// The p-value of H₀ "the difference is `shift`" against "it is more".
    pub fn p(&self, shift: f64) -> f64 {
        let beyond = self.difference - shift;
        let t = if beyond == 0.0 { 0.0 } else { beyond / self.standard_error };
        clamp_p(t_tail(t, self.freedom))
    }

    /// The p-value of H₀ "the difference is at least `bound` in either direction"; small if the means are
    /// equivalent. The larger p of two one-sided tests (TOST, Schuirmann, 1987).
    pub fn equivalence_p(&self, bound: f64) -> f64 {
        let mirrored = Self { difference: -self.difference, ..*self };
        self.p(-bound).max(mirrored.p(-bound))
    }
}

/// P(T ≥ t) of Student's t.
pub(super) fn t_tail(t: f64, freedom: f64) -> f64 {
    match StudentsT::new(0.0, 1.0, freedom) {
        _ if freedom.is_infinite() || !t.is_finite() => Normal::standard().sf(t),
        Ok(student) if freedom <= NORMAL_FROM => student.sf(t),
        _ => {
            // Hill's transformation to normal (1970, algorithm 395), its first two terms.
            let z = ((freedom - 0.5) * (t * t / freedom).ln_1p()).sqrt();
            let rest = (z.powi(3) + 3.0 * z) / (48.0 * (freedom - 0.5).powi(2));
            Normal::standard().sf((z + rest).copysign(t))
        }
    }
}

/// The `p` quantile of Student's t with `freedom` degrees of freedom, which may be infinite. `None` unless
/// 1e-150 ≤ p < 1 (beyond that t² overflows) and `freedom` ≥ 1.
///
/// Bisection of the tail: the library's quantile has an error of 1e-8 at ν = 10⁴ and of 0.2 % at 10⁶, panics in
/// the far tail, and does not return from ν = 3·10⁷ on.
pub fn t_quantile(p: f64, freedom: f64) -> Option<f64> {
    let exists = (1e-150..1.0).contains(&p) && freedom >= 1.0;
    if !exists {
        return None;
    }
    // The lower half mirrors the upper.
    let tail = p.min(1.0 - p);
    let (mut low, mut high) = (0.0, 1.0);
    while t_tail(high, freedom) > tail {
        (low, high) = (high, 2.0 * high);
    }
    for _ in 0..BISECTIONS {
        let middle = f64::midpoint(low, high);
        if t_tail(middle, freedom) > tail { low = middle } else { high = middle }
    }
    Some(if p < 0.5 { -high } else { high })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::golden::{close, golden, number, numbers};
    use crate::stats::hostile::sample;
    use proptest::prelude::*;

    fn two_sided(there: Welch, back: Welch) -> f64 {
        (2.0 * there.p(0.0).min(back.p(0.0))).min(1.0)
    }

    #[test]
    fn welch_as_in_scipy() {
        for case in golden("pairs") {
            let (x, y) = (numbers(&case["x"]), numbers(&case["y"]));
            let (back, welch) = (welch(&y, &x).unwrap(), welch(&x, &y).unwrap());
            let expected = &case["welch"];
            close(welch.freedom, number(&expected["freedom"]), 1e-11);
            close(two_sided(welch, back), number(&expected["two_sided"]), 1e-9);
            close(back.p(0.0), number(&expected["less"]), 1e-9);
            close(welch.p(0.0), number(&expected["greater"]), 1e-9);
            let shift = number(&expected["shift"]);
            close(welch.p(shift), number(&expected["greater_than_shift"]), 1e-9);
            close(welch.equivalence_p(shift), number(&expected["equivalence"]), 1e-9);
        }
    }

    #[test]
    fn quantiles_and_tails_of_t_up_to_infinity() {
        for case in golden("t") {
            let freedom = case["freedom"].as_f64().unwrap_or(f64::INFINITY);
            let (t, tail) = (number(&case["t"]), number(&case["tail"]));
            close(t_tail(t, freedom), tail, 1e-9);
            close(t_quantile(tail, freedom).unwrap(), -t, 1e-9);
        }
        assert!((t_quantile(0.975, f64::INFINITY).unwrap() - 1.959_963_984_540_054).abs() < 1e-10);
        for (p, freedom) in [(0.0, 5.0), (1.0, 5.0), (f64::NAN, 5.0), (0.5, 0.0), (0.5, f64::NAN)] {
            assert_eq!(t_quantile(p, freedom), None);
        }
        assert_eq!(t_quantile(1e-200, 1.0), None);
        // tan(π(p − ½)) with one degree of freedom.
        close(t_quantile(1e-150, 1.0).unwrap(), -1e150 / std::f64::consts::PI, 1e-12);
        assert_eq!(t_tail(f64::INFINITY, 3.0), 0.0);
        assert_eq!(t_tail(f64::NEG_INFINITY, 3.0), 1.0);
    }

    #[test]
    fn samples_that_do_not_vary_leave_no_doubt() {
        let same = welch(&[0.1; 10], &[0.1; 3]).unwrap();
        assert_eq!((same.difference, same.standard_error), (0.0, 0.0));
        assert_eq!(two_sided(same, same), 1.0);
        assert_eq!(same.equivalence_p(0.01), f64::MIN_POSITIVE);
        let apart = welch(&[1.0; 5], &[3.0; 5]).unwrap();
        assert_eq!(apart.p(0.0), f64::MIN_POSITIVE);
        assert_eq!(welch(&[3.0; 5], &[1.0; 5]).unwrap().p(0.0), 1.0);
        assert_eq!(apart.p(2.0), 0.5);
        assert_eq!(apart.equivalence_p(1.0), 1.0);
        assert_eq!(apart.p(f64::NAN), 1.0);
        assert_eq!(welch(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(welch(&[1.0, f64::NAN], &[1.0, 2.0]), None);
    }

    proptest! {
        #[test]
        fn a_quantile_has_its_tail(
            p in prop_oneof![1e-12..1.0, 0.4999..0.5001],
            freedom in prop_oneof![1.0..100.0, 1e3..1e8, 1e8..1e300],
        ) {
            // Within √ν·1e-8 of the middle the library's tail is no more precise.
            let mirrored = t_quantile(1.0 - p, freedom).unwrap();
            for (p, t) in [(p, t_quantile(p, freedom).unwrap()), (1.0 - p, mirrored)] {
                prop_assert!((t_tail(-t, freedom) / p - 1.0).abs() < 2e-6, "{}", t);
            }
        }

        #[test]
        fn swapped_samples_have_mirrored_differences(x in sample(2), y in sample(2), shift in -1e3..1e3) {
            let (Some(there), Some(back)) = (welch(&x, &y), welch(&y, &x)) else {
                return Ok(());
            };
            prop_assert_eq!(there.difference, -back.difference);
            prop_assert!((there.p(shift) + back.p(-shift) - 1.0).abs() < 1e-6);
            prop_assert_eq!(there.equivalence_p(shift), back.equivalence_p(shift));
            for p in [there.p(shift), back.p(-shift), there.equivalence_p(shift.abs())] {
                prop_assert!(p > 0.0 && p <= 1.0, "{}", p);
            }
            prop_assert!(there.freedom >= 1.0 && there.freedom.is_finite());
        }
    }
}
