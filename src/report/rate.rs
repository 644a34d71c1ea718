//! The figures of a case by name, and the one rate by which people know a benchmark.

use super::{Case, Metrics};

/// A rate at the median time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Name of the metric.
    pub metric: &'static str,
    /// The figure.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
}

/// Operations per second, which every measured case has.
pub const OPERATIONS: &str = "throughput_per_s";

impl Case {
    /// The figure of this metric, by its name: over launches where there were several.
    pub fn figure(&self, metric: &str) -> Option<f64> {
        let metrics = &self.measured.as_ref()?.metrics;
        match metric {
            "latency" => self.median_ms(),
            // A share is no rate at a time.
            "overlap_percent" => metrics.overlap_percent,
            _ => metrics.rate(metric).map(|rate| rate / self.over_headline()),
        }
    }

    /// The rate that people quote for it: what crosses each link where ranks exchange data, else memory bandwidth,
    /// else arithmetic, else operations. `None` for a case without times.
    pub fn quoted_rate(&self) -> Option<Rate> {
        let metrics = &self.measured.as_ref()?.metrics;
        let known = [
            // One rank alone moves nothing over any link.
            ("busbw_gbps", metrics.busbw_gbps.filter(|_| self.group_size > 1), "GB/s"),
            ("gbps", metrics.gbps, "GB/s"),
            ("tflops", metrics.tflops, "TFLOP/s"),
            (OPERATIONS, metrics.throughput_per_s, "1/s"),
        ];
        known
            .into_iter()
            .find_map(|(metric, value, unit)| Some(Rate { metric, value: value?, unit }))
    }
}

impl Metrics {
    /// The rate of this metric, by its name: that of the headline.
    pub fn rate(&self, metric: &str) -> Option<f64> {
        match metric {
            "algbw_gbps" => self.algbw_gbps,
            "busbw_gbps" => self.busbw_gbps,
            "gbps" => self.gbps,
            "tflops" => self.tflops,
            "overlap_percent" => self.overlap_percent,
            "messages_per_s" => self.messages_per_s,
            "throughput_per_s" => self.throughput_per_s,
            _ => None,
        }
    }
}
