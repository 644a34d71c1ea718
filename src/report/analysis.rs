//! What reports say when they are read together, as data. The schema is `tesserabench.analysis/1`;
//! `tesserabench schema analysis` prints it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Definition, Fleet, LimitCheck, Outcome, Scaling, Severity, Summary};
use crate::benchmark::Problem;
use crate::benchmark::work::{Element, Placement};
use crate::stats::{Outliers, Steadiness};

/// Names the format and its version.
pub const ANALYSIS_SCHEMA: &str = "tesserabench.analysis/1";

/// What reports say when they are read together. Reports are named by their place in `reports`, from 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Analysis {
    /// `tesserabench.analysis/1`.
    pub schema: String,
    /// What was read.
    pub reports: Vec<Source>,
    /// Every case. Reports from the same machine, build and surroundings are launches of one thing.
    pub cases: Vec<Examined>,
    /// The cases that several backends have measured.
    #[serde(default)]
    pub backends: Vec<AcrossBackends>,
    /// Scaling studies: those within a launch, and those that reports of different numbers of ranks make.
    pub scaling: Vec<Study>,
    /// Each benchmark as a whole.
    pub throughput: Vec<Throughput>,
    /// Who is fastest, within a benchmark and type.
    pub leaderboards: Vec<Leaderboard>,
    /// What a rule found, the most serious first.
    pub findings: Vec<Finding>,
    /// In what nodes, devices and reports differ; null where there is one of each.
    #[serde(default)]
    pub fleet: Option<Fleet>,
    /// The configured limits, held against every report.
    pub limits: Vec<LimitCheck>,
    /// Counts.
    pub summary: Tally,
}

/// A report that was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// The file.
    pub file: String,
    /// The run's unique name.
    pub id: String,
    /// When it began, UTC; null where a log of another tool does not tell.
    pub started: Option<String>,
    /// Which backend measured.
    pub backend: String,
    /// Where its figures come from; they are never held against figures of another origin.
    pub origin: Origin,
    /// Number of ranks.
    pub ranks: usize,
    /// The ranks' nodes.
    pub hosts: Vec<String>,
    /// What the ranks drive, by name, and how many of each.
    pub devices: BTreeMap<String, usize>,
    /// Starts of all ranks that count as replicates.
    pub launches: usize,
    /// Counts of its cases.
    pub cases: Summary,
    /// Whether cases of its plan are missing.
    pub incomplete: bool,
    /// Its own exit code.
    pub exit: u8,
}

/// A case that several backends have measured, by a clock each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AcrossBackends {
    /// The case's name.
    pub id: String,
    /// Its time with each, in the order of the reports.
    pub times: Vec<BackendTime>,
}

/// The time of a case with a backend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BackendTime {
    /// The backend.
    pub backend: String,
    /// The reports it is from.
    pub reports: Vec<usize>,
    /// Median, ms.
    pub median_ms: f64,
    /// Which time. The clocks of a host and of a device leave out different things.
    pub definition: Definition,
    /// The first backend's median over this one: how many times as fast it is.
    pub speedup: f64,
}

/// Where figures come from.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A clock.
    Measured,
    /// Ranks that shared a GPU.
    Emulated,
    /// A model.
    Simulated,
    /// Another tool's file.
    Imported,
}

/// A case, in all the launches that measured it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Examined {
    /// The reports it is in.
    pub reports: Vec<usize>,
    /// Its name.
    pub id: String,
    /// Name of the benchmark.
    pub benchmark: String,
    /// One rank's problem.
    pub problem: Problem,
    /// Element type.
    pub precision: Option<Element>,
    /// In place or out of place.
    pub placement: Option<Placement>,
    /// The mesh axis the ranks differ in.
    pub axis: String,
    /// The group, as `tp:0-1`.
    pub group: String,
    /// How many ranks took part.
    pub ranks: usize,
    /// How it ended: measured where any report measured it.
    pub outcome: Outcome,
    /// Why it was skipped.
    #[serde(default)]
    pub reason: Option<String>,
    /// Its figures, where it was measured.
    #[serde(flatten)]
    pub statistics: Option<Box<Statistics>>,
    /// What speaks against relying on it.
    pub flags: Vec<Flag>,
    /// Whether it was measured in enough launches for an interval over them, and no flag is a warning or worse.
    pub reliable: bool,
}

