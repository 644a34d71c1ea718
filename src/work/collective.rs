//! Collectives and how much of their data crosses each link.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A collective operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Collective {
    /// Every rank ends with the elementwise sum over all ranks.
    AllReduce,
    /// No rank leaves before every rank has come.
    Barrier,
}

/// Whether a result replaces its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

impl Collective {
    /// busbw / algbw, as in nccl-tests (doc/PERFORMANCE.md, `all_reduce.cu`): each of the n ranks
    /// must send and receive at least 2·(n−1)/n of the buffer in an all_reduce. `None` where no data
    /// moves.
    pub fn bus_factor(self, ranks: usize) -> Option<f64> {
        let n = ranks as f64;
        match self {
            Self::AllReduce => Some(2.0 * (n - 1.0) / n),
            Self::Barrier => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bus_factors_of_nccl_tests() {
        for (ranks, factor) in [(1, 0.0), (2, 1.0), (4, 1.5), (8, 1.75)] {
            assert_eq!(Collective::AllReduce.bus_factor(ranks), Some(factor));
        }
        assert_eq!(Collective::Barrier.bus_factor(8), None);
    }
}
