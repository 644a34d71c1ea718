//! How much a machine's own figures vary when nothing has changed.

use std::collections::BTreeMap;

use super::subject::subjects;
use crate::plan::config::ComparedMetric;
use crate::report::Report;
use crate::stats;

/// Share of the ratios that the floor is above.
const QUANTILE: f64 = 0.95;

/// From sides that measured one and the same thing (A/A): the 95 % quantile of |ln ratio| between the figures of
/// any two sides, over all cases; as a share. `None` when no case is on two sides.
pub fn noise_floor(sides: &[&[Report]], metric: ComparedMetric) -> Option<f64> {
    let mut figures: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for side in sides {
        for subject in subjects(side, metric) {
            if let Some(figure) = subject.figure() {
                figures.entry(subject.id).or_default().push(figure);
            }
        }
    }
    let mut distances = Vec::new();
    for figures in figures.into_values() {
        for (i, one) in figures.iter().enumerate() {
            distances.extend(figures[i + 1..].iter().map(|other| (one / other).ln().abs()));
        }
    }
    stats::quantile(&distances, QUANTILE).map(f64::exp_m1)
}