/// The figures of a case. Where there were several launches, the median and its interval are those of the
/// launches' medians, and all else is of the launch in the middle, the faster of two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Statistics {
    /// Launches: the replicates.
    pub launches: usize,
    /// Valid iterations of one launch.
    pub iterations: usize,
    /// How many independent ones would tell as much about the median.
    pub effective_samples: f64,
    /// Rounds left out because a rank came late.
    pub invalid: usize,
    /// Median, ms.
    pub median_ms: f64,
    /// Its interval; null when there are too few iterations or launches.
    pub ci: Option<[f64; 2]>,
    /// What the interval is over: launches, six or more at 95 %; or the iterations of a single one, within which it holds.
    pub ci_over: Option<Over>,
    /// Confidence of the interval.
    pub confidence: f64,
    /// The interval's width as percent of the median.
    pub width_percent: Option<f64>,
    /// Arithmetic mean, ms.
    pub mean_ms: f64,
    /// Standard deviation, ms; like the next, null for one iteration, which has no spread.
    pub std_dev_ms: Option<f64>,
    /// The same as percent of the mean.
    pub cv_percent: Option<f64>,
    /// Smallest, ms.
    pub min_ms: f64,
    /// Largest, ms.
    pub max_ms: f64,
    /// 95 % quantile, ms; null when there are too few iterations for an interval.
    pub p95_ms: Option<f64>,
    /// 99 % quantile, ms, likewise.
    pub p99_ms: Option<f64>,
    /// For each quantile that is null, the iterations it needs.
    pub iterations_needed: BTreeMap<String, usize>,
    /// Iterations beyond Tukey's fences; none was left out. Null where the report does not hold the samples.
    pub outliers: Option<Outliers>,
    /// Iterations beyond the outer fences, as the report counted them.
    pub far_outliers: usize,
    /// Autocorrelation at lag 1.
    pub autocorrelation: Option<f64>,
    /// p of Shapiro and Wilk's test of normality, only shown; null without samples in the report and beyond 5000.
    pub shapiro_wilk_p: Option<f64>,
    /// p of Anderson and Darling's, likewise; 1e-20 means at most.
    pub anderson_darling_p: Option<f64>,
    /// Whether the times keep one level.
    pub steady_state: Option<Steadiness>,
    /// The valid iteration since which they keep the last one.
    pub steady_since: Option<usize>,
    /// Standard deviation of the launches' medians as percent of their mean; null for one launch.
    pub between_percent: Option<f64>,
    /// Whether that is within the bound; null for one launch.
    pub reproducible: Option<bool>,
    /// How far apart the ranks' own times are; null for one rank, and where they are not known.
    pub rank_spread: Option<RankSpread>,
    /// The rate that people quote for the benchmark.
    pub rate: Option<f64>,
    /// Its unit.
    pub rate_unit: Option<String>,
}

/// What an interval is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    /// Launches, the replicates.
    Launches,
    /// Iterations of one launch.
    Iterations,
}

/// How far apart the ranks' own times are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RankSpread {
    /// Largest less smallest of the ranks' medians, as percent of the median of these.
    pub percent: f64,
    /// p of Friedman's test that ranks take equally long; null where the report does not hold the samples.
    pub friedman_p: Option<f64>,
    /// Ranks that are slowest more often than chance allows, and slower.
    pub stragglers: Vec<Straggler>,
}

/// A rank that others wait for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Straggler {
    /// World rank.
    pub rank: usize,
    /// Share of iterations in which it was the slowest.
    pub slowest_share: f64,
    /// Share that chance would give it: 1 / ranks.
    pub expected_share: f64,
    /// How much its own median exceeds that of the other ranks, percent.
    pub excess_percent: f64,
    /// Probability of as large a share by chance (binomial tail), adjusted for all ranks of all cases.
    pub p_adjusted: f64,
}

