//! The configuration of limits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One limit, with exactly one bound. A run that breaks it exits with code 3.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitConfig {
    /// The cases it applies to, by id or glob.
    pub case: String,
    /// The metric: `latency`, `busbw_gbps`, `tflops` …, or `efficiency` for points of scaling studies.
    pub metric: String,
    /// The machine it applies to: a name or a file, as for `--topology`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topology: Option<String>,
    /// Lower bound, in the metric's unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// Upper bound, in the metric's unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// Lower bound as a percentage of the peak of the machine named by `topology`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent_of_ceiling: Option<f64>,
    /// Lower bound as a percentage of the median: of all reports in `analyze`, and of all ranks if each works by
    /// itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent_of_fleet: Option<f64>,
}
