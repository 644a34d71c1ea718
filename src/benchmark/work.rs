//! What can be timed: plain data that a plan names and a backend interprets.
//!
//! Its formulas stand with each collective and each kernel.

use serde::{Deserialize, Serialize};

use super::counts::Counts;
pub use crate::benchmark::collective::{
    Blocks, CompletionMode, Exchange, Operator, Part, Placement, Root,
};
pub use crate::benchmark::element::Element;

use crate::base::error::Result;
use crate::benchmark::collective::MpiCall;
use crate::benchmark::kernel::KernelRun;

/// One thing to run. Sizes are those of one rank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    /// Nothing: what is left is the cost of measuring.
    Nothing,
    /// Data that moves between the ranks of the group.
    Exchange(Exchange),
    /// What every rank computes by itself.
    Kernel(KernelRun),
}

impl Work {
    fn exchange(&self) -> Option<&Exchange> {
        match self {
            Self::Exchange(exchange) => Some(exchange),
            _ => None,
        }
    }

    /// What cannot be on `ranks` ranks.
    ///
    /// # Errors
    /// As [`Exchange::check`].
    pub fn check(&self, ranks: usize) -> Result<()> {
        self.exchange().map_or(Ok(()), |exchange| exchange.check(ranks))
    }

    /// What it counts on `ranks` ranks; see [`Exchange::algorithm_bytes`] and [`Exchange::bus_factor`]. Where a
    /// matrix gives the blocks it looks at each, so that it takes ranks² steps.
    pub fn counts(&self, ranks: usize) -> Counts {
        let common = Counts {
            operations_per_run: self.operations(),
            communicates: self.communicates(),
            happens_once: self.happens_once(),
            ..Counts::default()
        };
        match self {
            Self::Nothing => common,
            Self::Exchange(exchange) => Counts {
                algorithm_bytes: exchange.algorithm_bytes(ranks),
                bus_factor: exchange.bus_factor(ranks),
                messages: exchange.messages(ranks),
                ..common
            },
            Self::Kernel(run) => {
                Counts { flops: run.flops(), memory_traffic_bytes: run.memory_traffic(), ..common }
            }
        }
    }

    /// Equal operations that one run is made of.
    pub fn operations(&self) -> u32 {
        self.exchange().map_or(1, Exchange::operations)
    }

    /// Bytes that the rank with the most allocates, verification buffers included.
    pub fn footprint(&self, ranks: usize) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Exchange(exchange) => exchange.footprint(ranks),
            Self::Kernel(run) => run.bytes(),
        }
    }

    /// Whether the ranks exchange data, so that one rank alone is no base for an efficiency.
    pub fn communicates(&self) -> bool {
        self.exchange().is_some()
    }

    /// Whether it happens once in a process's life and cannot be repeated.
    pub fn happens_once(&self) -> bool {
        self.exchange().is_some_and(|exchange| exchange.collective.mpi == MpiCall::Init)
    }
}
