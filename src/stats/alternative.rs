//! The alternative hypothesis of a two-sample test.

/// Where the second of two samples lies relative to the first, under the alternative hypothesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alternative {
    /// Lower.
    Less,
    /// Higher.
    Greater,
    /// Lower or higher.
    TwoSided,
}

impl Alternative {
    /// The p-value from the two tail probabilities of the statistic. Two-sided, it is twice the smaller tail.
    pub(super) fn p(self, lower_tail: f64, upper_tail: f64) -> f64 {
        clamp_p(match self {
            Self::Less => lower_tail,
            Self::Greater => upper_tail,
            Self::TwoSided => 2.0 * lower_tail.min(upper_tail),
        })
    }
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
        assert_eq!(Alternative::Less.p(0.25, 0.9), 0.25);
        assert_eq!(Alternative::Greater.p(0.25, 0.9), 0.9);
        assert_eq!(Alternative::TwoSided.p(0.25, 0.9), 0.5);
        assert_eq!(Alternative::TwoSided.p(0.6, 0.6), 1.0);
        assert_eq!(Alternative::Less.p(0.0, 1.0), f64::MIN_POSITIVE);
        assert_eq!(Alternative::TwoSided.p(f64::NAN, f64::NAN), 1.0);
    }
}
