//! An analysis as a document.

mod backends;
pub(super) mod findings;
mod reports;
mod statistics;

pub use backends::Backends;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::curves::Measurement;
use super::document::{Attention, Cell, Document, Section};
use super::legend::{Legend, Remark};
use super::plot::Tone;
use super::words::{
    self, beside, date, few, give_or_take, parts, percent, placed, problem, told_of, type_name,
    word,
};
use super::{Render, curves, fleet, limits, scaling};
use crate::base::error::Exit;
use crate::base::metric::Unit;
use crate::base::units::{counted, format_ms};
use crate::plan::mesh::{PAIRS, format_ranges};
use crate::report::{
    Analysis, Examined, Flag, Leaderboard, Origin, Outcome, Over, RankedBy, Severity, Source,
    Statistics, Study, Throughput, limits_exit, limits_told,
};

/// Most rows of a table that the terminal shows.
const ROW_LIMIT: usize = 60;

/// Most reports that are told one by one before everything else.
const TOLD_REPORTS: usize = 6;

/// Most entries of a leaderboard that the terminal shows.
const BOARD_LIMIT: usize = 10;

impl Render for Analysis {
    fn document(&self) -> Document {
        let statistics = self.cases.iter().flat_map(|case| statistics::lines(self, case));
        let statistics = Section::notes("statistics", statistics).map(Section::in_files);
        let ceilings = curves::ceilings(&self.limits);
        let curves = curves::plots(self.cases.iter().filter_map(curve), &ceilings);
        let several = is_of_several(self);
        let cases = cases(self).map(|section| section.drawn(curves));
        let (reports, fleet) = (reports::section(self), fleet::section(self.fleet.as_ref()));
        let tables = [
            reports,
            fleet,
            cases,
            backends::section(self),
            statistics,
            studies(self),
            throughput(&self.throughput, is_of_several(self)),
        ];
        let mut sections: Vec<Section> =
            tables.into_iter().flatten().map(|section| section.at_most(ROW_LIMIT)).collect();
        sections.extend(self.leaderboards.iter().filter_map(|board| leaderboard(board, several)));
        sections.extend(findings::section(&self.findings, several));
        sections.extend(limits::section(&self.limits));
        Document {
            title: "Analysis".to_owned(),
            facts: facts(self),
            attention: attention(self),
            sections,
            verdict: conclusion(self),
            exit: (!self.limits.is_empty()).then(|| limits_exit(&self.limits, false)),
            unsure: false,
            ..Document::default()
        }
    }
}

/// The case as a point of a curve.
fn curve(case: &Examined) -> Option<Measurement<'_>> {
    let of = case.statistics.as_deref()?;
    let unit = of.rate_unit.as_deref().filter(|unit| *unit != Unit::PerSecond.name());
    (case.axis != PAIRS).then(|| Measurement {
        id: &case.id,
        benchmark: &case.benchmark,
        precision: case.precision,
        placement: case.placement,
        problem: &case.problem,
        axis: &case.axis,
        group: parts(&case.id)[3].clone(),
        members: case.ranks,
        median_ms: of.median_ms,
        interval_ms: of.ci,
        rate: of.rate.zip(unit).map(|(rate, unit)| (rate, unit, "")),
    })
}

fn conclusion(analysis: &Analysis) -> String {
    let tally = &analysis.summary;
    let missing = match tally.cases - tally.measured {
        0 => String::new(),
        missing => format!(", {missing} not measured"),
    };
    let within = match analysis.cases.iter().filter(|case| holds_within(case)).count() {
        0 => String::new(),
        few => format!(" ({few} within their few launches)"),
    };
    format!(
        "{} of {} can be relied on{within}{missing}; {}, {}, {}{}",
        tally.reliable,
        counted(tally.measured, "measured case"),
        counted(tally.serious, "serious finding"),
        counted(tally.warnings, "warning"),
        counted(tally.infos, "remark"),
        limits_told(&analysis.limits)
    )
}

fn is_of_several(analysis: &Analysis) -> bool {
    analysis.reports.len() > 1
}

/// Reports by their places, where there are several.
fn named(several: bool, reports: &[usize]) -> Option<String> {
    several.then(|| format_ranges(reports.iter().copied()))
}

/// What people should look at first: what is bad before what is doubtful.
fn attention(analysis: &Analysis) -> Vec<Attention> {
    let found = findings::attention(&analysis.findings, is_of_several(analysis)).into_iter();
    let limits = limits::attention(&analysis.limits);
    let mut all: Vec<Attention> =
        found.chain(limits).chain(fleet::attention(analysis.fleet.as_ref())).collect();
    all.sort_by_key(|item| item.tone != Tone::Bad);
    all
}

