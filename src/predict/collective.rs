//! Collectives as a number of steps over links, each with a latency and a bandwidth.

use crate::topology::Topology;
use crate::work::Collective;

/// Predicted time, seconds.
///
/// all_reduce is NCCL's model of its ring with the Simple protocol (NCCL 2.30.7,
/// `src/graph/tuning.cc`): of 2·(n−1) steps, 2·(N−1) cross nodes, and the bytes move at the bandwidth
/// of the ring, `t = base + Σ latency + busfactor·bytes / bandwidth`. barrier is the
/// dissemination barrier (Hensgen, Finkel, Manber, 1988): ⌈log2 n⌉ steps over the slowest link.
pub(super) fn seconds(op: Collective, bytes: u64, topology: &Topology, ranks: &[usize]) -> f64 {
    let n = ranks.len();
    let mut nodes: Vec<usize> = ranks.iter().map(|&rank| topology.node(rank)).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let (intra, inter) = (&topology.intra, &topology.inter);
    let one_node = nodes.len() == 1;
    let microseconds = match op {
        Collective::AllReduce => {
            let across = 2 * (nodes.len() - 1);
            let within = 2 * (n - 1) - across;
            let latency =
                within as f64 * intra.latency_us.value + across as f64 * inter.latency_us.value;
            let gbps = if one_node { intra.gbps.value } else { inter.gbps.value };
            // 1 GB/s is 1e3 bytes per microsecond.
            latency + op.bus_factor(n).unwrap_or(0.0) * bytes as f64 / (gbps * 1e3)
        }
        Collective::Barrier => {
            let link = if one_node { intra } else { inter };
            f64::from(n.next_power_of_two().ilog2()) * link.latency_us.value
        }
    };
    (topology.collective_base_us.value + microseconds) * 1e-6
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NCCL 2.27.5's own tuning log for H100, 8 GPUs a node, ring, Simple: latency and algbw for 2
    /// and 4 nodes.
    #[test]
    fn nccls_own_numbers() {
        let topology = Topology::load("dgx-h100").unwrap();
        for (nodes, latency_us, algbw) in [(2, 131.6, 204.8), (4, 282.8, 198.2)] {
            let ranks: Vec<usize> = (0..8 * nodes).collect();
            let latency = seconds(Collective::AllReduce, 0, &topology, &ranks);
            assert!((latency * 1e6 - latency_us).abs() < 0.05, "{latency}");
            let moved = seconds(Collective::AllReduce, 1 << 30, &topology, &ranks) - latency;
            assert!((f64::from(1 << 30) / moved / 1e9 - algbw).abs() < 0.05, "{moved}");
        }
    }

    #[test]
    fn one_rank_moves_nothing() {
        let topology = Topology::load("dgx-h100").unwrap();
        let alone = |bytes| seconds(Collective::AllReduce, bytes, &topology, &[0]);
        assert_eq!(alone(0), alone(1 << 30));
    }
}
