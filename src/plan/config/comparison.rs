//! The configuration of comparisons.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How two sides are compared.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ComparisonConfig {
    /// `latency`, `throughput` or `efficiency`.
    pub metric: Option<ComparedMetric>,
    /// `auto`, `ttest` or `mannwhitney`.
    pub statistical_test: Option<StatisticalTest>,
    /// Smallest change that counts as a regression, percent; default 5.
    #[schemars(example = 5.0)]
    pub regression_threshold: Option<f64>,
    /// Thresholds of benchmarks, by name or glob; the longest match applies.
    #[schemars(example = BTreeMap::from([("all_*", 10.0)]))]
    pub thresholds: BTreeMap<String, f64>,
    /// Thresholds of moderate and severe regressions, percent; default 10 and 20.
    pub severity: SeverityConfig,
    /// Expected share of false positives among the cases marked REGRESSED; default 0.05.
    #[schemars(example = 0.05)]
    pub false_discovery_rate: Option<f64>,
    /// Control that rate under any dependence between cases (Benjamini and Yekutieli), with less power.
    pub any_dependence: Option<bool>,
    /// Environment differences that do not prevent a comparison: `nccl`, `driver`, `mpi` …
    #[schemars(example = ["driver"])]
    pub allow: Vec<String>,
    /// Fail on suspected, unstable, inconclusive and vanished cases too, and where too few launches prove nothing.
    pub strict: Option<bool>,
    /// Largest accepted growth of the maximum relative error; default 1e-3.
    #[schemars(example = 0.001)]
    pub accuracy_drift: Option<f64>,
    /// Growth of memory that causes a warning, percent; default 10.
    #[schemars(example = 10.0)]
    pub memory_threshold: Option<f64>,
    /// Largest variation between launches of a reproducible case, percent; default 5.
    #[schemars(example = 5.0)]
    pub reproducible: Option<f64>,
}

/// The thresholds of a regression's severity, percent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SeverityConfig {
    /// Moderate.
    #[schemars(example = 10.0)]
    pub moderate: Option<f64>,
    /// Severe.
    #[schemars(example = 20.0)]
    pub severe: Option<f64>,
}

/// The metric that is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ComparedMetric {
    /// Median time.
    #[default]
    Latency,
    /// The headline rate of the benchmark.
    Throughput,
    /// Scaling efficiency.
    Efficiency,
}

/// The test that computes p.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StatisticalTest {
    /// The moderated test of the launches' trimmed means, by Student's t and by resampling, whichever is surer of chance.
    #[default]
    Auto,
    /// Welch's t-test of each case by itself: one disturbed launch hides a regression, and unlike or skewed launches
    /// raise false alarms where they are few.
    TTest,
    /// The Mann-Whitney rank-sum test of each case by itself: it needs many launches, and raises false alarms where the
    /// sides differ in spread and number.
    MannWhitney,
}