/// The reports, a line each where they are few; the table has all.
fn facts(analysis: &Analysis) -> Vec<String> {
    let sources = &analysis.reports;
    if sources.len() <= TOLD_REPORTS {
        return (0..).zip(sources).map(|(at, report)| source(analysis, at, report)).collect();
    }
    let hosts: BTreeSet<&String> = sources.iter().flat_map(|source| &source.hosts).collect();
    let began = || sources.iter().filter_map(|source| source.started.as_deref());
    let dates = began().min().zip(began().max());
    let dates = dates.map_or_else(String::new, |(first, last)| format!(", {first} to {last}"));
    vec![format!("{} reports of {}{dates}", sources.len(), counted(hosts.len(), "host"))]
}

/// The report at this place in a line.
fn source(analysis: &Analysis, at: usize, report: &Source) -> String {
    let number = named(is_of_several(analysis), &[at])
        .map_or_else(String::new, |number| format!(" {number}"));
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
    let _ = write!(line, ", {origin}, {}", date(report.started.as_deref()));
    if report.launches > 1 {
        let _ = write!(line, ", {} launches", report.launches);
    }
    let _ = write!(
        line,
        ", {} of {} measured",
        report.cases.measured,
        counted(report.cases.cases, "case")
    );
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
    let pairs = (pairs > 0).then(|| {
        format!("in the matrices of their reports: {} of a pair each", counted(pairs, "case"))
    });
    let known = |case: &Examined, cell: &dyn Fn(&Statistics) -> Cell| {
        case.statistics.as_deref().map(cell).unwrap_or_default()
    };
    let is_skipped = |case: &&Examined| case.outcome == Outcome::Skipped;
    let (skipped, rows): (Vec<&Examined>, Vec<&Examined>) =
        analysis.cases.iter().filter(|case| !in_matrix(case)).partition(is_skipped);
    let legend = Legend::of(rows.iter().map(|case| (case.id.clone(), remarks(case))));
    let section = Section::table(
        "cases",
        &rows,
        &[
            ("benchmark", &|case| case.benchmark.as_str().into()),
            ("type", &|case| type_name(case.precision).into()),
            ("problem", &|case| placed(&case.problem, case.placement).into()),
            ("ranks", &|case| parts(&case.id)[3].as_str().into()),
            ("reports", &|case| named(is_of_several(analysis), &case.reports).into()),
            ("median", &|case| match &case.statistics {
                Some(of) => Cell::number(of.median_ms, format_ms),
                None => word(case.outcome).to_uppercase().into(),
            }),
            ("±", &|case| {
                let half = |of: &Statistics| of.width_percent.map(|width| width / 2.0);
                known(case, &|of| half(of).map(|half| Cell::number(half, give_or_take)).into())
            }),
            ("over", &|case| known(case, &over)),
            ("launches", &|case| known(case, &|of| Cell::count(of.launches))),
            ("cv", &|case| known(case, &|of| Cell::number(of.cv_percent, percent))),
            ("rate", &|case| {
                // Operations each second say no more than the time.
                known(case, &|of| match (of.rate, &of.rate_unit) {
                    (Some(rate), Some(unit)) if unit != Unit::PerSecond.name() => {
                        Cell::quantity(rate, unit)
                    }
                    _ => "-".into(),
                })
            }),
            ("reliable", &|case| reliable(case).into()),
            ("id", &|case| case.id.as_str().into()),
        ],
    );
    let alone = |case: &&Examined| {
        case.statistics.as_ref().is_some_and(|of| of.ci_over == Some(Over::Iterations))
    };
    let within = rows
        .iter()
        .any(alone)
        .then_some("± over iterations holds within one launch; launches differ by more");
    let section = section.map(|section| {
        let section = section.with(within);
        let spare = ["reliable", "cv", "launches", "over", "id"];
        legend.below(section).outcome("median").spare(&spare)
    });
    let skipped = skipped.into_iter();
    let skipped = skipped.map(|case| (case.benchmark.as_str(), case.reason.as_deref()));
    Some(section.unwrap_or_default().with(words::skipped(skipped)).with(pairs))
}

/// What speaks against relying on a case, by the number that the rule goes by.
fn remarks(case: &Examined) -> Vec<Remark> {
    let flags = case.flags.iter().filter(|flag| flag.severity < Severity::Info);
    let remark = |flag: &Flag| match flag.evidence.first() {
        Some(figure) => Remark::reaching(&flag.mark, findings::number(figure), figure.value),
        None => Remark::alone(flag.mark.clone()),
    };
    flags.map(remark).collect()
}

/// Where only the number of launches speaks against it, that number.
fn reliable(case: &Examined) -> String {
    match &case.statistics {
        Some(_) if case.reliable => "yes".to_owned(),
        Some(of) if holds_within(case) => match of.launches {
            1 => "one launch".to_owned(),
            few => counted(few, "launch"),
        },
        _ => "no".to_owned(),
    }
}

