//! Tests of normality. Reports show them; no other test is chosen by them.

use std::f64::consts::{FRAC_1_SQRT_2, TAU};

use statrs::distribution::{ContinuousCDF as _, Normal};
use statrs::function::erf::erfc;

use super::p_value::{TestResult, clamp_p};
use super::sample::{Scale, mean, variance};

/// Sample sizes for which Royston's approximations are valid.
const ROYSTON_SIZES: std::ops::RangeInclusive<usize> = 3..=5000;

/// Fewest values for which the p-values of D'Agostino and Stephens are valid.
const STEPHENS_MIN: usize = 8;

/// Lower bound of the p-values of the Anderson-Darling test: their formula is a fit to simulations, rises again
/// from A*² = 153 on and exceeds 1 at 307.
const MIN_P: f64 = 1e-20;

/// Shapiro and Wilk's W with the p-value of Royston (1995, algorithm AS R94). `None` for fewer than 3 values, more
/// than 5000 (beyond the validated range; [`anderson_darling`] has no such limit), or if all values are equal.
pub fn shapiro_wilk(values: &[f64]) -> Option<TestResult> {
    let n = values.len();
    let values = sorted_unit(values).filter(|_| ROYSTON_SIZES.contains(&n))?;
    let mean = mean(&values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let weights = weights(n);
    let slope: f64 = weights
        .iter()
        .enumerate()
        .map(|(i, weight)| weight * (values[n - 1 - i] - values[i]))
        .sum();
    // 1 − W as a product avoids cancellation: W of a large normal sample is close to 1.
    let root = (2.0 * squares * weights.iter().map(|weight| weight * weight).sum::<f64>()).sqrt();
    let lack = ((root - slope) * (root + slope) / (root * root)).max(f64::MIN_POSITIVE);
    Some(TestResult { statistic: 1.0 - lack, p: clamp_p(royston_p(lack, n as f64)) })
}

/// The weights of the differences between the largest and the smallest value, the second largest and second
/// smallest, and so on.
fn weights(n: usize) -> Vec<f64> {
    if n == 3 {
        return vec![FRAC_1_SQRT_2];
    }
    // Blom's approximation of expected normal order statistics, descending.
    let place = |i: usize| (i as f64 + 0.625) / (n as f64 + 0.25);
    let mut weights: Vec<f64> =
        (0..n / 2).map(|i| -Normal::standard().inverse_cdf(place(i))).collect();
    let squares = 2.0 * weights.iter().map(|weight| weight * weight).sum::<f64>();
    let x = (n as f64).sqrt().recip();
    let corrections = [
        [0.0, 0.221_157, -0.147_981, -2.071_19, 4.434_685, -2.706_056],
        [0.0, 0.042_981, -0.293_762, -1.752_461, 5.682_633, -3.582_633],
    ];
    // Royston corrects the first weight, and for six values or more the second; the rest is rescaled.
    let corrected = if n > 5 { 2 } else { 1 };
    let (mut left, mut share) = (squares, 1.0);
    for (weight, correction) in weights.iter_mut().zip(&corrections[..corrected]) {
        left -= 2.0 * weight.powi(2);
        *weight = *weight / squares.sqrt() + polynomial(correction, x);
        share -= 2.0 * weight.powi(2);
    }
    weights[corrected..].iter_mut().for_each(|weight| *weight /= (left / share).sqrt());
    weights
}

/// The p-value of 1 − W: exact for three values, otherwise by a transformation to normal.
fn royston_p(lack: f64, n: f64) -> f64 {
    if n == 3.0 {
        // W is at least 3/4.
        let least = 0.75f64.sqrt().asin();
        return 12.0 / TAU * ((1.0 - lack).sqrt().asin() - least);
    }
    let (y, mean, log_deviation) = if n <= 11.0 {
        let limit = -2.273 + 0.459 * n;
        let y = lack.ln();
        if y >= limit {
            return 0.0;
        }
        let mean = polynomial(&[0.544, -0.399_78, 0.025_054, -6.714e-4], n);
        let log_deviation = polynomial(&[1.3822, -0.778_57, 0.062_767, -0.002_032_2], n);
        (-(limit - y).ln(), mean, log_deviation)
    } else {
        let x = n.ln();
        let mean = polynomial(&[-1.5861, -0.310_82, -0.083_751, 0.003_891_5], x);
        (lack.ln(), mean, polynomial(&[-0.4803, -0.082_676, 0.003_030_2], x))
    };
    Normal::standard().sf((y - mean) / log_deviation.exp())
}

/// Evaluates a polynomial; coefficients ascend from the constant.
fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

/// Anderson and Darling's A*² = A²(1 + 0.75/n + 2.25/n²) for a normal distribution with the sample's mean and
/// standard deviation, and its p-value (D'Agostino and Stephens, 1986, table 4.9). A p of 1e-20 means "at most
/// 1e-20". `None` for fewer than 8 values, or if all values are equal.
pub fn anderson_darling(values: &[f64]) -> Option<TestResult> {
    let n = values.len();
    let values = sorted_unit(values).filter(|_| n >= STEPHENS_MIN)?;
    let (mean, deviation) = (mean(&values), variance(&values).sqrt());
    let z = |i: usize| (values[i] - mean) / deviation;
    let weighted =
        |i: usize| (2 * i + 1) as f64 * (log_normal_cdf(z(i)) + log_normal_cdf(-z(n - 1 - i)));
    let size = n as f64;
    let square = -size - (0..n).map(weighted).sum::<f64>() / size;
    let statistic = square * (1.0 + 0.75 / size + 2.25 / size.powi(2));
    Some(TestResult { statistic, p: stephens_p(statistic) })
}

/// Monotonic, unlike the published formula, which jumps up by 0.0025 where its last two pieces meet.
fn stephens_p(a: f64) -> f64 {
    let middle = |a: f64| (0.9177 - 4.279 * a - 1.38 * a * a).exp();
    let p = match a {
        10.0.. => MIN_P,
        0.6.. => (1.2937 - 5.709 * a + 0.0186 * a * a).exp().min(middle(0.6)),
        0.34.. => middle(a),
        0.2.. => 1.0 - (-8.318 + 42.796 * a - 59.938 * a * a).exp(),
        _ => 1.0 - (-13.436 + 101.14 * a - 223.73 * a * a).exp(),
    };
    p.clamp(MIN_P, 1.0)
}

/// ln Φ(z), accurate in both tails.
fn log_normal_cdf(z: f64) -> f64 {
    let tail = |z: f64| erfc(z * FRAC_1_SQRT_2) / 2.0;
    if z > 0.0 {
        (-tail(z)).ln_1p()
    } else if z > -30.0 {
        tail(-z).ln()
    } else {
        // Φ(z) underflows here; its asymptotic series is Φ(z) = φ(z)/|z| (1 − 1/z² + 3/z⁴ − …).
        let square = z * z;
        let series = -1.0 / square + 3.0 / square.powi(2) - 15.0 / square.powi(3);
        -square / 2.0 - (-z).ln() - TAU.ln() / 2.0 + series.ln_1p()
    }
}

/// The values in ascending order, scaled to 0 to 1; `None` if all are equal.
fn sorted_unit(values: &[f64]) -> Option<Vec<f64>> {
    let scale = Scale::of(values).filter(|scale| scale.range > 0.0)?;
    let mut values = scale.values(values);
    values.sort_by(f64::total_cmp);
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::golden::{close, golden, number, numbers};
    use crate::stats::hostile::sample;
    use proptest::prelude::*;

    #[test]
    fn shapiro_wilk_as_in_scipy() {
        for case in golden("samples") {
            let found = shapiro_wilk(&numbers(&case["values"])).unwrap();
            close(found.statistic, number(&case["shapiro_wilk"]["statistic"]), 1e-9);
            // SciPy's normal quantiles have nine digits, and W lies close to 1.
            close(found.p, number(&case["shapiro_wilk"]["p"]), 1e-6);
        }
    }

    #[test]
    fn anderson_darling_as_by_its_formulas() {
        for case in golden("samples") {
            let values = numbers(&case["values"]);
            let expected = &case["anderson_darling"];
            let Some(found) = anderson_darling(&values) else {
                assert!(values.len() < 8 && expected.is_null());
                continue;
            };
            close(found.statistic, number(&expected["statistic"]), 1e-9);
            close(found.p, number(&expected["p"]), 1e-8);
        }
    }

    #[test]
    fn logarithms_of_tails() {
        for case in golden("log_below") {
            close(log_normal_cdf(number(&case["z"])), number(&case["log"]), 1e-9);
        }
    }

    #[test]
    fn what_is_not_defined_is_none() {
        assert_eq!(shapiro_wilk(&[1.0, 2.0]), None);
        assert_eq!(shapiro_wilk(&[0.1; 20]), None);
        let many: Vec<f64> = (0..5001).map(f64::from).collect();
        assert_eq!(shapiro_wilk(&many), None);
        assert!(shapiro_wilk(&many[1..]).is_some());
        assert_eq!(anderson_darling(&[0.1; 20]), None);
        assert_eq!(anderson_darling(&[1.0, f64::INFINITY, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]), None);
    }

    #[test]
    fn the_p_of_anderson_darling_only_falls() {
        let p: Vec<f64> = (-100..100_000).map(|i| stephens_p(f64::from(i) / 200.0)).collect();
        assert!(p.iter().all(|&p| p > 0.0 && p <= 1.0));
        assert!(p.windows(2).all(|pair| pair[1] <= pair[0]));
        assert_eq!(stephens_p(1e300), MIN_P);
    }

    #[test]
    fn a_million_values_and_far_outliers_have_a_p() {
        for n in [200, 1000, 2000, 1_000_000] {
            let bimodal: Vec<f64> = (0..n).map(|i| if i % 10 == 0 { 10.0 } else { 1.0 }).collect();
            let found = anderson_darling(&bimodal).unwrap();
            assert!(found.statistic > 10.0 && found.statistic.is_finite());
            assert_eq!(found.p, MIN_P);
            let mut spike: Vec<f64> =
                (0..n).map(|i| 1.0 + (f64::from(i) * 0.618).fract()).collect();
            spike[0] = 1e9;
            let found = anderson_darling(&spike).unwrap();
            assert!(found.statistic.is_finite(), "{}", found.statistic);
            assert_eq!(found.p, MIN_P);
        }
    }

    proptest! {
        #[test]
        fn p_is_a_probability(values in sample(1)) {
            for found in [shapiro_wilk(&values), anderson_darling(&values)].into_iter().flatten() {
                prop_assert!(found.p > 0.0 && found.p <= 1.0, "{:?}", found);
                prop_assert!(found.statistic.is_finite(), "{:?}", found);
            }
            if let Some(found) = shapiro_wilk(&values) {
                prop_assert!(found.statistic > 0.0 && found.statistic <= 1.0, "{:?}", found);
            }
        }

        #[test]
        fn a_mirrored_sample_is_as_normal(values in prop::collection::vec(-1e3f64..1e3, 8..50)) {
            let mirrored: Vec<f64> = values.iter().map(|value| -value).collect();
            for test in [shapiro_wilk, anderson_darling] {
                let (there, back) = (test(&values).unwrap(), test(&mirrored).unwrap());
                prop_assert!((there.statistic - back.statistic).abs() < 1e-9 * there.statistic.abs().max(1.0));
            }
        }
    }
}
