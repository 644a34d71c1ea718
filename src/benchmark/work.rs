//! What can be timed: plain data that a plan names and a backend interprets.
//!
//! FLOPs, bytes and bus factors stand here, beside the work they belong to; nothing else in the
//! program knows a formula.

mod exchange;
mod layout;
mod operator;
mod pattern;

use serde::{Deserialize, Serialize};

pub use exchange::{Blocks, CompletionMode, Exchange, Root};
pub use layout::Part;
pub use operator::Operator;
pub use pattern::{Pattern, Placement};

pub use crate::benchmark::element::Element;

use crate::base::error::Result;
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

    fn kernel(&self) -> Option<&KernelRun> {
        match self {
            Self::Kernel(run) => Some(run),
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

    /// Bytes that are divided by the time of one operation to get algbw; see
    /// [`Exchange::algorithm_bytes`].
    pub fn algorithm_bytes(&self, ranks: usize) -> Option<u64> {
        self.exchange()?.algorithm_bytes(ranks)
    }

    /// busbw / algbw on `ranks` ranks; see [`Exchange::bus_factor`].
    pub fn bus_factor(&self, ranks: usize) -> Option<f64> {
        self.exchange()?.bus_factor(ranks)
    }

    /// Messages between pairs in the time of one operation.
    pub fn messages(&self, ranks: usize) -> Option<u64> {
        self.exchange()?.messages(ranks)
    }

    /// Equal operations that one run is made of.
    pub fn operations(&self) -> u32 {
        self.exchange().map_or(1, Exchange::operations)
    }

    /// Floating point operations of one rank, where they limit it.
    pub fn flops(&self) -> Option<f64> {
        self.kernel()?.flops()
    }

    /// Bytes one rank reads and writes, where memory limits it.
    pub fn memory_traffic(&self) -> Option<u64> {
        self.kernel()?.memory_traffic()
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
        self.exchange().is_some_and(|exchange| exchange.pattern == Pattern::MpiInit)
    }
}
