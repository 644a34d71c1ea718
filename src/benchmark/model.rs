//! How long work takes on a described machine, without running it.

mod exchange;
mod kernel;

use crate::benchmark::work::Work;
use crate::machine::topology::Topology;

/// Predicted time of one operation of `work` on the world ranks `ranks`, seconds.
pub fn seconds(work: &Work, topology: &Topology, ranks: &[usize]) -> f64 {
    match work {
        Work::Nothing => 0.0,
        Work::Exchange(exchange) => exchange::seconds(exchange, topology, ranks),
        Work::Kernel(run) => kernel::seconds(run, &topology.device),
    }
}
