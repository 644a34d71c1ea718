//! Reasons why a figure may mislead, and one table of what each does to comparability and what to do about it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::{counted, format_ms};

/// Share of invalid rounds above which a case carries a caveat, percent.
pub const INVALID_PERCENT: f64 = 10.0;

/// Share of a sample above which a floor is near, percent: SC15's rule that an operation should last ten
/// times as long as what timing it costs (Hoefler and Belli, 2015).
pub const FLOOR_PERCENT: f64 = 10.0;

/// Share of the time below which lower clocks are left unsaid, percent.
pub const THROTTLED_PERCENT: f64 = 1.0;

/// How much a finding weighs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something is wrong.
    Serious,
    /// A figure misleads, or performance is lost.
    Warning,
    /// Worth knowing.
    Info,
}

/// What is said of a reason for caution wherever it is met: in the caveats of a case and in the rules of an analysis.
#[derive(Debug, Clone, Copy)]
pub struct Concern {
    /// Name of the rule that finds it in an analysis.
    pub name: &'static str,
    /// A word or two for a table cell.
    pub mark: &'static str,
    /// How much it weighs.
    pub severity: Severity,
    /// When it applies, with its bound.
    pub sentence: fn() -> String,
    /// What to do; empty where nothing is to be done.
    pub advice: &'static str,
}

impl Concern {
    /// A concern that says this.
    pub const fn new(
        name: &'static str,
        mark: &'static str,
        severity: Severity,
        sentence: fn() -> String,
        advice: &'static str,
    ) -> Self {
        Self { name, mark, severity, sentence, advice }
    }
}

/// The sentence of a concern, with its bounds.
macro_rules! says {
    ($words:literal) => {
        || format!($words)
    };
}
pub(crate) use says;

/// A concern that weighs as a warning.
const fn warning(
    name: &'static str,
    mark: &'static str,
    sentence: fn() -> String,
    advice: &'static str,
) -> Concern {
    Concern::new(name, mark, Severity::Warning, sentence, advice)
}

/// A reason why a figure may mislead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Caveat {
    /// More ranks than cores: they take turns, so the time says little about the machine.
    Oversubscribed {
        /// Ranks on the fullest node.
        ranks: usize,
        /// Cores those ranks may use.
        cores: usize,
    },
    /// The MPI gives its core away whenever it waits, though no other rank needs it.
    Yielding,
    /// Not measured: the time comes from a model of the named machine.
    Simulated {
        /// Name of the topology the model used.
        topology: String,
    },
    /// Ranks shared a GPU: their collectives went through the loopback device and they took turns.
    Emulated,
    /// A GPU ran below its highest clocks.
    Throttled {
        /// World rank of the first one that did.
        rank: usize,
        /// Why: `power` or `heat` with its share of the time, else in NVML's words.
        reasons: Vec<String>,
    },
    /// Few iterations, asked for with `--quick`.
    Quick,
    /// Times vary more than the configured bound.
    Unsteady {
        /// Coefficient of variation, percent.
        cv_percent: f64,
        /// The bound it exceeds, percent.
        bound_percent: f64,
    },
    /// Many rounds were invalid because a rank came late to the start.
    InvalidRounds {
        /// Share of all rounds, percent.
        percent: f64,
    },
    /// Ranks came late too often for a common start, so barriers start the iterations.
    BarrierStart,
    /// Times are the slowest rank's own, without entry skew, because somewhere in the sweep the ranks'
    /// clocks cannot be compared well enough, or common starts failed.
    LocalTimes,
    /// There are more elements than one call can count.
    Split {
        /// What was done instead.
        how: String,
    },
    /// One sample spans several operations back to back.
    Batched {
        /// Operations in a sample.
        operations: u32,
    },
    /// A sample is not much longer than one of nothing.
    NearFloor {
        /// What is near: `empty sample` or `barrier exit skew`.
        floor: String,
        /// It as percent of the sample.
        percent: f64,
    },
    /// The times change level so often, or so late, that no level stands for them.
    NoSteadyState,
    /// The times lie around two levels, and the median may be in either.
    TwoModes {
        /// The lower level, ms.
        low_ms: f64,
        /// The higher, ms.
        high_ms: f64,
        /// Share of the iterations that are around the higher, percent.
        high_percent: f64,
        /// How often neighbours are around different levels.
        changes: usize,
    },
    /// Intervals are wider than asked for.
    TargetMissed {
        /// Half the width of the median's interval, as percent; null when there is none.
        reached_percent: Option<f64>,
        /// What was asked for, percent.
        target_percent: f64,
    },
    /// There are fewer iterations, or less time, than asked for.
    CutShort {
        /// What ended it.
        reason: String,
    },
    /// Read from another tool's output, whose times mean something else.
    Imported {
        /// The tool.
        tool: String,
        /// What its times are.
        time: String,
    },
    /// A fault was planted while it ran, to see what comes of it.
    PlantedFault {
        /// The fault, as it was described.
        fault: String,
    },
    /// Nothing says what is right, or what was computed is not told.
    Unchecked,
    /// A program timed itself.
    SelfTimed,
    /// A rank drove a part of a GPU.
    Instance,
    /// The host's memory may lie on another NUMA node than the GPU.
    NumaUnknown,
    /// Elements were made wider to be computed with, and rounded afterwards.
    Widened {
        /// The type that was computed in.
        to: String,
    },
    /// It ran under a profiler, which takes time itself.
    Profiled {
        /// The profiler.
        by: String,
    },
    /// Nothing held a GPU's rounds back until they start.
    Unqueued,
}

