//! Two means compared, by Student's t with unequal variances.

use statrs::distribution::{ContinuousCDF as _, Normal, StudentsT};

use super::alternative::Alternative;
use super::sample::{mean, variance};
use super::scale::Scale;

/// Degrees of freedom beyond which t is taken for normal. The library's quantile of t is wrong from
/// 5·10⁶ on and never returns from 3·10⁷ on.
const NORMAL: f64 = 1e6;

/// The difference of two means and how far it is known (Welch, 1947).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Welch {
    /// The mean of the second sample minus that of the first.
    pub difference: f64,
    /// Its standard error √(a + b) with a = s₁²/n₁ and b = s₂²/n₂; 0 when neither sample varies.
    pub standard_error: f64,
    /// Degrees of freedom (a + b)²/(a²/(n₁ − 1) + b²/(n₂ − 1)) (Satterthwaite, 1946), not rounded;
    /// n₁ + n₂ − 2, their limit, when neither sample varies.
    pub freedom: f64,
}

/// Compares the means of `x` and `y`. `None` for fewer than two values in either, or without finite
/// differences.
///
/// Samples that do not vary leave no doubt about their difference. Timers do: whoever asks should not
/// take times of a coarse clock for exact.
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
    // By shares: the squares of small variances would vanish.
    let freedom = match both > 0.0 {
        true => 1.0 / ((a / both).powi(2) / (n1 - 1.0) + (b / both).powi(2) / (n2 - 1.0)),
        false => n1 + n2 - 2.0,
    };
    let [difference, standard_error] = [mean2 - mean1, both.sqrt()].map(|it| it * scale.range);
    Some(Welch { difference, standard_error, freedom })
}

impl Welch {
    /// The p-value of "the true difference is `shift`", or on the other side of it, against
    /// `alternative`. From the tail, never as 1 minus a probability.
    pub fn p(&self, shift: f64, alternative: Alternative) -> f64 {
        let beyond = self.difference - shift;
        let t = if beyond == 0.0 { 0.0 } else { beyond / self.standard_error };
        alternative.p(t_tail(-t, self.freedom), t_tail(t, self.freedom))
    }

    /// The interval of the difference, with the same degrees of freedom. `None` when it is not finite, or
    /// `confidence` is not between 0 and 1.
    pub fn interval(&self, confidence: f64) -> Option<[f64; 2]> {
        let reach = t_quantile(0.5 + confidence / 2.0, self.freedom)? * self.standard_error;
        let ends = [self.difference - reach, self.difference + reach];
        (reach >= 0.0 && ends.iter().all(|end| end.is_finite())).then_some(ends)
    }

    /// The p-value of "the true difference is `bound` or more, in either direction": small when the means
    /// are equivalent. Two one-sided tests, of which the weaker counts (Schuirmann, 1987).
    pub fn equivalence_p(&self, bound: f64) -> f64 {
        self.p(-bound, Alternative::Greater).max(self.p(bound, Alternative::Less))
    }
}

/// P(T ≥ t) of Student's t.
fn t_tail(t: f64, freedom: f64) -> f64 {
    match StudentsT::new(0.0, 1.0, freedom) {
        Ok(student) if freedom <= NORMAL => student.sf(t),
        _ => Normal::standard().sf(t),
    }
}

