//! One case: from stamps to the figures of the report.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::backend::Accuracy;
use crate::caveat::Caveat;
use crate::config::Protocol;
use crate::error::Kind;
use crate::measure::Recording;
use crate::measure::timing::{Times, times};
use crate::plan::{BackendSpec, Case, Plan};
use crate::report::{self, CaseError, Definition, Latency, Measured, Metrics, Outcome, Skew};
use crate::stats;
use crate::telemetry::Telemetry;
use crate::units::milliseconds;
use crate::work::Work;

/// Share of invalid rounds above which a case carries a caveat, percent.
const INVALID_PERCENT: f64 = 10.0;

/// Most samples (ranks times rounds) that stand in the report itself.
const INLINE_LIMIT: usize = 1024;

/// Whether a recording has too many samples for the report.
pub fn needs_sidecar(recording: &Recording) -> bool {
    recording.samples.iter().map(Vec::len).sum::<usize>() > INLINE_LIMIT
}

/// What came of a case, as its ranks tell it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Finding {
    /// It was measured.
    Measured(Recording),
    /// The backend cannot do it.
    Skipped(String),
    /// It went wrong.
    Failed(CaseError),
}

/// Makes the case of the report. `crowding` is what its ranks share that each should have alone;
/// `sidecar` names the file for samples that are too many.
pub fn analyse(
    plan: &Plan,
    case: &Case,
    finding: Finding,
    accuracy: Option<Accuracy>,
    crowding: Option<Caveat>,
    sidecar: &str,
) -> report::Case {
    let mut result = report::Case {
        id: case.id.clone(),
        benchmark: case.benchmark.clone(),
        problem: case.problem.clone(),
        precision: case.precision,
        placement: case.placement,
        axis: case.group.axis.clone(),
        group: case.group.to_string(),
        participants: case.group.ranks.clone(),
        group_size: case.group.ranks.len(),
        outcome: Outcome::Measured,
        reason: None,
        error: None,
        measured: None,
        accuracy,
        caveats: Vec::new(),
    };
    match finding {
        Finding::Skipped(reason) => {
            result.outcome = Outcome::Skipped;
            result.reason = Some(reason);
        }
        Finding::Failed(error) => {
            result.outcome = Outcome::Failed;
            result.error = Some(error);
        }
        Finding::Measured(recording) => {
            let times = times(&recording.samples, recording.batch);
            if times.global.is_empty() {
                result.outcome = Outcome::Failed;
                result.error = Some(CaseError {
                    kind: report::kind_name(Kind::CaseFailed),
                    rank: None,
                    at: "measure".to_owned(),
                    detail: format!(
                        "in all {} rounds a rank came late to the start; quieten the machine or use \
                         --protocol barrier",
                        times.invalid
                    ),
                });
            } else {
                result.caveats = caveats(plan, case, &recording, &times, crowding);
                result.measured = Some(measured(plan, case, &recording, &times, sidecar));
            }
        }
    }
    result
}

/// The headline times of a recording, ns: what comparisons and scaling studies use.
pub fn headline(work: &Work, recording: &Recording) -> Vec<f64> {
    let times = times(&recording.samples, recording.batch);
    headline_of(&times, definition(work, recording, &times)).to_vec()
}

fn headline_of(times: &Times, definition: Definition) -> &[f64] {
    match definition {
        Definition::LastEndMinusFirstStart => &times.global,
        Definition::SlowestRank => &times.local,
        Definition::SlowestDevice => &times.device,
    }
}

/// A kernel's time is its time on the device, where the device tells: launching it and noticing its
/// end is the host's business. Between ranks only stamps on one clock, of ranks that started together,
/// have a meaningful first start.
fn definition(work: &Work, recording: &Recording, times: &Times) -> Definition {
    match (recording.protocol, recording.common_clock) {
        _ if !work.communicates() && !times.device.is_empty() => Definition::SlowestDevice,
        (Protocol::Synchronised, true) => Definition::LastEndMinusFirstStart,
        _ => Definition::SlowestRank,
    }
}

