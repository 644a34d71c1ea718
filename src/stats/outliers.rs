//! Outliers: counted, never dropped.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::order::quantile;

/// Numbers of values beyond Tukey's fences (Exploratory Data Analysis, 1977).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outliers {
    /// Values beyond the inner fences: more than 1.5 interquartile ranges from the quartiles.
    pub beyond_inner: usize,
    /// Their percentage of all values.
    pub beyond_inner_percent: f64,
    /// Values beyond the outer fences: more than 3 interquartile ranges from the quartiles.
    pub beyond_outer: usize,
    /// Their percentage of all values.
    pub beyond_outer_percent: f64,
}

/// Counts the outliers of `values`, by quartiles of type 8. Of normal values 0.7 % lie beyond the inner
/// fences and one in 430 000 beyond the outer fences. Times have longer tails and more outliers.
pub fn outliers(values: &[f64]) -> Outliers {
    let quartiles = (quantile(values, 0.25), quantile(values, 0.75));
    let (Some(low), Some(high)) = quartiles else { return Outliers::default() };
    let beyond = |ranges: f64| {
        let reach = ranges * (high - low);
        values.iter().filter(|&&value| value < low - reach || value > high + reach).count()
    };
    let percent = |count: usize| 100.0 * count as f64 / values.len() as f64;
    let (inner, outer) = (beyond(1.5), beyond(3.0));
    Outliers {
        beyond_inner: inner,
        beyond_inner_percent: percent(inner),
        beyond_outer: outer,
        beyond_outer_percent: percent(outer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::hostile::sample;
    use proptest::prelude::*;

    #[test]
    fn outliers_are_counted_on_both_sides() {
        let mut values: Vec<f64> = (0..97).map(f64::from).collect();
        assert_eq!(outliers(&values), Outliers::default());
        // The interquartile range is about 50.
        values.extend([-100.0, 200.0, 1e4]);
        let found = outliers(&values);
        assert_eq!((found.beyond_inner, found.beyond_outer), (3, 1));
        assert_eq!((found.beyond_inner_percent, found.beyond_outer_percent), (3.0, 1.0));
        // Where most are equal, any other lies beyond.
        assert_eq!(outliers(&[&[5.0; 20][..], &[6.0]].concat()).beyond_outer, 1);
        assert_eq!(outliers(&[]), Outliers::default());
    }

    proptest! {
        #[test]
        fn outer_ones_are_among_the_inner(values in sample(0)) {
            let found = outliers(&values);
            prop_assert!(found.beyond_outer <= found.beyond_inner);
            prop_assert!(found.beyond_inner <= values.len());
            prop_assert!((0.0..=100.0).contains(&found.beyond_inner_percent));
        }
    }
}
