//! One case: from what its ranks read to the figures of the report.

use serde::{Deserialize, Serialize};

use super::latency::latency;
use crate::base::accuracy::Accuracy;
use crate::base::caveat::Caveat;
use crate::base::error::Kind;
use crate::base::failure::CaseError;
use crate::base::units::milliseconds;
use crate::benchmark;
use crate::benchmark::work::Work;
use crate::machine::telemetry::Telemetry;
use crate::measure::Recording;
use crate::plan::config::Protocol;
use crate::plan::{BackendSpec, Budget, Case, ITERATION_LIMIT, Plan};
use crate::report::Definition;
use crate::report::TimingOverhead;
use crate::report::{
    self, Latency, Measured, Metrics, Outcome, Overlap, Samples, Skew, Steadiness,
};

/// Share of invalid rounds above which a case carries a caveat, percent.
pub(super) const INVALID_PERCENT: f64 = 10.0;

/// Share of a sample above which a floor is near, percent: SC15's rule that an operation should last ten
/// times as long as what timing it costs (Hoefler and Belli, 2015).
pub(super) const FLOOR_PERCENT: f64 = 10.0;

/// What came of a case, as its ranks tell it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Finding {
    /// It was measured.
    Measured(Box<Recording>),
    /// The backend cannot do it.
    Skipped(String),
    /// It went wrong.
    Failed(Box<CaseError>),
}

/// All that is known of a case when it is over.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseOutcome {
    /// What came of it.
    pub finding: Finding,
    /// How its results compared with their reference, where something was checked.
    pub accuracy: Option<Accuracy>,
    /// What its ranks shared that each should have alone.
    pub crowding: Option<Caveat>,
    /// The stamps, or where they are.
    pub samples: Samples,
}

/// Makes the case of the report.
pub fn analyse(
    plan: &Plan,
    case: &Case,
    floors: &TimingOverhead,
    found: CaseOutcome,
) -> report::Case {
    let CaseOutcome { finding, accuracy, crowding, samples } = found;
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
        concurrent: case.set.is_some(),
        contention_ratio: None,
        outcome: Outcome::Measured,
        reason: None,
        error: None,
        measured: None,
        samples,
        accuracy,
        replication: None,
        cycles: None,
        caveats: Vec::new(),
    };
    match finding {
        Finding::Skipped(reason) => {
            result.outcome = Outcome::Skipped;
            result.reason = Some(reason);
        }
        Finding::Failed(error) => {
            result.outcome = Outcome::Failed;
            result.error = Some(*error);
        }
        Finding::Measured(recording) => {
            if recording.times.global.is_empty() {
                result.outcome = Outcome::Failed;
                let detail = format!(
                    "in all {} rounds a rank came late to the start; quieten the machine or use --protocol \
                     barrier",
                    recording.times.invalid
                );
                result.error = Some(CaseError::now(Kind::CaseFailed, "measure", detail));
            } else {
                let split = recording.remarks.split.clone();
                let measured = measured(plan, case, *recording);
                let crowding = crowding.into_iter().chain(split.map(|how| Caveat::Split { how }));
                result.caveats = caveats(plan, &case.work, floors, &measured, crowding.collect());
                result.measured = Some(measured);
            }
        }
    }
    result
}

