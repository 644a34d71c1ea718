//! Who sends what to whom.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A way in which ranks of a group exchange data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pattern {
    /// Every rank ends with the reduction over all ranks.
    AllReduce,
    /// Every rank ends with every rank's block.
    AllGather,
    /// The same with blocks of different sizes.
    AllGatherV,
    /// Each rank ends with its block of the reduction over all ranks.
    ReduceScatter,
    /// Every rank ends with the root's data.
    Broadcast,
    /// The root ends with the reduction over all ranks.
    Reduce,
    /// The root ends with every rank's block.
    Gather,
    /// The same with blocks of different sizes.
    GatherV,
    /// Each rank ends with its block of the root's data.
    Scatter,
    /// The same with blocks of different sizes.
    ScatterV,
    /// Each rank ends with the block that every rank has for it.
    AllToAll,
    /// The same with blocks of different sizes.
    AllToAllV,
    /// Each rank sends to the next and receives from the one before, in a ring.
    SendRecv,
    /// Each rank ends with every rank's block, by log2(n) exchanges with ranks whose numbers differ in one bit.
    Hypercube,
    /// No rank leaves before every rank has come.
    Barrier,
    /// A message to the other rank of a pair, and back.
    Latency,
    /// A window of messages to the other rank of a pair, and a short answer.
    Bandwidth,
    /// A window of messages both ways between the ranks of a pair.
    Bidirectional,
    /// A window of one-sided writes into the other rank's memory.
    Put,
    /// A window of one-sided reads from the other rank's memory.
    Get,
    /// Every rank sends to the root at once.
    Incast,
    /// The root sends to every rank at once, something else to each.
    Outcast,
    /// A communicator of the group is made.
    CommInit,
    /// The transport's start, once in a process's life.
    MpiInit,
}

/// Whether a result replaces its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// Separate input and output buffers.
    Out,
    /// One buffer.
    In,
}

impl Placement {
    /// The name in case ids and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::In => "in",
        }
    }
}

impl Pattern {
    /// Whether elements of several ranks become one.
    pub fn reduces(self) -> bool {
        matches!(self, Self::AllReduce | Self::ReduceScatter | Self::Reduce)
    }

    /// Whether one rank has a part of its own.
    pub fn has_root(self) -> bool {
        matches!(
            self,
            Self::Broadcast
                | Self::Reduce
                | Self::Gather
                | Self::GatherV
                | Self::Scatter
                | Self::ScatterV
                | Self::Incast
                | Self::Outcast
        )
    }

    /// Whether ranks act in pairs.
    pub fn is_paired(self) -> bool {
        matches!(
            self,
            Self::Latency | Self::Bandwidth | Self::Bidirectional | Self::Put | Self::Get
        )
    }

    /// Whether a rank's first buffer is made of one block for each rank.
    pub(super) fn has_blocks(self) -> bool {
        matches!(
            self,
            Self::AllGather
                | Self::AllGatherV
                | Self::ReduceScatter
                | Self::Gather
                | Self::GatherV
                | Self::Scatter
                | Self::ScatterV
                | Self::AllToAll
                | Self::AllToAllV
                | Self::Hypercube
        )
    }
}
