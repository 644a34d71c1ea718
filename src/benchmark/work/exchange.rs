//! Data that moves between the ranks of a group: how much, how, and what it counts as.

use serde::{Deserialize, Serialize};

use super::{Element, Operator, Pattern, Placement};
use crate::base::error::{Error, Result};

/// One exchange of a group, or several in flight together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Who sends what to whom.
    pub pattern: Pattern,
    /// Type of the elements.
    pub element: Element,
    /// Size as nccl-tests counts it, bytes: where buffers are made of a block for each rank, that
    /// of all blocks; else that of one rank's buffer, or of a message.
    pub bytes: u64,
    /// Whether the result replaces the input.
    pub placement: Placement,
    /// How elements are reduced, where they are.
    pub operator: Operator,
    /// The rank with a part of its own, where there is one.
    pub root: Root,
    /// How it is started and ended.
    pub completion: CompletionMode,
    /// Operations (messages of each sender) in flight together.
    pub window: u32,
    /// Bytes by which buffers begin behind a page.
    pub offset: u64,
    /// How sizes of blocks differ, where they may.
    pub blocks: Blocks,
    /// How many pairs act at once, where ranks act in pairs; all when absent.
    pub pairs: Option<u32>,
}

/// The rank with a part of its own, by its place in the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Root {
    /// Always this one.
    Fixed(u32),
    /// The next one in each operation.
    Rotating,
}

/// How an operation is started and ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CompletionMode {
    /// One call that returns when this rank's part is done.
    Blocking,
    /// Started, then waited for.
    NonBlocking,
    /// Made once, started and waited for each time.
    Persistent,
    /// Started, then waited for after as long a computation as it takes by itself.
    Overlapped,
}

impl CompletionMode {
    /// Every form by its name.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("blocking", Self::Blocking),
        ("nonblocking", Self::NonBlocking),
        ("persistent", Self::Persistent),
        ("overlapped", Self::Overlapped),
    ];

    /// The form called `name`.
    pub fn find(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, form)| form)
    }
}

/// How the sizes of blocks differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Blocks {
    /// Block k of n is (1 + spread·(2k/(n−1) − 1)) times the mean, the spread in percent. What rank r
    /// has for rank s in an exchange between all is number (r + s) mod n.
    Spread(u32),
    /// What rank r has for rank s is in proportion to row r, column s; the largest sum of a row or a
    /// column stands for all of `bytes`.
    Matrix {
        /// The rows.
        rows: Vec<Vec<u64>>,
        /// That sum.
        most: u64,
    },
}

impl Blocks {
    /// Reads a matrix: a line for each rank, numbers parted by commas or spaces, `#` before remarks.
    ///
    /// # Errors
    /// Usage error for what is no square of whole numbers, or is all zeros.
    pub fn parse_matrix(text: &str) -> Result<Self> {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        let mut rows: Vec<Vec<u64>> = Vec::new();
        for line in lines.filter(|line| !line.is_empty()) {
            let numbers = line.split([',', ' ', '\t', ';']).filter(|number| !number.is_empty());
            let row = numbers.map(|number| {
                // 2^40: the sum of a row fits.
                number.parse().ok().filter(|number| *number <= 1 << 40).ok_or_else(|| {
                    Error::usage(format!(
                        "'{number}' in the matrix is not a whole number up to 2^40"
                    ))
                })
            });
            rows.push(row.collect::<Result<_>>()?);
        }
        if let Some(row) = rows.iter().find(|row| row.len() != rows.len()) {
            return Err(Error::usage(format!(
                "the matrix has {} rows, one of them with {} numbers; give one of each for each rank",
                rows.len(),
                row.len()
            )));
        }
        let row = |rank: usize| rows[rank].iter().sum::<u64>();
        let column = |rank: usize| rows.iter().map(|row| row[rank]).sum::<u64>();
        let most = (0..rows.len()).map(|rank| row(rank).max(column(rank))).max().unwrap_or(0);
        if most == 0 {
            return Err(Error::usage("the matrix has no number above 0: nothing would move"));
        }
        Ok(Self::Matrix { rows, most })
    }
}

impl Exchange {
    /// An exchange with nothing unusual about it.
    pub fn plain(pattern: Pattern, element: Element, bytes: u64) -> Self {
        Self {
            pattern,
            element,
            bytes,
            placement: Placement::Out,
            operator: Operator::Sum,
            root: Root::Fixed(0),
            completion: CompletionMode::Blocking,
            window: 1,
            offset: 0,
            blocks: Blocks::Spread(0),
            pairs: None,
        }
    }

