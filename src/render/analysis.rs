//! An analysis as a document.

mod findings;
mod statistics;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::document::{Cell, Document, Section};
use super::words::{counted, few, percent, problem, quantity, type_name, word};
use super::{Render, limits, scaling};
use crate::base::error::Exit;
use crate::base::units::{format_ms, significant};
use crate::plan::mesh::{PAIRS, format_ranges};
use crate::report::{
    Analysis, Examined, Leaderboard, Origin, Outcome, Over, Severity, Source, Statistics,
    limits_exit,
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
            exit: (!self.limits.is_empty()).then(|| limits_exit(&self.limits, false)),
        }
    }
}

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
        other => word(other).to_uppercase(),
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
    // Pairs have matrices in their reports; slow ones are found.
    let in_matrix = |case: &&Examined| case.axis == PAIRS && case.statistics.is_some();
    let pairs = analysis.cases.iter().filter(in_matrix).count();
    let pairs =
        (pairs > 0).then(|| format!("{pairs} cases of pairs stand in their reports' matrices"));
    let known = |case: &Examined, cell: &dyn Fn(&Statistics) -> Cell| {
        case.statistics.as_deref().map(cell).unwrap_or_default()
    };
    let section = Section::table(
        "cases",
        analysis.cases.iter().filter(|case| !in_matrix(case)),
        &[
            ("case", &|case| case.id.as_str().into()),
            ("reports", &|case| named(analysis, &case.reports).into()),
            ("median", &|case| known(case, &|of| Cell::number(of.median_ms, format_ms))),
            ("± CI", &|case| {
                known(case, &|of| Cell::number(of.width_percent.map(|width| width / 2.0), percent))
            }),
            ("over", &|case| known(case, &over)),
            ("launches", &|case| known(case, &|of| Cell::count(of.launches))),
            ("cv", &|case| known(case, &|of| Cell::number(of.cv_percent, percent))),
            ("rate", &|case| {
                known(case, &|of| match (of.rate, &of.rate_unit) {
                    (Some(rate), Some(unit)) => Cell::number(rate, |rate| quantity(rate, unit)),
                    _ => "-".into(),
                })
            }),
            ("reliable", &|case| reliable(case).into()),
            ("flags", &|case| flags(case).into()),
        ],
    );
    Some(section.unwrap_or_default().with(pairs))
}

fn over(statistics: &Statistics) -> Cell {
    match statistics.ci_over {
        Some(Over::Launches) => "launches".into(),
        _ => Cell::number(statistics.iterations as f64, |_| {
            counted(statistics.iterations, "iteration")
        }),
    }
}

fn reliable(case: &Examined) -> &'static str {
    match (&case.statistics, case.outcome, case.reliable) {
        (Some(_), _, true) => "yes",
        (None, Outcome::Skipped, _) => "-",
        _ => "no",
    }
}

fn flags(case: &Examined) -> String {
    if case.statistics.is_none() {
        return word(case.outcome);
    }
    let marks = case.flags.iter().filter(|flag| flag.severity < Severity::Info);
    marks.map(|flag| flag.mark.as_str()).collect::<Vec<_>>().join(", ")
}

fn studies(analysis: &Analysis) -> Option<Section> {
    let rows = analysis.scaling.iter().flat_map(|study| {
        let launches = match (study.separate_launches, study.local_times) {
            (false, _) => "the same",
            (true, false) => "separate",
            (true, true) => "separate, local times",
        };
        study.scaling.points.iter().zip(&study.reports).map(move |(point, reports)| {
            let reports = named(analysis, reports).unwrap_or_default();
            (&study.scaling, point, [launches.to_owned(), reports])
        })
    });
    let serial = analysis.scaling.iter().filter_map(|study| {
        let fraction = 100.0 * study.scaling.amdahl_serial_fraction?;
        let (benchmark, problem) = (&study.scaling.benchmark, problem(&study.scaling.problem));
        Some(format!("{benchmark} {problem}: Amdahl's serial fraction {fraction:.2} %"))
    });
    let studies = analysis.scaling.iter().map(|study| &study.scaling);
    Some(scaling::table(rows, studies)?.with(serial))
}

fn throughput(analysis: &Analysis) -> Option<Section> {
    let section = Section::table(
        "aggregate throughput",
        &analysis.throughput,
        &[
            ("benchmark", &|whole| whole.benchmark.as_str().into()),
            ("type", &|whole| type_name(whole.precision).into()),
            ("ranks", &|whole| Cell::count(whole.ranks)),
            ("throughput", &|whole| Cell::number(whole.rate, |rate| quantity(rate, &whole.unit))),
            ("time", &|whole| Cell::number(whole.time_ms, format_ms)),
            ("cases", &|whole| Cell::count(whole.cases.len())),
            ("reports", &|whole| named(analysis, &whole.reports).into()),
        ],
    );
    let units: BTreeSet<String> =
        analysis.throughput.iter().map(|whole| format!("{} by {}", whole.unit, whole.of)).collect();
    let what = "the work of all cases over the sum of their median times, never a mean of rates";
    Some(section?.with([what]).with(units))
}

fn leaderboard(analysis: &Analysis, board: &Leaderboard) -> Option<Section> {
    let title = format!("fastest {} {}", board.benchmark, type_name(board.precision));
    let mut title = format!("{}, {}", title.trim_end(), board.unit);
    if board.origin != Origin::Measured {
        let _ = write!(title, ", {}", word(board.origin));
    }
    let section = Section::table(
        &title,
        &board.entries,
        &[
            ("place", &|entry| Cell::count(entry.place)),
            ("rate", &|entry| Cell::number(entry.rate, significant)),
            ("interval", &|entry| Cell::range(entry.ci, significant)),
            ("case", &|entry| entry.case.as_str().into()),
            ("devices", &|entry| few(&entry.devices, 2).into()),
            ("hosts", &|entry| few(&entry.hosts, 2).into()),
            ("flags", &|entry| entry.marks.join(", ").into()),
            ("reports", &|entry| named(analysis, &entry.reports).into()),
        ],
    );
    Some(section?.at_most(BOARD_LIMIT))
}
