//! Effect sizes between two samples.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::function::gamma::ln_gamma;

use super::rank_sum::mann_whitney_u;
use super::sample::{Scale, mean, variance};

/// Cliff's δ (1993), P(y > x) − P(y < x): 1 if all of `y` lies above all of `x`, −1 below. `None` for an empty
/// sample or NaN.
pub fn cliffs_delta(x: &[f64], y: &[f64]) -> Option<f64> {
    let (u, _) = mann_whitney_u(x, y)?;
    let pairs = (x.len() * y.len()) as f64;
    Some((2.0 * u - pairs) / pairs)
}

/// The magnitude of an effect.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Magnitude {
    /// |δ| below 0.147.
    Negligible,
    /// Below 0.33.
    Small,
    /// Below 0.474.
    Medium,
    /// 0.474 or more.
    Large,
}

impl Magnitude {
    /// The magnitude of |δ|, by the limits of Romano et al. (2006).
    pub fn of_delta(delta: f64) -> Self {
        match delta.abs() {
            size if size < 0.147 => Self::Negligible,
            size if size < 0.33 => Self::Small,
            size if size < 0.474 => Self::Medium,
            _ => Self::Large,
        }
    }
}

/// Hedges' g (1981): the difference of the means, `y` minus `x`, in pooled standard deviations, times
/// J(ν) = Γ(ν/2)/(√(ν/2) Γ((ν − 1)/2)), which corrects the bias of small samples; ν = n₁ + n₂ − 2. `None` for
/// fewer than two values in either sample, or if both are constant.
pub fn hedges_g(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.len().min(y.len()) < 2 {
        return None;
    }
    let scale = Scale::of(x.iter().chain(y))?;
    let (x, y) = (scale.values(x), scale.values(y));
    let squares = |values: &[f64]| variance(values) * (values.len() - 1) as f64;
    let freedom = (x.len() + y.len() - 2) as f64;
    let pooled = ((squares(&x) + squares(&y)) / freedom).sqrt();
    let unbias = (ln_gamma(freedom / 2.0) - ln_gamma((freedom - 1.0) / 2.0)).exp();
    let g = unbias / (freedom / 2.0).sqrt() * (mean(&y) - mean(&x)) / pooled;
    g.is_finite().then_some(g)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::golden::{close, golden, number, numbers};
    use crate::stats::hostile::sample;
    use proptest::prelude::*;

    #[test]
    fn effects_by_their_definitions_in_numpy() {
        for case in golden("pairs") {
            let (x, y) = (numbers(&case["x"]), numbers(&case["y"]));
            close(cliffs_delta(&x, &y).unwrap(), number(&case["cliffs_delta"]), 1e-12);
            close(hedges_g(&x, &y).unwrap(), number(&case["hedges_g"]), 1e-11);
        }
    }

    #[test]
    fn the_label_does_not_depend_on_the_sign() {
        let labels = [
            (0.0, Magnitude::Negligible),
            (0.146, Magnitude::Negligible),
            (0.147, Magnitude::Small),
            (0.33, Magnitude::Medium),
            (0.474, Magnitude::Large),
            (1.0, Magnitude::Large),
        ];
        for (delta, label) in labels {
            assert_eq!(Magnitude::of_delta(delta), label);
            assert_eq!(Magnitude::of_delta(-delta), label);
        }
    }

    #[test]
    fn what_is_not_defined_is_none() {
        assert_eq!(hedges_g(&[0.1; 9], &[0.1; 3]), None);
        assert_eq!(hedges_g(&[1.0; 9], &[2.0; 3]), None);
        assert_eq!(hedges_g(&[1.0], &[2.0, 3.0]), None);
        assert_eq!(cliffs_delta(&[1.0], &[]), None);
        assert_eq!(cliffs_delta(&[1.0, 2.0], &[4.0]), Some(1.0));
    }

    proptest! {
        #[test]
        fn swapped_samples_flip_every_sign(x in sample(1), y in sample(1)) {
            let (there, back) = (cliffs_delta(&x, &y).unwrap(), cliffs_delta(&y, &x).unwrap());
            prop_assert_eq!(there, -back);
            prop_assert!((-1.0..=1.0).contains(&there));
            if let (Some(there), Some(back)) = (hedges_g(&x, &y), hedges_g(&y, &x)) {
                prop_assert_eq!(there, -back);
            }
        }
    }
}