fn caveats(
    plan: &Plan,
    case: &Case,
    recording: &Recording,
    times: &Times,
    crowding: Option<Caveat>,
) -> Vec<Caveat> {
    let mut caveats = Vec::new();
    match &plan.backend {
        BackendSpec::Simulated(topology) => {
            caveats.push(Caveat::Simulated { topology: topology.name.clone() });
        }
        BackendSpec::Host | BackendSpec::Cuda { .. } => caveats.extend(crowding),
    }
    let throttled = |telemetry: &&Telemetry| !telemetry.throttled.is_empty();
    if let Some(telemetry) = recording.telemetry.iter().find(throttled) {
        let reasons = telemetry.throttled.clone();
        caveats.push(Caveat::Throttled { rank: telemetry.rank, reasons });
    }
    if plan.budget.quick {
        caveats.push(Caveat::Quick);
    }
    if !recording.common_clock {
        caveats.push(Caveat::LocalTimes);
    } else if recording.protocol != plan.protocol {
        caveats.push(Caveat::BarrierStart);
    }
    if recording.batch > 1 {
        caveats.push(Caveat::Batched { operations: recording.batch });
    }
    let rounds = times.global.len() + times.invalid;
    let percent = 100.0 * times.invalid as f64 / rounds as f64;
    if percent > INVALID_PERCENT {
        caveats.push(Caveat::InvalidRounds { percent });
    }
    let headline = headline_of(times, definition(&case.work, recording, times));
    let cv_percent = 100.0 * stats::variance(headline).sqrt() / stats::mean(headline);
    if cv_percent > plan.max_variance_percent {
        caveats.push(Caveat::Unsteady { cv_percent, bound_percent: plan.max_variance_percent });
    }
    caveats
}

fn measured(
    plan: &Plan,
    case: &Case,
    recording: &Recording,
    times: &Times,
    sidecar: &str,
) -> Measured {
    let confidence = plan.budget.confidence;
    let definition = definition(&case.work, recording, times);
    let global = latency(&times.global, Definition::LastEndMinusFirstStart, confidence);
    let local = latency(&times.local, Definition::SlowestRank, confidence);
    let device_time = (!times.device.is_empty())
        .then(|| latency(&times.device, Definition::SlowestDevice, confidence));
    let (headline, other) = match (definition, &device_time) {
        (Definition::SlowestDevice, Some(device)) => (device.clone(), local),
        (Definition::LastEndMinusFirstStart, _) => (global, local),
        _ => (local, global),
    };
    let shares = times.slowest_shares();
    let per_rank = case.group.ranks.iter().zip(&times.per_rank).zip(shares);
    let median_ms = |values: &[f64]| milliseconds(stats::median(values).unwrap_or(0.0));
    let skew = |values: &[f64]| recording.common_clock.then(|| median_ms(values));
    Measured {
        protocol: recording.protocol,
        iterations: times.global.len(),
        invalid: times.invalid,
        outliers: outliers(headline_of(times, definition)),
        batch: recording.batch,
        metrics: metrics(&case.work, case.group.ranks.len(), headline.median / 1e3),
        latency: headline,
        latency_local: other,
        device_time,
        telemetry: recording.telemetry.clone(),
        per_rank: per_rank
            .map(|((&rank, times), slowest_share)| report::RankTimes {
                rank,
                median_ms: median_ms(times),
                p95_ms: quantile_ms(times, 0.95, confidence),
                slowest_share,
            })
            .collect(),
        skew: Skew {
            entry_ms: skew(&times.entry_skew),
            exit_ms: skew(&times.exit_skew),
            imbalance: stats::median(&times.imbalance).unwrap_or(0.0),
        },
        samples: samples(recording, sidecar),
    }
}

/// A quantile, when there are enough values for an interval around it.
fn quantile_ms(nanos: &[f64], q: f64, confidence: f64) -> Option<f64> {
    let enough = nanos.len() >= stats::samples_needed(q, confidence);
    stats::quantile(nanos, q).filter(|_| enough).map(milliseconds)
}

fn latency(nanos: &[f64], definition: Definition, confidence: f64) -> Latency {
    let median = milliseconds(stats::median(nanos).unwrap_or(0.0));
    let ci = stats::quantile_interval(nanos, 0.5, confidence)
        .map(|interval| [milliseconds(interval.low), milliseconds(interval.high)]);
    let mean = milliseconds(stats::mean(nanos));
    let variance = stats::variance(nanos) * 1e-12;
    let quantile = |q| quantile_ms(nanos, q, confidence);
    let quantiles = [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)];
    let needed = |(name, q): (&str, f64)| match quantile(q) {
        None => Some((name.to_owned(), stats::samples_needed(q, confidence))),
        Some(_) => None,
    };
    let percent = |part: f64, whole: f64| if whole > 0.0 { 100.0 * part / whole } else { 0.0 };
    Latency {
        definition,
        unit: "ms".to_owned(),
        median,
        ci,
        confidence,
        half_width_percent: ci.map(|[low, high]| percent((high - low) / 2.0, median)),
        mean,
        variance,
        std_dev: variance.sqrt(),
        cv_percent: percent(variance.sqrt(), mean),
        min: milliseconds(nanos.iter().copied().fold(f64::INFINITY, f64::min)),
        max: milliseconds(nanos.iter().copied().fold(0.0, f64::max)),
        p50: quantile(0.5),
        p90: quantile(0.9),
        p95: quantile(0.95),
        p99: quantile(0.99),
        iterations_needed: quantiles.into_iter().filter_map(needed).collect::<BTreeMap<_, _>>(),
        autocorrelation: stats::autocorrelation(nanos),
    }
}

