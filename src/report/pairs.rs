//! Figures of every pair of ranks, as data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::benchmark::Problem;
use crate::benchmark::work::Element;
use crate::plan::place::Distance;

/// A benchmark between the ranks of a pair, for every pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PairMatrix {
    /// Name of the benchmark.
    pub benchmark: String,
    /// One rank's problem.
    pub problem: Problem,
    /// Element type.
    pub precision: Option<Element>,
    /// Number of ranks.
    pub ranks: usize,
    /// Median time of one operation, ms, by lower and higher rank of the pair; null where nothing was measured.
    pub median_ms: Vec<Vec<Option<f64>>>,
    /// Bandwidth of a pair in one direction at that time, GB/s, likewise.
    pub busbw_gbps: Vec<Vec<Option<f64>>>,
    /// The pairs by what lies between their ranks.
    pub classes: Vec<LinkClass>,
    /// Pairs that are slower than the others of their class, the slowest first.
    pub slow: Vec<SlowLink>,
}

/// Pairs with the same between their ranks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LinkClass {
    /// What that is.
    pub distance: Distance,
    /// How many pairs were measured.
    pub pairs: usize,
    /// Median of their medians, ms.
    pub median_ms: f64,
}

/// A pair that is slower than others of its class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SlowLink {
    /// The pair's ranks.
    pub ranks: [usize; 2],
    /// What lies between them.
    pub distance: Distance,
    /// Its median time over that of its class.
    pub effect: f64,
    /// Share of the blocks of its iterations in which it was as slow.
    pub persistence: f64,
    /// The case it was measured in.
    pub case: String,
}