/// Whether nothing but its few launches speaks against relying on a case.
fn holds_within(case: &Examined) -> bool {
    let mut warnings = case.flags.iter().filter(|flag| flag.severity < Severity::Info);
    warnings.next().is_some_and(|flag| flag.rule == "few_launches") && warnings.next().is_none()
}

fn over(statistics: &Statistics) -> Cell {
    match statistics.ci_over {
        Some(Over::Launches) => "launches".into(),
        None if statistics.launches > 1 => "-".into(),
        _ => Cell::number(statistics.iterations as f64, |_| {
            counted(statistics.iterations, "iteration")
        }),
    }
}

fn studies(analysis: &Analysis) -> Option<Section> {
    let rows = analysis.scaling.iter().flat_map(|study| {
        let launches = match (study.separate_launches, study.local_times) {
            (false, _) => "the same",
            (true, false) => "separate",
            (true, true) => "separate, local times",
        };
        study.scaling.points.iter().zip(&study.reports).map(move |(point, reports)| {
            let reports = named(is_of_several(analysis), reports).unwrap_or_default();
            (&study.scaling, point, [launches.to_owned(), reports])
        })
    });
    let serial = analysis.scaling.iter().filter_map(|study| {
        // More than all of it: no serial fraction explains times that grow with the ranks.
        let fraction = study.scaling.amdahl_serial_fraction.filter(|share| *share <= 1.0)?;
        let fraction = 100.0 * fraction;
        let (benchmark, problem) = (&study.scaling.benchmark, problem(&study.scaling.problem));
        Some(format!(
            "{benchmark} {problem}: Amdahl's serial fraction {fraction:.2} % of the time on one rank"
        ))
    });
    let studies = analysis.scaling.iter().map(|study| &study.scaling);
    let alone = |study: &Study| {
        study.ci_over == Over::Iterations && study.scaling.points.iter().any(|it| it.ci.is_some())
    };
    let within = analysis.scaling.iter().any(alone).then_some(scaling::WITHIN);
    let plots = scaling::plots(studies.clone());
    Some(scaling::table(rows, studies)?.with(within).with(serial).drawn(plots))
}

/// The work of whole benchmarks, of several reports or one.
pub(super) fn throughput(of: &[Throughput], several: bool) -> Option<Section> {
    let section = Section::table(
        "aggregate throughput",
        of,
        &[
            ("benchmark", &|whole| whole.benchmark.as_str().into()),
            ("type", &|whole| type_name(whole.precision).into()),
            ("ranks", &|whole| Cell::count(whole.ranks)),
            ("throughput", &|whole| Cell::quantity(whole.rate, &whole.unit)),
            ("time", &|whole| Cell::number(whole.time_ms, format_ms)),
            ("cases", &|whole| Cell::count(whole.cases.len())),
            ("reports", &|whole| named(several, &whole.reports).into()),
        ],
    );
    let what = "the work of all cases over the sum of their median times, never a mean of rates";
    let known = of.iter().map(|whole| (&*whole.of, &*whole.benchmark));
    Some(section?.with([what]).with(told_of(known).map(|told| format!("work: {told}"))))
}

/// A leaderboard of several reports or one.
pub(super) fn leaderboard(board: &Leaderboard, several: bool) -> Option<Section> {
    let (how, figure) = match board.by {
        RankedBy::Rate => ("fastest", "rate"),
        RankedBy::P50 => ("shortest", "p50"),
    };
    let title = format!("{how} {} {}", board.benchmark, type_name(board.precision));
    let mut title = title.trim_end().to_owned();
    if board.origin != Origin::Measured {
        let _ = write!(title, ", {}", word(board.origin));
    }
    let most = board.entries.iter().map(|entry| entry.value).fold(0.0, f64::max);
    let section = Section::table(
        &title,
        &board.entries,
        &[
            ("place", &|entry| Cell::count(entry.place)),
            ("problem", &|entry| parts(&entry.case)[2].as_str().into()),
            ("ranks", &|entry| parts(&entry.case)[3].as_str().into()),
            (figure, &|entry| Cell::quantity(entry.value, &board.unit)),
            ("interval", &|entry| Cell::range(entry.ci, |end| beside(end, &board.unit, most))),
            ("reliable", &|entry| match &entry.marks[..] {
                [] => "yes".into(),
                [one] if one == "few launches" => one.as_str().into(),
                _ => "no".into(),
            }),
            ("devices", &|entry| several.then(|| few(&entry.devices, 2)).into()),
            ("hosts", &|entry| several.then(|| few(&entry.hosts, 2)).into()),
            ("reports", &|entry| named(several, &entry.reports).into()),
            ("id", &|entry| entry.case.as_str().into()),
        ],
    );
    let section = section?.spare(&["hosts", "devices", "interval", "id"]).at_most(BOARD_LIMIT);
    // Sizes decide who takes the least time.
    Some(if board.by == RankedBy::P50 { section.in_files() } else { section })
}
