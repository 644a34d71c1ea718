//! In which unit a metric is given, and which way it improves.

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
    /// ns for each access.
    NanosecondsPerAccess,
    /// 1e9 bytes/s.
    GigabytesPerSecond,
    /// 1e12 floating point operations/s.
    TeraflopsPerSecond,
    /// Something that is counted, per second.
    PerSecond,
    /// J for each operation.
    JoulesPerOperation,
    /// J for each 1e9 bytes.
    JoulesPerGigabyte,
    /// Hundredths.
    Percent,
    /// Bytes.
    Bytes,
    /// A share of what would be ideal.
    OfIdeal,
}

impl Unit {
    /// As people write it; what a metric's key ends in that has it; the base unit, and how many of it this one is.
    const fn facts(self) -> (&'static str, &'static str, (&'static str, f64)) {
        match self {
            Self::Milliseconds => ("ms", "", ("seconds", 1e-3)),
            Self::NanosecondsPerAccess => ("ns", "ns_per_access", ("seconds", 1e-9)),
            Self::GigabytesPerSecond => ("GB/s", "gbps", ("bytes_per_second", 1e9)),
            Self::TeraflopsPerSecond => ("TFLOP/s", "tflops", ("operations_per_second", 1e12)),
            Self::PerSecond => ("1/s", "per_s", ("per_second", 1.0)),
            Self::JoulesPerOperation => ("J", "joules_per_operation", ("joules", 1.0)),
            Self::JoulesPerGigabyte => ("J/GB", "joules_per_gb", ("joules_per_byte", 1e-9)),
            Self::Percent => ("%", "percent", ("ratio", 0.01)),
            Self::Bytes => ("B", "bytes", ("bytes", 1.0)),
            Self::OfIdeal => ("of ideal", "", ("ratio", 1.0)),
        }
    }

    /// As people write it.
    pub fn name(self) -> &'static str {
        self.facts().0
    }

    /// What a metric's key ends in that has this unit; nothing for a time and for a share of the ideal.
    pub fn suffix(self) -> &'static str {
        self.facts().1
    }

    /// The base unit as OpenMetrics names it, and how many of it this one is.
    pub fn base(self) -> (&'static str, f64) {
        self.facts().2
    }
}
