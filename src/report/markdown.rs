//! Tables for people: the rows that the terminal and Markdown share, and the Markdown file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::limits::limit_lines;
use super::plain::plain;
use super::rate::Rate;
use super::{Case, Cycles, Outcome, PairMatrix, Replication, Report, Scaling, Steadiness};
use crate::base::metric::{Direction, Unit};
use crate::base::units::{format_ms, format_size, significant};
use crate::benchmark::{Problem, Setting};
use crate::machine::environment::Node;
use crate::plan::mesh;

/// A table: a header and rows of as many cells.
pub(super) struct Rows {
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

/// A problem in one cell: `bytes=64MiB root=1`, `k=512 m=256 n=512`, `k=m=n=512`.
pub(super) fn problem(problem: &Problem) -> String {
    let mut values = problem.values();
    if let Some(first) = values.next().filter(|_| problem.len() > 1)
        && values.all(|value| value == first)
    {
        let keys: Vec<&str> = problem.keys().map(String::as_str).collect();
        return format!("{}={first}", keys.join("="));
    }
    let setting = |(key, value): (&String, &Setting)| match (key.as_str(), value) {
        ("bytes" | "array", Setting::Number(bytes)) => format!("{key}={}", format_size(*bytes)),
        _ => format!("{key}={value}"),
    };
    problem.iter().map(setting).collect::<Vec<_>>().join(" ")
}

/// An outcome in one word.
pub(super) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Measured => "measured",
        Outcome::Skipped => "skipped",
        Outcome::Failed => "failed",
        Outcome::TimedOut => "timed_out",
    }
}

/// One row a case; those of pair matrices have tables of their own, unless something is to be said of them.
pub(super) fn case_rows(report: &Report) -> Rows {
    let in_matrix = |case: &&Case| case.axis == mesh::PAIRS && case.outcome == Outcome::Measured;
    let cases = || report.cases.iter().filter(|case| !in_matrix(case));
    let several = cases().any(|case| case.replication.is_some());
    let figures = ["benchmark", "type", "problem", "ranks", "median", "± CI", "p95", "rate", "of"];
    let launches: &[&str] = if several { &["launches", "between", "reproducible"] } else { &[] };
    let header = [&figures, launches, &["correct", "notes"]].concat();
    Rows {
        header: header.into_iter().map(str::to_owned).collect(),
        rows: cases().map(|case| case_row(case, several)).collect(),
    }
}

fn case_row(case: &Case, several: bool) -> Vec<String> {
    let mut size = problem(&case.problem);
    if let Some(placement) = case.placement {
        let _ = write!(size, " {}", placement.name());
    }
    let mut row = vec![
        case.benchmark.clone(),
        case.precision.map_or_else(String::new, |element| element.name().to_owned()),
        size,
        if case.concurrent && case.axis != mesh::PAIRS {
            format!("{} at once", case.group)
        } else {
            case.group.clone()
        },
    ];
    match &case.measured {
        Some(measured) => {
            let latency = &measured.latency;
            let (rate, of) = rate(case);
            row.extend([
                format_ms(latency.median),
                latency
                    .half_width_percent
                    .map_or_else(|| "n<6".to_owned(), |percent| format!("{percent:.1} %")),
                latency.p95.map_or_else(
                    || format!("n<{}", latency.iterations_needed.get("p95").unwrap_or(&0)),
                    format_ms,
                ),
                rate,
                of.to_owned(),
            ]);
        }
        None => row.extend(std::iter::repeat_n(String::new(), 5)),
    }
    if several {
        row.extend(case.replication.as_ref().map_or_else(Default::default, replication));
    }
    row.push(match &case.accuracy {
        Some(accuracy) if accuracy.wrong > 0 => format!("{} wrong", accuracy.wrong),
        Some(_) => "yes".to_owned(),
        None => "-".to_owned(),
    });
    let notes = match (case.outcome, &case.reason, &case.error) {
        (Outcome::Skipped, Some(reason), _) => format!("skipped: {reason}"),
        (Outcome::Failed, _, Some(error)) => {
            format!("FAILED{}: {}", first_failure(case), error.detail)
        }
        (Outcome::TimedOut, _, Some(error)) => format!("TIMED OUT: {}", error.detail),
        _ => {
            let marks = case.caveats.iter().map(|caveat| caveat.mark().to_owned());
            figures(case).chain(marks).collect::<Vec<_>>().join(", ")
        }
    };
    row.push(notes);
    row
}

/// What `n<N` stands for, where it stands in a row.
pub(super) fn too_few(report: &Report) -> Option<&'static str> {
    let lacks = |case: &Case| {
        let latency = case.measured.as_ref().map(|measured| &measured.latency);
        latency.is_some_and(|latency| latency.half_width_percent.is_none() || latency.p95.is_none())
    };
    report.cases.iter().any(lacks).then_some(
        "n<N: too few iterations for this figure, which takes about N; an interval (CI) takes six independent ones",
    )
}

