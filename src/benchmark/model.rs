//! How long work takes on a described machine, without running it.

mod exchange;
mod kernel;

use crate::benchmark::work::Work;
use crate::machine::topology::Topology;

/// Predicted time of one operation of `work` on the world ranks `ranks`, seconds; `None` for what has no model.
pub fn seconds(work: &Work, topology: &Topology, ranks: &[usize]) -> Option<f64> {
    match work {
        Work::Nothing => Some(0.0),
        Work::Exchange(exchange) => exchange::seconds(exchange, topology, ranks),
        Work::Kernel(run) => Some(kernel::seconds(run, &topology.device)),
    }
}
