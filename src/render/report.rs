//! The report of a run as a document.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::document::{Cell, Document, Section};
use super::words::{counted, problem};
use super::{Format, Render, csv, limits, scaling};
use crate::base::error::Result;
use crate::base::metric::{Direction, Unit};
use crate::base::units::{format_ms, significant};
use crate::machine::environment::Node;
use crate::plan::mesh;
use crate::report::{Case, Cycles, Outcome, PairMatrix, Report, Steadiness};

/// Most ranks whose matrix people can read.
const MATRIX_LIMIT: usize = 32;

impl Render for Report {
    const OWN: &'static [Format] = &[Format::Csv];

    fn document(&self) -> Document {
        let figures = self.metrics.iter().map(|metric| {
            let better = match metric.direction {
                Direction::HigherIsBetter => "higher is better",
                Direction::LowerIsBetter => "lower is better",
            };
            format!("{} ({}, {better}): {}", metric.name, metric.unit, metric.definition)
        });
        let caveats = self.caveats.iter().map(|caveat| format!("{}: {caveat}", caveat.mark()));
        let mut sections = Vec::new();
        sections.extend(cases(self));
        sections.extend(scaling::section(&self.scaling));
        sections.extend(self.pair_matrices.iter().map(matrix));
        sections.extend(limits::section(&self.limits));
        sections.extend(Section::notes("figures", figures).map(Section::in_files));
        sections.extend(Section::notes("caveats", caveats));
        Document {
            title: "tesserabench".to_owned(),
            facts: facts(self),
            sections,
            verdict: self.verdict(),
        }
    }

    fn own(&self, _: Format) -> Result<String> {
        csv::report(self)
    }
}

/// One row a case; those of pair matrices have tables of their own, unless something is to be said of them.
fn cases(report: &Report) -> Option<Section> {
    let in_matrix = |case: &&Case| case.axis == mesh::PAIRS && case.outcome == Outcome::Measured;
    let rows = report.cases.iter().filter(|case| !in_matrix(case)).map(row);
    let names = "benchmark, type, problem, ranks, median, ± CI, p95, rate, of, launches, between, reproducible, \
                 correct, notes";
    let lacks = |case: &Case| {
        let latency = case.measured.as_ref().map(|measured| &measured.latency);
        latency.is_some_and(|latency| latency.half_width_percent.is_none() || latency.p95.is_none())
    };
    let too_few = report.cases.iter().any(lacks).then_some(
        "n<N: too few iterations for this figure, which takes about N; an interval (CI) takes six independent ones",
    );
    Some(Section::table("cases", names, rows)?.with(too_few))
}

fn row(case: &Case) -> Vec<Cell> {
    let mut size = problem(&case.problem);
    if let Some(placement) = case.placement {
        let _ = write!(size, " {}", placement.name());
    }
    let at_once = case.concurrent && case.axis != mesh::PAIRS;
    let mut row: Vec<Cell> = vec![
        case.benchmark.as_str().into(),
        case.precision.map_or("", |element| element.name()).into(),
        size.into(),
        format!("{}{}", case.group, if at_once { " at once" } else { "" }).into(),
    ];
    match &case.measured {
        Some(measured) => {
            let latency = &measured.latency;
            let few = |needed: usize| format!("n<{needed}").into();
            let needed = latency.iterations_needed.get("p95").copied().unwrap_or(0);
            row.push(Cell::number(latency.median, format_ms));
            row.push(latency.half_width_percent.map_or_else(|| few(6), percent));
            row.push(latency.p95.map_or_else(|| few(needed), |p95| Cell::number(p95, format_ms)));
            row.extend(rate(case));
        }
        None => row.extend(vec![Cell::default(); 5]),
    }
    row.extend(case.replication.as_ref().map_or_else(Default::default, |replication| {
        let launches = replication.launches.len();
        let (between, reproducible) = match (launches, replication.reproducible) {
            (0 | 1, _) => ("-".into(), "-"),
            (_, true) => (percent(replication.between_percent), "yes"),
            (_, false) => (percent(replication.between_percent), "no"),
        };
        [Cell::count(launches), between, reproducible.into()]
    }));
    row.push(match &case.accuracy {
        Some(accuracy) if accuracy.wrong > 0 => format!("{} wrong", accuracy.wrong).into(),
        Some(_) => "yes".into(),
        None => "-".into(),
    });
    row.push(notes(case).into());
    row
}

