//! Scaling studies in several launches.

use super::middle;
use crate::analysis::families::families;
use crate::report::{Point, Report, Scaling};
use crate::stats;

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

/// The study after the headlines of its cases have become times of another definition.
fn current(study: &Scaling, report: &Report) -> Scaling {
    let growth = |point: &Point| {
        let case = report.cases.iter().find(|case| case.id == point.case)?;
        let ratio = case.measured.as_ref()?.latency.median / point.median_ms;
        Some(ratio).filter(|ratio| ratio.is_finite() && *ratio > 0.0)
    };
    let mut study = study.clone();
    let Some(base) = &study.base else { return study };
    let base_point = study.points.iter().find(|point| point.case == base.case);
    let base_growth = base_point.and_then(growth).unwrap_or(1.0);
    let more = |point: &Point| point.ranks as f64 / base.ranks as f64;
    let mut is_new = false;
    for point in &mut study.points {
        let growth = growth(point).unwrap_or(1.0);
        if growth == 1.0 && base_growth == 1.0 {
            continue;
        }
        is_new = true;
        point.median_ms *= growth;
        point.efficiency = point.efficiency.map(|share| share * base_growth / growth);
        point.speedup = point.speedup.map(|speedup| speedup * base_growth / growth);
        let known = point.karp_flatt.and(point.speedup);
        point.karp_flatt = known.and_then(|speedup| stats::karp_flatt(more(point), speedup));
        point.ci = None;
    }
    if is_new && study.amdahl_serial_fraction.is_some() {
        let speedups: Vec<(f64, f64)> =
            study.points.iter().filter_map(|point| Some((more(point), point.speedup?))).collect();
        study.amdahl_serial_fraction = stats::amdahl_serial_fraction(&speedups);
    }
    study
}
