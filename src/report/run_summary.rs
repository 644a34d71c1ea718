//! What a run came to, in short, as data. The schema is `tesserabench.summary/1`; `tesserabench schema summary` prints
//! it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Compared, Finding, Leaderboard, LimitCheck, Summary, Tally, Throughput};

/// Names the format and its version.
pub const SUMMARY_SCHEMA: &str = "tesserabench.summary/1";

/// What a run came to, in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunSummary {
    /// `tesserabench.summary/1`.
    pub schema: String,
    /// The run's unique name.
    pub run: String,
    /// When it began, UTC; null where a log of another tool does not tell.
    pub started: Option<String>,
    /// When it ended, UTC.
    pub finished: String,
    /// One line on how it ended.
    pub verdict: String,
    /// Its exit code, or that of a comparison with a baseline where that is worse.
    pub exit: u8,
    /// Counts of its cases.
    pub cases: Summary,
    /// Counts of what was found, and of the cases that can be relied on.
    pub tally: Tally,
    /// Where it ran, by what it is.
    pub environment: BTreeMap<String, String>,
    /// What it took.
    pub resources: Resources,
    /// The cases of each benchmark and type by their rate and by their median time.
    pub leaderboards: Vec<Leaderboard>,
    /// Each benchmark as a whole.
    pub throughput: Vec<Throughput>,
    /// What a rule found, the most serious first.
    pub findings: Vec<Finding>,
    /// What to do about it, each once, in the same order.
    pub recommendations: Vec<String>,
    /// The configured limits, held against the figures.
    pub limits: Vec<LimitCheck>,
    /// What is worse than the baseline or may be, the most urgent first; null without a baseline.
    pub regressions: Option<Vec<Compared>>,
}

/// What a run took. What is not known is null.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Resources {
    /// Time that measuring took in all cases, seconds.
    pub measuring_seconds: Option<f64>,
    /// Time that warming up took in all cases, seconds.
    pub warmup_seconds: Option<f64>,
    /// The most memory that a rank's process took, bytes.
    pub host_peak_bytes: Option<u64>,
    /// The case and the world rank that took it.
    pub host_peak_of: Option<(String, usize)>,
    /// Energy of the GPUs during the cases, on a backend without GPUs of the CPU packages, idle or not, J.
    pub energy_joules: Option<f64>,
    /// The most power that a GPU drew at the end of a case, W.
    pub power_watts: Option<f64>,
    /// The highest temperature of a GPU at the end of a case, °C.
    pub temperature_celsius: Option<u32>,
    /// Cases in which a GPU was slowed down by power or heat.
    pub throttled_cases: Option<usize>,
}
