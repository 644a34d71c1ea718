//! A case in several launches. They stay apart: iterations of one launch are no replicates of each other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Case;

/// One start of all ranks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Launch {
    /// When it began, UTC.
    pub started: String,
    /// Cases that had been finished before it, counted through all cycles.
    pub done: usize,
    /// The ranks' nodes, in the order of their first rank.
    pub hosts: Vec<String>,
    /// Which of the launches of `--launches`, from 0; those that are resumed keep theirs.
    #[serde(default)]
    pub replicate: usize,
    /// The run that this launch was by itself, where it is one of several.
    pub run: Option<String>,
}

/// The same case in each launch of `--launches`, and how far they agree. The case's other figures are those of
/// the launch in the middle, the faster of two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Replication {
    /// The launches that measured it, in their order.
    pub launches: Vec<Replicate>,
    /// Median of their medians, ms.
    pub median_ms: f64,
    /// Its interval from order statistics over launches; null for fewer than six at 95 %.
    pub ci: Option<[f64; 2]>,
    /// Standard deviation of their medians as percent of the mean of these: what differs from start to start.
    pub between_percent: f64,
    /// Whether that is at most what the configuration allows, 5 % unless it says otherwise; false for fewer than two launches, which do not tell.
    pub reproducible: bool,
}

/// A case in one launch of several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Replicate {
    /// Which launch, from 0.
    pub replicate: usize,
    /// Median time, ms, by the definition that the case's headline has.
    pub median_ms: f64,
    /// Valid iterations.
    pub iterations: usize,
    /// Rounds left out because a rank came late.
    pub invalid: usize,
    /// The times of its valid iterations, ms, in their order; where the report does not hold the samples, the
    /// medians of ten blocks of them.
    pub times_ms: Vec<f64>,
}

impl Case {
    /// Its median time, ms: the median of the launches' medians where there were several. `None` for a case without
    /// times.
    pub fn median_ms(&self) -> Option<f64> {
        let headline = self.measured.as_ref()?.latency.median;
        Some(self.replication.as_ref().map_or(headline, |replication| replication.median_ms))
    }
}
