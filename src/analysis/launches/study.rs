//! Scaling studies in several launches.

use std::collections::HashMap;

use super::middle;
use crate::analysis::families::families;
use crate::analysis::scaling::{StudyPoint, scaling};
use crate::report::{Case, Point, Report, Scaling};

/// The studies of the launches. Each is that of one launch, so that its figures belong together: the one in the
/// middle by its efficiency at the most ranks.
pub(super) fn merged(launches: &[(usize, Report)]) -> Vec<Scaling> {
    let studies = launches.iter().flat_map(|(_, report)| {
        let cases: HashMap<&str, &Case> =
            report.cases.iter().map(|case| (case.id.as_str(), case)).collect();
        report.scaling.iter().map(move |study| (study, current(study, &cases)))
    });
    let families = families(studies, |(study, _)| {
        (&study.benchmark, study.kind, &study.problem, study.precision, study.placement)
    });
    let current = |family: Vec<(&Scaling, Scaling)>| {
        let family: Vec<Scaling> = family.into_iter().map(|(_, current)| current).collect();
        of(&family, launches.len() > 1)
    };
    families.into_iter().filter_map(current).collect()
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
fn current(study: &Scaling, cases: &HashMap<&str, &Case>) -> Scaling {
    let case = |point: &Point| cases.get(point.case.as_str()).copied();
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
