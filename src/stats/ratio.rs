//! The interval of a ratio of two estimates.

/// An estimate with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The point estimate.
    pub value: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The interval of `over.value / under.value`, two independent positive estimates, from their intervals of the
/// same confidence: on the log scale a difference, whose limits add in squares (MOVER, Zou and Donner, 2008).
/// Limits need not be symmetric. The coverage is that of the given intervals. `None` if a number is not positive.
pub fn ratio_interval(over: Estimate, under: Estimate) -> Option<[f64; 2]> {
    let logs = |estimate: Estimate| {
        let Estimate { value, low, high } = estimate;
        let positive = value > 0.0 && low > 0.0 && high > 0.0;
        positive.then(|| [(value / low).ln(), (high / value).ln()])
    };
    let ([over_down, over_up], [under_down, under_up]) = (logs(over)?, logs(under)?);
    let ratio = over.value / under.value;
    Some([ratio * (-over_down.hypot(under_up)).exp(), ratio * over_up.hypot(under_down).exp()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::Stream;
    use crate::stats::{median, quantile_interval};

    #[test]
    fn an_exact_figure_leaves_the_others_interval() {
        let exact = Estimate { value: 2.0, low: 2.0, high: 2.0 };
        let wide = Estimate { value: 4.0, low: 3.0, high: 5.0 };
        let close = |got: Option<[f64; 2]>, low: f64, high: f64| {
            let [a, b] = got.unwrap();
            assert!((a - low).abs() < 1e-12 && (b - high).abs() < 1e-12, "{a} {b}");
        };
        close(ratio_interval(wide, exact), 1.5, 2.5);
        close(ratio_interval(exact, wide), 0.4, 2.0 / 3.0);
        assert_eq!(ratio_interval(wide, Estimate { value: 0.0, low: 0.0, high: 1.0 }), None);
    }

    #[test]
    fn the_interval_covers_the_true_ratio_as_often_as_it_says() {
        let estimate = |seed: u64, scale: f64| {
            let mut random = Stream::new(seed, "ratio", &[]);
            let values: Vec<f64> = (0..60).map(|_| scale * (1.0 + 0.1 * random.unit())).collect();
            let interval = quantile_interval(&values, 0.5, 0.95).unwrap();
            let value = median(&values).unwrap();
            Estimate { value, low: interval.low, high: interval.high }
        };
        let covers = |seed: &u64| {
            let [low, high] =
                ratio_interval(estimate(2 * seed, 2.0), estimate(2 * seed + 1, 1.0)).unwrap();
            low <= 2.0 && 2.0 <= high
        };
        // Binomial(400, 0.95) falls below 363 with probability 1e-4.
        assert!((0..400).filter(covers).count() >= 363);
    }
}
