//! How long work takes at least, roughly, from the plan alone. What is over too soon for a clock is run several times
//! in a sample, and two runs of one case must not differ in that: so no measured time decides.

use crate::benchmark::collective::MpiCall;
use crate::benchmark::work::Work;

/// Most operations of a sample.
const BATCH: f64 = 100.0;

/// What good machines of a kind reach.
pub(super) struct Pace {
    /// From how long on work is timed alone, ns.
    alone: f64,
    /// How long a sample of shorter work shall be, ns.
    sample: f64,
    /// Starting a kernel, ns.
    start: f64,
    /// A message to another rank, ns.
    message: f64,
    /// Bytes of messages in a nanosecond.
    link: f64,
    /// Bytes of kernels in a nanosecond.
    memory: f64,
    /// Floating point operations in a nanosecond.
    arithmetic: f64,
    /// A load that waits for another, ns.
    access: f64,
}

impl Pace {
    /// Between the cores of one node. Their clocks have steps of 25 ns, which 20 of hide.
    pub(super) const CORES: Self = Self {
        alone: 500.0,
        sample: 50_000.0,
        start: 0.0,
        message: 100.0,
        link: 10.0,
        memory: 50.0,
        arithmetic: 100.0,
        access: 1.0,
    };

    /// On a GPU, between two events. They have "a resolution of around 0.5 microseconds" (CUDA driver API,
    /// `cuEventElapsedTime`), and the pair costs some microseconds by itself.
    pub(super) const GPU: Self = Self {
        alone: 200_000.0,
        sample: 200_000.0,
        start: 2_000.0,
        message: 10_000.0,
        link: 400.0,
        memory: 3_000.0,
        arithmetic: 50_000.0,
        access: 20.0,
    };

    /// How many runs of the work on `ranks` ranks make a sample.
    pub(super) fn batch(&self, work: &Work, ranks: usize) -> u32 {
        let nanos = self.nanos(work, ranks);
        if nanos >= self.alone { 1 } else { (self.sample / nanos).ceil().min(BATCH) as u32 }
    }

    fn nanos(&self, work: &Work, ranks: usize) -> f64 {
        match work {
            Work::Nothing => 0.0,
            Work::Exchange(exchange) => match exchange.collective.mpi {
                // They make something each time.
                MpiCall::Init | MpiCall::CommDup => f64::INFINITY,
                _ => {
                    // By a tree; messages of pairs need no more than one.
                    let rounds = f64::from(ranks.next_power_of_two().trailing_zeros());
                    let rounds = if exchange.collective.is_paired() { 1.0 } else { rounds };
                    let one = rounds * self.message + exchange.bytes as f64 / self.link;
                    f64::from(work.operations()) * one
                }
            },
            Work::Kernel(run) => {
                let traffic = run.memory_traffic().unwrap_or(run.bytes()) as f64 / self.memory;
                let accesses = run.dependent_accesses().unwrap_or(0) as f64 * self.access;
                let arithmetic = run.flops().unwrap_or(0.0) / self.arithmetic;
                f64::from(work.operations()) * (self.start + traffic.max(arithmetic).max(accesses))
            }
            Work::Copy(copy) => match copy.memory_traffic() {
                Some(traffic) => self.start + traffic as f64 / self.memory,
                None => self.start + copy.bytes as f64 / self.link,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::collective::{self, Exchange};
    use crate::benchmark::work::Element;

    #[test]
    fn small_messages_between_few_ranks_are_short() {
        let is_short = |name: &str, bytes, ranks| {
            let collective = collective::find(name).unwrap();
            let work = Work::Exchange(Exchange::plain(collective, Element::F32, bytes));
            Pace::CORES.batch(&work, ranks) == 100
        };
        assert!(is_short("all_reduce", 8, 2) && is_short("all_reduce", 2048, 4));
        assert!(!is_short("all_reduce", 4096, 2) && !is_short("all_reduce", 8, 64));
        assert!(is_short("latency", 64, 2) && is_short("latency", 64, 64));
        assert!(is_short("barrier", 0, 8) && !is_short("comm_init", 0, 2));
    }
}
