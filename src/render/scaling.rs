//! Scaling studies as a section.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{Cell, Section};
use super::plot::{self, Axis, Chart, Figure, Plot, Series, Style};
use super::words::{percent, placed, type_name};
use crate::base::units::{format_ms, rounded};
use crate::plan::config::ScalingKind;
use crate::report::{Point, Scaling};

/// Said where the serial fraction would be above 1.
const SLOWER: &str =
    "Karp-Flatt is - where more ranks take longer: no serial fraction explains that";

/// Said where intervals are over iterations.
pub(super) const WITHIN: &str =
    "the intervals hold within one launch of each; launches differ by more";

/// Straight pieces of a curve, and most fits that are drawn.
const STEPS: usize = 24;
const FITS: usize = 3;

const LEFT_OUT: &str = "left out: of efficiencies and fits, because of a note on the case";

/// A point of a study, and what is said beside it: how its launches were made, and the reports it is from.
pub(super) type Row<'a> = (&'a Scaling, &'a Point, [String; 2]);

/// One row a point of each study.
pub(super) fn section(studies: &[Scaling]) -> Option<Section> {
    let rows = studies
        .iter()
        .flat_map(|study| study.points.iter().map(move |point| (study, point, Default::default())));
    // Of several launches it is over these.
    let alone = |point: &Point| point.ci.is_some() && point.efficiencies.is_empty();
    let within = studies.iter().any(|study| study.points.iter().any(alone));
    Some(table(rows, studies)?.with(within.then_some(WITHIN)).drawn(plots(studies)))
}

/// A plot of the studies of each benchmark: speed-ups where times say it all, else efficiencies.
pub(super) fn plots<'a>(studies: impl IntoIterator<Item = &'a Scaling>) -> Vec<Plot> {
    let mut benchmarks: BTreeMap<String, Vec<&Scaling>> = BTreeMap::new();
    for study in studies {
        let title = format!("{} {}", study.benchmark, definition(study));
        benchmarks.entry(title).or_default().push(study);
    }
    benchmarks.iter().filter_map(|(title, studies)| plot(title, studies)).collect()
}

fn plot(title: &str, studies: &[&Scaling]) -> Option<Plot> {
    let by_speed =
        studies.iter().all(|study| study.points.iter().any(|point| point.speedup.is_some()));
    let ideal = |study: &Scaling, ranks: f64| match (by_speed, &study.base) {
        (true, Some(base)) => ranks / base.ranks as f64,
        _ => 100.0,
    };
    let series = studies.iter().map(|study| {
        let point = |point: &Point| {
            let efficiency = point.efficiency.filter(|_| !point.left_out)?;
            let scale = ideal(study, point.ranks as f64);
            Some(plot::Point {
                x: point.ranks as f64,
                y: scale * efficiency,
                interval: point.ci.map(|ends| ends.map(|end| scale * end)),
                says: point.case.clone(),
            })
        };
        let name =
            format!("{} {}", type_name(study.precision), placed(&study.problem, study.placement));
        let points = study.points.iter().filter_map(point).collect();
        Series { name: name.trim().to_owned(), style: Style::Line, points }
    });
    let mut series: Vec<Series> = series.filter(|series| series.points.len() > 1).collect();
    let ranks = || series.iter().flat_map(|series| &series.points).map(|point| point.x);
    let (least, most) = (ranks().reduce(f64::min)?, ranks().reduce(f64::max)?);
    let guide = |name: String, of: &dyn Fn(f64) -> f64| {
        let at = |step: usize| least * (most / least).powf(step as f64 / STEPS as f64);
        Series::guide(name, (0..=STEPS).map(at).map(|ranks| [ranks, of(ranks)]))
    };
    let amdahl = |study: &&Scaling| {
        let serial = study.amdahl_serial_fraction.filter(|share| (0.0..=1.0).contains(share))?;
        let time = move |ranks: f64| serial + (1.0 - serial) / ranks;
        let base = time(study.base.as_ref()?.ranks as f64);
        let name = format!("Amdahl, serial fraction {:.2} %", 100.0 * serial);
        by_speed.then(|| guide(name, &|ranks| base / time(ranks)))
    };
    let fits: Vec<Series> = studies.iter().filter_map(amdahl).take(FITS).collect();
    let ideal = guide("ideal".to_owned(), &|ranks| ideal(studies[0], ranks));
    series.extend(std::iter::once(ideal).chain(fits));
    let x = Axis::log("ranks", "");
    let y = match by_speed {
        true => Axis::log("speed-up", ""),
        false => Axis::linear("efficiency", "%"),
    };
    let chart = Chart { x, y, series, events: Vec::new() };
    Plot::of(title, "", Figure::Chart(chart))
}

