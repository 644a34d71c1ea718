//! Scaling studies in several launches.

use std::collections::HashMap;

use crate::analysis::families::families;
use crate::analysis::scaling::{StudyPoint, scaling};
use crate::report::{Case, Point, Report, Scaling};

type Cases<'a> = HashMap<&'a str, &'a Case>;

/// The studies of the launches, by the medians of the merged `cases`, with the efficiencies in each launch.
pub(super) fn merged(launches: &[(usize, Report)], cases: &[Case]) -> Vec<Scaling> {
    let studies = launches.iter().flat_map(|(_, report)| {
        let cases = by_id(&report.cases);
        report.scaling.iter().map(move |study| (study, current(study, &cases)))
    });
    let families = families(studies, |(study, _)| {
        (&study.benchmark, study.kind, &study.problem, study.precision, study.placement)
    });
    let cases = by_id(cases);
    let of = |family: Vec<(&Scaling, Scaling)>| {
        let family: Vec<Scaling> = family.into_iter().map(|(_, current)| current).collect();
        of(&family, &cases, launches.len() > 1)
    };
    families.into_iter().filter_map(of).collect()
}

fn by_id(cases: &[Case]) -> Cases<'_> {
    cases.iter().map(|case| (case.id.as_str(), case)).collect()
}

fn of(family: &[Scaling], cases: &Cases<'_>, several: bool) -> Option<Scaling> {
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
fn current(study: &Scaling, cases: &Cases<'_>) -> Scaling {
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