    /// What cannot be on `ranks` ranks.
    ///
    /// # Errors
    /// Usage error for a size that is beyond counting, for a root, pairs or a matrix that so many ranks do not
    /// have; unsupported for
    /// patterns that need another number of ranks.
    pub fn check(&self, ranks: usize) -> Result<()> {
        // What all ranks send or hold together is counted in 64 bits, both ways of a pair among it.
        if self.bytes.checked_mul(2 * ranks as u64).is_none() {
            return Err(Error::usage(format!(
                "{} bytes for each of {ranks} ranks are more than can be counted; use less",
                self.bytes
            )));
        }
        if let Root::Fixed(root) = self.root
            && self.pattern.has_root()
            && root as usize >= ranks
        {
            return Err(Error::usage(format!(
                "root={root} is not in a group of {ranks} ranks, whose places are 0 to {}",
                ranks - 1
            )));
        }
        let alone =
            self.pattern.is_paired() || matches!(self.pattern, Pattern::Incast | Pattern::Outcast);
        if alone && ranks < 2 {
            return Err(Error::unsupported("one rank has nobody to send to; use 2 ranks or more"));
        }
        if let Some(pairs) = self.pairs
            && pairs as usize > ranks / 2
        {
            return Err(Error::usage(format!(
                "pairs={pairs} are more than {ranks} ranks make; use at most {}",
                ranks / 2
            )));
        }
        if let Blocks::Matrix { rows, .. } = &self.blocks
            && rows.len() != ranks
        {
            return Err(Error::usage(format!(
                "the matrix has {} rows for {ranks} ranks; give one row and one column for each rank",
                rows.len()
            )));
        }
        if let Blocks::Matrix { rows, .. } = &self.blocks
            && self.placement == Placement::In
            && (0..ranks).any(|a| (0..a).any(|b| rows[a][b] != rows[b][a]))
        {
            return Err(Error::unsupported(
                "in place, ranks must have as much for each other: the matrix is not symmetric",
            ));
        }
        if self.pattern == Pattern::Hypercube && !ranks.is_power_of_two() {
            return Err(Error::unsupported(format!(
                "a hypercube has 2, 4, 8 … corners, not {ranks}"
            )));
        }
        Ok(())
    }

    /// Bytes that are divided by the time of one operation to get algbw, as nccl-tests does (2.19.6,
    /// `XxxGetBw` in `src/*.cu`), with blocks rounded down to whole elements:
    ///
    /// - all_reduce, broadcast, reduce, sendrecv: count·size of one rank's buffer;
    /// - all_gather, reduce_scatter, alltoall, gather, scatter: the blocks of all n ranks;
    /// - alltoallv (and the other v forms): the most that any rank sends or receives;
    /// - hypercube: (n−1) blocks;
    /// - latency: one message; bandwidth, put, get: one message of each pair; bidirectional: one message
    ///   each way of each pair (OSU 7.4); incast, outcast: one message of each of n−1 ranks.
    ///
    /// `None` where no data moves.
    pub fn algorithm_bytes(&self, ranks: usize) -> Option<u64> {
        let size = self.element.bytes();
        let others = ranks as u64 - 1;
        let pairs = self.pair_count(ranks) as u64;
        let elements = match self.pattern {
            Pattern::Barrier | Pattern::CommInit | Pattern::MpiInit => return None,
            Pattern::AllReduce | Pattern::Broadcast | Pattern::Reduce | Pattern::SendRecv => {
                self.elements()
            }
            Pattern::Hypercube => others * self.block(ranks, 0, 0),
            Pattern::Latency => self.elements(),
            Pattern::Bandwidth | Pattern::Put | Pattern::Get => pairs * self.elements(),
            Pattern::Bidirectional => 2 * pairs * self.elements(),
            Pattern::Incast | Pattern::Outcast => others * self.elements(),
            Pattern::AllToAllV => {
                let most = |rank| {
                    let of = |block: &dyn Fn(usize) -> u64| (0..ranks).map(block).sum::<u64>();
                    of(&|to| self.block(ranks, rank, to))
                        .max(of(&|from| self.block(ranks, from, rank)))
                };
                (0..ranks).map(most).max().unwrap_or(0)
            }
            Pattern::ScatterV => (0..ranks).map(|to| self.block(ranks, 0, to)).sum(),
            _ => (0..ranks).map(|from| self.block(ranks, from, 0)).sum(),
        };
        Some(elements * size)
    }

    /// busbw / algbw, as in nccl-tests (2.19.6, `XxxGetBw`; doc/PERFORMANCE.md explains it): all_reduce
    /// 2(n−1)/n; all_gather, reduce_scatter, alltoall(v), gather, scatter (n−1)/n; broadcast, reduce,
    /// sendrecv, hypercube 1. For pairs it is what one pair moves in one direction; for incast and
    /// outcast what the root's port moves, 1. `None` where no data moves.
    pub fn bus_factor(&self, ranks: usize) -> Option<f64> {
        let n = ranks as f64;
        let pairs = self.pair_count(ranks).max(1) as f64;
        Some(match self.pattern {
            Pattern::Barrier | Pattern::CommInit | Pattern::MpiInit => return None,
            Pattern::AllReduce => 2.0 * (n - 1.0) / n,
            Pattern::Broadcast | Pattern::Reduce | Pattern::SendRecv | Pattern::Hypercube => 1.0,
            Pattern::Latency | Pattern::Incast | Pattern::Outcast => 1.0,
            Pattern::Bandwidth | Pattern::Put | Pattern::Get => 1.0 / pairs,
            Pattern::Bidirectional => 0.5 / pairs,
            _ => (n - 1.0) / n,
        })
    }

