//! Scaling studies as a section.

use super::document::{Cell, Section};
use super::words::problem;
use crate::base::units::format_ms;
use crate::report::Scaling;

/// The columns of [`rows`].
pub(super) const NAMES: &str =
    "scaling, type, problem, ranks, median, speed-up, efficiency, Karp-Flatt, notes";

/// One row a point of each study.
pub(super) fn section(studies: &[Scaling]) -> Option<Section> {
    let section = Section::table("scaling", NAMES, studies.iter().flat_map(rows));
    Some(section?.with(definitions(studies)))
}

/// The definitions of efficiency in use, each once.
pub(super) fn definitions<'a>(studies: impl IntoIterator<Item = &'a Scaling>) -> Vec<String> {
    let mut definitions: Vec<String> =
        studies.into_iter().map(|study| study.definition.clone()).collect();
    definitions.sort_unstable();
    definitions.dedup();
    definitions
}

/// The points of a study.
pub(super) fn rows(study: &Scaling) -> impl Iterator<Item = Vec<Cell>> {
    // A definition begins with its name, by which its sentence below the table is found.
    let definition = study.definition.split(':').next().unwrap_or_default();
    let base = study.base.as_ref().map(|base| base.ranks);
    study.points.iter().map(move |point| {
        let efficiency = |value: f64| match point.ci {
            Some([low, high]) => {
                format!("{:.1} % [{:.1}, {:.1}]", value * 100.0, low * 100.0, high * 100.0)
            }
            None => format!("{:.1} %", value * 100.0),
        };
        let notes = match (point.left_out, base) {
            (true, _) => "left out, see the case".to_owned(),
            (_, Some(ranks)) if ranks == point.ranks => "base".to_owned(),
            _ => by_launch(&point.efficiencies),
        };
        let digits = |value: f64| format!("{value:.3}");
        vec![
            format!("{} {definition}", study.benchmark).into(),
            study.precision.map_or("", |element| element.name()).into(),
            problem(&study.problem).into(),
            Cell::count(point.ranks),
            Cell::number(point.median_ms, format_ms),
            Cell::number(point.speedup, digits),
            Cell::number(point.efficiency, efficiency),
            Cell::number(point.karp_flatt, digits),
            notes.into(),
        ]
    })
}

/// The range of a point's efficiencies in several launches.
fn by_launch(efficiencies: &[f64]) -> String {
    let ends = efficiencies.iter().copied().map(|share| 100.0 * share);
    let (low, high) = (ends.clone().reduce(f64::min), ends.reduce(f64::max));
    low.zip(high).map_or_else(String::new, |(low, high)| {
        format!("{low:.1} to {high:.1} % in {} launches", efficiencies.len())
    })
}
