//! An analysis as a document.

mod findings;
mod statistics;

use std::fmt::Write as _;

use super::document::{Cell, Document, Section};
use super::words::{counted, few, problem};
use super::{Render, limits, scaling};
use crate::base::error::Exit;
use crate::base::units::{format_ms, significant};
use crate::plan::mesh::{PAIRS, format_ranges};
use crate::report::{
    Analysis, Examined, Leaderboard, Origin, Outcome, Over, Severity, Source, Study,
};

/// Most rows of a table that the terminal shows.
const ROW_LIMIT: usize = 60;

/// Most entries of a leaderboard that the terminal shows.
const BOARD_LIMIT: usize = 10;

impl Render for Analysis {
    fn document(&self) -> Document {
        let statistics = self.cases.iter().flat_map(|case| statistics::lines(self, case));
        let statistics = Section::notes("statistics", statistics).map(Section::in_files);
        let tables = [cases(self), statistics, studies(self), throughput(self)];
        let mut sections: Vec<Section> =
            tables.into_iter().flatten().map(|section| section.at_most(ROW_LIMIT)).collect();
        sections.extend(self.leaderboards.iter().filter_map(|board| leaderboard(self, board)));
        sections.extend(findings::section(self));
        sections.extend(limits::section(&self.limits));
        Document {
            title: "Analysis".to_owned(),
            facts: (0..).zip(&self.reports).map(|(at, report)| source(self, at, report)).collect(),
            sections,
            verdict: conclusion(self),
        }
    }
}

/// The last line.
fn conclusion(analysis: &Analysis) -> String {
    let tally = &analysis.summary;
    let missing = match tally.cases - tally.measured {
        0 => String::new(),
        missing => format!(", {missing} not measured"),
    };
    format!(
        "{} of {} can be relied on{missing}; {}, {}, {}",
        tally.reliable,
        counted(tally.measured, "measured case"),
        counted(tally.serious, "serious finding"),
        counted(tally.warnings, "warning"),
        counted(tally.infos, "remark")
    )
}

/// Reports by their places, where there is more than one.
fn named(analysis: &Analysis, reports: &[usize]) -> Option<String> {
    (analysis.reports.len() > 1).then(|| format_ranges(reports.iter().copied()))
}

/// The report at this place in a line.
fn source(analysis: &Analysis, at: usize, report: &Source) -> String {
    let number = named(analysis, &[at]).map_or_else(String::new, |number| format!(" {number}"));
    let ranks = counted(report.ranks, "rank");
    let devices: Vec<String> =
        report.devices.iter().map(|(name, count)| format!("{count} x {name}")).collect();
    let mut line = format!("report{number}: {}: {ranks}", report.file);
    if !report.hosts.is_empty() {
        let _ = write!(line, " on {}", few(&report.hosts, 4));
    }
    if !devices.is_empty() {
        let _ = write!(line, " ({})", few(&devices, 4));
    }
    let origin = match report.origin {
        Origin::Measured => format!("backend {}", report.backend),
        other => other.name().to_uppercase(),
    };
    let _ = write!(line, ", {origin}, {}", report.started);
    if report.launches > 1 {
        let _ = write!(line, ", {} launches", report.launches);
    }
    let _ = write!(line, ", {} of {} cases measured", report.cases.measured, report.cases.cases);
    if report.exit != 0 {
        let meaning = Exit::from_code(report.exit).map_or("unknown", Exit::meaning);
        let _ = write!(line, "; EXIT {}: {meaning}", report.exit);
    }
    line
}

fn cases(analysis: &Analysis) -> Option<Section> {
    let names = "case, reports, median, ± CI, over, launches, cv, rate, reliable, flags";
    let row = |case: &Examined| {
        let mut row = vec![case.id.as_str().into(), named(analysis, &case.reports).into()];
        row.extend(figures(case));
        row
    };
    // Pairs have matrices in their reports; slow ones are found.
    let in_matrix = |case: &&Examined| case.axis == PAIRS && case.statistics.is_some();
    let pairs = analysis.cases.iter().filter(in_matrix).count();
    let pairs =
        (pairs > 0).then(|| format!("{pairs} cases of pairs stand in their reports' matrices"));
    let rows = analysis.cases.iter().filter(|case| !in_matrix(case)).map(row);
    let section = Section::table("cases", names, rows);
    Some(section.unwrap_or_default().with(pairs))
}

