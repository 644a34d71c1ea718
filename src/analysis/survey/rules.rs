//! The rules by which something is flagged or found. Each has its bound here, and says it.

use crate::analysis::case::{FLOOR_PERCENT, INVALID_PERCENT};
use crate::analysis::launches::agreement::REPRODUCIBLE_PERCENT;
use crate::analysis::pairs;
use crate::machine::telemetry::NOTICEABLE_PERCENT;
use crate::report::{Figure, Finding, Flag, Severity};

/// Probability below which a test counts, after adjusting for all of its kind.
pub(super) const FALSE_ONES: f64 = 0.05;

/// How much slower than the others a rank must be to count, percent. A choice: devices of one kind and make
/// differ by less.
pub(super) const SLOWER_PERCENT: f64 = 5.0;

/// How much slower is serious, percent. A choice: as much as a device in five does not do.
pub(super) const MUCH_SLOWER_PERCENT: f64 = 20.0;

/// Iterations for each independent one, from which on they tell little.
pub(super) const DEPENDENT: f64 = 4.0;

/// Width of the median's interval as percent of it, the least change that comparisons look for.
pub(super) const WIDE_PERCENT: f64 = 5.0;

/// Efficiency below which devices are wasted. A choice.
pub(super) const LOW_EFFICIENCY: f64 = 0.8;

/// Rise of Karp and Flatt's serial fraction from the first to the last point that is more than noise.
pub(super) const OVERHEAD_RISE: f64 = 0.01;

/// Fewest points that show a rise.
pub(super) const RISING_POINTS: usize = 3;

/// Share of an exchange that a computation hides, percent, below which overlapping is hardly worth it.
pub(super) const LOW_OVERLAP_PERCENT: f64 = 50.0;

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    WrongResult,
    FailedCase,
    RunEnded,
    SlowHosts,
    SlowNode,
    SlowRank,
    SlowLink,
    Straggler,
    Throttled,
    LowEfficiency,
    RisingOverhead,
    PoorBase,
    LowOverlap,
    Oversubscribed,
    Yielding,
    Emulated,
    Quick,
    NotReproducible,
    NoSteadyState,
    Unsteady,
    LateStarts,
    NoInterval,
    WideInterval,
    Dependent,
    NearFloor,
    UnequalRanks,
    FewForQuantile,
    FewLaunches,
    NoCounts,
}

impl Rule {
    /// Those that flag cases and whose findings name the cases alone.
    pub(super) const OF_CASES: [Self; 16] = [
        Self::Oversubscribed,
        Self::Yielding,
        Self::Emulated,
        Self::Quick,
        Self::NotReproducible,
        Self::NoSteadyState,
        Self::Unsteady,
        Self::LateStarts,
        Self::NoInterval,
        Self::WideInterval,
        Self::Dependent,
        Self::NearFloor,
        Self::UnequalRanks,
        Self::FewForQuantile,
        Self::FewLaunches,
        Self::NoCounts,
    ];

    /// Its name, a word or two for a table cell, and how much it weighs.
    fn stated(self) -> (&'static str, &'static str, Severity) {
        use Severity::{Info, Serious, Warning};
        match self {
            Self::WrongResult => ("wrong_result", "WRONG", Serious),
            Self::FailedCase => ("failed_case", "FAILED", Serious),
            Self::RunEnded => ("run_ended", "exit", Serious),
            Self::SlowHosts => ("slow_hosts", "slow hosts", Warning),
            Self::SlowNode => ("slow_node", "slow node", Warning),
            Self::SlowRank => ("slow_rank", "slow rank", Warning),
            Self::SlowLink => ("slow_link", "slow link", Warning),
            Self::Straggler => ("straggler", "straggler", Warning),
            Self::Throttled => ("throttled", "throttled", Warning),
            Self::LowEfficiency => ("low_efficiency", "low efficiency", Warning),
            Self::RisingOverhead => ("rising_overhead", "rising overhead", Warning),
            Self::PoorBase => ("poor_base", "poor base", Warning),
            Self::LowOverlap => ("low_overlap", "low overlap", Warning),
            Self::Oversubscribed => ("oversubscribed", "oversubscribed", Warning),
            Self::Yielding => ("yielding", "yielding", Warning),
            Self::Emulated => ("emulated", "emulated", Warning),
            Self::Quick => ("quick", "quick", Warning),
            Self::NotReproducible => ("not_reproducible", "not reproducible", Warning),
            Self::NoSteadyState => ("no_steady_state", "no steady state", Warning),
            Self::Unsteady => ("unsteady", "unsteady", Warning),
            Self::LateStarts => ("late_starts", "late starts", Warning),
            Self::NoInterval => ("no_interval", "no interval", Warning),
            Self::WideInterval => ("wide_interval", "wide interval", Warning),
            Self::Dependent => ("dependent", "dependent", Warning),
            Self::NearFloor => ("near_floor", "near floor", Warning),
            Self::UnequalRanks => ("unequal_ranks", "unequal ranks", Info),
            Self::FewForQuantile => ("few_for_quantile", "few for quantile", Info),
            Self::FewLaunches => ("few_launches", "few launches", Info),
            Self::NoCounts => ("no_counts", "no counts", Info),
        }
    }

