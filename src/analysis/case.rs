//! One case: from what its ranks read to the figures of the report.

use serde::{Deserialize, Serialize};

use super::latency::latency;
use crate::base::accuracy::Accuracy;
use crate::base::caveat::{Caveat, FLOOR_PERCENT, INVALID_PERCENT};
use crate::base::error::Kind;
use crate::base::failure::CaseError;
use crate::base::units::counted;
use crate::benchmark::Counts;
use crate::benchmark::kernel::KernelRun;
use crate::benchmark::work::{Element, Work};
use crate::machine::energy::Energy;
use crate::machine::telemetry::Telemetry;
use crate::measure::Recording;
use crate::plan::config::Protocol;
use crate::plan::{BackendSpec, Budget, Case, ITERATION_LIMIT, Plan};
use crate::report::{self, Definition, Footprint, Latency, Measured, Metrics, Outcome, Samples};
use crate::report::{Steadiness, TimingOverhead};

/// What came of a case, as its first rank tells rank 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum CaseOutcome {
    /// It was measured.
    Measured(Box<Recording>),
    /// The backend cannot do it.
    Skipped(String),
    /// It went wrong; and how its results compared with their reference, where something was checked.
    Failed(Box<CaseError>, Option<Accuracy>),
}

/// Makes the case of the report of what came of it, of what its ranks shared that each should have alone, and of the
/// stamps or where they are.
pub fn analyse(
    plan: &Plan,
    case: &Case,
    floors: &TimingOverhead,
    outcome: CaseOutcome,
    (crowding, samples): (Option<Caveat>, Samples),
) -> report::Case {
    let counts = case.work.counts(case.group.ranks.len());
    let footprint = Footprint::of(case);
    let mut result = report::Case { samples, footprint, ..report::Case::empty(case, counts) };
    let checked = |accuracy: &Accuracy| accuracy.checked > 0;
    match outcome {
        CaseOutcome::Skipped(reason) => {
            result.outcome = Outcome::Skipped;
            result.reason = Some(reason);
        }
        CaseOutcome::Failed(error, accuracy) => {
            result.accuracy = accuracy.filter(checked);
            result.outcome = Outcome::Failed;
            result.error = Some(*error);
        }
        CaseOutcome::Measured(recording) => {
            result.accuracy = Some(recording.accuracy.clone()).filter(checked);
            if recording.times.global.is_empty() {
                result.outcome = Outcome::Failed;
                let detail = format!(
                    "a rank came late to the start of each of {}; quieten the machine or use --protocol \
                     barrier",
                    counted(recording.times.invalid, "round")
                );
                result.error = Some(CaseError::now(Kind::CaseFailed, "measure", detail));
            } else {
                let split = recording.remarks.split.clone();
                let numa_unknown = recording.remarks.numa_unknown.then_some(Caveat::NumaUnknown);
                let measured = measured(plan, &counts, *recording);
                let crowding = crowding.into_iter().chain(split.map(|how| Caveat::Split { how }));
                let has_no_check =
                    |run: &KernelRun| run.kernel.origin.is_some() || run.kernel.reference.is_none();
                let unchecked = result.accuracy.is_none()
                    && matches!(&case.work, Work::Kernel(run) if has_no_check(run));
                let self_timed = case.work.is_reported().then_some(Caveat::SelfTimed);
                let widened = matches!(plan.backend, BackendSpec::Host)
                    && matches!(&case.work, Work::Kernel(run) if run.is_widened());
                let unqueued = matches!(plan.backend, BackendSpec::Cuda { queued: false, .. })
                    && !case.work.is_reported();
                let to = || Caveat::Widened { to: Element::F32.name().to_owned() };
                let crowding = crowding
                    .chain(unchecked.then_some(Caveat::Unchecked))
                    .chain(numa_unknown)
                    .chain(self_timed)
                    .chain(widened.then(to))
                    .chain(unqueued.then_some(Caveat::Unqueued));
                result.caveats = caveats(plan, &counts, floors, &measured, crowding.collect());
                result.measured = Some(Box::new(measured));
                result.renew_metrics();
            }
        }
    }
    result
}

