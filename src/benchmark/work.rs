//! What can be timed: plain data that a plan names and a backend interprets.
//!
//! Its formulas stand with each collective and each kernel.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::benchmark::collective::{
    Blocks, CompletionMode, Exchange, Operator, Part, Placement, Registration, Root,
};
pub use crate::benchmark::element::Element;

use crate::base::error::{Error, Result};
use crate::benchmark::collective::MpiCall;
use crate::benchmark::copy::MemoryCopy;
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
    /// Data that every rank copies between the memory of the host and that of its device.
    Copy(MemoryCopy),
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
    /// As [`Exchange::check`] and [`MemoryCopy::check`].
    pub fn check(&self, ranks: usize) -> Result<()> {
        match self {
            Self::Nothing | Self::Kernel(_) => Ok(()),
            Self::Exchange(exchange) => exchange.check(ranks),
            Self::Copy(copy) => copy.check(ranks),
        }
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
            Self::Kernel(run) => Counts {
                flops: run.flops(),
                memory_traffic_bytes: run.memory_traffic(),
                dependent_accesses: run.dependent_accesses(),
                ..common
            },
            Self::Copy(copy) => Counts {
                algorithm_bytes: Some(copy.copied_bytes(ranks)),
                memory_traffic_bytes: copy.memory_traffic(),
                ..common
            },
        }
    }

    /// What the backend of this name does not do, whatever the machine.
    ///
    /// # Errors
    /// Unsupported, in one sentence.
    pub fn check_backend(&self, backend: &str) -> Result<()> {
        let of_nccl = self.exchange().and_then(|exchange| match exchange {
            Exchange { registration: Some(how), .. } => {
                Some(format!("registered={} is for buffers that NCCL uses", how.name()))
            }
            Exchange { splits: true, .. } => {
                Some("by=split is for communicators that NCCL makes".to_owned())
            }
            _ => None,
        });
        let graph = self.graph().map(|runs| format!("graph={runs} is a CUDA graph"));
        let of_gpus = graph.or(of_nccl);
        match (self, of_gpus) {
            (_, Some(told)) if backend != "cuda" => Err(Error::unsupported(format!(
                "{told}, which the {backend} backend has not; leave it out, or choose --backend cuda"
            ))),
            // Of a kernel that its description keeps from other backends there is a model all the same.
            (Self::Kernel(run), _) if backend != "simulated" => run.check_backend(backend),
            _ => Ok(()),
        }
    }

    /// How many runs are one CUDA graph, where they are.
    pub fn graph(&self) -> Option<u32> {
        match self {
            Self::Nothing | Self::Copy(_) => None,
            Self::Exchange(exchange) => exchange.graph,
            Self::Kernel(run) => run.graph,
        }
    }

    /// Equal operations that one run is made of.
    pub fn operations(&self) -> u32 {
        let exchange = self.exchange().map(Exchange::operations);
        exchange.or(self.graph()).unwrap_or(1)
    }

    /// Bytes that the rank with the most allocates, verification buffers included.
    pub fn footprint(&self, ranks: usize) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Exchange(exchange) => exchange.footprint(ranks),
            Self::Kernel(run) => run.bytes(),
            Self::Copy(copy) => copy.footprint(),
        }
    }

    /// Whether the ranks exchange data, so that one rank alone is no base for an efficiency.
    pub fn communicates(&self) -> bool {
        self.exchange().is_some()
    }

    /// Whether a program does it, which measures itself.
    pub fn is_reported(&self) -> bool {
        matches!(self, Self::Kernel(run) if run.kernel.command.is_some())
    }

    /// Whether it happens once in a process's life and cannot be repeated.
    pub fn happens_once(&self) -> bool {
        self.exchange().is_some_and(|exchange| exchange.collective.mpi == MpiCall::Init)
    }
}

/// What one operation of a work moves and computes on a number of ranks, and how it runs. Null where the work
/// has no such amount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Bytes that are divided by the time of one operation to get algbw, as nccl-tests counts them; of copies, those that
    /// all ranks copy in all directions.
    pub algorithm_bytes: Option<u64>,
    /// busbw / algbw, as in nccl-tests.
    pub bus_factor: Option<f64>,
    /// Floating point operations of one rank.
    pub flops: Option<f64>,
    /// Bytes that one rank reads from memory and writes to it, where the work is a pass over memory.
    pub memory_traffic_bytes: Option<u64>,
    /// Loads of one rank that wait for each other, where these are what takes time.
    #[serde(default)]
    pub dependent_accesses: Option<u64>,
    /// Messages of all senders, where ranks act in pairs.
    pub messages: Option<u64>,
    /// Equal operations that one run is made of.
    pub operations_per_run: u32,
    /// Whether the ranks exchange data, so that one rank alone is no base for an efficiency.
    pub communicates: bool,
    /// Whether it happens once in a process's life and cannot be repeated.
    pub happens_once: bool,
}
