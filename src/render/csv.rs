//! Results as rows for spreadsheets.

use std::fmt::Display;

use super::verdicts::{self, remarks};
use super::words::{problem, type_name, word};
use crate::base::caveat::Caveat;
use crate::base::error::{Error, Result};
use crate::base::plain::plain;
use crate::benchmark::measures::ACCURACY;
use crate::benchmark::metric::{self, LATENCY};
use crate::benchmark::work::Placement;
use crate::history::Trend;
use crate::report::{Case, Comparison, Efficiency, Latency, Point, Report, Scaling};

/// What a column is called, and its value of a row; empty where there is none.
type Column<'a, R> = (&'a str, &'a dyn Fn(&R) -> String);

/// A text as one field of a row, in quotes.
pub fn field(text: &str) -> String {
    format!("\"{}\"", cell(text).replace('"', "\"\""))
}

/// A text as a cell. What a spreadsheet would take for a formula has an apostrophe before it, which makes it a text
/// (OWASP, CSV injection). A number may begin with its sign.
fn cell(text: &str) -> String {
    let acts = text.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    let mark = if acts && text.parse::<f64>().is_err() { "'" } else { "" };
    format!("{mark}{}", plain(text))
}

/// One row a case; times in ms, metrics as in the report. Median, interval and metrics are over launches where there were
/// several; the other times are those of the launch in the middle.
pub(super) fn report(report: &Report) -> Result<String> {
    let time = |of: &Case, time: fn(&Latency) -> f64| text(of.latency().map(time));
    let before: [Column<'_, &Case>; 18] = [
        ("id", &|of| of.id.clone()),
        ("benchmark", &|of| of.benchmark.clone()),
        ("problem", &|of| problem(&of.problem)),
        ("precision", &|of| type_name(of.precision).to_owned()),
        ("placement", &|of| text(of.placement.map(Placement::name))),
        ("group", &|of| of.group.clone()),
        ("group_size", &|of| of.group_size.to_string()),
        ("outcome", &|of| word(of.outcome).replace(' ', "_")),
        ("iterations", &|of| text(of.measured.as_ref().map(|measured| measured.iterations))),
        ("invalid", &|of| text(of.measured.as_ref().map(|measured| measured.invalid))),
        ("median_ms", &|of| text(of.median_ms())),
        ("ci_low_ms", &|of| text(of.interval_ms().map(|[low, _]| low))),
        ("ci_high_ms", &|of| text(of.interval_ms().map(|[_, high]| high))),
        ("mean_ms", &|of| time(of, |latency| latency.mean)),
        ("std_dev_ms", &|of| text(of.latency().and_then(|latency| latency.std_dev))),
        ("min_ms", &|of| time(of, |latency| latency.min)),
        ("max_ms", &|of| time(of, |latency| latency.max)),
        ("p95_ms", &|of| text(of.latency().and_then(|latency| latency.p95))),
    ];
    // The times stand in columns of their own.
    let metrics = metric::ALL.iter().filter(|metric| ***metric != LATENCY);
    let metrics = metrics.filter(|metric| report.shows(metric.key));
    let metrics: Vec<_> = metrics
        .map(|metric| {
            (metric.key, |of: &&Case| text(of.rate(metric).or_else(|| of.figure(metric))))
        })
        .collect();
    let efficiency = |of: &Case, share: fn(&Efficiency) -> Option<f64>| {
        text(of.efficiency.as_ref().and_then(share))
    };
    let after: [Column<'_, &Case>; 8] = [
        ("of_peak_percent", &|of| efficiency(of, |of| of.of_peak_percent)),
        ("of_best_percent", &|of| efficiency(of, |of| of.of_best_percent)),
        ("contention_ratio", &|of| text(of.contention_ratio)),
        ("wrong", &|of| text(of.accuracy.as_ref().map(|accuracy| accuracy.wrong))),
        ("launches", &|of| {
            text(of.replication.as_ref().map(|replication| replication.launches.len()))
        }),
        ("between_percent", &|of| text(of.replication.as_ref().and_then(|of| of.between_percent))),
        ("reproducible", &|of| {
            text(of.replication.as_ref().map(|replication| replication.reproducible))
        }),
        ("caveats", &|of| of.caveats.iter().map(Caveat::mark).collect::<Vec<_>>().join("; ")),
    ];
    let metrics = metrics.iter().map(|(key, value)| -> Column<'_, &Case> { (key, value) });
    // The median is of every choice: all other figures follow from it.
    const TIMES: [&str; 7] =
        ["ci_low_ms", "ci_high_ms", "mean_ms", "std_dev_ms", "min_ms", "max_ms", "p95_ms"];
    let (times, checked) = (report.shows(LATENCY.key), report.shows(ACCURACY));
    let is_shown = |(name, _): &Column<'_, &Case>| {
        (times || !TIMES.contains(name)) && (checked || *name != "wrong")
    };
    let columns = before.into_iter().chain(metrics).chain(after).filter(is_shown);
    let columns: Vec<_> = columns.collect();
    table(report.cases.iter(), &columns)
}

