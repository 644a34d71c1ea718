//! What other cases say of a variance.

use statrs::function::gamma::digamma;

/// The distribution of the variances of many cases: each is s²·ν/χ² with ν degrees of freedom (Smyth, 2004).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Prior {
    /// s², about the variance of a usual case.
    pub(super) variance: f64,
    /// ν, by how many values of its own a case would know as much; 0 if the others say nothing.
    freedom: f64,
}

impl Prior {
    /// Fits the prior to estimates of variances with their degrees of freedom: their logarithms have the mean
    /// ln s² − ψ(ν/2) + ln(ν/2) and vary by ψ′(ν/2), beside what their own degrees of freedom make of them (Smyth,
    /// 2004, section 6.2). All variances are positive. ν is no more than the degrees of freedom of all other cases
    /// together.
    pub(super) fn fit(variances: &[(f64, f64)]) -> Self {
        let n = variances.len() as f64;
        let own = |freedom: f64| digamma(freedom / 2.0) - (freedom / 2.0).ln();
        let logs: Vec<f64> = variances.iter().map(|(s2, d)| s2.ln() - own(*d)).collect();
        let mean = super::mean(&logs);
        let known: f64 = variances.iter().map(|(_, freedom)| freedom).sum::<f64>();
        let by_chance: f64 = variances.iter().map(|(_, d)| trigamma(d / 2.0)).sum::<f64>() / n;
        let beyond = super::variance(&logs) - by_chance;
        let most = known * (n - 1.0) / n;
        let freedom = if beyond > 0.0 { (2.0 * inverse_trigamma(beyond)).min(most) } else { most };
        let shift = if freedom > 0.0 { own(freedom) } else { 0.0 };
        Self { variance: (mean + shift).exp(), freedom }
    }

    /// The variance of a case by its own values and by those of the others, with its degrees of freedom.
    pub(super) fn moderated(&self, variance: f64, freedom: f64) -> (f64, f64) {
        let both = self.freedom + freedom;
        ((self.freedom * self.variance + freedom * variance) / both, both)
    }
}

/// ψ′(x) for x > 0: by ψ′(x) = ψ′(x + 1) + 1/x², then its asymptotic series (Abramowitz and Stegun, 6.4.12).
fn trigamma(x: f64) -> f64 {
    let (mut x, mut sum) = (x, 0.0);
    while x < 20.0 {
        sum += (x * x).recip();
        x += 1.0;
    }
    let inverse = x.recip();
    let square = inverse * inverse;
    let series = 1.0 / 6.0 - square * (1.0 / 30.0 - square * (1.0 / 42.0 - square / 30.0));
    sum + inverse + square / 2.0 + square * inverse * series
}

/// The x with ψ′(x) = `y`, for y > 0: Newton's method for 1/ψ′, which is convex and nearly linear (Smyth, 2004,
/// appendix).
fn inverse_trigamma(y: f64) -> f64 {
    let mut x = 0.5 + y.recip();
    for _ in 0..20 {
        let value = trigamma(x);
        let slope = (trigamma(x * (1.0 + 1e-5)) - trigamma(x * (1.0 - 1e-5))) / (2e-5 * x);
        x += value * (1.0 - value / y) / slope;
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::golden::{close, golden, number, table};

    #[test]
    fn trigamma_and_its_inverse() {
        // π²/6 and π²/2 by their series.
        close(trigamma(1.0), std::f64::consts::PI.powi(2) / 6.0, 1e-13);
        close(trigamma(0.5), std::f64::consts::PI.powi(2) / 2.0, 1e-13);
        for x in [0.01, 0.3, 1.0, 4.5, 80.0, 1e4] {
            close(inverse_trigamma(trigamma(x)), x, 1e-8);
        }
    }

    #[test]
    fn the_fit_as_in_numpy() {
        for case in golden("variances") {
            let variances: Vec<(f64, f64)> =
                table(&case["variances"]).iter().map(|pair| (pair[0], pair[1])).collect();
            let prior = Prior::fit(&variances);
            close(prior.freedom, number(&case["freedom"]), 1e-7);
            close(prior.variance, number(&case["variance"]), 1e-7);
        }
    }

    #[test]
    fn a_lone_case_has_its_own_variance_only() {
        let prior = Prior::fit(&[(4.0, 7.0)]);
        assert_eq!(prior.moderated(4.0, 7.0), (4.0, 7.0));
    }

    #[test]
    fn equal_cases_know_what_all_of_them_know() {
        let prior = Prior::fit(&[(4.0, 6.0); 5]);
        assert_eq!(prior.freedom, 24.0);
        close(prior.moderated(4.0, 6.0).1, 30.0, 1e-12);
    }
}
