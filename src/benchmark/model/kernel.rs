//! Kernels by the roofline: the larger of arithmetic over peak and bytes over memory bandwidth
//! (Williams, Waterman, Patterson, 2009). A bound, not an expectation.

use crate::benchmark::work::{Element, Gemm, Stream};
use crate::machine::topology::DeviceSpec;

/// Least time of a matrix product, seconds.
pub(super) fn gemm_seconds(gemm: &Gemm, device: &DeviceSpec) -> f64 {
    let peak = if gemm.element == Element::F64 { &device.f64_tflops } else { &device.f32_tflops };
    let bytes =
        (gemm.m * gemm.k + gemm.k * gemm.n + gemm.m * gemm.n) as f64 * gemm.element.bytes() as f64;
    (gemm.flops() / (peak.value * 1e12)).max(bytes / (device.memory_gbps.value * 1e9))
}

/// Least time of a pass over memory, seconds.
pub(super) fn stream_seconds(stream: &Stream, device: &DeviceSpec) -> f64 {
    stream.traffic() as f64 / (device.memory_gbps.value * 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::work::StreamOp;
    use crate::machine::topology::Topology;

    #[test]
    fn the_roofline_has_two_sides() {
        let device = Topology::load("dgx-h100").unwrap().device;
        let gemm = |n| gemm_seconds(&Gemm { m: n, n, k: n, element: Element::F32 }, &device);
        assert!((gemm(4096) - 2.0 * 4096f64.powi(3) / 67e12).abs() < 1e-12);
        assert!((gemm(8) - 3.0 * 64.0 * 4.0 / 3350e9).abs() < 1e-18);
        let stream = Stream { op: StreamOp::Triad, bytes: 3350, element: Element::F32 };
        assert!((stream_seconds(&stream, &device) - 3e-9).abs() < 1e-18);
    }
}
