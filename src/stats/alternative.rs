//! What a test looks for.

/// Where the second of two samples is suspected to lie, against the first.
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
    /// The p-value, from the probabilities of something as low as what was seen, and as high. Two-sided it
    /// is twice the smaller one.
    pub(super) fn p(self, as_low: f64, as_high: f64) -> f64 {
        bounded(match self {
            Self::Less => as_low,
            Self::Greater => as_high,
            Self::TwoSided => 2.0 * as_low.min(as_high),
        })
    }
}

/// A probability as it may be reported: in (0, 1]. What is smaller than numbers can be is not impossible,
/// and what is not a number is no evidence.
pub(super) fn bounded(p: f64) -> f64 {
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