/// Why the figures may mislead, beside what was `found` while measuring.
pub(super) fn caveats(
    plan: &Plan,
    counts: &Counts,
    floors: &TimingOverhead,
    measured: &Measured,
    found: Vec<Caveat>,
) -> Vec<Caveat> {
    let mut caveats = match &plan.backend {
        BackendSpec::Simulated(topology) => {
            vec![Caveat::Simulated { topology: topology.name.clone() }]
        }
        BackendSpec::Host | BackendSpec::Cuda { .. } => found,
    };
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
    if counts.happens_once {
        return caveats;
    }
    if measured.protocol != plan.protocol {
        caveats.push(Caveat::BarrierStart);
    } else if plan.protocol == Protocol::Synchronised
        && latency.definition == Definition::SlowestRank
    {
        caveats.push(Caveat::LocalTimes);
    }
    if let Some(operations) = measured.batch.filter(|batch| *batch > counts.operations_per_run) {
        caveats.push(Caveat::Batched { operations });
    }
    caveats.extend(near_floor(counts.communicates, floors, measured));
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
    let cv_percent = latency.cv_percent.filter(|percent| *percent > bound_percent);
    let unsteady = cv_percent.map(|cv_percent| Caveat::Unsteady { cv_percent, bound_percent });
    let none = latency.steady_state == Some(Steadiness::None);
    let modes = latency.modes.map(|modes| Caveat::TwoModes {
        low_ms: modes.low,
        high_ms: modes.high,
        high_percent: 100.0 * modes.high_share,
        changes: modes.changes,
    });
    unsteady.into_iter().chain(none.then_some(Caveat::NoSteadyState)).chain(modes)
}

/// Why there are fewer iterations, or less time, than asked for.
fn cut_short(budget: &Budget, measured: &Measured) -> Option<String> {
    let iterations = budget.iterations;
    if budget.max_seconds.is_some()
        && budget.target.is_none()
        && measured.iterations < iterations as usize
    {
        return Some(format!(
            "the time was over before the end of {}",
            counted(iterations, "iteration")
        ));
    }
    measured.measuring_seconds.is_some_and(|took| took < budget.min_seconds).then(|| {
        format!(
            "{ITERATION_LIMIT} iterations, the most there are, were done before the time was over"
        )
    })
}

pub(super) fn near_floor(
    communicates: bool,
    floors: &TimingOverhead,
    measured: &Measured,
) -> Option<Caveat> {
    let Measured { latency, host_time, batch, protocol, .. } = measured;
    let sample = latency.median * 1e6 * f64::from(batch.unwrap_or(1));
    let empty = match latency.definition == Definition::SlowestDevice || host_time.is_some() {
        true => floors.empty_device_ns?,
        false => floors.empty_sample_ns,
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

fn measured(plan: &Plan, counts: &Counts, recording: Recording) -> Measured {
    let definition = recording.definition(counts.communicates);
    let error = recording.error_per_operation();
    let of = |definition| latency(recording.times.by(definition), definition, &plan.budget, error);
    let other = match definition {
        Definition::SlowestRank => Definition::LastEndMinusFirstStart,
        _ => Definition::SlowestRank,
    };
    let device = Some(Definition::SlowestDevice).filter(|_| !recording.times.device.is_empty());
    let host = &recording.times.host;
    let host_time =
        (!host.is_empty()).then(|| latency(host, Definition::SlowestRank, &plan.budget, error));
    Measured {
        protocol: recording.protocol,
        warmup: Some(recording.warmup),
        iterations: recording.times.global.len(),
        invalid: recording.times.invalid,
        batch: Some(recording.batch),
        warmup_seconds: Some(recording.warmup_seconds),
        measuring_seconds: Some(recording.measuring_seconds),
        metrics: Metrics::default(),
        overlap: recording.remarks.overlap,
        tuning: recording.remarks.tuning,
        compile: recording.remarks.compilation,
        latency_local: Some(of(other)),
        device_time: device.map(of),
        host_time,
        latency: of(definition),
        per_rank: recording.per_rank,
        skew: Some(recording.skew),
        telemetry: recording.telemetry,
        energy: Energy::of(recording.operations, recording.draws),
        memory: recording.memory,
    }
}

/// Whether each rank of it works for itself, so that none waits for another and their times can be held against each
/// other. Not so where it is not known.
pub(super) fn works_alone(case: &report::Case) -> bool {
    case.counts.is_some_and(|counts| !counts.communicates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::{analysed, plan, recording};

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