/// One row a point of each study.
pub(super) fn scaling(studies: &[Scaling]) -> Result<String> {
    let ends = |of: &Point| of.ci.map_or([None; 2], |ci| ci.map(Some));
    table(
        studies.iter().flat_map(|study| study.points.iter().map(move |point| (study, point))),
        &[
            ("case", &|(_, of)| of.case.clone()),
            ("benchmark", &|(study, _)| study.benchmark.clone()),
            ("kind", &|(study, _)| word(study.kind)),
            ("problem", &|(study, _)| problem(&study.problem)),
            ("precision", &|(study, _)| type_name(study.precision).to_owned()),
            ("placement", &|(study, _)| text(study.placement.map(Placement::name))),
            ("base_ranks", &|(study, _)| text(study.base.as_ref().map(|base| base.ranks))),
            ("ranks", &|(_, of)| of.ranks.to_string()),
            ("median_ms", &|(_, of)| of.median_ms.to_string()),
            ("speedup", &|(_, of)| text(of.speedup)),
            ("efficiency", &|(_, of)| text(of.efficiency)),
            ("ci_low", &|(_, of)| text(ends(of)[0])),
            ("ci_high", &|(_, of)| text(ends(of)[1])),
            ("karp_flatt", &|(_, of)| text(of.karp_flatt)),
            ("left_out", &|(_, of)| of.left_out.to_string()),
            ("definition", &|(study, _)| study.definition.clone()),
        ],
    )
}

pub(super) fn comparison(comparison: &Comparison) -> Result<String> {
    table(
        &comparison.cases,
        &[
            ("id", &|case| case.id.clone()),
            ("benchmark", &|case| case.benchmark.clone()),
            ("verdict", &|case| verdicts::name(case.verdict)),
            ("severity", &|case| text(case.severity.map(word))),
            ("baseline", &|case| text(case.baseline)),
            ("candidate", &|case| text(case.candidate)),
            ("unit", &|case| case.unit.clone()),
            ("baseline_launches", &|case| case.launches[0].to_string()),
            ("candidate_launches", &|case| case.launches[1].to_string()),
            ("ratio", &|case| text(case.ratio)),
            ("ci_low", &|case| text(case.ci.map(|ci| ci[0]))),
            ("ci_high", &|case| text(case.ci.map(|ci| ci[1]))),
            ("worse_percent", &|case| text(case.worse_percent)),
            ("threshold_percent", &|case| case.threshold_percent.to_string()),
            ("p", &|case| text(case.p)),
            ("p_adjusted", &|case| text(case.p_adjusted)),
            ("cliffs_delta", &|case| text(case.cliffs_delta)),
            ("remarks", &|case| remarks(case)),
        ],
    )
}

/// One row a value; what a change is stands in the row of the first value after it.
pub(super) fn trends(trends: &[Trend]) -> Result<String> {
    let rows =
        trends.iter().flat_map(|Trend { series, changes, .. }| {
            series.points.iter().enumerate().map(move |(i, point)| {
                (series, point, changes.iter().find(|change| change.index == i))
            })
        });
    table(
        rows,
        &[
            ("case", &|(series, ..)| series.case.clone()),
            ("metric", &|(series, ..)| series.metric.clone()),
            ("unit", &|(series, ..)| series.unit.clone()),
            ("machine", &|(series, ..)| series.machine.clone()),
            ("method", &|(series, ..)| series.method.clone()),
            ("started", &|(_, point, _)| point.started.clone()),
            ("git", &|(_, point, _)| text(point.git.as_ref())),
            ("run", &|(_, point, _)| point.run.clone()),
            ("file", &|(_, point, _)| point.file.clone()),
            ("value", &|(_, point, _)| point.value.to_string()),
            ("change", &|(.., change)| text(change.map(|change| word(change.effect)))),
            ("ratio", &|(.., change)| text(change.and_then(|change| change.ratio))),
            ("p", &|(.., change)| text(change.map(|change| change.p))),
            ("places", &|(.., change)| {
                text(change.map(|change| 1 + change.places[1] - change.places[0]))
            }),
        ],
    )
}

/// A value; nothing where there is none.
fn text<T: Display>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn table<R>(rows: impl IntoIterator<Item = R>, columns: &[Column<'_, R>]) -> Result<String> {
    let wrong = |why: &dyn Display| Error::internal(format!("cannot write CSV: {why}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = columns.iter().map(|(name, _)| name);
    writer.write_record(header).map_err(|why| wrong(&why))?;
    for row in rows {
        let record = columns.iter().map(|(_, value)| cell(&value(&row)));
        writer.write_record(record).map_err(|why| wrong(&why))?;
    }
    let bytes = writer.into_inner().map_err(|why| wrong(&why))?;
    String::from_utf8(bytes).map_err(|why| wrong(&why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for text in ["=1+1", "+cmd|'/C calc'!A0", "-2+3", "@SUM(A1)", "＝1", "-"] {
            assert_eq!(cell(text), format!("'{text}"));
        }
        for text in ["-1.5", "+3", "-1e-9", "all_reduce/f32", "", "a=b"] {
            assert_eq!(cell(text), text);
        }
        // What a spreadsheet passes over before a formula.
        assert_eq!(cell("\t=1\r\n=2"), "\\u0009=1\\u000d\\u000a=2");
        assert_eq!(field("=a\"b"), "\"'=a\"\"b\"");
    }
}