    /// Messages that all senders send in the time of one operation, where ranks act in pairs.
    pub fn messages(&self, ranks: usize) -> Option<u64> {
        let pairs = self.pair_count(ranks) as u64;
        match self.pattern {
            Pattern::Bandwidth | Pattern::Put | Pattern::Get => Some(pairs),
            Pattern::Bidirectional => Some(2 * pairs),
            _ => None,
        }
    }

    /// Equal operations that one run is made of: those in flight together; a ping and a pong are two.
    pub fn operations(&self) -> u32 {
        self.window * if self.pattern == Pattern::Latency { 2 } else { 1 }
    }

    /// Bytes that the rank with the most allocates.
    pub fn footprint(&self, ranks: usize) -> u64 {
        let root = match self.root {
            Root::Fixed(root) => root as usize,
            Root::Rotating => 0,
        };
        let of = |rank| {
            let (input, output) = (self.input(ranks, rank, root), self.output(ranks, rank, root));
            if self.placement == Placement::In { input.max(output) } else { input + output }
        };
        let one_sided = matches!(self.pattern, Pattern::Put | Pattern::Get);
        let copies = if self.pattern.is_paired() { 1 } else { u64::from(self.window) };
        // The first rank, the root and a partner: no other has more, whatever the blocks.
        let most = [0, root, ranks - 1, ranks / 2].into_iter().map(of).max().unwrap_or(0);
        // Every rank exposes a window, whether it acts or not.
        let most = if one_sided { 2 * self.elements() } else { most };
        most.saturating_mul(self.element.bytes()).saturating_mul(copies)
    }

    /// Whole elements in `bytes`.
    pub fn elements(&self) -> u64 {
        self.bytes / self.element.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pattern: Pattern) -> Exchange {
        Exchange::plain(pattern, Element::F32, 4096)
    }

    #[test]
    fn bandwidths_of_nccl_tests() {
        // (pattern, bytes on 4 ranks, factor on 4 ranks)
        for (pattern, bytes, factor) in [
            (Pattern::AllReduce, 4096, 1.5),
            (Pattern::AllGather, 4096, 0.75),
            (Pattern::ReduceScatter, 4096, 0.75),
            (Pattern::AllToAll, 4096, 0.75),
            (Pattern::Gather, 4096, 0.75),
            (Pattern::Scatter, 4096, 0.75),
            (Pattern::Broadcast, 4096, 1.0),
            (Pattern::Reduce, 4096, 1.0),
            (Pattern::SendRecv, 4096, 1.0),
            (Pattern::Hypercube, 3072, 1.0),
            (Pattern::Latency, 4096, 1.0),
            (Pattern::Bandwidth, 8192, 0.5),
            (Pattern::Bidirectional, 16384, 0.25),
            (Pattern::Incast, 12288, 1.0),
        ] {
            let exchange = of(pattern);
            assert_eq!(
                (exchange.algorithm_bytes(4), exchange.bus_factor(4)),
                (Some(bytes), Some(factor)),
                "{pattern:?}"
            );
        }
        assert_eq!(of(Pattern::Barrier).bus_factor(4), None);
        // Blocks are whole elements.
        assert_eq!(of(Pattern::AllGather).algorithm_bytes(3), Some(4092));
        assert_eq!(of(Pattern::AllReduce).bus_factor(1), Some(0.0));
    }

    #[test]
    fn uneven_blocks() {
        let mut exchange = of(Pattern::AllToAllV);
        assert_eq!(exchange.algorithm_bytes(4), Some(4096));
        exchange.blocks = Blocks::Spread(50);
        let blocks: Vec<u64> = (0..4).map(|to| exchange.block(4, 0, to)).collect();
        assert_eq!(blocks, [128, 213, 298, 384]);
        // Every rank sends and receives the same in all.
        assert_eq!(exchange.algorithm_bytes(4), Some(4 * (128 + 213 + 298 + 384)));
        exchange.blocks = Blocks::parse_matrix("0, 3\n1 0 # back\n").unwrap();
        assert_eq!((exchange.block(2, 0, 1), exchange.block(2, 1, 0)), (1024, 341));
        assert_eq!(exchange.algorithm_bytes(2), Some(4096));
        for text in ["", "0 0\n0 0", "1 2\n3", "a", "1 2\n3 -4"] {
            assert!(Blocks::parse_matrix(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_so_many_ranks_cannot_do() {
        assert!(
            of(Pattern::Hypercube).check(6).is_err() && of(Pattern::Hypercube).check(8).is_ok()
        );
        assert!(of(Pattern::Latency).check(1).is_err());
        let rooted = Exchange { root: Root::Fixed(4), ..of(Pattern::Reduce) };
        assert!(rooted.check(4).is_err() && rooted.check(5).is_ok());
        let paired = Exchange { pairs: Some(3), ..of(Pattern::Bandwidth) };
        assert!(paired.check(5).is_err() && paired.check(6).is_ok());
    }
}
