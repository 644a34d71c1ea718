//! What can be timed: plain data that a plan names and a backend interprets.
//!
//! FLOPs, bytes and bus factors stand here, beside the work they belong to; nothing else in the
//! program knows a formula.

mod gemm;
mod stream;

use serde::{Deserialize, Serialize};

pub use gemm::Gemm;
pub use stream::{Stream, StreamOp};

pub use crate::benchmark::collective::{
    Blocks, CompletionMode, Exchange, Operator, Part, Placement, Root,
};
pub use crate::benchmark::element::Element;

use crate::base::error::Result;
use crate::benchmark::collective::MpiCall;

/// One thing to run. Sizes are those of one rank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Work {
    /// Nothing: what is left is the cost of measuring.
    Nothing,
    /// Data that moves between the ranks of the group.
    Exchange(Exchange),
    /// A matrix product on every rank.
    Gemm(Gemm),
    /// A pass over arrays in memory on every rank.
    Stream(Stream),
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

    /// Floating point operations of one rank.
    pub fn flops(&self) -> Option<f64> {
        match self {
            Self::Gemm(gemm) => Some(gemm.flops()),
            _ => None,
        }
    }

    /// Bytes one rank reads and writes, where the work is a pass over memory.
    pub fn memory_traffic(&self) -> Option<u64> {
        match self {
            Self::Stream(stream) => Some(stream.traffic()),
            _ => None,
        }
    }

    /// Bytes that the rank with the most allocates, verification buffers included.
    pub fn footprint(&self, ranks: usize) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Exchange(exchange) => exchange.footprint(ranks),
            Self::Gemm(gemm) => gemm.footprint(),
            Self::Stream(stream) => stream.footprint(),
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
