//! Scaling studies as a section.

use std::collections::BTreeSet;

use super::document::{Cell, Section};
use super::words::{percent, problem, type_name};
use crate::base::units::format_ms;
use crate::report::{Point, Scaling};

/// A point of a study, and what is said beside it: how its launches were made, and the reports it is from.
pub(super) type Row<'a> = (&'a Scaling, &'a Point, [String; 2]);

/// One row a point of each study.
pub(super) fn section(studies: &[Scaling]) -> Option<Section> {
    let rows = studies
        .iter()
        .flat_map(|study| study.points.iter().map(move |point| (study, point, Default::default())));
    table(rows, studies)
}

/// The rows, and the definitions of efficiency in use, each once.
pub(super) fn table<'a>(
    rows: impl IntoIterator<Item = Row<'a>>,
    studies: impl IntoIterator<Item = &'a Scaling>,
) -> Option<Section> {
    let digits = |value: f64| format!("{value:.3}");
    let section = Section::table(
        "scaling",
        rows,
        &[
            ("study", &|(study, ..)| format!("{} {}", study.benchmark, definition(study)).into()),
            ("type", &|(study, ..)| type_name(study.precision).into()),
            ("problem", &|(study, ..)| problem(&study.problem).into()),
            ("ranks", &|(_, point, _)| Cell::count(point.ranks)),
            ("median", &|(_, point, _)| Cell::number(point.median_ms, format_ms)),
            ("speed-up", &|(_, point, _)| Cell::number(point.speedup, digits)),
            ("efficiency", &|(_, point, _)| {
                Cell::number(point.efficiency, |v| efficiency(v, point))
            }),
            ("Karp-Flatt", &|(_, point, _)| Cell::number(point.karp_flatt, digits)),
            ("notes", &|(study, point, _)| notes(study, point).into()),
            ("launches", &|(.., [launches, _])| launches.as_str().into()),
            ("reports", &|(.., [_, reports])| reports.as_str().into()),
        ],
    );
    let definitions: BTreeSet<&str> =
        studies.into_iter().map(|study| study.definition.as_str()).collect();
    Some(section?.with(definitions))
}

/// A definition begins with its name, by which its sentence below the table is found.
fn definition(study: &Scaling) -> &str {
    study.definition.split(':').next().unwrap_or_default()
}

fn efficiency(share: f64, point: &Point) -> String {
    let interval =
        point.ci.map(|[low, high]| format!(" [{:.1}, {:.1}]", low * 100.0, high * 100.0));
    percent(share * 100.0) + &interval.unwrap_or_default()
}

fn notes(study: &Scaling, point: &Point) -> String {
    match (point.left_out, &study.base) {
        (true, _) => "left out, see the case".to_owned(),
        (_, Some(base)) if base.ranks == point.ranks => "base".to_owned(),
        _ => by_launch(&point.efficiencies),
    }
}

/// The range of a point's efficiencies in several launches.
fn by_launch(efficiencies: &[f64]) -> String {
    let ends = efficiencies.iter().copied().map(|share| 100.0 * share);
    let (low, high) = (ends.clone().reduce(f64::min), ends.reduce(f64::max));
    low.zip(high).map_or_else(String::new, |(low, high)| {
        format!("{low:.1} to {high:.1} % in {} launches", efficiencies.len())
    })
}