/// Values beyond Tukey's outer fences (1977): further than 3 interquartile ranges from the quartiles.
fn outliers(values: &[f64]) -> usize {
    let quartiles = (stats::quantile(values, 0.25), stats::quantile(values, 0.75));
    let (Some(q1), Some(q3)) = quartiles else { return 0 };
    let reach = 3.0 * (q3 - q1);
    values.iter().filter(|&&value| value < q1 - reach || value > q3 + reach).count()
}

/// Rates at the median time of `seconds`.
fn metrics(work: &Work, ranks: usize, seconds: f64) -> Metrics {
    if seconds <= 0.0 {
        return Metrics::default();
    }
    let all = ranks as f64;
    let algbw = work.algorithm_bytes().map(|bytes| bytes as f64 / seconds / 1e9);
    let busbw = algbw.zip(work.bus_factor(ranks)).map(|(algbw, factor)| algbw * factor);
    Metrics {
        algbw_gbps: algbw,
        busbw_gbps: busbw,
        gbps: work.memory_traffic().map(|bytes| all * bytes as f64 / seconds / 1e9),
        tflops: work.flops().map(|flops| all * flops / seconds / 1e12),
        throughput_per_s: Some(1.0 / seconds),
    }
}

fn samples(recording: &Recording, sidecar: &str) -> report::Samples {
    let samples = &recording.samples;
    if needs_sidecar(recording) {
        let rows = samples.iter().map(Vec::len).sum();
        return report::Samples::Sidecar { file: sidecar.to_owned(), rows };
    }
    let origin = samples.iter().flatten().map(|sample| sample.start).min().unwrap_or(0);
    let column = |get: fn(&crate::backend::Sample) -> i64| {
        samples.iter().map(|rank| rank.iter().map(|s| get(s) - origin).collect()).collect()
    };
    let rounds = samples.first().map_or(0, Vec::len);
    report::Samples::Inline {
        start_ns: column(|sample| sample.start),
        end_ns: column(|sample| sample.end),
        device_ns: samples
            .iter()
            .map(|rank| rank.iter().map(|sample| sample.device).collect())
            .collect(),
        invalid_rounds: (0..rounds).filter(|&i| samples.iter().any(|rank| rank[i].late)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::{Collective, Element, Gemm, Placement};

    #[test]
    fn rates_follow_from_work_and_time() {
        let work = Work::Collective {
            op: Collective::AllReduce,
            element: Element::F32,
            bytes: 4_000_000_000,
            placement: Placement::Out,
        };
        let rates = metrics(&work, 4, 2.0);
        assert_eq!((rates.algbw_gbps, rates.busbw_gbps), (Some(2.0), Some(3.0)));
        let gemm = Work::Gemm(Gemm { m: 1000, n: 1000, k: 1000, element: Element::F32 });
        assert_eq!(metrics(&gemm, 2, 1.0).tflops, Some(0.004));
        assert_eq!(metrics(&gemm, 2, 0.0), Metrics::default());
    }

    #[test]
    fn every_rate_of_the_report_is_defined() {
        let rates = serde_json::to_value(Metrics::default()).unwrap();
        for name in rates.as_object().unwrap().keys() {
            assert!(crate::metric::ALL.iter().any(|metric| metric.name == *name), "{name}");
        }
    }

    #[test]
    fn quantiles_beyond_the_data_are_null_with_the_number_needed() {
        let nanos: Vec<f64> = (0..100).map(|i| 1e6 + f64::from(i)).collect();
        let latency = latency(&nanos, Definition::SlowestRank, 0.95);
        assert!(latency.p95.is_some() && latency.p99.is_none());
        assert_eq!(latency.iterations_needed.get("p99"), Some(&368));
        assert_eq!(latency.min, 1.0);
    }

    #[test]
    fn outliers_are_counted() {
        let mut values: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(outliers(&values), 0);
        values.push(1e4);
        assert_eq!(outliers(&values), 1);
    }
}
