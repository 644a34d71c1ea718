//! The node and socket of a rank, and the distance between ranks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most ranks of a run.
pub const RANK_LIMIT: usize = 1 << 20;

/// The node and socket of a rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Index of the node.
    pub node: usize,
    /// The socket, if all cores of the rank's affinity are on one.
    pub socket: Option<usize>,
}

/// The distance between two ranks.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Distance {
    /// The same socket.
    Socket,
    /// The same node; the sockets differ or are unknown.
    Node,
    /// Different nodes.
    Network,
}

impl Distance {
    /// All distances, nearest first.
    pub const ALL: [Self; 3] = [Self::Socket, Self::Node, Self::Network];

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Socket => "same socket",
            Self::Node => "same node",
            Self::Network => "network",
        }
    }
}

impl Place {
    /// `ranks` ranks on one node, sockets unknown. At most [`RANK_LIMIT`] + 1, which is enough to be refused.
    pub fn on_one_node(ranks: usize) -> Vec<Self> {
        vec![Self { node: 0, socket: None }; ranks.min(RANK_LIMIT + 1)]
    }

    /// The distance between two ranks at these places.
    pub fn distance(self, other: Self) -> Distance {
        if self.node != other.node {
            Distance::Network
        } else if self.socket.is_some() && self.socket == other.socket {
            Distance::Socket
        } else {
            Distance::Node
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_between_places() {
        let at = |node, socket| Place { node, socket };
        assert_eq!(at(0, Some(1)).distance(at(0, Some(1))), Distance::Socket);
        assert_eq!(at(0, Some(1)).distance(at(0, Some(0))), Distance::Node);
        assert_eq!(at(0, None).distance(at(0, None)), Distance::Node);
        assert_eq!(at(0, Some(1)).distance(at(1, Some(1))), Distance::Network);
    }
}
