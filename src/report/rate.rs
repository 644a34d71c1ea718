//! The one rate by which people know a benchmark.

use super::Case;

impl Case {
    /// The metric that people quote for it and its value: what crosses each link where ranks exchange data, else
    /// memory bandwidth, else arithmetic. `None` where it has no rate but operations per second.
    pub fn quoted_rate(&self) -> Option<(&'static str, f64)> {
        let metrics = &self.measured.as_ref()?.metrics;
        let rates = [
            // One rank alone moves nothing over any link.
            ("busbw_gbps", metrics.busbw_gbps.filter(|_| self.group_size > 1)),
            ("gbps", metrics.gbps),
            ("tflops", metrics.tflops),
        ];
        rates.into_iter().find_map(|(name, value)| Some((name, value?)))
    }
}
