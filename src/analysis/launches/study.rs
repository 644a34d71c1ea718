//! Scaling studies in several launches.

use crate::analysis::families::families;
use crate::analysis::scaling::{StudyPoint, scaling};
use crate::report::{Case, Point, Report, Scaling};

/// The studies of the launches, by the medians of the merged `cases`, with the efficiencies in each launch.
pub(super) fn merged(launches: &[(usize, Report)], cases: &[Case]) -> Vec<Scaling> {
    let studies = launches.iter().flat_map(|(_, report)| {
        report.scaling.iter().map(move |study| current(study, &report.cases))
    });
    let families = families(studies, |family: &[Scaling], b| {
        let a = &family[0];
        (&a.benchmark, a.kind, &a.problem, a.precision, a.placement)
            == (&b.benchmark, b.kind, &b.problem, b.precision, b.placement)
    });
    families.into_iter().filter_map(|family| of(&family, cases, launches.len() > 1)).collect()
}

fn of(family: &[Scaling], cases: &[Case], several: bool) -> Option<Scaling> {
    let longest = family.iter().rev().max_by_key(|study| study.points.len())?;
    let mut study = current(longest, cases);
    for point in study.points.iter_mut().filter(|_| several) {
        let same = |study: &Scaling| {
            study.points.iter().find(|other| other.case == point.case)?.efficiency
        };
        point.efficiencies = family.iter().filter_map(same).collect();
    }
    Some(study)
}

/// The study by the figures that its cases have now: their headlines may have become times of another definition, and
/// their medians those of several launches.
fn current(study: &Scaling, cases: &[Case]) -> Scaling {
    let case = |point: &Point| cases.iter().find(|case| case.id == point.case);
    let points = study.points.iter().map(|point| StudyPoint::of(case(point)?));
    let points: Option<Vec<StudyPoint<'_>>> = points.collect();
    if points.is_none() {
        tracing::warn!(
            "the study of {} keeps the figures it had: a case of it is missing, or does not say what it counts",
            study.benchmark
        );
    }
    let Scaling { benchmark, kind, problem, precision, placement, .. } = study;
    let renewed = points
        .and_then(|points| scaling(benchmark, *kind, problem, (*precision, *placement), &points));
    renewed.unwrap_or_else(|| study.clone())
}
