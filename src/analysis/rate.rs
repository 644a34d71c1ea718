//! Which of a case's rates people quote.

use crate::report::Case;

/// A rate at the median time, with its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rate {
    pub(super) value: f64,
    pub(super) unit: &'static str,
}

/// The rate that people quote for a case's benchmark: bus bandwidth, memory bandwidth, arithmetic, else
/// operations. `None` for a case without times.
pub(super) fn quoted_rate(case: &Case) -> Option<Rate> {
    let metrics = &case.measured.as_ref()?.metrics;
    let known = [
        // One rank alone moves nothing over any link.
        (metrics.busbw_gbps.filter(|_| case.group_size > 1), "GB/s"),
        (metrics.gbps, "GB/s"),
        (metrics.tflops, "TFLOP/s"),
        (metrics.throughput_per_s, "1/s"),
    ];
    known.into_iter().find_map(|(rate, unit)| Some(Rate { value: rate?, unit }))
}
