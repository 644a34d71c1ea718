//! An analysis for people: the sections that the terminal and Markdown share.

mod findings;
mod statistics;

use std::fmt::Write as _;
use std::ops::Range;

use super::{Analysis, Examined, Leaderboard, Origin, Over, Source, Study};
use crate::base::caveat::Severity;
use crate::base::error::Exit;
use crate::base::units::{format_ms, significant};
use crate::plan::mesh::{PAIRS, format_ranges};
use crate::report::Outcome;
use crate::report::limits::limit_lines;
use crate::report::markdown::{self, Rows, STUDY_HEADER, escape, markdown_table, study_rows};
use crate::report::plain::plain;
use crate::report::table::draw;

/// Most rows of a table, and lines of a list, that the terminal shows.
const ROW_LIMIT: usize = 60;

/// Most entries of a leaderboard that the terminal shows.
const BOARD_LIMIT: usize = 10;

/// A title, a table and lines.
struct Section {
    title: String,
    rows: Option<Rows>,
    /// The columns that are aligned to the right.
    numbers: Range<usize>,
    /// Most rows that the terminal shows.
    limit: usize,
    lines: Vec<String>,
}

/// What a person reads of it on a terminal; with all `statistics` of each case where they are asked for.
pub fn analysis_table(analysis: &Analysis, statistics: bool) -> String {
    let mut lines: Vec<String> =
        limited(sources(analysis)).iter().map(|line| plain(line).into_owned()).collect();
    for section in sections(analysis, statistics) {
        lines.push(format!("\n{}", plain(&section.title)));
        if let Some(mut rows) = section.rows {
            let left = rows.rows.len().saturating_sub(section.limit);
            rows.rows.truncate(section.limit);
            lines.push(draw(&rows, section.numbers));
            if left > 0 {
                lines.push(format!(
                    "… and {left} more; all stand in the JSON or Markdown (--output)"
                ));
            }
        }
        lines.extend(section.lines.iter().map(|line| plain(line).into_owned()));
    }
    lines.push(format!("\n{}", conclusion(analysis)));
    lines.join("\n")
}

/// The same as a Markdown file, with all statistics.
pub fn analysis_markdown(analysis: &Analysis) -> String {
    let mut text = format!("# Analysis: {}\n\n", escape(&conclusion(analysis)));
    for line in sources(analysis) {
        let _ = writeln!(text, "- {}", escape(&line));
    }
    for section in sections(analysis, true) {
        let _ = writeln!(text, "\n## {}\n", escape(&section.title));
        if let Some(rows) = section.rows {
            text.push_str(&markdown_table(&rows));
            text.push('\n');
        }
        for line in section.lines {
            let depth = line.len() - line.trim_start().len();
            let _ = writeln!(text, "{}- {}", " ".repeat(depth), escape(line.trim_start()));
        }
    }
    text
}

fn sections(analysis: &Analysis, statistics: bool) -> Vec<Section> {
    let mut sections = vec![cases(analysis)];
    if statistics {
        sections.push(Section {
            title: "statistics".to_owned(),
            rows: None,
            numbers: 0..0,
            limit: ROW_LIMIT,
            lines: analysis
                .cases
                .iter()
                .flat_map(|case| statistics::lines(analysis, case))
                .collect(),
        });
    }
    sections.extend(scaling(analysis));
    sections.extend(throughput(analysis));
    sections.extend(analysis.leaderboards.iter().map(|board| leaderboard(analysis, board)));
    sections.extend(findings::section(analysis));
    if !analysis.limits.is_empty() {
        sections.push(Section {
            title: "limits".to_owned(),
            rows: None,
            numbers: 0..0,
            limit: ROW_LIMIT,
            lines: limit_lines(&analysis.limits).iter().map(|line| format!("  {line}")).collect(),
        });
    }
    sections
}

/// The last line.
fn conclusion(analysis: &Analysis) -> String {
    let tally = &analysis.summary;
    let of = |count: usize, one: &str, many: &str| {
        format!("{count} {}", if count == 1 { one } else { many })
    };
    let missing = match tally.cases - tally.measured {
        0 => String::new(),
        missing => format!(", {missing} not measured"),
    };
    format!(
        "{} of {} can be relied on{missing}; {}, {}, {}",
        tally.reliable,
        of(tally.measured, "measured case", "measured cases"),
        of(tally.serious, "serious finding", "serious findings"),
        of(tally.warnings, "warning", "warnings"),
        of(tally.infos, "remark", "remarks")
    )
}