/// The `p` quantile of Student's t with `freedom` degrees of freedom, which may be infinite. `None` unless
/// 0 < p < 1 and `freedom` > 0.
pub fn t_quantile(p: f64, freedom: f64) -> Option<f64> {
    let exists = p > 0.0 && p < 1.0 && freedom > 0.0;
    if !exists {
        return None;
    }
    match StudentsT::new(0.0, 1.0, freedom) {
        Ok(student) if freedom <= NORMAL => Some(student.inverse_cdf(p)),
        _ => {
            // With the first term of Fisher's expansion (1926) nothing jumps where t ends.
            let z = Normal::standard().inverse_cdf(p);
            Some(z + (z.powi(3) + z) / (4.0 * freedom))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::golden::{close, golden, number, numbers};
    use crate::stats::hostile::sample;
    use Alternative::{Greater, Less, TwoSided};
    use proptest::prelude::*;

    #[test]
    fn welch_as_in_scipy() {
        for case in golden("pairs") {
            let welch = welch(&numbers(&case["x"]), &numbers(&case["y"])).unwrap();
            let expected = &case["welch"];
            close(welch.freedom, number(&expected["freedom"]), 1e-11);
            close(welch.p(0.0, TwoSided), number(&expected["two_sided"]), 1e-9);
            close(welch.p(0.0, Less), number(&expected["less"]), 1e-9);
            close(welch.p(0.0, Greater), number(&expected["greater"]), 1e-9);
            let shift = number(&expected["shift"]);
            close(welch.p(shift, Greater), number(&expected["greater_than_shift"]), 1e-9);
            close(welch.equivalence_p(shift), number(&expected["equivalence"]), 1e-9);
            let interval = welch.interval(0.95).unwrap();
            for (end, expected) in interval.into_iter().zip(numbers(&expected["interval"])) {
                close(end, expected, 1e-9);
            }
        }
    }

    #[test]
    fn quantiles_and_tails_of_t_up_to_infinity() {
        for case in golden("t") {
            let freedom = case["freedom"].as_f64().unwrap_or(f64::INFINITY);
            let (p, t) = (number(&case["p"]), number(&case["t"]));
            close(t_quantile(p, freedom).unwrap(), t, 1e-9);
            // Beyond a million degrees of freedom the tail is the normal one.
            let tolerance = if freedom > NORMAL { 1e-4 } else { 1e-9 };
            close(t_tail(t, freedom), number(&case["tail"]), tolerance);
        }
        assert!((t_quantile(0.975, f64::INFINITY).unwrap() - 1.959_963_984_540_054).abs() < 1e-12);
        for (p, freedom) in [(0.0, 5.0), (1.0, 5.0), (f64::NAN, 5.0), (0.5, 0.0), (0.5, f64::NAN)] {
            assert_eq!(t_quantile(p, freedom), None);
        }
        assert_eq!(t_tail(f64::INFINITY, 3.0), 0.0);
        assert_eq!(t_tail(f64::NEG_INFINITY, 3.0), 1.0);
    }

    #[test]
    fn tails_do_not_end_at_the_precision_of_1() {
        // 1 − cdf(40) would be 0.
        close(t_tail(40.0, 20.0), 1.456_698_463e-20 / 2.0, 1.0);
        assert!(t_tail(40.0, 20.0) > 0.0);
    }

    #[test]
    fn samples_that_do_not_vary_leave_no_doubt() {
        let same = welch(&[0.1; 10], &[0.1; 3]).unwrap();
        assert_eq!((same.difference, same.standard_error), (0.0, 0.0));
        assert_eq!(same.p(0.0, TwoSided), 1.0);
        assert_eq!(same.interval(0.95), Some([0.0, 0.0]));
        assert_eq!(same.equivalence_p(0.01), f64::MIN_POSITIVE);
        let apart = welch(&[1.0; 5], &[3.0; 5]).unwrap();
        assert_eq!(apart.p(0.0, Greater), f64::MIN_POSITIVE);
        assert_eq!(apart.p(0.0, Less), 1.0);
        assert_eq!(apart.p(2.0, TwoSided), 1.0);
        assert_eq!(apart.equivalence_p(1.0), 1.0);
        assert_eq!(welch(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(welch(&[1.0, f64::NAN], &[1.0, 2.0]), None);
    }

    proptest! {
        #[test]
        fn swapped_samples_have_mirrored_differences(x in sample(2), y in sample(2), shift in -1e3..1e3) {
            let (Some(there), Some(back)) = (welch(&x, &y), welch(&y, &x)) else {
                return Ok(());
            };
            prop_assert_eq!(there.difference, -back.difference);
            prop_assert_eq!(there.p(shift, Less), back.p(-shift, Greater));
            prop_assert_eq!(there.p(shift, TwoSided), back.p(-shift, TwoSided));
            for p in [
                there.p(shift, Less),
                there.p(shift, Greater),
                there.p(shift, TwoSided),
                there.equivalence_p(shift.abs()),
            ] {
                prop_assert!(p > 0.0 && p <= 1.0, "{}", p);
            }
            prop_assert!(there.freedom >= 1.0 - 1e-12 && there.freedom.is_finite());
            if let Some([low, high]) = there.interval(0.95) {
                prop_assert!(low <= there.difference && there.difference <= high);
                let [mirrored_high, mirrored_low] = back.interval(0.95).unwrap();
                prop_assert_eq!([low, high], [-mirrored_low, -mirrored_high]);
            }
        }
    }
}
