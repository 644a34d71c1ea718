//! Scaling studies in several launches.

use super::middle;
use crate::analysis::families::families;
use crate::analysis::scaling::{StudyPoint, scaling};
use crate::report::{Point, Report, Scaling};

/// The studies of the launches. Each is that of one launch, so that its figures belong together: the one in the
/// middle by its efficiency at the most ranks.
pub(super) fn merged(launches: &[(usize, Report)]) -> Vec<Scaling> {
    let studies = launches
        .iter()
        .flat_map(|(_, report)| report.scaling.iter().map(move |study| current(study, report)));
    let families = families(studies, |family: &[Scaling], b| {
        let a = &family[0];
        (&a.benchmark, a.kind, &a.problem, a.precision, a.placement)
            == (&b.benchmark, b.kind, &b.problem, b.precision, b.placement)
    });
    families.into_iter().filter_map(|family| of(&family, launches.len() > 1)).collect()
}

fn of(family: &[Scaling], several: bool) -> Option<Scaling> {
    let last = |study: &Scaling| study.points.last().and_then(|point| point.efficiency);
    let longest = family.iter().map(|study| study.points.len()).max()?;
    let whole = family.iter().filter(|study| study.points.len() == longest).collect();
    let mut study: Scaling = middle(whole, |study: &&Scaling| last(study).unwrap_or(0.0))?.clone();
    for point in study.points.iter_mut().filter(|_| several) {
        let same = |study: &Scaling| {
            study.points.iter().find(|other| other.case == point.case)?.efficiency
        };
        point.efficiencies = family.iter().filter_map(same).collect();
    }
    Some(study)
}

/// The study by the figures that its cases have now, since their headlines may have become times of another
/// definition.
fn current(study: &Scaling, report: &Report) -> Scaling {
    let case = |point: &Point| report.cases.iter().find(|case| case.id == point.case);
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
