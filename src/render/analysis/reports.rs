//! The reports of an analysis side by side.

use std::collections::BTreeMap;

use super::named;
use crate::base::error::Exit;
use crate::plan::mesh::PAIRS;
use crate::render::document::{Cell, Section};
use crate::render::plot::{Axis, Figure, Map, Plot, Tone};
use crate::render::words::{date, few, parts, word};
use crate::report::{Analysis, Examined, Origin, Source};
use crate::stats::median;

/// Most cases, and reports, of the map.
const CASES: usize = 96;
const REPORTS: usize = 64;

/// Most reports of it that have their hosts beside their numbers, and most characters of such a host.
const NAMED: usize = 6;
const SHORT: usize = 10;

/// A case that takes so many times as long as in the report in the middle is framed.
const SLOW: f64 = 1.1;

/// A row a report, and how much longer its cases take than in the report in the middle. `None` for one report alone.
pub(super) fn section(analysis: &Analysis) -> Option<Section> {
    let all: Vec<usize> = (0..analysis.reports.len()).collect();
    named(all.len() > 1, &all)?;
    let relative = relative(analysis);
    let of = |at: usize| {
        let own = relative.iter().flat_map(|(_, times)| times);
        own.filter(|(reports, _)| reports.contains(&at))
            .map(|(_, ratio)| *ratio)
            .collect::<Vec<_>>()
    };
    let rows = analysis.reports.iter().enumerate();
    let typical = |at: usize| median(&of(at));
    let section = Section::table(
        "reports",
        rows,
        &[
            ("report", &|(at, _): &(usize, &Source)| Cell::count(*at)),
            ("file", &|(_, report)| report.file.as_str().into()),
            ("hosts", &|(_, report)| few(&report.hosts, 2).into()),
            ("devices", &|(_, report)| {
                let devices =
                    report.devices.iter().map(|(name, count)| format!("{count} x {name}"));
                few(&devices.collect::<Vec<_>>(), 2).into()
            }),
            ("backend", &|(_, report)| match report.origin {
                Origin::Measured => report.backend.as_str().into(),
                origin => word(origin).into(),
            }),
            ("ranks", &|(_, report)| Cell::count(report.ranks)),
            ("measured", &|(_, report)| {
                let tally = report.cases;
                let text = |measured: f64| format!("{measured:.0} of {}", tally.cases);
                Cell::number(tally.measured as f64, text)
            }),
            ("began", &|(_, report)| date(report.started.as_deref()).into()),
            ("time", &|(at, _)| match typical(*at) {
                Some(ratio) => {
                    let cell = Cell::number(ratio, |ratio| format!("{ratio:.2} x"));
                    cell.taken(if ratio >= SLOW { Tone::Bad } else { Tone::Plain })
                }
                None => Cell::default(),
            }),
            ("ended", &|(_, report)| match Exit::from_code(report.exit) {
                Some(Exit::Ok) => "ok".into(),
                Some(exit) => Cell::from(exit.meaning()).taken(Tone::Bad),
                None => Cell::from(format!("exit {}", report.exit)).taken(Tone::Bad),
            }),
        ],
    );
    let told = (!relative.is_empty()).then_some(
        "time: of its cases that other reports have as well, over the time in the report in the middle; median of these",
    );
    let spare = ["measured", "ranks", "backend", "began", "devices"];
    let section = section?.with(told).outcome("ended").spare(&spare);
    Some(section.drawn(map(analysis, &relative)))
}

/// The reports of a case, and its time over that of the case in the middle.
type Times<'a> = Vec<(&'a [usize], f64)>;

/// The cases that several reports have, each measured by itself.
fn relative(analysis: &Analysis) -> Vec<(&str, Times<'_>)> {
    let mut same: BTreeMap<(&str, usize), Vec<(&Examined, f64)>> = BTreeMap::new();
    let origin = |case: &Examined| analysis.reports.get(*case.reports.first()?).map(|it| it.origin);
    let mut order: Vec<(&str, usize)> = Vec::new();
    for case in analysis.cases.iter().filter(|case| case.axis != PAIRS) {
        let Some((of, origin)) = case.statistics.as_ref().zip(origin(case)) else { continue };
        if of.median_ms <= 0.0 {
            continue;
        }
        let key = (case.id.as_str(), origin as usize);
        if !same.contains_key(&key) {
            order.push(key);
        }
        same.entry(key).or_default().push((case, of.median_ms));
    }
    let several = order.into_iter().filter_map(|key| {
        let cases = same.get(&key).filter(|cases| cases.len() > 1)?;
        let middle = median(&cases.iter().map(|(_, time)| *time).collect::<Vec<_>>())?;
        let times = cases.iter().map(|(case, time)| (&case.reports[..], time / middle));
        Some((key.0, times.collect()))
    });
    several.collect()
}