    /// The rule in a sentence, with its bound.
    fn says(self) -> String {
        let (slower, much) = (SLOWER_PERCENT, MUCH_SLOWER_PERCENT);
        match self {
            Self::WrongResult => "a result differs from its reference by more than its tolerance".to_owned(),
            Self::FailedCase => "a case failed, was not over in time, or was not measured in one of its launches".to_owned(),
            Self::RunEnded => "a run ended with another exit code than 0".to_owned(),
            Self::SlowHosts => format!(
                "the hosts of a report take more than {slower} % longer than the median of at least 2 others with the \
                 same surroundings in more than half of the cases they share; more than {much} % is serious"
            ),
            Self::SlowNode => format!(
                "every rank of a node takes more than {slower} % longer than the median of the other ranks in more \
                 than half of the cases without communication; more than {much} % is serious"
            ),
            Self::SlowRank => format!(
                "a rank takes more than {slower} % longer than the median of the other ranks in more than half of \
                 the cases without communication; more than {much} % is serious"
            ),
            Self::SlowLink => format!(
                "a pair of ranks takes more than {:.0} % longer than the median of the pairs with the same \
                 between them; more than {much} % is serious",
                100.0 * (pairs::EFFECT - 1.0)
            ),
            Self::Straggler => format!(
                "a rank is the slowest in more iterations than 1 / ranks explains (binomial tail of the effective \
                 iterations, adjusted p at most {FALSE_ONES}), and by more than {slower} % of the others' median"
            ),
            Self::Throttled => format!(
                "power or heat kept a GPU's clocks below their highest for more than {NOTICEABLE_PERCENT} % of the \
                 time, or NVML gave another reason at the end"
            ),
            Self::LowEfficiency => format!(
                "an efficiency is below {LOW_EFFICIENCY}, with the whole of its interval where it has one"
            ),
            Self::RisingOverhead => format!(
                "Karp and Flatt's serial fraction rises at each of at least {RISING_POINTS} points, by more than \
                 {OVERHEAD_RISE} in all: what grows with the ranks is overhead, not serial work"
            ),
            Self::PoorBase => "an efficiency is above 1 with the whole of its interval: more than the ideal, so \
                               the base is a poor one (Hoefler and Belli, 2015)"
                .to_owned(),
            Self::LowOverlap => {
                format!("a computation hides less than {LOW_OVERLAP_PERCENT} % of the exchange meanwhile")
            }
            Self::Oversubscribed => "there are more ranks than cores (more than 1 a core)".to_owned(),
            Self::Yielding => "the MPI gives its core away whenever it waits, at 1 rank a core or fewer".to_owned(),
            Self::Emulated => "more than 1 rank shares a GPU".to_owned(),
            Self::Quick => "the run was a trial (--quick), of 10 iterations unless more were asked for".to_owned(),
            Self::NotReproducible => format!(
                "the launches' medians vary by more than the run's bound ({} % unless configured otherwise)",
                REPRODUCIBLE_PERCENT
            ),
            Self::NoSteadyState => {
                "the times' last level holds for less than half of the iterations".to_owned()
            }
            Self::Unsteady => "times vary (standard deviation over mean) by more than the run's bound (5 % unless \
                               configured otherwise)"
                .to_owned(),
            Self::LateStarts => format!(
                "more than {INVALID_PERCENT} % of the rounds were left out because a rank came late to the start"
            ),
            Self::NoInterval => "the iterations are worth fewer than the 6 independent ones that an interval of the \
                                 median needs at 95 %"
                .to_owned(),
            Self::WideInterval => {
                format!("the median's interval is wider than {WIDE_PERCENT} % of it")
            }
            Self::Dependent => format!(
                "the iterations depend on each other so much that they are worth less than 1 in {DEPENDENT}"
            ),
            Self::NearFloor => format!(
                "what measuring itself costs is more than {FLOOR_PERCENT} % of a sample (Hoefler and Belli, 2015)"
            ),
            Self::UnequalRanks => format!(
                "the ranks' own medians are more than {slower} % apart, and Friedman's test, where the samples are \
                 at hand, has p at most {FALSE_ONES}"
            ),
            Self::FewForQuantile => {
                "there are fewer iterations than an interval of the 95 % or 99 % quantile needs".to_owned()
            }
            Self::NoCounts => "a case does not say what it counts, because an older version wrote the report: scaling \
                               across reports, slow ranks and rates at other times are left out for it"
                .to_owned(),
            Self::FewLaunches => "there are fewer launches than an interval over them needs (6 independent ones at \
                                  95 %): the interval is over iterations, and launches usually differ by more"
                .to_owned(),
        }
    }