fn percent(value: f64) -> Cell {
    Cell::number(value, |value| format!("{value:.1} %"))
}

/// Why there are no figures, or what is to be said of them.
fn notes(case: &Case) -> String {
    match (case.outcome, &case.reason, &case.error) {
        (Outcome::Skipped, Some(reason), _) => format!("skipped: {reason}"),
        (Outcome::Failed, _, Some(error)) => {
            format!("FAILED{}: {}", first_failure(case), error.detail)
        }
        (Outcome::TimedOut, _, Some(error)) => format!("TIMED OUT: {}", error.detail),
        _ => {
            let marks = case.caveats.iter().map(|caveat| caveat.mark().to_owned());
            figures(case).chain(marks).collect::<Vec<_>>().join(", ")
        }
    }
}

/// Figures that only some cases have.
fn figures(case: &Case) -> impl Iterator<Item = String> {
    let metrics = case.measured.as_ref().map(|measured| &measured.metrics);
    let messages = metrics.and_then(|metrics| metrics.messages_per_s);
    let overlap = metrics.and_then(|metrics| metrics.overlap_percent);
    [
        case.contention_ratio.map(|ratio| format!("{ratio:.2} x alone")),
        messages.map(|messages| format!("{} M messages/s", significant(messages / 1e6))),
        overlap.map(|overlap| format!("{overlap:.0} % hidden")),
        case.cycles.as_ref().map(cycles),
    ]
    .into_iter()
    .flatten()
}

/// When a case that ran again and again failed first.
fn first_failure(case: &Case) -> String {
    let cycles = case.cycles.as_ref().zip(case.error.as_ref());
    let first = cycles.and_then(|(cycles, error)| {
        let time = error.time.as_deref().unwrap_or("an unknown time");
        let (failed, count) = (cycles.failed, cycles.count);
        Some(format!(
            " {failed} of {count} times, first in cycle {} at {time}",
            cycles.first_failure?
        ))
    });
    first.unwrap_or_default()
}

/// What came of a case that ran again and again.
fn cycles(cycles: &Cycles) -> String {
    let drift = cycles.drift.as_ref().filter(|drift| drift.steady_state != Steadiness::Flat);
    let drift = drift.map(|drift| {
        format!("; {:+.1} % since cycle {} at {}", drift.change_percent, drift.since, drift.time)
    });
    counted(cycles.count, "cycle") + &drift.unwrap_or_default()
}

/// The rate people look for first, with its unit, and what it counts.
fn rate(case: &Case) -> [Cell; 2] {
    let Some((metric, value)) = case.quoted_rate() else { return Default::default() };
    let show = |value: f64| match metric.unit {
        Unit::TeraflopsPerSecond if value < 1.0 => format!("{} GFLOP/s", significant(value * 1e3)),
        unit => format!("{} {}", significant(value), unit.name()),
    };
    match metric.unit {
        // Everything has these, and they say no more than the time.
        Unit::PerSecond => Default::default(),
        _ => [Cell::number(value, show), metric.label.into()],
    }
}

/// A pair matrix: the bandwidth of each pair where the benchmark has one, else its time. `!` marks slow links.
/// Large ones are left to the report; their slow links are not.
fn matrix(matrix: &PairMatrix) -> Section {
    // A time says more of a ping-pong, a rate of everything else.
    let by_time = matrix.benchmark == "latency";
    let (values, unit) = match by_time {
        true => (&matrix.median_ms, "us"),
        false => (&matrix.busbw_gbps, "GB/s of a pair in one direction"),
    };
    let precision = matrix.precision.map_or("", |element| element.name());
    let problem = problem(&matrix.problem);
    let title = format!("pairs: {} {precision} {problem}, {unit}", matrix.benchmark);
    let is_slow = |a, b| matrix.slow.iter().any(|link| link.ranks == [a, b]);
    let cell = |a: usize, b: usize| {
        let Some(value) = values[a][b] else { return Cell::default() };
        let mark = if is_slow(a, b) { "!" } else { "" };
        let scale = if by_time { 1e3 } else { 1.0 };
        Cell::number(value * scale, |value| format!("{mark}{}", significant(value)))
    };
    let row = |a: usize| {
        std::iter::once(Cell::count(a)).chain((1..matrix.ranks).map(|b| cell(a, b))).collect()
    };
    let shown = if matrix.ranks <= MATRIX_LIMIT { matrix.ranks } else { 1 };
    let names: String = (1..shown).map(|rank| format!(", {rank}")).collect();
    let classes = matrix.classes.iter().map(|class| {
        let median = format_ms(class.median_ms);
        format!("{}: {} pairs, median {median}", class.distance.name(), class.pairs)
    });
    let slow = matrix.slow.iter().map(|link| {
        format!(
            "SLOW: ranks {} and {} take {:.2} times the median of their class ({}), in {:.0} % of the time",
            link.ranks[0],
            link.ranks[1],
            link.effect,
            link.distance.name(),
            100.0 * link.persistence
        )
    });
    let table = Section::table(&title, &format!("rank{names}"), (0..shown - 1).map(row));
    table.unwrap_or(Section { title, ..Section::default() }).with(classes.chain(slow))
}