pub(crate) const OVERSUBSCRIBED: Concern = warning(
    "oversubscribed",
    "oversubscribed",
    says!("there are more ranks than cores (more than 1 a core)"),
    "use at most one rank a core",
);

pub(crate) const YIELDING: Concern = warning(
    "yielding",
    "yielding",
    says!("the MPI gives its core away whenever it waits, at 1 rank a core or fewer"),
    "start without --oversubscribe, or with --mca mpi_yield_when_idle 0",
);

pub(crate) const EMULATED: Concern = warning(
    "emulated",
    "emulated",
    says!("more than 1 rank shares a GPU"),
    "give each rank a GPU of its own; emulation shows that a program works, not how fast",
);

pub(crate) const THROTTLED: Concern = warning(
    "throttled",
    "throttled",
    says!(
        "power or heat kept a GPU's clocks below their highest for more than {THROTTLED_PERCENT} % of the time, or \
         NVML gave another reason at the end"
    ),
    "see the cooling and the power limit, or lock the clocks below what throttles",
);

pub(crate) const QUICK: Concern = warning(
    "quick",
    "quick",
    says!("the run was a trial (--quick), of 10 iterations unless more were asked for"),
    "leave --quick out for a figure that others may rely on",
);

pub(crate) const NEAR_FLOOR: Concern = warning(
    "near_floor",
    "near floor",
    says!(
        "what measuring itself costs is more than {FLOOR_PERCENT} % of a sample (Hoefler and Belli, 2015)"
    ),
    "time several operations in one sample (--batch)",
);

pub(crate) const LATE_STARTS: Concern = warning(
    "late_starts",
    "late starts",
    says!(
        "more than {INVALID_PERCENT} % of the rounds were left out because a rank came late to the start"
    ),
    "quieten the machine, leave a core free, or use --protocol barrier",
);

pub(crate) const UNSTEADY: Concern = warning(
    "unsteady",
    "unsteady",
    says!(
        "times vary (standard deviation over mean) by more than the run's bound (5 % unless configured otherwise)"
    ),
    "quieten the machine, pin ranks and clocks, or take more iterations",
);

pub(crate) const NO_STEADY_STATE: Concern = warning(
    "no_steady_state",
    "no steady state",
    says!("the times' last level holds for less than half of the iterations"),
    "see the samples for when the level changes, and what else the machine does; raise --warmup",
);

pub(crate) const TWO_MODES: Concern = warning(
    "two_modes",
    "two modes",
    says!(
        "the times lie around 2 levels, which explain more than 85 % of their variance, and the one that the median is in \
         is not known at 99.9 %: it has no interval within the launch"
    ),
    "see the samples for what the levels are (a path, a clock, another job); quote both, and take more launches",
);

/// What a caveat keeps a figure out of; each holds what stands before it as well.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
enum Bars {
    Nothing,
    /// Comparisons with plain figures.
    Comparisons,
    /// Efficiencies and fits.
    Scaling,
}

impl Caveat {
    /// Marks of those with which figures do not stand beside plain ones.
    pub const INCOMPARABLE: [&str; 10] = [
        OVERSUBSCRIBED.mark,
        YIELDING.mark,
        EMULATED.mark,
        "simulated",
        "barrier start",
        "local times",
        "batched",
        "imported",
        "profiled",
        "unqueued",
    ];