    /// What to do.
    fn advice(self) -> &'static str {
        match self {
            Self::WrongResult => {
                "do not use this machine's results before it is explained: run the case again on the named ranks, and \
                 test their memory"
            }
            Self::FailedCase => {
                "see the error; run the case again with --resume, or by itself with -v"
            }
            Self::RunEnded => {
                "see what its verdict says, and end the run with --resume before relying on it"
            }
            Self::SlowHosts => {
                "compare these hosts' clocks, power limits, memory and settings with the others'; leave them out until \
                 they are as fast"
            }
            Self::SlowNode => {
                "look at the node's clocks, power limit, cooling and what else runs there; leave it out of the job \
                 until it is as fast as the others"
            }
            Self::SlowRank => {
                "look at the device's clocks, power limit and temperature, and at what shares its cores; swap it with \
                 a neighbour to tell the device from its place"
            }
            Self::SlowLink => {
                "look at the errors, width and speed of the link and its cable; run --pairs again to see whether it \
                 stays"
            }
            Self::Straggler => {
                "where the pattern gives all ranks the same part, look for what that rank has to itself: its cores, \
                 memory, link, other processes; a root has more to do by nature"
            }
            Self::Throttled => {
                "see the cooling and the power limit, or lock the clocks below what throttles"
            }
            Self::LowEfficiency => {
                "use fewer ranks, or a larger problem for each, or find what grows: compare with the links' peak"
            }
            Self::RisingOverhead => {
                "look for what costs more with more ranks (memory bandwidth they share, communication, imbalance), \
                 not for serial code"
            }
            Self::PoorBase => {
                "measure the base again by itself; if it stays, say that the larger one profits from caches"
            }
            Self::LowOverlap => {
                "see whether the library makes progress by itself (a progress thread, or offloading to the network)"
            }
            Self::Oversubscribed => "use at most one rank a core",
            Self::Yielding => "start without --oversubscribe, or with --mca mpi_yield_when_idle 0",
            Self::Emulated => {
                "give each rank a GPU of its own; emulation shows that a program works, not how fast"
            }
            Self::Quick => "leave --quick out for a figure that others may rely on",
            Self::NotReproducible => {
                "take more launches (--launches), pin ranks and clocks, and look for what differs from start to start"
            }
            Self::NoSteadyState => {
                "see the samples for when the level changes, and what else the machine does; raise --warmup"
            }
            Self::Unsteady => "quieten the machine, pin ranks and clocks, or take more iterations",
            Self::LateStarts => "quieten the machine, leave a core free, or use --protocol barrier",
            Self::NoInterval => "take more iterations (--iterations)",
            Self::WideInterval => "take more iterations, or let --precision-target decide how many",
            Self::Dependent => {
                "look for what comes and goes while measuring (clocks, other jobs); only a longer run tells more"
            }
            Self::NearFloor => "time several operations in one sample (--batch)",
            Self::UnequalRanks => {
                "read each rank's own times (per_rank) beside the one that stands for all"
            }
            Self::FewForQuantile => {
                "do not quote that quantile, or take as many iterations (--iterations)"
            }
            Self::NoCounts => "measure again with this version",
            Self::FewLaunches => {
                "claim nothing about another run from them: take more launches (--launches 8), or give the reports \
                 of more"
            }
        }
    }

    /// The flag on a case.
    pub(super) fn flag(self, evidence: Vec<Figure>) -> Flag {
        let (rule, mark, severity) = self.stated();
        Flag { rule: rule.to_owned(), mark: mark.to_owned(), severity, evidence }
    }

    /// Whether a flag is of this rule.
    pub(super) fn is_of(self, flag: &Flag) -> bool {
        flag.rule == self.stated().0
    }

    /// A finding that nothing is said of yet but the rule and these numbers.
    pub(super) fn finding(self, reports: &[usize], evidence: Vec<Figure>) -> Finding {
        let (rule, _, severity) = self.stated();
        Finding {
            rule: rule.to_owned(),
            says: self.says(),
            severity,
            reports: reports.to_vec(),
            cases: Vec::new(),
            ranks: Vec::new(),
            hosts: Vec::new(),
            evidence,
            detail: None,
            recommendation: self.advice().to_owned(),
        }
    }
}

/// A number with its name and unit.
pub(super) fn figure(name: &str, value: f64, unit: &str) -> Figure {
    Figure { name: name.to_owned(), value, unit: unit.to_owned() }
}

/// How many of something.
pub(super) fn count(name: &str, value: usize) -> Figure {
    figure(name, value as f64, "")
}