/// Why the figures may mislead, beside what was `found` while measuring.
pub(super) fn caveats(
    plan: &Plan,
    work: &Work,
    floors: &TimingOverhead,
    measured: &Measured,
    found: Vec<Caveat>,
) -> Vec<Caveat> {
    let mut caveats = Vec::new();
    match &plan.backend {
        BackendSpec::Simulated(topology) => {
            caveats.push(Caveat::Simulated { topology: topology.name.clone() });
        }
        BackendSpec::Host | BackendSpec::Cuda { .. } => caveats.extend(found),
    }
    let throttled = |telemetry: &&Telemetry| !telemetry.throttled.is_empty();
    if let Some(telemetry) = measured.telemetry.iter().find(throttled) {
        let reasons = telemetry.throttled.clone();
        caveats.push(Caveat::Throttled { rank: telemetry.rank, reasons });
    }
    if plan.budget.quick {
        caveats.push(Caveat::Quick);
    }
    let Measured { latency, .. } = measured;
    // What happens once has no start, no target and no time of its own.
    if work.happens_once() {
        return caveats;
    }
    if measured.protocol != plan.protocol {
        caveats.push(Caveat::BarrierStart);
    } else if plan.protocol == Protocol::Synchronised
        && latency.definition == Definition::SlowestRank
    {
        caveats.push(Caveat::LocalTimes);
    }
    if let Some(operations) = measured.batch.filter(|batch| *batch > work.operations()) {
        caveats.push(Caveat::Batched { operations });
    }
    caveats.extend(near_floor(work.communicates(), floors, measured));
    let percent = 100.0 * measured.invalid as f64 / (measured.iterations + measured.invalid) as f64;
    if percent > INVALID_PERCENT {
        caveats.push(Caveat::InvalidRounds { percent });
    }
    caveats.extend(unsettled(latency, plan.max_variance_percent));
    let budget = &plan.budget;
    if let (Some(target), Some(false)) = (&budget.target, latency.target_met) {
        caveats.push(Caveat::TargetMissed {
            reached_percent: latency.half_width_percent,
            target_percent: 100.0 * target.half_width,
        });
    }
    caveats.extend(cut_short(budget, measured).map(|reason| Caveat::CutShort { reason }));
    caveats
}

/// What the headline's times say of themselves.
pub(super) fn unsettled(latency: &Latency, bound_percent: f64) -> impl Iterator<Item = Caveat> {
    let cv_percent = latency.cv_percent;
    let unsteady = Caveat::Unsteady { cv_percent, bound_percent };
    let none = latency.steady_state == Some(Steadiness::None);
    let unsteady = Some(unsteady).filter(|_| cv_percent > bound_percent);
    unsteady.into_iter().chain(none.then_some(Caveat::NoSteadyState))
}

/// Why there are fewer iterations, or less time, than asked for.
fn cut_short(budget: &Budget, measured: &Measured) -> Option<String> {
    let iterations = budget.iterations;
    if budget.max_seconds.is_some()
        && budget.target.is_none()
        && measured.iterations < iterations as usize
    {
        return Some(format!("the time was over before {iterations} iterations were done"));
    }
    measured.measuring_seconds.is_some_and(|took| took < budget.min_seconds).then(|| {
        format!(
            "{ITERATION_LIMIT} iterations, the most there are, were done before the time was over"
        )
    })
}

/// The floor that a sample is near to, if it is.
pub(super) fn near_floor(
    communicates: bool,
    floors: &TimingOverhead,
    measured: &Measured,
) -> Option<Caveat> {
    let Measured { latency, batch, protocol, .. } = measured;
    let sample = latency.median * 1e6 * f64::from(batch.unwrap_or(1));
    let empty = match latency.definition {
        Definition::SlowestDevice => floors.empty_device_ns?,
        _ => floors.empty_sample_ns,
    };
    let exits = match protocol {
        Protocol::Barrier | Protocol::BackToBack if communicates => floors.barrier_exit_skew_ns,
        _ => 0.0,
    };
    [("empty sample", empty), ("barrier exit skew", exits)]
        .into_iter()
        .map(|(floor, nanos)| (floor, 100.0 * nanos / sample.max(nanos).max(1.0)))
        .find(|(_, percent)| *percent > FLOOR_PERCENT)
        .map(|(floor, percent)| Caveat::NearFloor { floor: floor.to_owned(), percent })
}

