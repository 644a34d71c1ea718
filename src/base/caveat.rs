//! Reasons why a figure may mislead, in one place, and what each does to comparability.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
}

impl Caveat {
    /// Whether figures with this caveat may stand on one side of a comparison with plain ones.
    pub fn comparable(&self) -> bool {
        match self {
            Self::Quick
            | Self::Unsteady { .. }
            | Self::InvalidRounds { .. }
            | Self::NearFloor { .. }
            | Self::NoSteadyState
            | Self::TargetMissed { .. }
            | Self::CutShort { .. }
            | Self::Split { .. }
            | Self::Throttled { .. } => true,
            Self::Oversubscribed { .. }
            | Self::Yielding
            | Self::BarrierStart
            | Self::Simulated { .. }
            | Self::Emulated
            | Self::LocalTimes
            | Self::Batched { .. }
            | Self::Imported { .. } => false,
        }
    }

    /// Whether the case stays out of efficiencies and fits.
    pub fn excludes_from_scaling(&self) -> bool {
        matches!(self, Self::Oversubscribed { .. } | Self::Yielding | Self::Emulated)
    }

    /// One word for a table cell.
    pub fn mark(&self) -> &'static str {
        match self {
            Self::Oversubscribed { .. } => "oversubscribed",
            Self::Yielding => "yielding",
            Self::Simulated { .. } => "simulated",
            Self::Emulated => "emulated",
            Self::Throttled { .. } => "throttled",
            Self::Quick => "quick",
            Self::Unsteady { .. } => "unsteady",
            Self::InvalidRounds { .. } => "late starts",
            Self::BarrierStart => "barrier start",
            Self::LocalTimes => "local times",
            Self::Split { .. } => "large count",
            Self::Batched { .. } => "batched",
            Self::NearFloor { .. } => "near floor",
            Self::NoSteadyState => "no steady state",
            Self::TargetMissed { .. } => "target missed",
            Self::CutShort { .. } => "cut short",
            Self::Imported { .. } => "imported",
        }
    }
}

impl std::fmt::Display for Caveat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Oversubscribed { ranks, cores } => write!(
                f,
                "{ranks} ranks shared {cores} cores and took turns; use at most one rank per core to \
                 measure the machine"
            ),
            Self::Yielding => write!(
                f,
                "the MPI gives its core away whenever it waits, which makes small messages several times \
                 slower; start without --oversubscribe, or with --mca mpi_yield_when_idle 0"
            ),
            Self::Simulated { topology } => {
                write!(f, "not measured: computed from a model of '{topology}'")
            }
            Self::Emulated => write!(
                f,
                "ranks shared a GPU and talked through the loopback device (--emulate-ranks): it shows that \
                 the program works, not how fast a machine is"
            ),
            Self::Throttled { rank, reasons } => write!(
                f,
                "the GPU of rank {rank} ran below its highest clocks ({}); see its cooling and its power \
                 limit",
                reasons.join(", ")
            ),
            Self::Quick => {
                write!(f, "few iterations (--quick); leave --quick out for a real figure")
            }
            Self::Unsteady { cv_percent, bound_percent } => write!(
                f,
                "times vary by {cv_percent:.1} %, more than the bound of {bound_percent:.1} %; quieten \
                 the machine or take more iterations"
            ),
            Self::InvalidRounds { percent } => write!(
                f,
                "{percent:.0} % of the rounds were left out because a rank came late to the start"
            ),
            Self::BarrierStart => write!(
                f,
                "ranks came late to most common starts, so barriers start the iterations and the time is \
                 the slowest rank's own"
            ),
            Self::LocalTimes => write!(
                f,
                "the time is the slowest rank's own, without entry skew, in this whole sweep: somewhere in it \
                 the ranks' clocks err by too much of the time, or common starts failed"
            ),
            Self::Split { how } => {
                write!(f, "there are more elements than MPI counts in 31 bits; they moved {how}")
            }
            Self::Batched { operations } => write!(
                f,
                "one sample spans {operations} operations back to back; one is too short to time, or the \
                 protocol wants it"
            ),
            Self::NearFloor { floor, percent } => {
                write!(
                    f,
                    "the {floor} is {percent:.0} % of a sample, so the time is in part its own"
                )
            }
            Self::NoSteadyState => write!(
                f,
                "the times do not settle: their last level holds for less than half of the iterations; see \
                 the samples, and what else the machine does"
            ),
            Self::TargetMissed { reached_percent, target_percent } => {
                let reached = reached_percent.map_or_else(
                    || "there are too few iterations for an interval".to_owned(),
                    |percent| format!("the median's interval reached ± {percent:.2} %"),
                );
                write!(
                    f,
                    "the precision target of ± {} % was not met: {reached}; give more time with --max-time, or \
                     quieten the machine",
                    // 1, not 1.0000; and 0.0001, not 0.
                    format!("{target_percent:.4}").trim_end_matches('0').trim_end_matches('.')
                )
            }
            Self::CutShort { reason } => f.write_str(reason),
            Self::Imported { tool, time } => write!(
                f,
                "read from the output of {tool}, whose times are {time}; compare only with times of the same \
                 definition"
            ),
        }
    }
}
