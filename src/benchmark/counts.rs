//! What a case counts: the amounts that its figures follow from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What one operation of a work moves and computes on a number of ranks, and how it runs. Null where the work
/// has no such amount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Bytes that are divided by the time of one operation to get algbw, as nccl-tests counts them.
    pub algorithm_bytes: Option<u64>,
    /// busbw / algbw, as in nccl-tests.
    pub bus_factor: Option<f64>,
    /// Floating point operations of one rank.
    pub flops: Option<f64>,
    /// Bytes that one rank reads from memory and writes to it, where the work is a pass over memory.
    pub memory_traffic_bytes: Option<u64>,
    /// Messages of all senders, where ranks act in pairs.
    pub messages: Option<u64>,
    /// Equal operations that one run is made of.
    pub operations_per_run: u32,
    /// Whether the ranks exchange data, so that one rank alone is no base for an efficiency.
    pub communicates: bool,
    /// Whether it happens once in a process's life and cannot be repeated.
    pub happens_once: bool,
}