/// Reports by their places, where there is more than one.
fn named(analysis: &Analysis, reports: &[usize]) -> Option<String> {
    (analysis.reports.len() > 1).then(|| format_ranges(reports.iter().copied()))
}

fn sources(analysis: &Analysis) -> Vec<String> {
    analysis.reports.iter().enumerate().map(|(at, report)| source(analysis, at, report)).collect()
}

fn source(analysis: &Analysis, at: usize, report: &Source) -> String {
    let number = named(analysis, &[at]).map_or_else(String::new, |number| format!(" {number}"));
    let ranks =
        if report.ranks == 1 { "1 rank".to_owned() } else { format!("{} ranks", report.ranks) };
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

fn cases(analysis: &Analysis) -> Section {
    let many = analysis.reports.len() > 1;
    let mut header =
        vec!["case", "median", "± CI", "over", "launches", "cv", "rate", "reliable", "flags"];
    if many {
        header.insert(1, "reports");
    }
    let row = |case: &Examined| {
        let mut row = vec![case.id.clone()];
        row.extend(named(analysis, &case.reports));
        row.extend(figures(case));
        row
    };
    let offset = usize::from(many);
    // Pairs have matrices in their reports; slow ones are found.
    let in_matrix = |case: &&Examined| case.axis == PAIRS && case.statistics.is_some();
    let pairs = analysis.cases.iter().filter(in_matrix).count();
    let told = analysis.cases.iter().filter(|case| !in_matrix(case));
    let lines =
        (pairs > 0).then(|| format!("{pairs} cases of pairs stand in their reports' matrices"));
    Section {
        title: "cases".to_owned(),
        rows: Some(Rows {
            header: header.into_iter().map(str::to_owned).collect(),
            rows: told.map(row).collect(),
        }),
        numbers: 1 + offset..7 + offset,
        limit: ROW_LIMIT,
        lines: indented(lines.into_iter().collect()),
    }
}

fn figures(case: &Examined) -> Vec<String> {
    let Some(statistics) = &case.statistics else {
        let mut row = vec![String::new(); 6];
        row.extend(["no".to_owned(), markdown::outcome(case.outcome).replace('_', " ")]);
        if case.outcome == Outcome::Skipped {
            row[6] = "-".to_owned();
        }
        return row;
    };
    let width = statistics.width_percent.map(|width| format!("{:.1} %", width / 2.0));
    let over = match statistics.ci_over {
        Some(Over::Launches) => "launches".to_owned(),
        _ if statistics.iterations == 1 => "1 iteration".to_owned(),
        _ => format!("{} iterations", statistics.iterations),
    };
    let marks = case.flags.iter().filter(|flag| flag.severity < Severity::Info);
    let marks: Vec<&str> = marks.map(|flag| flag.mark.as_str()).collect();
    vec![
        format_ms(statistics.median_ms),
        width.unwrap_or_else(|| "-".to_owned()),
        over,
        statistics.launches.to_string(),
        format!("{:.1} %", statistics.cv_percent),
        match (statistics.rate, &statistics.rate_unit) {
            (Some(rate), Some(unit)) => format!("{} {unit}", significant(rate)),
            _ => "-".to_owned(),
        },
        if case.reliable { "yes" } else { "no" }.to_owned(),
        marks.join(", "),
    ]
}

fn scaling(analysis: &Analysis) -> Option<Section> {
    let mut header: Vec<String> = STUDY_HEADER.map(str::to_owned).to_vec();
    header.push("launches".to_owned());
    let many = analysis.reports.len() > 1;
    if many {
        header.push("reports".to_owned());
    }
    let rows = |study: &Study| -> Vec<Vec<String>> {
        let launches = match (study.separate_launches, study.local_times) {
            (false, _) => "the same",
            (true, false) => "separate",
            (true, true) => "separate, local times",
        };
        let points = study_rows(&study.scaling).zip(&study.reports);
        points
            .map(|(mut row, reports)| {
                row.push(launches.to_owned());
                row.extend(named(analysis, reports));
                row
            })
            .collect()
    };
    let mut lines: Vec<String> =
        analysis.scaling.iter().map(|study| study.scaling.definition.clone()).collect();
    lines.sort_unstable();
    lines.dedup();
    lines.extend(analysis.scaling.iter().filter_map(|study| {
        let fraction = study.scaling.amdahl_serial_fraction?;
        let problem = markdown::problem(&study.scaling.problem);
        Some(format!(
            "{} {problem}: Amdahl's serial fraction {:.2} %",
            study.scaling.benchmark,
            100.0 * fraction
        ))
    }));
    (!analysis.scaling.is_empty()).then(|| Section {
        title: "scaling".to_owned(),
        rows: Some(Rows { header, rows: analysis.scaling.iter().flat_map(rows).collect() }),
        numbers: 3..8,
        limit: ROW_LIMIT,
        lines: indented(lines),
    })
}

fn throughput(analysis: &Analysis) -> Option<Section> {
    let header = ["benchmark", "type", "ranks", "throughput", "time", "cases", "reports"];
    let many = analysis.reports.len() > 1;
    let header = header.into_iter().filter(|name| many || *name != "reports");
    let rows = analysis.throughput.iter().map(|whole| {
        let mut row = vec![
            whole.benchmark.clone(),
            whole.precision.map_or_else(String::new, |element| element.name().to_owned()),
            whole.ranks.to_string(),
            format!("{} {}", significant(whole.rate), whole.unit),
            format_ms(whole.time_ms),
            whole.cases.len().to_string(),
        ];
        row.extend(named(analysis, &whole.reports));
        row
    });
    let mut lines: Vec<String> =
        analysis.throughput.iter().map(|whole| format!("{} by {}", whole.unit, whole.of)).collect();
    lines.sort_unstable();
    lines.dedup();
    lines.insert(
        0,
        "the work of all cases over the sum of their median times, never a mean of rates"
            .to_owned(),
    );
    (!analysis.throughput.is_empty()).then(|| Section {
        title: "aggregate throughput".to_owned(),
        rows: Some(Rows { header: header.map(str::to_owned).collect(), rows: rows.collect() }),
        numbers: 2..6,
        limit: ROW_LIMIT,
        lines: indented(lines),
    })
}

fn leaderboard(analysis: &Analysis, board: &Leaderboard) -> Section {
    let header = ["place", "rate", "interval", "case", "devices", "hosts", "flags", "reports"];
    let many = analysis.reports.len() > 1;
    let header = header.into_iter().filter(|name| many || *name != "reports");
    let rows = board.entries.iter().map(|entry| {
        let ends =
            entry.ci.map(|[low, high]| format!("{} to {}", significant(low), significant(high)));
        let mut row = vec![
            entry.place.to_string(),
            significant(entry.rate),
            ends.unwrap_or_else(|| "-".to_owned()),
            entry.case.clone(),
            few(&entry.devices, 2),
            few(&entry.hosts, 2),
            entry.marks.join(", "),
        ];
        row.extend(named(analysis, &entry.reports));
        row
    });
    let precision = board.precision.map_or("", |element| element.name());
    let mut title = format!("fastest {} {precision}", board.benchmark).trim_end().to_owned();
    let _ = write!(title, ", {}", board.unit);
    if board.origin != Origin::Measured {
        let _ = write!(title, ", {}", board.origin.name());
    }
    Section {
        title,
        rows: Some(Rows { header: header.map(str::to_owned).collect(), rows: rows.collect() }),
        numbers: 0..3,
        limit: BOARD_LIMIT,
        lines: Vec::new(),
    }
}

/// The first of some names, and how many there are more.
fn few(names: &[String], limit: usize) -> String {
    let mut text = names[..names.len().min(limit)].join(", ");
    if names.len() > limit {
        let _ = write!(text, " … and {} more", names.len() - limit);
    }
    text
}

/// As many lines as the terminal shows, and how many there are more.
fn limited(mut lines: Vec<String>) -> Vec<String> {
    let left = lines.len().saturating_sub(ROW_LIMIT);
    lines.truncate(ROW_LIMIT);
    if left > 0 {
        lines.push(format!("… and {left} more"));
    }
    lines
}

fn indented(lines: Vec<String>) -> Vec<String> {
    lines.into_iter().map(|line| format!("  {line}")).collect()
}
