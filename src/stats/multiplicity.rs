//! p-values adjusted for multiple testing.

/// Adjusts the p-values of a family to control the false discovery rate (Benjamini and Hochberg, 1995): the i-th
/// smallest of m becomes the least m p_j/j of all j ≥ i. Holds for independent and positively dependent tests. The
/// order is kept, as in R's p.adjust; NaN counts as 1.
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    adjusted(p, 1.0)
}

/// As [`benjamini_hochberg`], for any dependence, with an additional factor Σ 1/i (Benjamini and Yekutieli, 2001).
pub fn benjamini_yekutieli(p: &[f64]) -> Vec<f64> {
    adjusted(p, (1..=p.len()).map(|i| (i as f64).recip()).sum())
}

fn adjusted(p: &[f64], factor: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![1.0; p.len()];
    let mut least = 1.0f64;
    for (rank, &place) in (1..).zip(&order).collect::<Vec<_>>().into_iter().rev() {
        // `min` ignores NaN.
        least = least.min(p[place] * (factor * p.len() as f64 / f64::from(rank)));
        adjusted[place] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::golden::{close, golden, numbers};
    use proptest::prelude::*;

    #[test]
    fn adjusted_as_in_scipy() {
        for case in golden("families") {
            let p = numbers(&case["p"]);
            let pairs = [
                (benjamini_hochberg(&p), numbers(&case["benjamini_hochberg"])),
                (benjamini_yekutieli(&p), numbers(&case["benjamini_yekutieli"])),
            ];
            for (found, expected) in pairs {
                assert_eq!(found.len(), expected.len());
                found.into_iter().zip(expected).for_each(|(p, expected)| close(p, expected, 1e-12));
            }
        }
    }

    #[test]
    fn one_p_is_its_own_and_no_number_is_no_evidence() {
        assert_eq!(benjamini_hochberg(&[]), Vec::<f64>::new());
        assert_eq!(benjamini_hochberg(&[0.04]), [0.04]);
        assert_eq!(benjamini_hochberg(&[f64::NAN, 0.01, -f64::NAN]), [1.0, 0.015, 0.015]);
    }

    proptest! {
        #[test]
        fn adjusting_raises_and_keeps_the_order(p in prop::collection::vec(1e-300f64..=1.0, 1..60)) {
            for adjusted in [benjamini_hochberg(&p), benjamini_yekutieli(&p)] {
                for (i, &raised) in adjusted.iter().enumerate() {
                    prop_assert!(raised >= p[i] && raised <= 1.0);
                    prop_assert!((0..p.len()).all(|j| p[j] < p[i] || adjusted[j] >= raised));
                }
            }
            let mut reversed = p.clone();
            reversed.reverse();
            let mut back = benjamini_hochberg(&reversed);
            back.reverse();
            prop_assert_eq!(benjamini_hochberg(&p), back);
        }
    }
}
