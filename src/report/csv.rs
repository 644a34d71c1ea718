//! One row a case.

use super::Report;
use crate::base::error::{Error, Result};
use crate::benchmark::metric::{self, LATENCY, Metric};

/// The columns before the metrics and after them; times in ms, rates as in the report.
const BEFORE: [&str; 16] = [
    "id",
    "benchmark",
    "problem",
    "precision",
    "placement",
    "group",
    "group_size",
    "outcome",
    "iterations",
    "invalid",
    "median_ms",
    "ci_low_ms",
    "ci_high_ms",
    "min_ms",
    "max_ms",
    "p95_ms",
];
const AFTER: [&str; 6] =
    ["contention_ratio", "wrong", "launches", "between_percent", "reproducible", "caveats"];

/// The metrics that have columns under their keys: all but the time, which has several.
fn metrics() -> impl Iterator<Item = &'static Metric> {
    metric::ALL.iter().copied().filter(|metric| **metric != LATENCY)
}

/// A text as one field of a row, in quotes.
pub fn field(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// The report as CSV.
///
/// # Errors
/// Internal error when the rows cannot be formed.
pub(super) fn render(report: &Report) -> Result<String> {
    let wrong = |why: String| Error::internal(format!("cannot write CSV: {why}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = BEFORE.into_iter().chain(metrics().map(|metric| metric.key)).chain(AFTER);
    writer.write_record(header).map_err(|why| wrong(why.to_string()))?;
    for case in &report.cases {
        let measured = case.measured.as_ref();
        let replication = case.replication.as_ref();
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let count =
            |value: Option<usize>| value.map_or_else(String::new, |value| value.to_string());
        let latency = measured.map(|measured| &measured.latency);
        let metric = |metric: &Metric| number(case.headline(metric));
        let marks: Vec<&str> = case.caveats.iter().map(crate::base::caveat::Caveat::mark).collect();
        let before = [
            case.id.clone(),
            case.benchmark.clone(),
            super::markdown::problem(&case.problem),
            case.precision.map_or_else(String::new, |element| element.name().to_owned()),
            case.placement.map_or_else(String::new, |placement| placement.name().to_owned()),
            case.group.clone(),
            case.group_size.to_string(),
            super::markdown::outcome(case.outcome).to_owned(),
            count(measured.map(|measured| measured.iterations)),
            count(measured.map(|measured| measured.invalid)),
            number(latency.map(|latency| latency.median)),
            number(latency.and_then(|latency| Some(latency.ci?[0]))),
            number(latency.and_then(|latency| Some(latency.ci?[1]))),
            number(latency.map(|latency| latency.min)),
            number(latency.map(|latency| latency.max)),
            number(latency.and_then(|latency| latency.p95)),
        ];
        let after = [
            number(case.contention_ratio),
            case.accuracy.as_ref().map_or_else(String::new, |accuracy| accuracy.wrong.to_string()),
            count(replication.map(|replication| replication.launches.len())),
            number(replication.map(|replication| replication.between_percent)),
            replication.map_or_else(String::new, |r| r.reproducible.to_string()),
            marks.join("; "),
        ];
        let row = before.into_iter().chain(metrics().map(metric)).chain(after);
        writer.write_record(row).map_err(|why| wrong(why.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|why| wrong(why.to_string()))?;
    String::from_utf8(bytes).map_err(|why| wrong(why.to_string()))
}
