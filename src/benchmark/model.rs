//! How long work takes on a described machine, without running it.

use crate::benchmark::collective::{Exchange, Model};
use crate::benchmark::kernel::KernelRun;
use crate::benchmark::work::{Element, Work};
use crate::machine::topology::{DeviceSpec, LinkSpec, Topology};

/// Predicted time of one operation of `work` on the world ranks `ranks`, seconds; `None` for what has no model.
pub fn seconds(work: &Work, topology: &Topology, ranks: &[usize]) -> Option<f64> {
    match work {
        Work::Nothing => Some(0.0),
        Work::Exchange(exchange) => exchange_seconds(exchange, topology, ranks),
        // Neither the latency of memory nor the link to the host is in a description.
        Work::Kernel(run) if run.dependent_accesses().is_some() => None,
        Work::Kernel(run) => Some(kernel_seconds(run, &topology.device)),
        Work::Copy(_) => None,
    }
}

/// Exchanges as a number of steps over links, each with a latency and a bandwidth.
///
/// [`Model::Ring`] of two rounds is NCCL's model of its all_reduce with the Simple protocol (NCCL 2.30.7,
/// `src/graph/tuning.cc`): of 2·(n−1) steps, 2·(N−1) cross nodes, and the bytes move at the bandwidth
/// of the ring, `t = base + Σ latency + busfactor·bytes / bandwidth`; one round is half of it, or a pipeline through all
/// ranks. [`Model::Doubling`] is ⌈log2 n⌉ steps over the slowest link. The others are Hockney's latency and bandwidth
/// (1994): n−1 messages through one port, or one message, whose latency a window shares.
fn exchange_seconds(exchange: &Exchange, topology: &Topology, ranks: &[usize]) -> Option<f64> {
    let n = ranks.len();
    let mut nodes: Vec<usize> = ranks.iter().map(|&rank| topology.node(rank)).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let (intra, inter) = (&topology.intra, &topology.inter);
    let one_node = nodes.len() == 1;
    let slowest = if one_node { intra } else { inter };
    // 1 GB/s is 1e3 bytes per microsecond.
    let moved = |bytes: f64, link: &LinkSpec| bytes / (link.gbps.value * 1e3);
    let ring = |steps_per_rank: usize| {
        let across = steps_per_rank * (nodes.len() - 1);
        let within = steps_per_rank * (n - 1) - across;
        within as f64 * intra.latency_us.value + across as f64 * inter.latency_us.value
    };
    let bytes = exchange.algorithm_bytes(n).unwrap_or(0) as f64;
    let on_bus = exchange.bus_factor(n).unwrap_or(0.0) * bytes;
    let window = f64::from(exchange.window);
    let microseconds = match exchange.collective.model? {
        Model::Ring { rounds } => ring(rounds) + moved(on_bus, slowest),
        Model::Doubling => {
            f64::from(n.next_power_of_two().ilog2()) * slowest.latency_us.value
                + moved(on_bus, slowest)
        }
        Model::Port => (n as f64 - 1.0) * slowest.latency_us.value + moved(on_bus, slowest),
        Model::Neighbour => slowest.latency_us.value / window + moved(on_bus, slowest),
        Model::Pair { trips } => {
            let link = slowest_pair(exchange, topology, ranks);
            trips * link.latency_us.value / window + moved(on_bus, link)
        }
    };
    Some((topology.collective_base_us.value + microseconds) * 1e-6)
}

/// The link between the ranks of a pair, of the pairs that act at once the slowest one's.
fn slowest_pair<'a>(exchange: &Exchange, topology: &'a Topology, ranks: &[usize]) -> &'a LinkSpec {
    let crosses = |place: usize| {
        exchange
            .partner(ranks.len(), place)
            .is_some_and(|other| topology.node(ranks[place]) != topology.node(ranks[other]))
    };
    if (0..ranks.len()).any(crosses) { &topology.inter } else { &topology.intra }
}

/// Kernels by the roofline: the larger of arithmetic over peak and bytes over memory bandwidth
/// (Williams, Waterman, Patterson, 2009). A bound, not an expectation.
fn kernel_seconds(run: &KernelRun, device: &DeviceSpec) -> f64 {
    let peak = if run.element == Element::F64 { &device.f64_tflops } else { &device.f32_tflops };
    let arithmetic = run.flops().unwrap_or(0.0) / (peak.value * 1e12);
    arithmetic.max(run.bytes() as f64 / (device.memory_gbps.value * 1e9))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::collective;
    use crate::benchmark::kernel::KERNELS;

    fn of(name: &str, bytes: u64, ranks: usize) -> f64 {
        let topology = Topology::load("dgx-h100").unwrap();
        let ranks: Vec<usize> = (0..ranks).collect();
        let collective = collective::find(name).unwrap();
        exchange_seconds(&Exchange::plain(collective, Element::U8, bytes), &topology, &ranks)
            .unwrap()
    }

    /// NCCL 2.27.5's own tuning log for H100, 8 GPUs a node, ring, Simple: latency and algbw for 2
    /// and 4 nodes.
    #[test]
    fn nccls_own_numbers() {
        for (nodes, latency_us, algbw) in [(2, 131.6, 204.8), (4, 282.8, 198.2)] {
            let latency = of("all_reduce", 0, 8 * nodes);
            assert!((latency * 1e6 - latency_us).abs() < 0.05, "{latency}");
            let moved = of("all_reduce", 1 << 30, 8 * nodes) - latency;
            assert!((f64::from(1 << 30) / moved / 1e9 - algbw).abs() < 0.05, "{moved}");
        }
    }

    #[test]
    fn one_rank_moves_nothing() {
        assert_eq!(of("all_reduce", 0, 1), of("all_reduce", 1 << 30, 1));
    }

    #[test]
    fn a_pair_across_nodes_is_slower_than_within_one() {
        assert!(of("latency", 8, 16) > of("latency", 8, 8));
        assert!(of("get", 8, 8) > of("put", 8, 8));
        assert!(of("alltoall", 1 << 20, 8) > of("alltoall", 1 << 10, 8));
    }

    #[test]
    fn the_roofline_has_two_sides() {
        let device = Topology::load("dgx-h100").unwrap().device;
        let time = |name: &str, size: u64| {
            let kernel = KERNELS.iter().find(|kernel| kernel.name == name).unwrap();
            let problem = kernel.keys.iter().map(|key| (key.name.to_string(), size.into()));
            kernel_seconds(&kernel.run(&problem.collect(), Element::F32).unwrap(), &device)
        };
        assert!((time("gemm", 4096) - 2.0 * 4096f64.powi(3) / 67e12).abs() < 1e-12);
        assert!((time("gemm", 8) - 3.0 * 64.0 * 4.0 / 3350e9).abs() < 1e-18);
        assert!((time("triad", 4 * 3350) - 4.0 * 3e-9).abs() < 1e-18);
    }
}
