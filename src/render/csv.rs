//! Results as rows for spreadsheets.

use std::fmt::Display;

use super::verdicts::remarks;
use super::words::problem;
use crate::base::caveat::Caveat;
use crate::base::error::{Error, Result};
use crate::benchmark::metric::{self, LATENCY, Metric};
use crate::history::Trend;
use crate::report::{Comparison, Report};

/// The columns of a report before its metrics.
const OF_CASE: &str = "id,benchmark,problem,precision,placement,group,group_size,outcome,iterations,invalid,\
                       median_ms,ci_low_ms,ci_high_ms,min_ms,max_ms,p95_ms";

/// Those behind them.
const ABOUT_CASE: &str = "contention_ratio,wrong,launches,between_percent,reproducible,caveats";

/// A text as one field of a row, in quotes.
pub fn field(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// One row a case; times in ms, metrics as in the report.
pub(super) fn report(report: &Report) -> Result<String> {
    // The times stand in columns of their own.
    let metrics = || metric::ALL.iter().copied().filter(|metric| **metric != LATENCY);
    let keys: Vec<&str> = metrics().map(|metric| metric.key).collect();
    let header = format!("{OF_CASE},{},{ABOUT_CASE}", keys.join(","));
    let rows = report.cases.iter().map(|case| {
        let measured = case.measured.as_ref();
        let latency = measured.map(|measured| &measured.latency);
        let replication = case.replication.as_ref();
        let marks: Vec<&str> = case.caveats.iter().map(Caveat::mark).collect();
        let mut row = vec![
            case.id.clone(),
            case.benchmark.clone(),
            problem(&case.problem),
            text(case.precision.map(|element| element.name())),
            text(case.placement.map(|placement| placement.name())),
            case.group.clone(),
            case.group_size.to_string(),
            case.outcome.name().to_owned(),
            text(measured.map(|measured| measured.iterations)),
            text(measured.map(|measured| measured.invalid)),
            text(latency.map(|latency| latency.median)),
            text(latency.and_then(|latency| Some(latency.ci?[0]))),
            text(latency.and_then(|latency| Some(latency.ci?[1]))),
            text(latency.map(|latency| latency.min)),
            text(latency.map(|latency| latency.max)),
            text(latency.and_then(|latency| latency.p95)),
        ];
        row.extend(metrics().map(|metric: &Metric| text(case.headline(metric))));
        row.extend([
            text(case.contention_ratio),
            text(case.accuracy.as_ref().map(|accuracy| accuracy.wrong)),
            text(replication.map(|replication| replication.launches.len())),
            text(replication.map(|replication| replication.between_percent)),
            text(replication.map(|replication| replication.reproducible)),
            marks.join("; "),
        ]);
        row
    });
    table(&header, rows)
}

/// One row a case.
pub(super) fn comparison(comparison: &Comparison) -> Result<String> {
    let header = "id,benchmark,verdict,severity,baseline,candidate,unit,baseline_launches,\
                  candidate_launches,ratio,ci_low,ci_high,worse_percent,threshold_percent,p,\
                  p_adjusted,cliffs_delta,remarks";
    let rows = comparison.cases.iter().map(|case| {
        vec![
            case.id.clone(),
            case.benchmark.clone(),
            case.verdict.name().to_owned(),
            text(case.severity.map(|severity| severity.name())),
            text(case.baseline),
            text(case.candidate),
            case.unit.clone(),
            case.launches[0].to_string(),
            case.launches[1].to_string(),
            text(case.ratio),
            text(case.ci.map(|ci| ci[0])),
            text(case.ci.map(|ci| ci[1])),
            text(case.worse_percent),
            case.threshold_percent.to_string(),
            text(case.p),
            text(case.p_adjusted),
            text(case.cliffs_delta),
            remarks(case),
        ]
    });
    table(header, rows)
}

/// One row a value; what a change is stands in the row of the first value after it.
pub(super) fn trends(trends: &[Trend]) -> Result<String> {
    let header = "case,metric,unit,machine,method,started,git,run,file,value,change,ratio,p";
    let rows = trends.iter().flat_map(|Trend { series, changes, .. }| {
        series.points.iter().enumerate().map(|(i, point)| {
            let change = changes.iter().find(|change| change.index == i);
            vec![
                series.case.clone(),
                series.metric.clone(),
                series.unit.clone(),
                series.machine.clone(),
                series.method.clone(),
                point.started.clone(),
                text(point.git.as_ref()),
                point.run.clone(),
                point.file.clone(),
                point.value.to_string(),
                text(change.map(|change| change.effect.name())),
                text(change.and_then(|change| change.ratio)),
                text(change.map(|change| change.p)),
            ]
        })
    });
    table(header, rows)
}

/// A value; nothing where there is none.
fn text<T: Display>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn table(header: &str, rows: impl Iterator<Item = Vec<String>>) -> Result<String> {
    let wrong = |why: &dyn Display| Error::internal(format!("cannot write CSV: {why}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header.split(',')).map_err(|why| wrong(&why))?;
    for row in rows {
        writer.write_record(row).map_err(|why| wrong(&why))?;
    }
    let bytes = writer.into_inner().map_err(|why| wrong(&why))?;
    String::from_utf8(bytes).map_err(|why| wrong(&why))
}