/// The rows, and the definitions of efficiency in use, each once.
pub(super) fn table<'a>(
    rows: impl IntoIterator<Item = Row<'a>>,
    studies: impl IntoIterator<Item = &'a Scaling>,
) -> Option<Section> {
    let digits = |value: f64| format!("{:.3}", rounded(value, 3));
    let section = Section::table(
        "scaling",
        rows,
        &[
            ("study", &|(study, ..)| format!("{} {}", study.benchmark, definition(study)).into()),
            ("type", &|(study, ..)| type_name(study.precision).into()),
            ("problem", &|(study, ..)| placed(&study.problem, study.placement).into()),
            ("ranks", &|(_, point, _)| Cell::count(point.ranks)),
            ("median", &|(_, point, _)| Cell::number(point.median_ms, format_ms)),
            ("speed-up", &|(_, point, _)| Cell::number(point.speedup, digits)),
            ("efficiency", &|(_, point, _)| match point.left_out {
                true => "left out".into(),
                false => Cell::number(point.efficiency, share),
            }),
            ("interval", &|(_, point, _)| point.ci.map(|ci| Cell::range(Some(ci), share)).into()),
            ("in launches", &|(_, point, _)| in_launches(&point.efficiencies).into()),
            ("Karp-Flatt", &|(_, point, _)| {
                Cell::number(point.karp_flatt.filter(|share| *share <= 1.0), digits)
            }),
            ("note", &|(study, point, _)| note(study, point).into()),
            ("launches", &|(.., [launches, _])| launches.as_str().into()),
            ("reports", &|(.., [_, reports])| reports.as_str().into()),
        ],
    );
    let mut definitions = BTreeSet::new();
    let (mut left_out, mut slower) = (None, None);
    for study in studies {
        definitions.insert(study.definition.as_str());
        let is_slower = |point: &Point| {
            let slower =
                study.kind == ScalingKind::Strong && point.speedup.is_some_and(|s| s < 1.0);
            slower && point.karp_flatt.is_none_or(|share| share > 1.0)
        };
        slower = slower.or(study.points.iter().any(is_slower).then_some(SLOWER));
        left_out = left_out.or(study.points.iter().any(|point| point.left_out).then_some(LEFT_OUT));
    }
    let section = section?.with(definitions).with(left_out).with(slower);
    Some(section.spare(&["speed-up", "interval", "in launches", "launches", "Karp-Flatt"]))
}

fn share(of_one: f64) -> String {
    percent(100.0 * of_one)
}

/// A definition begins with its name, by which its sentence below the table is found.
fn definition(study: &Scaling) -> &str {
    study.definition.split(':').next().unwrap_or_default()
}

fn note(study: &Scaling, point: &Point) -> &'static str {
    let is_base = study.base.as_ref().is_some_and(|base| base.ranks == point.ranks);
    if is_base { "base" } else { "" }
}

/// The range of a point's efficiencies in several launches.
fn in_launches(efficiencies: &[f64]) -> Option<Cell> {
    let end = |of: fn(f64, f64) -> f64| efficiencies.iter().copied().reduce(of);
    Some(Cell::range(Some([end(f64::min)?, end(f64::max)?]), share))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Base;

    #[test]
    fn speed_ups_stand_beside_their_ideal_and_the_fit() {
        let point = |ranks: usize, efficiency: f64| Point {
            ranks,
            speedup: Some(ranks as f64 / 2.0 * efficiency),
            efficiency: Some(efficiency),
            ci: Some([0.9 * efficiency, efficiency]),
            ..Point::default()
        };
        let left_out = Point { left_out: true, ..point(16, 0.1) };
        let study = Scaling {
            benchmark: "gemm".to_owned(),
            kind: ScalingKind::Strong,
            problem: Default::default(),
            precision: None,
            placement: None,
            definition: "strong: x".to_owned(),
            base: Some(Base { ranks: 2, case: "a".to_owned() }),
            points: vec![point(2, 1.0), point(8, 0.5), left_out],
            amdahl_serial_fraction: Some(0.1),
        };
        let Some(Figure::Chart(chart)) = plots([&study]).pop().map(|plot| plot.figure) else {
            panic!()
        };
        let [own, ideal, amdahl] = &chart.series[..] else { panic!("{chart:?}") };
        let last = own.points.last().unwrap();
        assert_eq!((last.x, last.y, last.interval), (8.0, 2.0, Some([1.8, 2.0])));
        let end = |series: &Series| series.points.last().map(|point| (point.x, point.y)).unwrap();
        assert!((end(ideal).0 - 8.0).abs() < 1e-9 && (end(ideal).1 - 4.0).abs() < 1e-9);
        // From two ranks on: (0.1 + 0.9 / 2) / (0.1 + 0.9 / 8).
        assert!((end(amdahl).1 - 0.55 / 0.2125).abs() < 1e-9);
    }
}
