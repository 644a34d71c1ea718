//! Memory of ranks, as data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much memory a rank took while a case ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RankMemory {
    /// World rank.
    pub rank: usize,
    /// Largest resident set of its process from the preparing of the case to the end of its timing, bytes: buffers,
    /// libraries and all.
    pub host_peak_bytes: u64,
}