    /// Its place among the caveats of a case, its mark, what it keeps the figure out of, and what to do about it.
    fn facts(&self) -> (usize, &'static str, Bars, &'static str) {
        use Bars::{Comparisons, Nothing, Scaling};
        let shared = |place, concern: Concern, bars| (place, concern.mark, bars, concern.advice);
        match self {
            Self::Oversubscribed { .. } => shared(0, OVERSUBSCRIBED, Scaling),
            Self::Yielding => shared(1, YIELDING, Scaling),
            Self::Simulated { .. } => (2, "simulated", Comparisons, ""),
            Self::Emulated => shared(3, EMULATED, Scaling),
            Self::Split { .. } => (4, "large count", Nothing, ""),
            Self::Throttled { .. } => shared(5, THROTTLED, Nothing),
            Self::Quick => shared(6, QUICK, Nothing),
            Self::BarrierStart => (7, "barrier start", Comparisons, ""),
            Self::LocalTimes => (8, "local times", Comparisons, ""),
            Self::Batched { .. } => (9, "batched", Comparisons, ""),
            Self::NearFloor { .. } => shared(10, NEAR_FLOOR, Nothing),
            Self::InvalidRounds { .. } => shared(11, LATE_STARTS, Nothing),
            Self::Unsteady { .. } => shared(12, UNSTEADY, Nothing),
            Self::NoSteadyState => shared(13, NO_STEADY_STATE, Nothing),
            Self::TwoModes { .. } => shared(14, TWO_MODES, Nothing),
            Self::TargetMissed { .. } => (
                15,
                "target missed",
                Nothing,
                "give more time with --max-time, or quieten the machine",
            ),
            Self::CutShort { .. } => (16, "cut short", Nothing, ""),
            Self::Imported { .. } => {
                (17, "imported", Comparisons, "compare only with times of the same definition")
            }
            Self::PlantedFault { .. } => {
                (18, "planted fault", Nothing, "unset TESSERABENCH_FAULT to measure the machine")
            }
            Self::Unchecked => (
                19,
                "unchecked",
                Nothing,
                "where there is one, name a reference in its bench.yaml, and let a program print its output",
            ),
            Self::SelfTimed => (20, "self-timed", Nothing, ""),
            Self::Widened { .. } => (21, "widened", Nothing, ""),
            Self::Instance => (22, "MIG", Nothing, ""),
            Self::NumaUnknown => (
                25,
                "NUMA unknown",
                Nothing,
                "bind ranks to the cores near their GPUs; a container may forbid mbind",
            ),
            Self::Profiled { .. } => {
                (23, "profiled", Scaling, "take times from a run without a profiler")
            }
            Self::Unqueued => {
                (24, "unqueued", Scaling, "take times from a run without --no-blocking-kernel")
            }
        }
    }

    /// Whether figures with this caveat may stand on one side of a comparison with plain ones.
    pub fn comparable(&self) -> bool {
        self.facts().2 < Bars::Comparisons
    }

    /// Whether the case stays out of efficiencies and fits.
    pub fn excludes_from_scaling(&self) -> bool {
        self.facts().2 == Bars::Scaling
    }

    /// A word or two for a table cell.
    pub fn mark(&self) -> &'static str {
        self.facts().1
    }

    /// What to do about it; empty where nothing is to be done.
    pub fn advice(&self) -> &'static str {
        self.facts().3
    }

    /// How far it goes: of two of one kind, the one with the larger number is the worse.
    pub fn extent(&self) -> f64 {
        match self {
            Self::Oversubscribed { ranks, cores } => *ranks as f64 / (*cores).max(1) as f64,
            Self::Unsteady { cv_percent: percent, .. }
            | Self::InvalidRounds { percent }
            | Self::NearFloor { percent, .. } => *percent,
            Self::TwoModes { low_ms, high_ms, .. } => high_ms / low_ms,
            // No interval is worse than any.
            Self::TargetMissed { reached_percent, .. } => reached_percent.unwrap_or(f64::MAX),
            _ => 0.0,
        }
    }

    /// Its place among the caveats of a case.
    pub fn place(&self) -> usize {
        self.facts().0
    }
}

