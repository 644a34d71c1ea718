//! How far the rate of a case is from what is possible.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The rate of a case beside what its devices or links can do, and beside the best of its run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Efficiency {
    /// Key of the rate: `gbps`, `tflops` or `busbw_gbps`.
    pub metric: String,
    /// What the devices or the slowest link can do at best, in the rate's unit; null where that is not known.
    pub peak: Option<f64>,
    /// Where the peak was read.
    pub source: Option<String>,
    /// The rate as a share of that, percent.
    pub of_peak_percent: Option<f64>,
    /// The rate of a rank as a share of the highest of this run: of arithmetic in its type, of memory in the level where its
    /// tensors lie. Percent; null for exchanges, and where no other case has such a rate.
    pub of_best_percent: Option<f64>,
}