/// Where and with what the run was made, a line each.
fn facts(report: &Report) -> Vec<String> {
    let run = &report.run;
    let axes: Vec<String> =
        report.mesh.axes.iter().map(|axis| format!("{}={}", axis.name, axis.size)).collect();
    let mut lines = Vec::new();
    match &run.imported_from {
        Some(files) => lines.extend(files.iter().map(|from| {
            let version = from.version.as_deref().unwrap_or("of unknown version");
            format!("imported from {}: {} {version}", from.file, from.tool)
        })),
        None => lines.push(format!(
            "{}, mesh {} (order {}), backend {}, seed {}",
            counted(report.environment.ranks.len(), "rank"),
            axes.join(","),
            report.mesh.order,
            run.backend,
            run.seed
        )),
    }
    let replicates = run.launches.iter().map(|launch| launch.replicate);
    let launches = replicates.collect::<BTreeSet<_>>().len();
    if launches > 1 {
        lines.push(format!(
            "{launches} launches; the figures of a case are those of the launch in the middle by its median"
        ));
    }
    for node in &report.environment.nodes {
        let Node { host, cores: Some(cores), cpu: Some(cpu), os: Some(os), .. } = node else {
            lines.push(node.host.clone());
            continue;
        };
        let gib = node.memory_bytes.unwrap_or(0) as f64 / f64::from(1 << 30);
        lines.push(format!("{host}: {cores} x {cpu}, {gib:.0} GiB, {os}"));
    }
    if let Some(mpi) = &report.environment.mpi {
        lines.push(format!("{} (thread level {})", mpi.library, mpi.thread_level));
    }
    if let (None, Some(floors)) = (&report.topology, &report.floors) {
        let mut line = format!(
            "floors: clock step {} ns, empty sample {} ns",
            floors.clock_step_ns, floors.empty_sample_ns
        );
        if report.environment.ranks.len() > 1 {
            let _ = write!(
                line,
                ", barrier exit skew {}",
                format_ms(floors.barrier_exit_skew_ns / 1e6)
            );
        }
        if floors.clocks > 1 {
            let _ = write!(
                line,
                "; {} clocks, drift up to {:.1} ppm, synchronised",
                floors.clocks, floors.clock_drift_ppm
            );
        }
        lines.push(line);
    }
    let mut gpus: BTreeMap<&str, usize> = BTreeMap::new();
    for rank in report.environment.ranks.iter().filter(|rank| rank.device.kind == "cuda") {
        *gpus.entry(&rank.device.name).or_default() += 1;
    }
    for (name, count) in gpus {
        let libraries = &report.environment.libraries;
        let versions: Vec<String> =
            libraries.iter().map(|(name, version)| format!("{name} {version}")).collect();
        let gpus = if run.emulated {
            "shared by all ranks".to_owned()
        } else {
            format!("{count} of them")
        };
        lines.push(format!("{name}, {gpus}; {}", versions.join(", ")));
    }
    if run.emulated {
        lines.push(
            "EMULATED: ranks shared a GPU; times between them say nothing about a machine"
                .to_owned(),
        );
    }
    if let Some(topology) = &report.topology {
        lines.push(format!(
            "SIMULATED: the times come from a model of '{topology}', not from a clock"
        ));
    }
    lines.push(format!("{} to {}, build {}", run.started, run.finished, run.build));
    lines
}
