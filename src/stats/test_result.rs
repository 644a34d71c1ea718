//! The result of a statistical test.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_are_never_0_nor_beyond_1() {
        let found = [0.25, 0.0, 1.5, f64::NAN].map(clamp_p);
        assert_eq!(found, [0.25, f64::MIN_POSITIVE, 1.0, 1.0]);
    }
}
