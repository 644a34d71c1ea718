//! Tests of several samples at once.

use statrs::distribution::{ChiSquared, ContinuousCDF as _, FisherSnedecor};

use super::order::{median, ranks, sorted_with_index};
use super::p_value::{TestResult, clamp_p};
use super::sample::{Scale, mean};

/// Squared rounding error of equal distances on the scale from 0 to 1, per value.
const ROUNDING: f64 = 1e-30;

/// Tests whether `groups` have equal variances: F of the distances from each group's median (Brown and Forsythe,
/// 1974; Levene's test with medians). `None` for fewer than two groups, an empty group, or if the distances within
/// each group are equal, as with two values in each.
pub fn brown_forsythe(groups: &[&[f64]]) -> Option<TestResult> {
    let scale = Scale::of(groups.iter().copied().flatten())?;
    let distances: Vec<Vec<f64>> = groups
        .iter()
        .map(|group| {
            let group = scale.values(group);
            let median = median(&group)?;
            Some(group.iter().map(|value| (value - median).abs()).collect())
        })
        .collect::<Option<_>>()?;
    let (k, n) =
        (groups.len() as f64, groups.iter().map(|group| group.len()).sum::<usize>() as f64);
    let grand = mean(&distances.concat());
    let (mut between, mut within) = (0.0, 0.0);
    for group in &distances {
        let mean = mean(group);
        between += group.len() as f64 * (mean - grand).powi(2);
        within += group.iter().map(|distance| (distance - mean).powi(2)).sum::<f64>();
    }
    if groups.len() < 2 || within <= ROUNDING * n {
        return None;
    }
    let statistic = (n - k) / (k - 1.0) * between / within;
    let p = FisherSnedecor::new(k - 1.0, n - k).ok()?.sf(statistic);
    Some(TestResult { statistic, p: clamp_p(p) })
}

/// Tests whether the columns of `rows` have the same location, by their ranks within each row (Friedman, 1937):
/// χ² = 12/(nk(k + 1)) Σ (R_j − n(k + 1)/2)² with rank sums R_j of n rows and k columns, divided by
/// 1 − Σ (t³ − t)/(n(k³ − k)) for ties of t; k − 1 degrees of freedom, an approximation that is rough for few
/// rows. `None` for no rows, fewer than two columns, rows of unequal length, NaN, or if all values are tied.
pub fn friedman(rows: &[impl AsRef<[f64]>]) -> Option<TestResult> {
    let columns = rows.first()?.as_ref().len();
    let (mut sums, mut ties) = (vec![0.0; columns], 0.0);
    for row in rows.iter().map(AsRef::as_ref) {
        if row.len() != columns || row.iter().any(|value| value.is_nan()) {
            return None;
        }
        let (ranks, row_ties) = ranks(&sorted_with_index(row));
        sums.iter_mut().zip(&ranks).for_each(|(sum, rank)| *sum += rank);
        ties += row_ties;
    }
    let (n, k) = (rows.len() as f64, columns as f64);
    let untied = 1.0 - ties / (n * (k * k * k - k));
    if columns < 2 || untied <= 0.0 {
        return None;
    }
    let squares: f64 = sums.iter().map(|sum| (sum - n * (k + 1.0) / 2.0).powi(2)).sum();
    let statistic = 12.0 / (n * k * (k + 1.0)) * squares / untied;
    Some(TestResult { statistic, p: clamp_p(ChiSquared::new(k - 1.0).ok()?.sf(statistic)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::golden::{close, golden, number, table};
    use crate::stats::hostile::{sample, value};
    use proptest::prelude::*;

    fn slices(groups: &[Vec<f64>]) -> Vec<&[f64]> {
        groups.iter().map(Vec::as_slice).collect()
    }

    #[test]
    fn brown_forsythe_as_in_scipy() {
        for case in golden("groups") {
            let found = brown_forsythe(&slices(&table(&case["groups"]))).unwrap();
            close(found.statistic, number(&case["statistic"]), 1e-9);
            close(found.p, number(&case["p"]), 1e-9);
        }
    }

    #[test]
    fn friedman_as_in_scipy() {
        for case in golden("rows") {
            let found = friedman(&table(&case["rows"])).unwrap();
            close(found.statistic, number(&case["statistic"]), 1e-9);
            close(found.p, number(&case["p"]), 1e-9);
        }
    }

    #[test]
    fn what_is_not_defined_is_none() {
        assert_eq!(brown_forsythe(&[&[1.0, 2.0, 4.0]]), None);
        assert_eq!(brown_forsythe(&[&[1.0, 2.0, 4.0], &[]]), None);
        assert_eq!(brown_forsythe(&[&[0.1, 0.2], &[0.3, 0.7]]), None);
        assert_eq!(brown_forsythe(&[&[0.1; 5], &[0.3; 4]]), None);
        assert_eq!(friedman(&[[1.0; 4]; 10]), None);
        assert_eq!(friedman(&[[1.0]; 10]), None);
        assert_eq!(friedman(&[vec![1.0, 2.0], vec![1.0]]), None);
        assert_eq!(friedman(&[[0.0; 4]; 0]), None);
    }

    proptest! {
        #[test]
        fn p_is_a_probability_whatever_the_order(mut groups in prop::collection::vec(sample(1), 2..6)) {
            let there = brown_forsythe(&slices(&groups));
            groups.reverse();
            let back = brown_forsythe(&slices(&groups));
            prop_assert_eq!(there.is_some(), back.is_some());
            if let (Some(there), Some(back)) = (there, back) {
                prop_assert!(there.p > 0.0 && there.p <= 1.0, "{:?}", there);
                prop_assert!(there.statistic.is_finite(), "{:?}", there);
                prop_assert!((there.p - back.p).abs() < 1e-9, "{:?} {:?}", there, back);
            }
        }

        #[test]
        fn columns_may_change_places(
            mut rows in prop::collection::vec(prop::collection::vec(value(), 4), 1..20),
        ) {
            let there = friedman(&rows);
            rows.iter_mut().for_each(|row| row.reverse());
            let back = friedman(&rows);
            prop_assert_eq!(there.is_some(), back.is_some());
            if let (Some(there), Some(back)) = (there, back) {
                prop_assert!(there.p > 0.0 && there.p <= 1.0, "{:?}", there);
                prop_assert!((there.p - back.p).abs() < 1e-9, "{:?} {:?}", there, back);
            }
        }
    }
}
