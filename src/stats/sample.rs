//! Mean, variance, autocorrelation and range of a sample.

/// The arithmetic mean; NaN for no values.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The unbiased variance, in two passes to avoid cancellation; 0 for fewer than two values.
pub fn variance(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let mean = mean(values);
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64
}

/// The autocorrelation at lag 1, with the mean and variance of the whole sample; `None` for fewer than three
/// values, or if all are equal.
pub fn autocorrelation(values: &[f64]) -> Option<f64> {
    let varies = values.iter().any(|value| *value != values[0]);
    (varies && values.len() > 2).then(|| autocorrelations(values.to_vec())(1))
}

/// The autocorrelation as a function of the lag; 0 if all values are equal.
pub(super) fn autocorrelations(mut values: Vec<f64>) -> impl Fn(usize) -> f64 {
    let mean = mean(&values);
    values.iter_mut().for_each(|value| *value -= mean);
    let total: f64 = values.iter().map(|value| value * value).sum();
    move |lag| {
        let later = values.iter().skip(lag);
        let lagged: f64 = values.iter().zip(later).map(|(value, later)| value * later).sum();
        if total > 0.0 { lagged / total } else { 0.0 }
    }
}

/// Maps the smallest value to 0 and the largest to 1, so that squares neither overflow nor underflow. Equal values stay
/// exactly equal, so that constant values have a variance of exactly 0, unlike a computed variance of values such as
/// 0.1.
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

    #[test]
    fn moments_of_a_known_sample() {
        let values = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0];
        assert_eq!(mean(&values), 5.0);
        assert!((variance(&values) - 32.0 / 7.0).abs() < 1e-12);
        assert_eq!(variance(&[1.0]), 0.0);
        // Large offsets do not cancel.
        let shifted: Vec<f64> = values.iter().map(|value| value + 1e9).collect();
        assert!((variance(&shifted) - 32.0 / 7.0).abs() < 1e-6);
    }

    #[test]
    fn alternating_values_are_anticorrelated() {
        let values: Vec<f64> = (0..100).map(|i| f64::from(i % 2)).collect();
        assert!((autocorrelation(&values).unwrap() + 0.99).abs() < 1e-12);
        assert_eq!(autocorrelation(&[0.1; 10]), None);
        assert_eq!(autocorrelation(&[1.0, 2.0]), None);
    }

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