fn measured(plan: &Plan, case: &Case, recording: Recording) -> Measured {
    let definition = recording.definition(case.work.communicates());
    let error = recording.error_per_operation();
    let of = |definition| latency(recording.times.by(definition), definition, &plan.budget, error);
    let other = match definition {
        Definition::SlowestRank => Definition::LastEndMinusFirstStart,
        _ => Definition::SlowestRank,
    };
    let overlap = recording.remarks.overlap.map(|overlap| report::Overlap {
        alone_ms: milliseconds(overlap.alone as f64) / f64::from(case.work.operations()),
        computed_ms: milliseconds(overlap.computed as f64) / f64::from(case.work.operations()),
    });
    let has_device = !recording.times.device.is_empty();
    let headline = of(definition);
    let per_rank = case.group.ranks.iter().zip(&recording.per_rank);
    Measured {
        protocol: recording.protocol,
        warmup: Some(recording.warmup),
        iterations: recording.times.global.len(),
        invalid: recording.times.invalid,
        batch: Some(recording.batch),
        warmup_seconds: Some(recording.warmup_seconds),
        measuring_seconds: Some(recording.measuring_seconds),
        metrics: metrics(&case.work, case.group.ranks.len(), headline.median / 1e3, overlap),
        overlap,
        latency_local: Some(of(other)),
        device_time: has_device.then(|| of(Definition::SlowestDevice)),
        latency: headline,
        per_rank: per_rank
            .map(|(&rank, times)| report::RankTimes {
                rank,
                median_ms: milliseconds(times.median),
                p95_ms: times.p95.map(milliseconds),
                slowest_share: times.slowest_share,
            })
            .collect(),
        skew: Some(Skew {
            entry_ms: milliseconds(recording.skew.entry),
            exit_ms: milliseconds(recording.skew.exit),
            after_last_arrival_ms: milliseconds(recording.skew.after_last_arrival),
            clock_error_ms: milliseconds(recording.clock_error as f64),
            imbalance: recording.skew.imbalance,
        }),
        telemetry: recording.telemetry,
        memory: recording.memory,
    }
}

/// Whether each rank of it works for itself, so that none waits for another and their times can be held against each
/// other. Not so of a benchmark that is unknown.
pub(super) fn works_alone(case: &report::Case) -> bool {
    benchmark::find(&case.benchmark).is_some_and(|known| !known.collective)
}

/// Rates at the median time of `seconds`.
pub fn metrics(work: &Work, ranks: usize, seconds: f64, overlap: Option<Overlap>) -> Metrics {
    if seconds <= 0.0 {
        return Metrics::default();
    }
    let all = ranks as f64;
    let algbw = work.algorithm_bytes(ranks).map(|bytes| bytes as f64 / seconds / 1e9);
    let busbw = algbw.zip(work.bus_factor(ranks)).map(|(algbw, factor)| algbw * factor);
    Metrics {
        algbw_gbps: algbw,
        busbw_gbps: busbw,
        gbps: work.memory_traffic().map(|bytes| all * bytes as f64 / seconds / 1e9),
        tflops: work.flops().map(|flops| all * flops / seconds / 1e12),
        overlap_percent: overlap.and_then(|overlap| hidden(overlap, seconds)),
        messages_per_s: work.messages(ranks).map(|messages| messages as f64 / seconds),
        throughput_per_s: Some(1.0 / seconds),
    }
}

/// Share of the exchange that its computation hides when both take `seconds`, percent: OSU 7.4,
/// `calculate_and_print_stats` in util/osu_util_mpi.c.
fn hidden(overlap: Overlap, seconds: f64) -> Option<f64> {
    let Overlap { alone_ms, computed_ms } = overlap;
    let exposed = 1e3 * seconds - computed_ms;
    (alone_ms > 0.0).then(|| (100.0 * (1.0 - exposed / alone_ms)).clamp(0.0, 100.0))
}

