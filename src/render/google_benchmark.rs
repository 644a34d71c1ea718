//! A report as the JSON of Google Benchmark, for its `tools/compare.py` and for services that read it.
//!
//! Names and order of the keys are those of `JSONReporter` in its src/json_reporter.cc (v1.9.5, format version 1). CPU
//! time is not measured here and stands as 0, because its readers refuse a run without one.

use std::collections::BTreeMap;

use serde::Serialize;

use super::no_json;
use crate::base::caveat::Caveat;
use crate::base::error::Result;
use crate::benchmark::metric::{self, ALGBW, LATENCY, MEMORY, OPERATIONS};
use crate::report::{Case, Outcome, Report};
use crate::stats;

/// The version of the format, which is not that of the library.
const VERSION: u32 = 1;

/// Nanoseconds of a millisecond.
const NANOS: f64 = 1e6;

#[derive(Serialize)]
struct Document {
    context: Context,
    benchmarks: Vec<Run>,
}

#[derive(Serialize)]
struct Context {
    /// When the run began; of imported results without a date it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<String>,
    host_name: String,
    executable: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_cpus: Option<usize>,
    caches: [(); 0],
    load_avg: [(); 0],
    json_schema_version: u32,
    tesserabench_version: String,
    tesserabench_run: String,
    cpu_time: &'static str,
}

/// A run of a benchmark, or what several of one come to.
#[derive(Serialize)]
struct Run {
    name: String,
    family_index: usize,
    per_family_instance_index: usize,
    run_name: String,
    run_type: &'static str,
    repetitions: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    repetition_index: Option<usize>,
    threads: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregate_name: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregate_unit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_occurred: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skip_message: Option<String>,
    iterations: u64,
    real_time: f64,
    cpu_time: f64,
    time_unit: &'static str,
    /// Rates and other figures, by their name.
    #[serde(flatten)]
    counters: BTreeMap<&'static str, f64>,
    /// What keeps the figures from standing beside plain ones.
    #[serde(skip_serializing_if = "String::is_empty")]
    label: String,
}

/// One run a case, or one a launch and their aggregates where there were several.
pub(super) fn report(report: &Report) -> Result<String> {
    let mut families: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut benchmarks = Vec::new();
    for case in &report.cases {
        let next = families.len();
        let (family, instance) = families.entry(&case.benchmark).or_insert((next, 0));
        benchmarks.extend(runs(case, *family, *instance));
        *instance += 1;
    }
    let node = report.environment.nodes.first();
    let context = Context {
        date: report.run.began().map(|began| began.replacen('Z', "+00:00", 1)),
        host_name: node.map_or_else(String::new, |node| node.host.clone()),
        executable: report.run.command.first().cloned().unwrap_or_default(),
        num_cpus: node.and_then(|node| node.cores),
        caches: [],
        load_avg: [],
        json_schema_version: VERSION,
        tesserabench_version: report.run.version.clone(),
        tesserabench_run: report.run.id.clone(),
        cpu_time: "not measured, and 0 for that",
    };
    serde_json::to_string_pretty(&Document { context, benchmarks }).map_err(no_json)
}

fn runs(case: &Case, family: usize, instance: usize) -> Vec<Run> {
    let launches: Vec<f64> = match &case.replication {
        Some(replication) => replication.launches.iter().map(|launch| launch.median_ms).collect(),
        None => case.median_ms().into_iter().collect(),
    };
    let measured = case.measured.as_ref().filter(|_| case.outcome == Outcome::Measured);
    let iterations = measured
        .map_or(0, |measured| measured.iterations as u64 * u64::from(measured.batch.unwrap_or(1)));
    let one = |median_ms: f64, index: usize| Run {
        name: case.id.clone(),
        family_index: family,
        per_family_instance_index: instance,
        run_name: case.id.clone(),
        run_type: "iteration",
        repetitions: launches.len().max(1),
        repetition_index: Some(index),
        threads: 1,
        aggregate_name: None,
        aggregate_unit: None,
        error_occurred: None,
        error_message: None,
        skipped: None,
        skip_message: None,
        iterations,
        real_time: NANOS * median_ms,
        cpu_time: 0.0,
        time_unit: "ns",
        counters: counters(case, median_ms),
        label: label(case),
    };
    if measured.is_none() {
        let error = case.error.as_ref().map(|error| error.detail.clone());
        let skipped = case.outcome == Outcome::Skipped;
        return vec![Run {
            error_occurred: (!skipped).then_some(true),
            error_message: error.filter(|_| !skipped),
            skipped: skipped.then_some(true),
            skip_message: case.reason.clone().filter(|_| skipped),
            counters: BTreeMap::new(),
            ..one(0.0, 0)
        }];
    }
    let mut runs: Vec<Run> =
        launches.iter().enumerate().map(|(index, median)| one(*median, index)).collect();
    if launches.len() > 1 {
        let std_dev = stats::variance(&launches).sqrt();
        let mean = launches.iter().sum::<f64>() / launches.len() as f64;
        let median = stats::median(&launches).unwrap_or(mean);
        let aggregates = [
            ("mean", "time", NANOS * mean, Some(mean)),
            ("median", "time", NANOS * median, Some(median)),
            ("stddev", "time", NANOS * std_dev, None),
            ("cv", "percentage", std_dev / mean, None),
        ];
        runs.extend(aggregates.map(|(name, unit, real_time, time)| Run {
            name: format!("{}_{name}", case.id),
            run_type: "aggregate",
            repetition_index: None,
            aggregate_name: Some(name),
            aggregate_unit: Some(unit),
            iterations: launches.len() as u64,
            real_time,
            counters: time.map_or_else(BTreeMap::new, |time| counters(case, time)),
            ..one(mean, 0)
        }));
    }
    runs
}

