//! What each figure means: name, unit, definition and the direction that is better.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which way a metric improves. There is no default: every metric says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Larger is better, as for bandwidth.
    HigherIsBetter,
    /// Smaller is better, as for latency.
    LowerIsBetter,
}

/// A figure that reports, limits and comparisons speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The key in the report.
    pub name: &'static str,
    /// The unit people read.
    pub unit: &'static str,
    /// Which way it improves.
    pub direction: Direction,
    /// What exactly it is.
    pub definition: &'static str,
}

use Direction::{HigherIsBetter, LowerIsBetter};

/// Median time of one operation over all ranks of the case.
pub const LATENCY: Metric = Metric {
    name: "latency",
    unit: "ms",
    direction: LowerIsBetter,
    definition: "median over iterations of the time of one operation (definition named in the report)",
};
/// Algorithm bandwidth, as in nccl-tests.
pub const ALGBW: Metric = Metric {
    name: "algbw_gbps",
    unit: "GB/s",
    direction: HigherIsBetter,
    definition: "bytes of the operation / median time",
};
/// Bus bandwidth, as in nccl-tests.
pub const BUSBW: Metric = Metric {
    name: "busbw_gbps",
    unit: "GB/s",
    direction: HigherIsBetter,
    definition: "algbw times the share of the bytes that crosses each link",
};
/// Memory bandwidth of all ranks together.
pub const GBPS: Metric = Metric {
    name: "gbps",
    unit: "GB/s",
    direction: HigherIsBetter,
    definition: "bytes read and written by all ranks / median time",
};
/// Arithmetic rate of all ranks together.
pub const TFLOPS: Metric = Metric {
    name: "tflops",
    unit: "TFLOP/s",
    direction: HigherIsBetter,
    definition: "floating point operations of all ranks / median time",
};
/// Operations per second.
pub const THROUGHPUT: Metric = Metric {
    name: "throughput_per_s",
    unit: "1/s",
    direction: HigherIsBetter,
    definition: "operations of the whole group per second: 1 / median time",
};

/// Every metric, in the order of the report.
pub const ALL: [Metric; 6] = [LATENCY, ALGBW, BUSBW, GBPS, TFLOPS, THROUGHPUT];