fn map(analysis: &Analysis, relative: &[(&str, Times<'_>)]) -> Option<Plot> {
    let (rows, columns) = (relative.len().min(CASES), analysis.reports.len().min(REPORTS));
    let cases = &relative[..rows];
    let time = |(_, times): &(&str, Times<'_>), report: usize| {
        times.iter().find(|(reports, _)| reports.contains(&report)).map(|(_, ratio)| *ratio)
    };
    let row = |case| (0..columns).map(|report| time(case, report)).collect();
    let cells: Vec<Vec<Option<f64>>> = cases.iter().map(row).collect();
    let places = (0..rows).flat_map(|row| (0..columns).map(move |column| [row, column]));
    let is_slow = |[row, column]: &[usize; 2]| cells[*row][*column].is_some_and(|it| it >= SLOW);
    let framed = places.filter(is_slow).collect();
    let name = |(id, _): &(&str, Times<'_>)| {
        parts(id).into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    };
    let label = |at: usize, source: &Source| match &source.hosts[..] {
        [one] if columns <= NAMED && one.chars().count() <= SHORT => format!("{at} {one}"),
        _ => at.to_string(),
    };
    let reports = analysis.reports.iter().take(columns).enumerate();
    let left_out = match (relative.len() - rows, analysis.reports.len() - columns) {
        (0, 0) => String::new(),
        (cases, reports) => {
            format!(" {cases} more cases and {reports} more reports are in the tables only.")
        }
    };
    let about = format!(
        "The time of each case over that in the report in the middle, which has the middle shade; darker is slower, framed \
         from {SLOW} times on.{left_out}"
    );
    // As far to either side, so that the middle has the same shade in every page.
    let ratios = cells.iter().flatten().flatten();
    let far = ratios.map(|ratio| ratio.max(ratio.recip())).fold(SLOW, f64::max);
    let map = Map {
        x: Axis::places("report", reports.map(|(at, source)| label(at, source))),
        y: Axis::places("case", cases.iter().map(name)),
        value: Axis::log("time, the middle being 1:", "x").covering([far.recip(), far]),
        framed,
        cells,
    };
    (rows > 0).then(|| Plot::of("Reports side by side", about, Figure::Map(map))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{Limits, Reports, survey};
    use crate::render::hostile::everything;

    #[test]
    fn the_slow_report_is_framed_and_marked() {
        let mut reports = [everything(), everything(), everything()];
        for (at, report) in reports.iter_mut().enumerate() {
            report.run.id = at.to_string();
            report.environment.nodes[0].host = format!("first{at}");
            for case in report.cases.iter_mut().filter(|case| case.replication.is_none()) {
                if let Some(measured) = case.measured.as_mut().filter(|_| at == 1) {
                    measured.latency.median *= 1.5;
                }
            }
        }
        let files = ["a", "b", "c"].map(str::to_owned);
        let analysis = survey(Reports { files: &files, reports: &reports }, &Limits::default());
        let section = section(&analysis).unwrap();
        let table = section.table.unwrap();
        let at = table.columns.iter().position(|column| column.name == "time").unwrap();
        let times: Vec<(&str, Tone)> =
            table.rows.iter().map(|row| (&*row[at].text, row[at].tone)).collect();
        let plain = ("1.00 x", Tone::Plain);
        assert_eq!(times, [plain, ("1.50 x", Tone::Bad), plain]);
        let Figure::Map(map) = &section.plots[0].figure else { panic!("no map") };
        assert!(!map.framed.is_empty() && map.framed.iter().all(|[_, report]| *report == 1));
        // The shades reach as far to the fast side, on which no case is.
        let [low, high] = map.value.covers.unwrap();
        assert!((high - 1.5).abs() < 1e-9 && (low * high - 1.0).abs() < 1e-9, "{low} {high}");
    }
}