/// How many launches measured a case, and how far they agree.
fn replication(replication: &Replication) -> [String; 3] {
    let launches = replication.launches.len();
    let (between, reproducible) = match (launches, replication.reproducible) {
        (0 | 1, _) => ("-".to_owned(), "-"),
        (_, true) => (format!("{:.1} %", replication.between_percent), "yes"),
        (_, false) => (format!("{:.1} %", replication.between_percent), "no"),
    };
    [launches.to_string(), between, reproducible.to_owned()]
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
    format!("{} cycles{}", cycles.count, drift.unwrap_or_default())
}

/// The rate people look for first, with its unit, and what it is.
fn rate(case: &Case) -> (String, &'static str) {
    let Some(Rate { metric, value }) = case.quoted_rate() else { return Default::default() };
    let (value, unit) = match metric.unit {
        // Everything has these, and they say no more than the time.
        Unit::PerSecond => return Default::default(),
        Unit::TeraflopsPerSecond if value < 1.0 => (value * 1e3, "GFLOP/s"),
        unit => (value, unit.name()),
    };
    (format!("{} {unit}", significant(value)), metric.label)
}

/// Most ranks whose matrix people can read.
const MATRIX_LIMIT: usize = 32;

/// A pair matrix in words and as a table: the bandwidth of each pair where the benchmark has one, else its
/// time. `!` marks slow links. Large ones are left to the report; their slow links are not.
pub(super) fn matrix(matrix: &PairMatrix) -> (String, Option<Rows>, Vec<String>) {
    // A time says more of a ping-pong, a rate of everything else.
    let by_time = matrix.benchmark == "latency";
    let (values, unit) = match by_time {
        true => (&matrix.median_ms, "us"),
        false => (&matrix.busbw_gbps, "GB/s of a pair in one direction"),
    };
    let precision = matrix.precision.map_or("", |element| element.name());
    let title = format!("{} {precision} {}, {unit}", matrix.benchmark, problem(&matrix.problem));
    let is_slow = |a, b| matrix.slow.iter().any(|link| link.ranks == [a, b]);
    let cell = |a: usize, b: usize| {
        let Some(value) = values[a][b] else { return String::new() };
        let mark = if is_slow(a, b) { "!" } else { "" };
        format!("{mark}{}", significant(if by_time { value * 1e3 } else { value }))
    };
    let rows = (matrix.ranks <= MATRIX_LIMIT).then(|| Rows {
        header: std::iter::once("rank".to_owned())
            .chain((1..matrix.ranks).map(|rank| rank.to_string()))
            .collect(),
        rows: (0..matrix.ranks - 1)
            .map(|a| {
                let cells = (1..matrix.ranks).map(|b| cell(a, b));
                std::iter::once(a.to_string()).chain(cells).collect()
            })
            .collect(),
    });
    let mut lines: Vec<String> = matrix
        .classes
        .iter()
        .map(|class| {
            format!(
                "{}: {} pairs, median {}",
                class.distance.name(),
                class.pairs,
                format_ms(class.median_ms)
            )
        })
        .collect();
    lines.extend(matrix.slow.iter().map(|link| {
        format!(
            "SLOW: ranks {} and {} take {:.2} times the median of their class ({}), in {:.0} % of the time",
            link.ranks[0],
            link.ranks[1],
            link.effect,
            link.distance.name(),
            100.0 * link.persistence
        )
    }));
    (title, rows, lines)
}

/// What the columns of [`study_rows`] are.
pub(super) const STUDY_HEADER: [&str; 9] = [
    "scaling",
    "type",
    "problem",
    "ranks",
    "median",
    "speed-up",
    "efficiency",
    "Karp-Flatt",
    "notes",
];

/// One row a point of a scaling study.
pub(super) fn scaling_rows(report: &Report) -> Rows {
    let rows = report.scaling.iter().flat_map(study_rows).collect();
    Rows { header: STUDY_HEADER.map(str::to_owned).to_vec(), rows }
}

