//! One row a case.

use super::Report;
use crate::base::error::{Error, Result};

/// The columns; times in ms, rates as in the report.
const HEADER: [&str; 28] = [
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
    "algbw_gbps",
    "busbw_gbps",
    "gbps",
    "tflops",
    "messages_per_s",
    "overlap_percent",
    "contention_ratio",
    "wrong",
    "launches",
    "between_percent",
    "reproducible",
    "caveats",
];

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
    writer.write_record(HEADER).map_err(|why| wrong(why.to_string()))?;
    for case in &report.cases {
        let measured = case.measured.as_ref();
        let replication = case.replication.as_ref();
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let count =
            |value: Option<usize>| value.map_or_else(String::new, |value| value.to_string());
        let latency = measured.map(|measured| &measured.latency);
        let metric = |get: fn(&super::Metrics) -> Option<f64>| {
            number(measured.and_then(|measured| get(&measured.metrics)))
        };
        let marks: Vec<&str> = case.caveats.iter().map(crate::base::caveat::Caveat::mark).collect();
        let row = [
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
            metric(|metrics| metrics.algbw_gbps),
            metric(|metrics| metrics.busbw_gbps),
            metric(|metrics| metrics.gbps),
            metric(|metrics| metrics.tflops),
            metric(|metrics| metrics.messages_per_s),
            metric(|metrics| metrics.overlap_percent),
            number(case.contention_ratio),
            case.accuracy.as_ref().map_or_else(String::new, |accuracy| accuracy.wrong.to_string()),
            count(replication.map(|replication| replication.launches.len())),
            number(replication.map(|replication| replication.between_percent)),
            replication.map_or_else(String::new, |r| r.reproducible.to_string()),
            marks.join("; "),
        ];
        writer.write_record(row).map_err(|why| wrong(why.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|why| wrong(why.to_string()))?;
    String::from_utf8(bytes).map_err(|why| wrong(why.to_string()))
}
