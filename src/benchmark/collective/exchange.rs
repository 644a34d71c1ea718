//! Data that moves between the ranks of a group: how much, how, and what it counts as.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Collective, MpiCall, Operator, RankCount, Roles};
use crate::base::error::{Error, Result};
use crate::base::units::{counted, format_size};
use crate::benchmark::element::Element;

/// One exchange of a group, or several in flight together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Who sends what to whom.
    pub collective: &'static Collective,
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
    /// How NCCL is told of the buffers, where it is.
    pub registration: Option<Registration>,
    /// How many runs are one CUDA graph, where they are.
    pub graph: Option<u32>,
    /// Whether a communicator is made as a split of another one.
    pub splits: bool,
}

/// How NCCL is told of buffers before they are used, so that it need not copy to buffers of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Registration {
    /// `ncclCommRegister`: each rank's own.
    Local,
    /// `ncclCommWindowRegister` with `NCCL_WIN_COLL_SYMMETRIC`: buffers of all ranks that are alike.
    Symmetric,
}

impl Registration {
    /// The one called `name`.
    pub fn find(name: &str) -> Option<Self> {
        [Self::Local, Self::Symmetric].into_iter().find(|known| known.name() == name)
    }

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Symmetric => "symmetric",
        }
    }
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
    /// The form called `name`.
    pub fn find(name: &str) -> Option<Self> {
        match name {
            "blocking" => Some(Self::Blocking),
            "nonblocking" => Some(Self::NonBlocking),
            "persistent" => Some(Self::Persistent),
            "overlapped" => Some(Self::Overlapped),
            _ => None,
        }
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
        let number = |text: &str| {
            // 2^40: the sum of a row fits.
            text.parse().ok().filter(|number| *number <= 1 << 40).ok_or_else(|| {
                Error::usage(format!("'{text}' in the matrix is not a whole number up to 2^40"))
            })
        };
        let row = |line: &str| {
            let numbers = line.split([',', ' ', '\t', ';']).filter(|number| !number.is_empty());
            numbers.map(number).collect()
        };
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        let lines = lines.filter(|line| !line.is_empty());
        let rows = lines.map(row).collect::<Result<Vec<Vec<u64>>>>()?;
        if let Some(row) = rows.iter().find(|row| row.len() != rows.len()) {
            return Err(Error::usage(format!(
                "the matrix has {}, one of them with {}; give one of each for each rank",
                counted(rows.len(), "row"),
                counted(row.len(), "number")
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
    pub fn plain(collective: &'static Collective, element: Element, bytes: u64) -> Self {
        Self {
            collective,
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
            registration: None,
            graph: None,
            splits: false,
        }
    }

    /// What cannot be on `ranks` ranks.
    ///
    /// # Errors
    /// Usage error for a size that is beyond counting, for a root, pairs or a matrix that so many ranks do not
    /// have; unsupported where it needs another number of ranks.
    pub fn check(&self, ranks: usize) -> Result<()> {
        if !Element::ALL.contains(&self.element) {
            let name = self.element.name();
            return Err(Error::unsupported(format!("buffers hold no {name}; use another type")));
        }
        // What all ranks send or hold together is counted in 64 bits, both ways of a pair among it.
        if self.bytes.checked_mul(2 * ranks as u64).is_none() {
            return Err(Error::usage(format!(
                "{} for each of {} are more than can be counted; use less",
                counted(self.bytes, "byte"),
                counted(ranks, "rank")
            )));
        }
        if let Root::Fixed(root) = self.root
            && self.collective.has_root()
            && root as usize >= ranks
        {
            return Err(Error::usage(format!(
                "root={root} is not in a group of {}, which counts from 0",
                counted(ranks, "rank")
            )));
        }
        match self.collective.ranks {
            RankCount::Several if ranks < 2 => {
                return Err(Error::unsupported(
                    "one rank has nobody to send to; use 2 ranks or more",
                ));
            }
            RankCount::PowerOfTwo if !ranks.is_power_of_two() => {
                return Err(Error::unsupported(format!(
                    "a hypercube has 2, 4, 8 … corners, not {ranks}"
                )));
            }
            RankCount::Any | RankCount::Several | RankCount::PowerOfTwo => {}
        }
        if let Some(pairs) = self.pairs
            && pairs as usize > ranks / 2
        {
            return Err(Error::usage(format!(
                "pairs={pairs} is more than {} can make; use at most {}",
                counted(ranks, "rank"),
                ranks / 2
            )));
        }
        if let Blocks::Matrix { rows, .. } = &self.blocks {
            self.check_matrix(rows, ranks)?;
        }
        if let Some(grown) = self.grown(ranks) {
            return Err(Error::unsupported(format!(
                "{} hold no {} for each of {ranks} ranks, so nothing would move; use {} or more",
                format_size(self.bytes),
                self.element.name(),
                format_size(grown.bytes)
            )));
        }
        Ok(())
    }

    fn check_matrix(&self, rows: &[Vec<u64>], ranks: usize) -> Result<()> {
        if rows.len() != ranks {
            return Err(Error::usage(format!(
                "the matrix has {} for {}; give one row and one column for each rank",
                counted(rows.len(), "row"),
                counted(ranks, "rank")
            )));
        }
        let is_symmetric = (0..ranks).all(|a| (0..a).all(|b| rows[a][b] == rows[b][a]));
        if self.placement == Placement::In && !is_symmetric {
            return Err(Error::unsupported(
                "in place, ranks must have as much for each other: the matrix is not symmetric",
            ));
        }
        Ok(())
    }

    /// Whether there are too few elements for any to move. Who asks for 0 bytes means the cost of a call.
    fn moves_nothing(&self, ranks: usize) -> bool {
        self.bytes > 0 && self.algorithm_bytes(ranks) == Some(0)
    }

    /// The same with an element for each rank, where nothing moves now and something does then.
    pub fn grown(&self, ranks: usize) -> Option<Self> {
        let more = Self { bytes: self.element.bytes() * ranks as u64, ..self.clone() };
        (self.moves_nothing(ranks) && !more.moves_nothing(ranks)).then_some(more)
    }

    /// Bytes that are divided by the time of one operation to get algbw, with blocks rounded down to whole
    /// elements; `None` where no data moves.
    pub fn algorithm_bytes(&self, ranks: usize) -> Option<u64> {
        let bandwidth = self.collective.bandwidth.as_ref()?;
        Some((bandwidth.elements)(self, ranks) * self.element.bytes())
    }

    /// busbw / algbw; `None` where no data moves.
    pub fn bus_factor(&self, ranks: usize) -> Option<f64> {
        Some((self.collective.bandwidth.as_ref()?.bus_factor)(self, ranks))
    }

    /// Messages that all senders send in the time of one operation, where ranks act in pairs.
    pub fn messages(&self, ranks: usize) -> Option<u64> {
        let Roles::Pairs { messages, .. } = self.collective.roles else { return None };
        Some(messages? * self.pair_count(ranks) as u64)
    }

    /// Equal operations that one run is made of: those in flight together, and those behind them in a graph.
    pub fn operations(&self) -> u32 {
        let together = match self.collective.roles {
            Roles::Pairs { operations, .. } => self.window * operations,
            Roles::Alike | Roles::Root => self.window,
        };
        together * self.graph.unwrap_or(1)
    }

    /// Bytes that the rank with the most allocates.
    pub fn footprint(&self, ranks: usize) -> u64 {
        let root = match self.root {
            Root::Fixed(root) => root as usize,
            Root::Rotating => 0,
        };
        let of = |rank| {
            let (input, output) = (self.input(ranks, rank, root), self.output(ranks, rank, root));
            let window = u64::from(self.window);
            // What a pair sends in a window is the same; each that is received has memory of its own.
            let sent = if self.collective.is_paired() { 1 } else { window };
            match self.placement {
                Placement::In => input.max(output).saturating_mul(window),
                Placement::Out => {
                    input.saturating_mul(sent).saturating_add(output.saturating_mul(window))
                }
            }
        };
        // The first rank, the root and a partner: no other has more, whatever the blocks.
        let most = [0, root, ranks - 1, ranks / 2].into_iter().map(of).max().unwrap_or(0);
        // Every rank exposes one, whether it acts or not.
        let most = match self.collective.mpi {
            MpiCall::Put => self.elements().saturating_mul(2),
            MpiCall::Get => self.elements().saturating_mul(u64::from(self.window) + 1),
            _ => most,
        };
        most.saturating_mul(self.element.bytes())
    }

    /// Whole elements in `bytes`.
    pub fn elements(&self) -> u64 {
        self.bytes / self.element.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::collective::*;

    fn of(collective: &'static Collective) -> Exchange {
        Exchange::plain(collective, Element::F32, 4096)
    }

    #[test]
    fn bandwidths_of_nccl_tests() {
        // (pattern, bytes on 4 ranks, factor on 4 ranks)
        for (collective, bytes, factor) in [
            (&ALL_REDUCE, 4096, 1.5),
            (&all_gather::ALL_GATHER, 4096, 0.75),
            (&reductions::REDUCE_SCATTER, 4096, 0.75),
            (&all_to_all::ALLTOALL, 4096, 0.75),
            (&rooted::GATHER, 4096, 0.75),
            (&rooted::SCATTER, 4096, 0.75),
            (&rooted::BROADCAST, 4096, 1.0),
            (&reductions::REDUCE, 4096, 1.0),
            (&all_to_all::SENDRECV, 4096, 1.0),
            (&hypercube::HYPERCUBE, 3072, 1.0),
            (&pairs::LATENCY, 4096, 1.0),
            (&pairs::BANDWIDTH, 8192, 0.5),
            (&pairs::BIDIRECTIONAL, 16384, 0.25),
            (&rooted::INCAST, 12288, 1.0),
        ] {
            let exchange = of(collective);
            assert_eq!(
                (exchange.algorithm_bytes(4), exchange.bus_factor(4)),
                (Some(bytes), Some(factor)),
                "{collective:?}"
            );
        }
        assert_eq!(of(&no_data::BARRIER).bus_factor(4), None);
        // Blocks are whole elements.
        assert_eq!(of(&all_gather::ALL_GATHER).algorithm_bytes(3), Some(4092));
        assert_eq!(of(&ALL_REDUCE).bus_factor(1), Some(0.0));
    }

    #[test]
    fn uneven_blocks() {
        let mut exchange = of(&all_to_all::ALLTOALLV);
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
    fn each_message_that_is_received_in_a_window_has_memory_of_its_own() {
        let memory = |collective, window| Exchange { window, ..of(collective) }.footprint(2);
        assert_eq!(memory(&pairs::BANDWIDTH, 64), 64 * 4096);
        assert_eq!(memory(&pairs::BIDIRECTIONAL, 64), 65 * 4096);
        assert_eq!((memory(&pairs::GET, 64), memory(&pairs::PUT, 64)), (65 * 4096, 2 * 4096));
        assert_eq!(memory(&ALL_REDUCE, 3), 3 * 2 * 4096);
    }

    #[test]
    fn what_so_many_ranks_cannot_do() {
        assert!(
            of(&hypercube::HYPERCUBE).check(6).is_err()
                && of(&hypercube::HYPERCUBE).check(8).is_ok()
        );
        assert!(of(&pairs::LATENCY).check(1).is_err());
        let rooted = Exchange { root: Root::Fixed(4), ..of(&reductions::REDUCE) };
        assert!(rooted.check(4).is_err() && rooted.check(5).is_ok());
        let paired = Exchange { pairs: Some(3), ..of(&pairs::BANDWIDTH) };
        assert!(paired.check(5).is_err() && paired.check(6).is_ok());
    }

    #[test]
    fn what_moves_nothing_is_refused() {
        let bytes = |collective, bytes| Exchange { bytes, ..of(collective) };
        let few = bytes(&all_to_all::ALLTOALL, 28);
        let why = few.check(8).unwrap_err();
        assert_eq!(why.kind, crate::base::error::Kind::Unsupported);
        assert_eq!(
            why.message,
            "28B hold no f32 for each of 8 ranks, so nothing would move; use 32B or more"
        );
        assert_eq!(few.grown(8).unwrap().bytes, 32);
        assert!(few.check(7).is_ok() && bytes(&all_to_all::ALLTOALL, 32).check(8).is_ok());
        assert!(bytes(&ALL_REDUCE, 0).check(8).is_ok() && bytes(&ALL_REDUCE, 4).check(8).is_ok());
        // No size makes a lone corner have a neighbour.
        assert!(of(&hypercube::HYPERCUBE).check(1).is_ok());
    }
}