/// Rates that were `rates` at the median time of `from_ms`, at one of `to_ms`.
pub(super) fn rescaled(
    rates: &Metrics,
    overlap: Option<Overlap>,
    from_ms: f64,
    to_ms: f64,
) -> Metrics {
    if from_ms <= 0.0 || to_ms <= 0.0 {
        return Metrics::default();
    }
    let at = |rate: Option<f64>| rate.map(|rate| rate * from_ms / to_ms);
    Metrics {
        algbw_gbps: at(rates.algbw_gbps),
        busbw_gbps: at(rates.busbw_gbps),
        gbps: at(rates.gbps),
        tflops: at(rates.tflops),
        overlap_percent: overlap.and_then(|overlap| hidden(overlap, to_ms / 1e3)),
        messages_per_s: at(rates.messages_per_s),
        throughput_per_s: at(rates.throughput_per_s),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::{analysed, plan, recording};
    use crate::benchmark::work::{Element, Exchange, Pattern, Placement};

    #[test]
    fn rates_follow_from_work_and_time() {
        let work = Work::Exchange(Exchange::plain(Pattern::AllReduce, Element::F32, 4_000_000_000));
        let rates = metrics(&work, 4, 2.0, None);
        assert_eq!((rates.algbw_gbps, rates.busbw_gbps), (Some(2.0), Some(3.0)));
        let sides = ["m", "n", "k"].map(|side| (side.to_owned(), 1000.into())).into();
        let gemm = benchmark::find("gemm").unwrap();
        let gemm = gemm.work(&sides, Element::F32, Placement::Out).unwrap();
        assert_eq!(metrics(&gemm, 2, 1.0, None).tflops, Some(0.004));
        assert_eq!(metrics(&gemm, 2, 0.0, None), Metrics::default());
    }

    #[test]
    fn every_rate_of_the_report_is_defined() {
        let rates = serde_json::to_value(Metrics::default()).unwrap();
        for name in rates.as_object().unwrap().keys() {
            assert!(crate::base::metric::ALL.iter().any(|metric| metric.name == *name), "{name}");
        }
    }

    #[test]
    fn a_sample_not_much_longer_than_a_floor_says_so() {
        let near = |yaml: &str, nanos: f64, batch: u32| {
            let plan = plan(yaml);
            let recording = Recording { batch, ..recording(&plan, nanos, nanos) };
            let case = analysed(&plan, &plan.cases[0], recording, None);
            case.caveats.into_iter().find_map(|caveat| match caveat {
                Caveat::NearFloor { floor, .. } => Some(floor),
                _ => None,
            })
        };
        let barrier = "benchmarks: {barrier: }";
        assert_eq!(near(barrier, 900.0, 1).as_deref(), Some("empty sample"));
        assert_eq!(near(barrier, 900.0, 10), None);
        assert_eq!(near(barrier, 1100.0, 1), None);
        let started_by_barriers = "protocol: barrier\nbenchmarks: {barrier: }";
        assert_eq!(near(started_by_barriers, 1100.0, 1).as_deref(), Some("barrier exit skew"));
        assert_eq!(near(started_by_barriers, 21_000.0, 1), None);
    }

    #[test]
    fn what_was_asked_for_and_not_reached_is_said() {
        let caveats = |yaml: &str| {
            let plan = plan(yaml);
            analysed(&plan, &plan.cases[0], recording(&plan, 1e6, 1e6), None).caveats
        };
        assert_eq!(caveats("benchmarks: {barrier: }\nbenchmarking: {timing_iterations: 40}"), []);
        let missed = caveats("benchmarks: {barrier: }\nbenchmarking: {precision_target: 0.001%}");
        assert!(matches!(missed[..], [Caveat::TargetMissed { .. }]), "{missed:?}");
        let cut = caveats("benchmarks: {barrier: }\nbenchmarking: {max_time: 1s}");
        assert!(matches!(cut[..], [Caveat::CutShort { .. }]), "{cut:?}");
        let full =
            caveats("benchmarks: {barrier: }\nbenchmarking: {timing_iterations: 40, min_time: 2s}");
        assert!(matches!(full[..], [Caveat::CutShort { .. }]), "{full:?}");
    }
}
