//! What other cases say of a variance.

use statrs::function::gamma::digamma;

/// Fewer degrees of freedom say nothing.
const LEAST_FREEDOM: f64 = 0.1;

/// The distribution of the variances of many cases: each is s²·ν/χ² with ν degrees of freedom (Smyth, 2004).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Prior {
    /// s².
    variance: f64,
    /// ν, by how many values of its own a case would know as much; 0 if the others say nothing.
    freedom: f64,
}

impl Prior {
    /// Fits the prior to estimates of variances with their degrees of freedom: their logarithms have the mean
    /// ln s² − ψ(ν/2) + ln(ν/2) and vary by ψ′(ν/2), beside what their own degrees of freedom make of them (Smyth,
    /// 2004, section 6.2). All variances are positive. ν is no more than the degrees of freedom of all other cases
    /// together, where `independent` of the cases are so: what disturbs all of them at once is seen once.
    pub(super) fn fit(variances: &[(f64, f64)], independent: f64) -> Self {
        let n = variances.len() as f64;
        let logs: Vec<f64> = logarithms(variances).collect();
        let known: f64 = variances.iter().map(|(_, freedom)| freedom).sum::<f64>();
        let beyond = super::variance(&logs) - variance_of_logarithms(variances);
        let most = known * (independent - 1.0).max(0.0) / n;
        let freedom = if beyond > 0.0 { (2.0 * inverse_trigamma(beyond)).min(most) } else { most };
        let freedom = if freedom < LEAST_FREEDOM { 0.0 } else { freedom };
        let shift = if freedom > 0.0 { bias(freedom) } else { 0.0 };
        Self { variance: (super::mean(&logs) + shift).exp(), freedom }
    }

    /// The variance of a case by its own values and by those of the others, with its degrees of freedom.
    pub(super) fn moderated(&self, variance: f64, freedom: f64) -> (f64, f64) {
        let both = self.freedom + freedom;
        ((self.freedom * self.variance + freedom * variance) / both, both)
    }
}

/// The variance of a usual case.
pub(super) fn usual(variances: &[(f64, f64)]) -> f64 {
    super::mean(&logarithms(variances).collect::<Vec<_>>()).exp()
}

/// How far the logarithms of estimates lie from those of the variances by chance, squared, on average.
pub(super) fn variance_of_logarithms(variances: &[(f64, f64)]) -> f64 {
    let each: Vec<f64> = variances.iter().map(|(_, freedom)| trigamma(freedom / 2.0)).collect();
    super::mean(&each)
}

/// The logarithms of variances, without bias.
fn logarithms(variances: &[(f64, f64)]) -> impl Iterator<Item = f64> {
    variances.iter().map(|(s2, freedom)| s2.ln() - bias(*freedom))
}

/// By how much the logarithm of an estimate lies above that of the variance, on average.
fn bias(freedom: f64) -> f64 {
    digamma(freedom / 2.0) - (freedom / 2.0).ln()
}

/// How many of the cases, each a row of its values in the same launches, are worth an independent one: m/(1 + (m − 1)ρ²),
/// where ρ² is the mean squared correlation of two cases beyond the 1/(n − 1) of chance; so much do estimates of their
/// variances depend on each other. Only rows of the commonest length count.
pub(super) fn independent(rows: &[&[f64]]) -> f64 {
    let lengths = rows.iter().map(|row| row.len());
    let commonest =
        lengths.clone().max_by_key(|n| (lengths.clone().filter(|other| other == n).count(), *n));
    let n = commonest.unwrap_or(0);
    // Σ over pairs of cases of their squared correlations is that over pairs of launches of their squared products.
    let mut products = vec![0.0; n * n];
    let mut varying = 0.0;
    for row in rows.iter().filter(|row| row.len() == n) {
        let mean = super::mean(row);
        let squares = row.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        if squares > 0.0 {
            varying += 1.0;
            for (place, product) in products.iter_mut().enumerate() {
                *product += (row[place / n] - mean) * (row[place % n] - mean) / squares;
            }
        }
    }
    if varying < 2.0 || n < 3 {
        return rows.len() as f64;
    }
    let all = products.iter().map(|product| product * product).sum::<f64>();
    let mean = (all - varying) / (varying * (varying - 1.0));
    let by_chance = ((n - 1) as f64).recip();
    let shared = ((mean - by_chance) / (1.0 - by_chance)).clamp(0.0, 1.0);
    let cases = rows.len() as f64;
    cases / (1.0 + (cases - 1.0) * shared)
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
    use crate::base::random::Stream;
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
            let prior = Prior::fit(&variances, variances.len() as f64);
            close(prior.freedom, number(&case["freedom"]), 1e-7);
            close(prior.variance, number(&case["variance"]), 1e-7);
        }
    }

    #[test]
    fn a_lone_case_has_its_own_variance_only() {
        let prior = Prior::fit(&[(4.0, 7.0)], 1.0);
        assert_eq!(prior.moderated(4.0, 7.0), (4.0, 7.0));
    }

    #[test]
    fn what_all_cases_share_is_seen_once() {
        let mut random = Stream::new(1, "shared", &[]);
        let mut row = || -> Vec<f64> { (0..8).map(|_| random.unit()).collect() };
        let apart: Vec<Vec<f64>> = (0..30).map(|_| row()).collect();
        let shared = vec![row(); 30];
        let worth =
            |rows: &[Vec<f64>]| independent(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>());
        assert!(worth(&apart) > 15.0, "{}", worth(&apart));
        close(worth(&shared), 1.0, 1e-9);
        // Two launches cannot tell.
        assert_eq!(worth(&vec![vec![1.0, 2.0]; 4]), 4.0);
    }

    #[test]
    fn equal_cases_know_what_all_of_them_know() {
        let prior = Prior::fit(&[(4.0, 6.0); 5], 1.0);
        assert_eq!(prior.freedom, 0.0);
        let prior = Prior::fit(&[(4.0, 6.0); 5], 5.0);
        assert_eq!(prior.freedom, 24.0);
        close(prior.moderated(4.0, 6.0).1, 30.0, 1e-12);
    }
}