/// The points of a study.
pub(super) fn study_rows(study: &Scaling) -> impl Iterator<Item = Vec<String>> {
    // A definition begins with its name, by which its sentence below the table is found.
    let definition = study.definition.split(':').next().unwrap_or_default();
    let base = study.base.as_ref().map(|base| base.ranks);
    study.points.iter().map(move |point| {
        let number = |value: Option<f64>| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
        };
        let efficiency = match (point.efficiency, point.ci) {
            (Some(value), Some([low, high])) => {
                format!("{:.1} % [{:.1}, {:.1}]", value * 100.0, low * 100.0, high * 100.0)
            }
            (Some(value), None) => format!("{:.1} %", value * 100.0),
            (None, _) => "-".to_owned(),
        };
        let notes = match (point.left_out, base) {
            (true, _) => "left out, see the case".to_owned(),
            (_, Some(ranks)) if ranks == point.ranks => "base".to_owned(),
            _ => by_launch(&point.efficiencies),
        };
        vec![
            format!("{} {definition}", study.benchmark),
            study.precision.map_or_else(String::new, |element| element.name().to_owned()),
            problem(&study.problem),
            point.ranks.to_string(),
            format_ms(point.median_ms),
            number(point.speedup),
            efficiency,
            number(point.karp_flatt),
            notes,
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

/// Where and with what the run was made, a line each.
pub(super) fn facts(report: &Report) -> Vec<String> {
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
            match report.environment.ranks.len() {
                1 => "1 rank".to_owned(),
                n => format!("{n} ranks"),
            },
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
    lines
}

/// The report as a Markdown page.
pub(super) fn render(report: &Report) -> String {
    let mut page = format!("# tesserabench: {}\n\n", escape(&report.verdict()));
    let run = &report.run;
    let span = format!("{} to {}, build {}", run.started, run.finished, run.build);
    let _ = writeln!(page, "- {}", escape(&span));
    for line in facts(report) {
        let _ = writeln!(page, "- {}", escape(&line));
    }
    page.push_str("\n## Cases\n\n");
    page.push_str(&markdown_table(&case_rows(report)));
    if let Some(too_few) = too_few(report) {
        let _ = writeln!(page, "\n- {}", escape(too_few));
    }
    if !report.scaling.is_empty() {
        page.push_str("\n## Scaling\n\n");
        page.push_str(&markdown_table(&scaling_rows(report)));
        page.push('\n');
        for definition in definitions(report) {
            let _ = writeln!(page, "- {}", escape(definition));
        }
    }
    for pairs in &report.pair_matrices {
        let (title, rows, lines) = matrix(pairs);
        let _ = writeln!(page, "\n## Pairs: {}\n", escape(&title));
        page.push_str(&rows.map_or_else(String::new, |rows| markdown_table(&rows) + "\n"));
        for line in lines {
            let _ = writeln!(page, "- {}", escape(&line));
        }
    }
    if !report.limits.is_empty() {
        page.push_str("\n## Limits\n\n");
        for line in limit_lines(&report.limits) {
            let _ = writeln!(page, "- {}", escape(&line));
        }
    }
    page.push_str("\n## Figures\n\n");
    for metric in &report.metrics {
        let better = match metric.direction {
            Direction::HigherIsBetter => "higher is better",
            Direction::LowerIsBetter => "lower is better",
        };
        let [name, unit, definition] =
            [&metric.name, &metric.unit, &metric.definition].map(|text| escape(text));
        let _ = writeln!(page, "- {name} ({unit}, {better}): {definition}");
    }
    if !report.caveats.is_empty() {
        page.push_str("\n## Caveats\n\n");
        for caveat in &report.caveats {
            let _ = writeln!(page, "- **{}**: {}", caveat.mark(), escape(&caveat.to_string()));
        }
    }
    page
}

/// The definitions of efficiency in use, each once.
pub(super) fn definitions(report: &Report) -> Vec<&str> {
    let mut definitions: Vec<&str> =
        report.scaling.iter().map(|study| study.definition.as_str()).collect();
    definitions.sort_unstable();
    definitions.dedup();
    definitions
}

/// The rows as a Markdown table.
pub(super) fn markdown_table(rows: &Rows) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(rows.header.clone());
    text.push_str(&line(vec!["---".to_owned(); rows.header.len()]));
    for row in &rows.rows {
        text.push_str(&line(row.iter().map(|cell| escape(cell)).collect()));
    }
    text
}

/// Names come from files and machines: nothing in them may end a cell or become markup.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '~' | '\\' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_cannot_break_the_table() {
        assert_eq!(escape("a|b\n<script>"), "a\\|b\\\\u000a&lt;script>");
        assert_eq!(escape("\x1b[1m&lt;"), "\\\\u001b\\[1m&amp;lt;");
    }

    #[test]
    fn problems_in_one_cell() {
        let of = |pairs: &[(&str, u64)]| -> String {
            problem(
                &pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect(),
            )
        };
        assert_eq!(of(&[("bytes", 64 << 20)]), "bytes=64MiB");
        assert_eq!(of(&[("m", 8), ("k", 2)]), "k=2 m=8");
        assert_eq!(of(&[("m", 8), ("k", 8)]), "k=m=8");
        assert_eq!(of(&[]), "");
    }
}