impl fmt::Display for Caveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oversubscribed { ranks, cores } => {
                let [ranks, cores] = [(ranks, "rank"), (cores, "core")].map(|(n, of)| counted(*n, of));
                write!(f, "{ranks} shared {cores} and took turns")
            }
            Self::Yielding => f.write_str(
                "the MPI gives its core away whenever it waits, which makes small messages several times slower",
            ),
            Self::Simulated { topology } => {
                write!(f, "not measured: computed from a model of '{topology}'")
            }
            Self::Emulated => f.write_str(
                "ranks shared a GPU and talked through the loopback device (--emulate-ranks)",
            ),
            Self::Throttled { rank, reasons } => write!(
                f,
                "the GPU of rank {rank} ran below its highest clocks ({})",
                reasons.join(", ")
            ),
            Self::Quick => f.write_str("few iterations (--quick)"),
            Self::Unsteady { cv_percent, bound_percent } => write!(
                f,
                "times vary by {cv_percent:.1} %, more than the bound of {bound_percent:.1} %"
            ),
            Self::InvalidRounds { percent } => write!(
                f,
                "{percent:.0} % of the rounds were left out because a rank came late to the start"
            ),
            Self::BarrierStart => f.write_str(
                "ranks came late to most common starts, so barriers start the iterations and the time is the slowest \
                 rank's own",
            ),
            Self::LocalTimes => f.write_str(
                "the time is the slowest rank's own, without entry skew, in this whole sweep: somewhere in it the \
                 ranks' clocks err by too much of the time, or common starts failed",
            ),
            Self::Split { how } => {
                write!(f, "there are more elements than MPI counts in 31 bits; they moved {how}")
            }
            Self::Batched { operations } => write!(
                f,
                "one sample spans {operations} operations back to back; one is too short to time, or the protocol \
                 wants it"
            ),
            Self::NearFloor { floor, percent } => write!(
                f,
                "the {floor} is {percent:.0} % of a sample, so the time is in part its own"
            ),
            Self::NoSteadyState => f.write_str(
                "the times do not settle: their last level holds for less than half of the iterations",
            ),
            Self::TwoModes { low_ms, high_ms, high_percent, changes } => write!(
                f,
                "the times lie around {} and {} ({high_percent:.0} % around the higher, {changes} changes), and the \
                 median may be in either, so it has no interval within the launch",
                format_ms(*low_ms),
                format_ms(*high_ms)
            ),
            Self::TargetMissed { reached_percent, target_percent } => {
                let reached = match reached_percent {
                    None => "the median has no interval".to_owned(),
                    Some(percent) if percent <= target_percent => format!(
                        "the median's interval is ± {percent:.2} %, of iterations that depend on each other too much \
                         or are too few to stop at"
                    ),
                    Some(percent) => format!("the median's interval reached ± {percent:.2} %"),
                };
                // 1, not 1.0000; and 0.0001, not 0.
                let target = format!("{target_percent:.4}");
                let target = target.trim_end_matches('0').trim_end_matches('.');
                write!(f, "the precision target of ± {target} % was not met: {reached}")
            }
            Self::CutShort { reason } => f.write_str(reason),
            Self::Imported { tool, time } => {
                write!(f, "read from the output of {tool}, whose times are {time}")
            }
            Self::PlantedFault { fault } => write!(f, "the fault '{fault}' was planted"),
            Self::Unchecked => f.write_str("no result was checked"),
            Self::Instance => f.write_str(
                "a rank drove a MIG instance, a part of a GPU: clocks, power, energy and temperature are those of the \
                 whole GPU, which other instances share",
            ),
            Self::NumaUnknown => f.write_str(
                "the host's memory may lie on another NUMA node than the GPU: which is near it is not known, or memory there was \
                 not to be had",
            ),
            Self::SelfTimed => f.write_str("the times are those that the program itself prints"),
            Self::Widened { to } => write!(f, "computed in {to}: the host backend has no narrower arithmetic"),
            Self::Profiled { by } => write!(f, "it ran under {by}, which takes time itself"),
            Self::Unqueued => f.write_str(
                "operations were not queued on the GPU before they started, so the time has launching them in it",
            ),
        }?;
        match self.facts().3 {
            "" => Ok(()),
            advice => write!(f, "; {advice}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caveats_are_told_apart_by_place_and_mark() {
        let text = String::new;
        let all = [
            Caveat::Oversubscribed { ranks: 2, cores: 1 },
            Caveat::Yielding,
            Caveat::Simulated { topology: text() },
            Caveat::Emulated,
            Caveat::Split { how: text() },
            Caveat::Throttled { rank: 0, reasons: Vec::new() },
            Caveat::Quick,
            Caveat::BarrierStart,
            Caveat::LocalTimes,
            Caveat::Batched { operations: 2 },
            Caveat::NearFloor { floor: text(), percent: 1.0 },
            Caveat::InvalidRounds { percent: 1.0 },
            Caveat::Unsteady { cv_percent: 1.0, bound_percent: 1.0 },
            Caveat::NoSteadyState,
            Caveat::TwoModes { low_ms: 1.0, high_ms: 2.0, high_percent: 50.0, changes: 1 },
            Caveat::TargetMissed { reached_percent: None, target_percent: 1.0 },
            Caveat::CutShort { reason: text() },
            Caveat::Imported { tool: text(), time: text() },
            Caveat::PlantedFault { fault: text() },
            Caveat::Unchecked,
            Caveat::SelfTimed,
            Caveat::Widened { to: text() },
            Caveat::Instance,
            Caveat::Profiled { by: text() },
            Caveat::Unqueued,
            Caveat::NumaUnknown,
        ];
        for (i, one) in all.iter().enumerate() {
            assert_eq!(one.place(), i);
            assert_eq!(one.comparable(), !Caveat::INCOMPARABLE.contains(&one.mark()));
            assert!(all[i + 1..].iter().all(|other| other.mark() != one.mark()));
            assert!(!one.excludes_from_scaling() || !one.comparable() && !one.facts().3.is_empty());
        }
        assert!(Caveat::Quick.to_string().ends_with(QUICK.advice));
    }
}