/// A number that a rule went by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// The number.
    pub value: f64,
    /// Its unit; empty for a count or a ratio.
    pub unit: String,
}

/// What speaks against relying on a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Flag {
    /// Name of the rule; its words stand with the finding of that name.
    pub rule: String,
    /// A word or two for a table cell.
    pub mark: String,
    /// How much it weighs.
    pub severity: Severity,
    /// The number that the rule goes by, first, and others that go with it.
    pub evidence: Vec<Figure>,
}

/// A scaling study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Study {
    /// Whether each number of ranks was measured in launches of its own.
    pub separate_launches: bool,
    /// The reports of each point.
    pub reports: Vec<Vec<usize>>,
    /// Whether its times are the slowest rank's own, because the headlines of its points differ in definition.
    pub local_times: bool,
    /// What the points' intervals are over.
    pub ci_over: Over,
    /// The study itself.
    #[serde(flatten)]
    pub scaling: Scaling,
}

/// A benchmark as a whole: the work of all its cases over the sum of their times. A mean of rates would say nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Throughput {
    /// The reports of its cases.
    pub reports: Vec<usize>,
    /// Name of the benchmark.
    pub benchmark: String,
    /// Element type.
    pub precision: Option<Element>,
    /// How many ranks took part in each case.
    pub ranks: usize,
    /// Work of all cases over the time of all.
    pub rate: f64,
    /// Its unit.
    pub unit: String,
    /// What counts as work.
    pub of: String,
    /// Sum of the cases' median times, ms.
    pub time_ms: f64,
    /// The cases.
    pub cases: Vec<String>,
}

/// The cases of one benchmark and type by their rate or time. Different benchmarks are never ranked together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Leaderboard {
    /// Name of the benchmark.
    pub benchmark: String,
    /// Element type.
    pub precision: Option<Element>,
    /// What they are ranked by.
    #[serde(default)]
    pub by: RankedBy,
    /// Where the figures come from.
    pub origin: Origin,
    /// Unit of the figures.
    pub unit: String,
    /// The fastest first.
    pub entries: Vec<Entry>,
}

/// What cases are ranked by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RankedBy {
    /// The rate that people quote for the benchmark.
    #[default]
    Rate,
    /// The median time.
    P50,
}

/// A place on a leaderboard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// Its place, from 1. Those whose intervals meet that of the first of a place share it.
    pub place: usize,
    /// The reports it is from.
    pub reports: Vec<usize>,
    /// The case.
    pub case: String,
    /// The nodes of these reports.
    pub hosts: Vec<String>,
    /// What their ranks drive.
    pub devices: Vec<String>,
    /// The figure that it is ranked by.
    pub value: f64,
    /// Its interval; null when there are too few iterations.
    pub ci: Option<[f64; 2]>,
    /// Marks of what speaks against relying on it.
    pub marks: Vec<String>,
}

/// What a rule found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Name of the rule.
    pub rule: String,
    /// The rule, with its bound.
    pub says: String,
    /// How much it weighs.
    pub severity: Severity,
    /// The reports it was found in.
    pub reports: Vec<usize>,
    /// The cases, the worst first; empty where it is not of cases.
    pub cases: Vec<String>,
    /// The world ranks it names.
    pub ranks: Vec<usize>,
    /// Their nodes.
    pub hosts: Vec<String>,
    /// The numbers.
    pub evidence: Vec<Figure>,
    /// In the words of what failed, where it has some.
    pub detail: Option<String>,
    /// What to do.
    pub recommendation: String,
}

/// Counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// Cases; those of several launches count once.
    pub cases: usize,
    /// With times.
    pub measured: usize,
    /// That can be relied on.
    pub reliable: usize,
    /// Findings that are serious.
    pub serious: usize,
    /// Findings that are warnings.
    pub warnings: usize,
    /// Other findings.
    pub infos: usize,
}
