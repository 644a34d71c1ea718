//! Where ranks are, and what lies between them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most ranks of a run; no machine has as many devices.
pub const RANK_LIMIT: usize = 1 << 20;

/// Where a rank is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its node, by a number.
    pub node: usize,
    /// The socket that holds all the cores it may use, where there is one.
    pub socket: Option<usize>,
}

/// What lies between two ranks.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Distance {
    /// Nothing: they share a socket.
    Socket,
    /// At most the node: it is the same, and the sockets differ or are not known.
    Node,
    /// A network.
    Network,
}

impl Distance {
    /// All of them, nearest first.
    pub const ALL: [Self; 3] = [Self::Socket, Self::Node, Self::Network];

    /// What pairs at this distance have in common, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Socket => "same socket",
            Self::Node => "same node",
            Self::Network => "network",
        }
    }
}

impl Place {
    /// So many ranks on one node of which nothing else is known; of more than there can be, one too many,
    /// which is enough to be refused.
    pub fn together(ranks: usize) -> Vec<Self> {
        vec![Self { node: 0, socket: None }; ranks.min(RANK_LIMIT + 1)]
    }

    /// What lies between here and there.
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
