//! Reasons why a figure may mislead, and one table of what each does to comparability and what to do about it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

impl Severity {
    /// All, the most serious first.
    pub const ALL: [Self; 3] = [Self::Serious, Self::Warning, Self::Info];

    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Serious => "serious",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
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
    /// Whether figures with it may stand on one side of a comparison with plain ones.
    pub comparable: bool,
    /// Whether a case with it stays out of efficiencies and fits.
    pub excludes_from_scaling: bool,
    /// When it applies, with its bound.
    pub sentence: fn() -> String,
    /// What to do; empty where nothing is to be done.
    pub advice: &'static str,
}

impl Concern {
    /// One that keeps a figure out of nothing.
    pub const fn new(
        name: &'static str,
        mark: &'static str,
        severity: Severity,
        sentence: fn() -> String,
        advice: &'static str,
    ) -> Self {
        let (comparable, excludes_from_scaling) = (true, false);
        Self { name, mark, severity, comparable, excludes_from_scaling, sentence, advice }
    }

    /// The same, which keeps figures from being compared with plain ones.
    const fn incomparable(self) -> Self {
        Self { comparable: false, ..self }
    }

    /// The same, which keeps a case out of comparisons, efficiencies and fits.
    const fn left_out(self) -> Self {
        Self { comparable: false, excludes_from_scaling: true, ..self }
    }
}

impl PartialEq for Concern {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

use Severity::{Info, Warning};

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

/// More ranks than cores.
pub const OVERSUBSCRIBED: Concern = Concern::new(
    "oversubscribed",
    "oversubscribed",
    Warning,
    || "there are more ranks than cores (more than 1 a core)".to_owned(),
    "use at most one rank a core",
)
.left_out();

/// An MPI that gives its core away.
pub const YIELDING: Concern = Concern::new(
    "yielding",
    "yielding",
    Warning,
    || "the MPI gives its core away whenever it waits, at 1 rank a core or fewer".to_owned(),
    "start without --oversubscribe, or with --mca mpi_yield_when_idle 0",
)
.left_out();

/// A model instead of a clock.
pub const SIMULATED: Concern = Concern::new(
    "simulated",
    "simulated",
    Info,
    || "the times come from a model of 1 machine, not from a clock".to_owned(),
    "",
)
.incomparable();

/// Ranks that share a GPU.
pub const EMULATED: Concern = Concern::new(
    "emulated",
    "emulated",
    Warning,
    || "more than 1 rank shares a GPU".to_owned(),
    "give each rank a GPU of its own; emulation shows that a program works, not how fast",
)
.left_out();

/// Several calls for one operation.
pub const SPLIT: Concern = Concern::new(
    "split",
    "large count",
    Info,
    || "there are more elements than 1 call can count".to_owned(),
    "",
);

/// A GPU below its highest clocks.
pub const THROTTLED: Concern = Concern::new(
    "throttled",
    "throttled",
    Warning,
    || {
        format!(
            "power or heat kept a GPU's clocks below their highest for more than {THROTTLED_PERCENT} % of the time, \
             or NVML gave another reason at the end"
        )
    },
    "see the cooling and the power limit, or lock the clocks below what throttles",
);

/// A trial.
pub const QUICK: Concern = Concern::new(
    "quick",
    "quick",
    Warning,
    || "the run was a trial (--quick), of 10 iterations unless more were asked for".to_owned(),
    "leave --quick out for a figure that others may rely on",
);

/// Barriers instead of common starts.
pub const BARRIER_START: Concern = Concern::new(
    "barrier_start",
    "barrier start",
    Info,
    || "barriers start the iterations, because ranks came late to most common starts".to_owned(),
    "",
)
.incomparable();

/// Times without entry skew.
pub const LOCAL_TIMES: Concern = Concern::new(
    "local_times",
    "local times",
    Info,
    || {
        "the time is the slowest rank's own somewhere in the sweep, and therefore in all of it"
            .to_owned()
    },
    "",
)
.incomparable();

/// Several operations in a sample.
pub const BATCHED: Concern = Concern::new(
    "batched",
    "batched",
    Info,
    || "1 sample spans several operations back to back".to_owned(),
    "",
)
.incomparable();

/// A sample not much longer than an empty one.
pub const NEAR_FLOOR: Concern = Concern::new(
    "near_floor",
    "near floor",
    Warning,
    || {
        format!(
            "what measuring itself costs is more than {FLOOR_PERCENT} % of a sample (Hoefler and Belli, 2015)"
        )
    },
    "time several operations in one sample (--batch)",
);

/// Many invalid rounds.
pub const LATE_STARTS: Concern = Concern::new(
    "late_starts",
    "late starts",
    Warning,
    || {
        format!(
            "more than {INVALID_PERCENT} % of the rounds were left out because a rank came late to the start"
        )
    },
    "quieten the machine, leave a core free, or use --protocol barrier",
);

/// Times that vary.
pub const UNSTEADY: Concern = Concern::new(
    "unsteady",
    "unsteady",
    Warning,
    || {
        "times vary (standard deviation over mean) by more than the run's bound (5 % unless configured otherwise)"
            .to_owned()
    },
    "quieten the machine, pin ranks and clocks, or take more iterations",
);

/// Times that do not settle.
pub const NO_STEADY_STATE: Concern = Concern::new(
    "no_steady_state",
    "no steady state",
    Warning,
    || "the times' last level holds for less than half of the iterations".to_owned(),
    "see the samples for when the level changes, and what else the machine does; raise --warmup",
);

/// Intervals wider than asked for.
pub const TARGET_MISSED: Concern = Concern::new(
    "target_missed",
    "target missed",
    Info,
    || "an interval is wider than asked for".to_owned(),
    "give more time with --max-time, or quieten the machine",
);

/// An early end.
pub const CUT_SHORT: Concern = Concern::new(
    "cut_short",
    "cut short",
    Info,
    || "there are fewer iterations, or less time, than asked for".to_owned(),
    "",
);

/// Another tool's figures.
pub const IMPORTED: Concern = Concern::new(
    "imported",
    "imported",
    Info,
    || "the figures were read from another tool's output".to_owned(),
    "compare only with times of the same definition",
)
.incomparable();

/// Those of all caveats, in the order in which a case has them.
const ALL: [Concern; 17] = [
    OVERSUBSCRIBED,
    YIELDING,
    SIMULATED,
    EMULATED,
    SPLIT,
    THROTTLED,
    QUICK,
    BARRIER_START,
    LOCAL_TIMES,
    BATCHED,
    NEAR_FLOOR,
    LATE_STARTS,
    UNSTEADY,
    NO_STEADY_STATE,
    TARGET_MISSED,
    CUT_SHORT,
    IMPORTED,
];

impl Caveat {
    /// What is said of it wherever it is met.
    pub fn concern(&self) -> Concern {
        match self {
            Self::Oversubscribed { .. } => OVERSUBSCRIBED,
            Self::Yielding => YIELDING,
            Self::Simulated { .. } => SIMULATED,
            Self::Emulated => EMULATED,
            Self::Throttled { .. } => THROTTLED,
            Self::Quick => QUICK,
            Self::Unsteady { .. } => UNSTEADY,
            Self::InvalidRounds { .. } => LATE_STARTS,
            Self::BarrierStart => BARRIER_START,
            Self::LocalTimes => LOCAL_TIMES,
            Self::Split { .. } => SPLIT,
            Self::Batched { .. } => BATCHED,
            Self::NearFloor { .. } => NEAR_FLOOR,
            Self::NoSteadyState => NO_STEADY_STATE,
            Self::TargetMissed { .. } => TARGET_MISSED,
            Self::CutShort { .. } => CUT_SHORT,
            Self::Imported { .. } => IMPORTED,
        }
    }

