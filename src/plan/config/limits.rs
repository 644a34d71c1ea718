//! What figures must keep to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One limit. It has one bound; breaking it ends a run with exit code 3.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitConfig {
    /// The cases it is for, by id or glob.
    pub case: String,
    /// The figure: `latency`, `busbw_gbps`, `tflops` …, or `efficiency` for points of scaling studies.
    pub metric: String,
    /// The machine it is for: a name or a file, as for `--topology`. On others it does not apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topology: Option<String>,
    /// The figure is at least this, in the metric's unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// The figure is at most this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// The figure is at least this percent of what the machine named by `topology` can do at best.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent_of_ceiling: Option<f64>,
    /// The figure reaches this percent of the median: of all reports in `analyze`, and of all ranks where each
    /// works by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent_of_fleet: Option<f64>,
}
