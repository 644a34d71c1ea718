//! Min-max scaling, so that squares neither overflow nor underflow.

/// Maps the smallest value to 0 and the largest to 1. Equal values stay exactly equal, so that constant values have
/// a variance of exactly 0, unlike a computed variance of values such as 0.1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    low: f64,
    /// The width of the range; 0 if all values are equal.
    pub(super) range: f64,
}

impl Scale {
    /// The scale of `values`; `None` for no values or a range that is not finite.
    pub(super) fn of<'a>(values: impl IntoIterator<Item = &'a f64>) -> Option<Self> {
        let empty = (f64::INFINITY, f64::NEG_INFINITY);
        let (low, high) = values.into_iter().try_fold(empty, |(low, high), &value| {
            value.is_finite().then(|| (value.min(low), value.max(high)))
        })?;
        let range = high - low;
        (0.0..f64::INFINITY).contains(&range).then_some(Self { low, range })
    }

    pub(super) fn values(&self, values: &[f64]) -> Vec<f64> {
        let unit = if self.range > 0.0 { self.range } else { 1.0 };
        values.iter().map(|value| (value - self.low) / unit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::variance;

    #[test]
    fn what_is_equal_stays_equal_and_what_differs_differs() {
        let scaled = |values: &[f64]| Scale::of(values).unwrap().values(values);
        assert_eq!(scaled(&[3.0, 1.0, 2.0]), [1.0, 0.0, 0.5]);
        assert_ne!(variance(&[0.1; 10]), 0.0);
        assert_eq!(variance(&scaled(&[0.1; 10])), 0.0);
        assert_eq!(scaled(&[5e-324, 0.0]), [1.0, 0.0]);
        assert_eq!(scaled(&[1e308, 0.0]), [1.0, 0.0]);
        for undefined in [&[][..], &[1e308, -1e308], &[f64::NAN, 1.0], &[f64::INFINITY]] {
            assert!(Scale::of(undefined).is_none(), "{undefined:?}");
        }
    }
}