    /// Whether figures with this caveat may stand on one side of a comparison with plain ones.
    pub fn comparable(&self) -> bool {
        self.concern().comparable
    }

    /// Whether the case stays out of efficiencies and fits.
    pub fn excludes_from_scaling(&self) -> bool {
        self.concern().excludes_from_scaling
    }

    /// A word or two for a table cell.
    pub fn mark(&self) -> &'static str {
        self.concern().mark
    }

    /// Its place among the caveats of a case.
    pub fn place(&self) -> usize {
        ALL.iter().position(|concern| *concern == self.concern()).unwrap_or(ALL.len())
    }
}

impl fmt::Display for Caveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oversubscribed { ranks, cores } => {
                write!(f, "{ranks} ranks shared {cores} cores and took turns")
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
            Self::TargetMissed { reached_percent, target_percent } => {
                let reached = reached_percent.map_or_else(
                    || "there are too few iterations for an interval".to_owned(),
                    |percent| format!("the median's interval reached ± {percent:.2} %"),
                );
                // 1, not 1.0000; and 0.0001, not 0.
                let target = format!("{target_percent:.4}");
                let target = target.trim_end_matches('0').trim_end_matches('.');
                write!(f, "the precision target of ± {target} % was not met: {reached}")
            }
            Self::CutShort { reason } => f.write_str(reason),
            Self::Imported { tool, time } => {
                write!(f, "read from the output of {tool}, whose times are {time}")
            }
        }?;
        match self.concern().advice {
            "" => Ok(()),
            advice => write!(f, "; {advice}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concerns_are_told_apart_by_name_and_mark() {
        for (i, one) in ALL.iter().enumerate() {
            let rest = &ALL[i + 1..];
            assert!(rest.iter().all(|other| other.name != one.name && other.mark != one.mark));
            assert!(one.comparable || !one.excludes_from_scaling || !one.advice.is_empty());
        }
        assert!(Caveat::Quick.to_string().ends_with(QUICK.advice));
        assert!(Caveat::Yielding.place() < Caveat::NoSteadyState.place());
    }
}
