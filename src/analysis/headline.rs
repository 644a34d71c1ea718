//! One definition of time for a whole sweep: figures of different sizes or of different numbers of
//! ranks must not differ because they mean different things.

use std::collections::HashSet;

use super::case::{near_floor, unsettled};
use crate::base::caveat::Caveat;
use crate::base::units::counted;
use crate::benchmark::work::{Element, Placement};
use crate::plan::{MAX_VARIANCE_PERCENT, Plan};
use crate::report::{Case, Definition, Measured, Report, TimingOverhead};

/// What the cases of a sweep have in common.
type Sweep = (String, Option<Element>, Option<Placement>);

fn sweep(case: &Case) -> Sweep {
    (case.benchmark.clone(), case.precision, case.placement)
}

/// Cases of one benchmark, type and placement, whatever their sizes and ranks, are one sweep. When the
/// slowest rank's own time is the best that one of them allows, it is the headline of all. Cases that are
/// left out of comparisons neither decide nor follow.
pub fn settle(plan: &Plan, floors: &TimingOverhead, cases: &mut [Case]) {
    let target = plan.budget.target.as_ref().map(|target| 100.0 * target.half_width);
    let local = Local::among(cases.iter());
    for case in cases.iter_mut().filter(|case| local.holds(case)) {
        fall_back(case, floors, plan.max_variance_percent, target);
    }
}

/// The same of launches of one run, whose plan is not known any more: a sweep that has the slowest rank's own
/// time in one has it in all, and so has a single case.
pub(super) fn settle_launches(launches: &mut [(usize, Report)]) {
    let local = Local::among(launches.iter().flat_map(|(_, report)| &report.cases));
    let follow = launches.iter().flat_map(|(_, report)| &report.cases);
    let follow: HashSet<String> =
        follow.filter(|case| local.holds(case)).map(|case| case.id.clone()).collect();
    if !follow.is_empty() {
        tracing::warn!(
            "{}: one launch fell back to the slowest rank's own times, so the report has these of all launches; progress \
             lines showed other times",
            counted(follow.len(), "case")
        );
    }
    for (_, report) in launches {
        let floors = report.floors.unwrap_or_default();
        let bound = report.run.config.benchmarking.max_variance_percent;
        for case in report.cases.iter_mut().filter(|case| local.holds(case)) {
            fall_back(case, &floors, bound.unwrap_or(MAX_VARIANCE_PERCENT), None);
        }
    }
}

/// What has the slowest rank's own times.
#[derive(Default)]
struct Local {
    sweeps: HashSet<Sweep>,
    ids: HashSet<String>,
}

impl Local {
    fn among<'a>(cases: impl Iterator<Item = &'a Case>) -> Self {
        let mut local = Self::default();
        for case in cases.filter(|case| is_by(case, Definition::SlowestRank)) {
            local.ids.insert(case.id.clone());
            local.sweeps.extend((!case.is_left_out()).then(|| sweep(case)));
        }
        local
    }

    /// Whether the case has other times and follows.
    fn holds(&self, case: &Case) -> bool {
        is_by(case, Definition::LastEndMinusFirstStart)
            && (self.ids.contains(&case.id)
                || !case.is_left_out() && self.sweeps.contains(&sweep(case)))
    }
}

fn is_by(case: &Case, definition: Definition) -> bool {
    case.measured.as_ref().is_some_and(|measured| measured.latency.definition == definition)
}

/// Makes the slowest rank's own time the headline, and renews what is said of the times: against the bound of their
/// variation, and the precision target where one is known.
fn fall_back(
    case: &mut Case,
    floors: &TimingOverhead,
    bound_percent: f64,
    mut target_percent: Option<f64>,
) {
    let Some(measured) = case.measured.as_deref_mut() else { return };
    let Measured { latency, latency_local: Some(local), .. } = measured else { return };
    std::mem::swap(latency, local);
    let latency = &measured.latency;
    case.caveats.retain(|caveat| match caveat {
        Caveat::NearFloor { .. }
        | Caveat::Unsteady { .. }
        | Caveat::NoSteadyState
        | Caveat::TwoModes { .. }
        | Caveat::LocalTimes => false,
        Caveat::TargetMissed { target_percent: known, .. } => {
            target_percent = Some(*known);
            false
        }
        _ => true,
    });
    let target = target_percent.filter(|_| latency.target_met == Some(false));
    case.caveats.extend(target.map(|target_percent| Caveat::TargetMissed {
        reached_percent: latency.half_width_percent,
        target_percent,
    }));
    case.caveats.push(Caveat::LocalTimes);
    // Only barriers make exits that come near, and what they start has had local times all along.
    case.caveats.extend(near_floor(false, floors, measured));
    case.caveats.extend(unsettled(&measured.latency, bound_percent));
    case.caveats.sort_by_key(Caveat::place);
    case.renew_metrics();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::{analysed, floors, plan, recording};

    const SWEEP: &str = "benchmarks: {all_reduce: {bytes: '8,1MiB'}, barrier: }";

    #[test]
    fn one_case_whose_clocks_err_too_much_decides_for_its_sweep() {
        let plan = plan(SWEEP);
        let figures = [(10e3, 8e3, 0), (10e3, 8e3, 510), (10e6, 8e6, 510)];
        let measured =
            plan.cases.iter().zip(figures).map(|(case, (global, local, clock_error))| {
                let recording =
                    crate::measure::Recording { clock_error, ..recording(&plan, global, local) };
                analysed(&plan, case, recording, None)
            });
        let mut cases: Vec<Case> = measured.collect();
        assert_eq!(
            cases.iter().map(|case| case.benchmark.as_str()).collect::<Vec<_>>(),
            ["all_reduce", "all_reduce", "barrier"]
        );
        let definitions = |cases: &[Case]| -> Vec<Definition> {
            cases.iter().map(|case| case.measured.as_ref().unwrap().latency.definition).collect()
        };
        let (global, local) = (Definition::LastEndMinusFirstStart, Definition::SlowestRank);
        assert_eq!(definitions(&cases), [global, local, global]);
        settle(&plan, &floors(), &mut cases);
        assert_eq!(definitions(&cases), [local, local, global]);
        let first = cases[0].measured.as_ref().unwrap();
        assert!(
            (first.latency.median - 8e-3).abs() < 1e-4
                && first.latency_local.as_ref().unwrap().median > 9e-3
        );
        assert!(first.metrics.throughput_per_s.unwrap() > 120e3);
        let marked = |case: &Case| case.caveats.contains(&Caveat::LocalTimes);
        assert_eq!(cases.iter().map(marked).collect::<Vec<_>>(), [true, true, false]);
    }

    #[test]
    fn crowded_cases_neither_decide_nor_follow() {
        let plan = plan(SWEEP);
        let crowded = || Some(Caveat::Oversubscribed { ranks: 8, cores: 2 });
        for first_is_crowded in [true, false] {
            let measured = plan.cases.iter().enumerate().map(|(i, case)| {
                let clock_error = if i == 0 { 10_000 } else { 0 };
                let recording =
                    crate::measure::Recording { clock_error, ..recording(&plan, 10e3, 8e3) };
                analysed(
                    &plan,
                    case,
                    recording,
                    if (i == 0) == first_is_crowded { crowded() } else { None },
                )
            });
            let mut cases: Vec<Case> = measured.collect();
            let before = cases.clone();
            settle(&plan, &floors(), &mut cases);
            assert_eq!(cases, before);
        }
    }
}
