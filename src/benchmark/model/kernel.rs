//! Kernels by the roofline: the larger of arithmetic over peak and bytes over memory bandwidth
//! (Williams, Waterman, Patterson, 2009). A bound, not an expectation.

use crate::benchmark::kernel::KernelRun;
use crate::benchmark::work::Element;
use crate::machine::topology::DeviceSpec;

/// Least time of a kernel, seconds.
pub(super) fn seconds(run: &KernelRun, device: &DeviceSpec) -> f64 {
    let peak = if run.element == Element::F64 { &device.f64_tflops } else { &device.f32_tflops };
    let arithmetic = run.flops().unwrap_or(0.0) / (peak.value * 1e12);
    arithmetic.max(run.bytes() as f64 / (device.memory_gbps.value * 1e9))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::kernel::KERNELS;
    use crate::machine::topology::Topology;

    #[test]
    fn the_roofline_has_two_sides() {
        let device = Topology::load("dgx-h100").unwrap().device;
        let time = |name: &str, size: u64| {
            let kernel = KERNELS.iter().find(|kernel| kernel.name == name).unwrap();
            let problem = kernel.keys.iter().map(|key| (key.name.to_string(), size.into()));
            seconds(&kernel.run(&problem.collect(), Element::F32).unwrap(), &device)
        };
        assert!((time("gemm", 4096) - 2.0 * 4096f64.powi(3) / 67e12).abs() < 1e-12);
        assert!((time("gemm", 8) - 3.0 * 64.0 * 4.0 / 3350e9).abs() < 1e-18);
        assert!((time("triad", 4 * 3350) - 4.0 * 3e-9).abs() < 1e-18);
    }
}
