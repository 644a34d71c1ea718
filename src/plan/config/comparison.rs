//! What comparisons and gates may be asked for.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How two sides are compared.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ComparisonConfig {
    /// `latency`, `throughput` or `efficiency`.
    pub metric: Option<ComparedMetric>,
    /// `auto`, `permutation`, `ttest` or `mannwhitney`.
    pub statistical_test: Option<StatisticalTest>,
    /// By how much a case must be worse to count, percent: 5 unless said otherwise.
    pub regression_threshold: Option<f64>,
    /// The same for benchmarks by name or glob; the longest that matches holds.
    pub thresholds: BTreeMap<String, f64>,
    /// From which percent on a regression is moderate, and severe: 10 and 20 unless said otherwise.
    pub severity: SeverityConfig,
    /// Expected share of false ones among the cases called REGRESSED: 0.05 unless said otherwise.
    pub false_discovery_rate: Option<f64>,
    /// Keep that rate however the cases depend on each other (Benjamini and Yekutieli), which finds less.
    pub any_dependence: Option<bool>,
    /// Differences around the sides that do not prevent a comparison: `nccl`, `driver`, `mpi` …
    pub allow: Vec<String>,
    /// Inconclusive and vanished cases fail too.
    pub strict: Option<bool>,
    /// By how much the largest relative error may grow: 1e-3 unless said otherwise.
    pub accuracy_drift: Option<f64>,
    /// By how much more memory a warning is given, percent: 10 unless said otherwise.
    pub memory_threshold: Option<f64>,
    /// Up to what variation between launches a case is reproducible, percent: 5 unless said otherwise.
    pub reproducible: Option<f64>,
}

/// From which percent on a regression is how bad.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SeverityConfig {
    /// Moderate.
    pub moderate: Option<f64>,
    /// Severe.
    pub severe: Option<f64>,
}

/// What is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ComparedMetric {
    /// Median time.
    #[default]
    Latency,
    /// The rate that people quote for the benchmark.
    Throughput,
    /// Scaling efficiency.
    Efficiency,
}

/// How p is computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StatisticalTest {
    /// The permutation test.
    #[default]
    Auto,
    /// All ways to deal the launches out, with Welch's t as statistic.
    Permutation,
    /// Welch's t-test of the launches' logarithms.
    TTest,
    /// Mann and Whitney's rank sum.
    MannWhitney,
}