/// The case's figures at this time, and the two rates that readers know.
fn counters(case: &Case, median_ms: f64) -> BTreeMap<&'static str, f64> {
    let Some(observed) = case.observed(median_ms) else { return BTreeMap::new() };
    let others = metric::ALL.iter().filter(|metric| ***metric != LATENCY);
    let mut counters: BTreeMap<&str, f64> =
        others.filter_map(|metric| Some((metric.key, metric.figure(&observed)?))).collect();
    let bytes = MEMORY.figure(&observed).or_else(|| ALGBW.figure(&observed));
    counters.extend(bytes.map(|gbps| ("bytes_per_second", 1e9 * gbps)));
    let items = OPERATIONS.figure(&observed);
    counters.extend(items.map(|items| ("items_per_second", items)));
    counters.insert("ranks", case.group_size as f64);
    counters.retain(|_, value| value.is_finite());
    counters
}

fn label(case: &Case) -> String {
    case.caveats.iter().map(Caveat::mark).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::analysis::fixture::{analysed, empty_report, plan, recording};
    use crate::base::error::Kind;
    use crate::base::failure::CaseError;
    use crate::render::Format;
    use crate::report::{Outcome, Report};

    fn written(report: &Report) -> Value {
        let text = Format::GoogleBenchmark.write(report, true).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_case_is_a_run() {
        let plan = plan("benchmarks: {triad: {array: [1MiB, 2MiB, 4MiB]}}");
        let mut report = empty_report(&plan);
        for case in &plan.cases {
            report.cases.push(analysed(&plan, case, recording(&plan, 1e6, 1e6), None));
        }
        report.cases[1].outcome = Outcome::Skipped;
        report.cases[1].reason = Some("too large".to_owned());
        report.cases[2].outcome = Outcome::Failed;
        report.cases[2].error =
            Some(CaseError::now(Kind::WrongResult, "verify", "wrong".to_owned()));
        let written = written(&report);
        assert_eq!(written["context"]["json_schema_version"], 1);
        let runs = written["benchmarks"].as_array().unwrap();
        assert_eq!(runs.len(), 3);
        let (one, id) = (&runs[0], &report.cases[0].id);
        assert_eq!(
            (one["name"].as_str(), one["run_type"].as_str()),
            (Some(id.as_str()), Some("iteration"))
        );
        assert_eq!(one["real_time"].as_f64(), report.cases[0].median_ms().map(|ms| 1e6 * ms));
        assert_eq!((one["time_unit"].as_str(), one["cpu_time"].as_f64()), (Some("ns"), Some(0.0)));
        let gbps = report.cases[0].measured.as_ref().unwrap().metrics.gbps.unwrap();
        assert_eq!(one["bytes_per_second"].as_f64(), Some(1e9 * gbps));
        assert_eq!(
            (&runs[1]["skipped"], &runs[1]["skip_message"]),
            (&true.into(), &"too large".into())
        );
        assert_eq!(
            (&runs[2]["error_occurred"], &runs[2]["error_message"]),
            (&true.into(), &"wrong".into())
        );
        assert_eq!(runs[2]["real_time"], 0.0);
        assert_eq!(runs[2]["per_family_instance_index"], 2);
    }
}
