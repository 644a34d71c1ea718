//! In which unit a metric is given, and which way it improves.

use std::fmt;

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

/// The unit of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// ms.
    Milliseconds,
    /// 1e9 bytes/s.
    GigabytesPerSecond,
    /// 1e12 floating point operations/s.
    TeraflopsPerSecond,
    /// Something that is counted, per second.
    PerSecond,
    /// Hundredths.
    Percent,
    /// Bytes.
    Bytes,
    /// A share of what would be ideal.
    OfIdeal,
}

impl Unit {
    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::GigabytesPerSecond => "GB/s",
            Self::TeraflopsPerSecond => "TFLOP/s",
            Self::PerSecond => "1/s",
            Self::Percent => "%",
            Self::Bytes => "B",
            Self::OfIdeal => "of ideal",
        }
    }

    /// What a metric's key ends in that has this unit; nothing for a time and for a share of the ideal.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Milliseconds | Self::OfIdeal => "",
            Self::GigabytesPerSecond => "gbps",
            Self::TeraflopsPerSecond => "tflops",
            Self::PerSecond => "per_s",
            Self::Percent => "percent",
            Self::Bytes => "bytes",
        }
    }

    /// The base unit as OpenMetrics names it, and how many of it this one is.
    pub fn base(self) -> (&'static str, f64) {
        match self {
            Self::Milliseconds => ("seconds", 1e-3),
            Self::GigabytesPerSecond => ("bytes_per_second", 1e9),
            Self::TeraflopsPerSecond => ("operations_per_second", 1e12),
            Self::PerSecond => ("per_second", 1.0),
            Self::Percent => ("ratio", 0.01),
            Self::Bytes => ("bytes", 1.0),
            Self::OfIdeal => ("ratio", 1.0),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
