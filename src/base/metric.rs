//! What each figure means: name, unit, definition and the direction that is better.

use std::borrow::Cow;

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Metric {
    /// The key in the report.
    pub name: Cow<'static, str>,
    /// The unit people read.
    pub unit: Cow<'static, str>,
    /// Which way it improves.
    pub direction: Direction,
    /// What exactly it is.
    pub definition: Cow<'static, str>,
}

use Direction::{HigherIsBetter, LowerIsBetter};

const fn metric(
    name: &'static str,
    unit: &'static str,
    direction: Direction,
    definition: &'static str,
) -> Metric {
    Metric {
        name: Cow::Borrowed(name),
        unit: Cow::Borrowed(unit),
        direction,
        definition: Cow::Borrowed(definition),
    }
}

/// Every metric, in the order of the report.
pub const ALL: [Metric; 8] = [
    metric(
        "latency",
        "ms",
        LowerIsBetter,
        "median over iterations of the time of one operation, by the definition the case names",
    ),
    metric("algbw_gbps", "GB/s", HigherIsBetter, "bytes of the operation / median time"),
    metric(
        "busbw_gbps",
        "GB/s",
        HigherIsBetter,
        "algbw times the share of the bytes that crosses each link, as in nccl-tests",
    ),
    metric("gbps", "GB/s", HigherIsBetter, "bytes read and written by all ranks / median time"),
    metric(
        "tflops",
        "TFLOP/s",
        HigherIsBetter,
        "floating point operations of all ranks / median time",
    ),
    metric(
        "overlap_percent",
        "%",
        HigherIsBetter,
        "100 - (median time - time computed meanwhile) / time of the exchange alone, as in the OSU \
         benchmarks",
    ),
    metric(
        "messages_per_s",
        "1/s",
        HigherIsBetter,
        "messages of all senders, where ranks act in pairs / median time",
    ),
    metric(
        "throughput_per_s",
        "1/s",
        HigherIsBetter,
        "operations of the whole group: 1 / median time",
    ),
];
