//! What a machine changes by itself.

use std::collections::BTreeMap;

use super::subject::{Subject, subjects};
use crate::plan::config::ComparedMetric;
use crate::report::Report;
use crate::stats;

/// Share of the ratios between figures of one thing that a noise floor is above. Of 95 %, gates of 30 unchanged cases
/// whose sessions differ by 3 % would fail in one of four; of 99 %, in one of twenty.
const FLOOR_QUANTILE: f64 = 0.99;

/// How much of a change is no change: no threshold is below it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoiseFloor {
    /// As a share.
    pub share: f64,
    /// Pairs of measurements of one thing that it comes from; `None` where it was given.
    pub pairs: Option<usize>,
}

/// From things that were measured on several sides each (A/A): the 99 % quantile of |ln ratio| between the figures
/// that any two sides of a thing have for a case by the same method. `None` when no two sides have one.
pub fn noise_floor(things: &[Vec<&[Report]>], metric: ComparedMetric) -> Option<NoiseFloor> {
    let (mut distances, mut pairs) = (Vec::new(), 0);
    for sides in things {
        let sides: Vec<_> = sides.iter().map(|side| by_id(side, metric)).collect();
        for (i, one) in sides.iter().enumerate() {
            for other in &sides[i + 1..] {
                let distance = |subject: &Subject<'_>| {
                    let other = other.get(&subject.id)?;
                    let alike = subject.methods.first() == other.methods.first();
                    let ratio = subject.figure()? / other.figure().filter(|_| alike)?;
                    Some(ratio.ln().abs())
                };
                let known = distances.len();
                distances.extend(one.values().filter_map(distance));
                pairs += usize::from(distances.len() > known);
            }
        }
    }
    let share = stats::quantile(&distances, FLOOR_QUANTILE)?.exp_m1();
    Some(NoiseFloor { share, pairs: Some(pairs) })
}

fn by_id(side: &[Report], metric: ComparedMetric) -> BTreeMap<String, Subject<'_>> {
    let subjects = subjects(side, metric).into_iter();
    subjects.map(|subject| (subject.id.clone(), subject)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::{analysed, empty_report, plan, recording};

    /// A report of one case that takes so long.
    fn report(nanos: f64) -> Report {
        let plan = plan("benchmarks: {gemm: {m: 8}}");
        let mut report = empty_report(&plan);
        let case = analysed(&plan, &plan.cases[0], recording(&plan, nanos, nanos), None);
        report.cases.push(case);
        report
    }

    #[test]
    fn only_figures_of_one_thing_are_held_against_each_other() {
        let [a, b, c, d] = [1e6, 1.02e6, 5e6, 5.05e6].map(|nanos| vec![report(nanos)]);
        let floor = |things: &[Vec<&[Report]>]| noise_floor(things, ComparedMetric::Latency);
        let found = floor(&[vec![&a, &b], vec![&c, &d]]).unwrap();
        assert!((found.share - 0.02).abs() < 1e-3 && found.pairs == Some(2), "{found:?}");
        assert_eq!(floor(&[vec![&a], vec![&c]]), None);
        assert_eq!(floor(&[vec![&a, &[]]]), None);
        let mut other = b.clone();
        let measured = other[0].cases[0].measured.as_mut().unwrap();
        measured.protocol = crate::plan::config::Protocol::Barrier;
        assert_eq!(floor(&[vec![&a, &other]]), None, "another method");
        assert_eq!(floor(&[vec![&a, &b, &a]]).unwrap().pairs, Some(3));
    }
}