fn figures(case: &Examined) -> [Cell; 8] {
    let Some(statistics) = &case.statistics else {
        let reliable = if case.outcome == Outcome::Skipped { "-" } else { "no" };
        let mut row: [Cell; 8] = Default::default();
        [row[6], row[7]] = [reliable.into(), case.outcome.name().replace('_', " ").into()];
        return row;
    };
    let percent = |value: f64| format!("{value:.1} %");
    let over = match statistics.ci_over {
        Some(Over::Launches) => "launches".into(),
        _ => Cell::number(statistics.iterations as f64, |_| {
            counted(statistics.iterations, "iteration")
        }),
    };
    let unit = statistics.rate_unit.as_deref();
    let rate = statistics.rate.filter(|_| unit.is_some());
    let marks = case.flags.iter().filter(|flag| flag.severity < Severity::Info);
    let marks: Vec<&str> = marks.map(|flag| flag.mark.as_str()).collect();
    [
        Cell::number(statistics.median_ms, format_ms),
        Cell::number(statistics.width_percent.map(|width| width / 2.0), percent),
        over,
        Cell::count(statistics.launches),
        Cell::number(statistics.cv_percent, percent),
        Cell::number(rate, |rate| format!("{} {}", significant(rate), unit.unwrap_or_default())),
        if case.reliable { "yes" } else { "no" }.into(),
        marks.join(", ").into(),
    ]
}

fn studies(analysis: &Analysis) -> Option<Section> {
    let names = format!("{}, launches, reports", scaling::NAMES);
    let rows = |study: &Study| -> Vec<Vec<Cell>> {
        let launches = match (study.separate_launches, study.local_times) {
            (false, _) => "the same",
            (true, false) => "separate",
            (true, true) => "separate, local times",
        };
        let points = scaling::rows(&study.scaling).zip(&study.reports);
        let points = points.map(|(mut row, reports)| {
            row.extend([launches.into(), named(analysis, reports).into()]);
            row
        });
        points.collect()
    };
    let serial = analysis.scaling.iter().filter_map(|study| {
        let fraction = 100.0 * study.scaling.amdahl_serial_fraction?;
        let (benchmark, problem) = (&study.scaling.benchmark, problem(&study.scaling.problem));
        Some(format!("{benchmark} {problem}: Amdahl's serial fraction {fraction:.2} %"))
    });
    let definitions = scaling::definitions(analysis.scaling.iter().map(|study| &study.scaling));
    let rows = analysis.scaling.iter().flat_map(rows);
    Some(Section::table("scaling", &names, rows)?.with(definitions).with(serial))
}

fn throughput(analysis: &Analysis) -> Option<Section> {
    let names = "benchmark, type, ranks, throughput, time, cases, reports";
    let rows = analysis.throughput.iter().map(|whole| {
        vec![
            whole.benchmark.as_str().into(),
            whole.precision.map_or("", |element| element.name()).into(),
            Cell::count(whole.ranks),
            Cell::number(whole.rate, |rate| format!("{} {}", significant(rate), whole.unit)),
            Cell::number(whole.time_ms, format_ms),
            Cell::count(whole.cases.len()),
            named(analysis, &whole.reports).into(),
        ]
    });
    let mut units: Vec<String> =
        analysis.throughput.iter().map(|whole| format!("{} by {}", whole.unit, whole.of)).collect();
    units.sort_unstable();
    units.dedup();
    let section = Section::table("aggregate throughput", names, rows)?;
    let what = "the work of all cases over the sum of their median times, never a mean of rates";
    Some(section.with([what]).with(units))
}

fn leaderboard(analysis: &Analysis, board: &Leaderboard) -> Option<Section> {
    let names = "place, rate, interval, case, devices, hosts, flags, reports";
    let rows = board.entries.iter().map(|entry| {
        vec![
            Cell::count(entry.place),
            Cell::number(entry.rate, significant),
            Cell::range(entry.ci, significant),
            entry.case.as_str().into(),
            few(&entry.devices, 2).into(),
            few(&entry.hosts, 2).into(),
            entry.marks.join(", ").into(),
            named(analysis, &entry.reports).into(),
        ]
    });
    let precision = board.precision.map_or("", |element| element.name());
    let mut title = format!("fastest {} {precision}", board.benchmark).trim_end().to_owned();
    let _ = write!(title, ", {}", board.unit);
    if board.origin != Origin::Measured {
        let _ = write!(title, ", {}", board.origin.name());
    }
    Some(Section::table(&title, names, rows)?.at_most(BOARD_LIMIT))
}
