//! The collective and point-to-point operations: each is one value that holds every fact about it.
//!
//! A new one is a value in a file of this folder and a line in [`COLLECTIVES`]. The catalogue, the
//! formulas, the backends, the model and the importers read its value. One that calls another function of MPI adds it
//! to `mpi_call.rs`.

mod all_gather;
mod all_to_all;
mod exchange;
mod hypercube;
mod keys;
mod layout;
mod mpi_call;
mod nccl_call;
mod no_data;
mod operator;
mod pairs;
mod reductions;
mod rooted;

use std::fmt;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use exchange::{Blocks, CompletionMode, Exchange, Placement, Registration, Root};
pub use layout::{BlockSizes, Flow, InPlace, Part, Seat, Sharing, Span};
pub use mpi_call::{MpiCall, MpiCollective, MpiMessages};
pub use nccl_call::{Location, Nccl, NcclCall, Stages, Step};
pub use operator::Operator;
pub use reductions::ALL_REDUCE;

use crate::benchmark::{Key, graph_key};

/// Every operation, in the order of the catalogue. A new one goes to the end: the noise of the simulated backend
/// depends on the places of the others.
pub static COLLECTIVES: &[&Collective] = &[
    &reductions::ALL_REDUCE,
    &all_gather::ALL_GATHER,
    &all_gather::ALL_GATHERV,
    &reductions::REDUCE_SCATTER,
    &rooted::BROADCAST,
    &reductions::REDUCE,
    &rooted::GATHER,
    &rooted::GATHERV,
    &rooted::SCATTER,
    &rooted::SCATTERV,
    &all_to_all::ALLTOALL,
    &all_to_all::ALLTOALLV,
    &all_to_all::SENDRECV,
    &hypercube::HYPERCUBE,
    &no_data::BARRIER,
    &pairs::LATENCY,
    &pairs::BANDWIDTH,
    &pairs::BIDIRECTIONAL,
    &pairs::PUT,
    &pairs::GET,
    &rooted::INCAST,
    &rooted::OUTCAST,
    &no_data::COMM_INIT,
    &no_data::MPI_INIT,
    &reductions::REDUCE_SCATTERV,
];

/// The operation called `name`.
pub fn find(name: &str) -> Option<&'static Collective> {
    COLLECTIVES.iter().copied().find(|collective| collective.name == name)
}

/// Those that nccl-tests has.
pub fn in_nccl_tests() -> impl Iterator<Item = &'static Collective> {
    COLLECTIVES.iter().copied().filter(|collective| collective.nccl_tests)
}

/// A collective or point-to-point operation.
pub struct Collective {
    /// Name on the command line and in the report.
    pub name: &'static str,
    /// Names under which people may look for it.
    pub aliases: &'static [&'static str],
    /// One line on what it measures.
    pub description: &'static str,
    /// The keys of its problem.
    pub keys: &'static [Key],
    /// Whether it is measured when no benchmark is named.
    pub default: bool,
    /// How input and result share one buffer; absent where they never do.
    pub in_place: Option<InPlace>,
    /// Which ranks have a part of their own.
    pub roles: Roles,
    /// On how many ranks it is defined.
    pub ranks: RankCount,
    /// How a rank's buffer is cut into blocks.
    pub blocks: BlockSizes,
    /// Elements of a rank's input.
    pub input: fn(Seat<'_>) -> u64,
    /// Where results come from.
    pub flow: Flow,
    /// What algbw and busbw follow from; absent where no data moves.
    pub bandwidth: Option<Bandwidth>,
    /// Which function of MPI does it.
    pub mpi: MpiCall,
    /// Which calls of NCCL do it.
    pub nccl: Nccl,
    /// The model of its time; absent where there is none.
    pub model: Option<Model>,
    /// Whether nccl-tests has it, as `NAME_perf`.
    pub nccl_tests: bool,
    /// The tests of the OSU micro-benchmarks that measure it.
    pub osu: &'static [OsuTest],
}

/// What the value of an operation need not say: by NCCL every part of its result is a message. What it must say is not
/// here: no data moves, and a test finds a value that has a size and moves nothing.
const PLAIN: Collective = Collective {
    name: "",
    aliases: &[],
    description: "",
    keys: &[],
    default: false,
    in_place: None,
    roles: Roles::Alike,
    ranks: RankCount::Any,
    blocks: BlockSizes::Whole,
    input: |_| 0,
    flow: Flow::Nothing,
    bandwidth: None,
    mpi: MpiCall::Barrier,
    nccl: Nccl::Calls(nccl_call::messages),
    model: None,
    nccl_tests: false,
    osu: &[],
};

/// Which ranks have a part of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roles {
    /// None: all do the same.
    Alike,
    /// The root.
    Root,
    /// Each rank acts with the other one of its pair.
    Pairs {
        /// Messages between the ranks of a pair in one operation, where their rate is a figure.
        messages: Option<u64>,
        /// Operations that a run makes for each message of the window: a ping and a pong are two.
        operations: u32,
    },
}

/// On how many ranks an operation is defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RankCount {
    /// Any number of them.
    Any,
    /// Two or more.
    Several,
    /// 1, 2, 4, 8 and so on.
    PowerOfTwo,
}

/// What algbw and busbw follow from, as in `XxxGetBw` of nccl-tests (2.19.6, `src/*.cu`). Between pairs and through one
/// port, algbw is that of all messages together, as in the OSU micro-benchmarks (7.4), and busbw that of one pair in one
/// direction, or of the port.
#[derive(Clone, Copy)]
pub struct Bandwidth {
    /// Elements whose bytes are divided by the time of one operation to get algbw.
    pub elements: fn(&Exchange, usize) -> u64,
    /// busbw / algbw on so many ranks (doc/PERFORMANCE.md of nccl-tests explains it).
    pub bus_factor: fn(&Exchange, usize) -> f64,
}

/// The buffer of a rank, or a message.
const ONE_BUFFER: Bandwidth =
    Bandwidth { elements: |exchange, _| exchange.elements(), bus_factor: |_, _| 1.0 };

/// The blocks of all ranks, of which a rank's own one stays.
const ALL_BLOCKS: Bandwidth = Bandwidth {
    elements: |exchange, ranks| exchange.blocks_before(ranks, ranks),
    bus_factor: |_, ranks| share_of_others(ranks),
};

/// (n−1)/n: the share of n blocks that is not a rank's own.
fn share_of_others(ranks: usize) -> f64 {
    (ranks as f64 - 1.0) / ranks as f64
}

/// Which formula gives the time on a described machine; `benchmark/model.rs` has them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Model {
    /// So many rounds of n−1 steps around a ring of all ranks.
    Ring {
        /// Rounds.
        rounds: usize,
    },
    /// ⌈log2 n⌉ steps, each twice as far as the one before.
    Doubling,
    /// n−1 messages through the port of one rank.
    Port,
    /// A window of messages to the next rank of a ring.
    Neighbour,
    /// A window of messages between the ranks of a pair.
    Pair {
        /// How often a message's latency is waited for.
        trips: f64,
    },
}

/// A test of the OSU micro-benchmarks (7.4), as far as an operation measures the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OsuTest {
    /// Its title without `OSU MPI` and `Test`.
    pub title: &'static str,
    /// The program.
    pub program: &'static str,
    /// Which size it prints.
    pub size: OsuSize,
    /// Who takes part.
    pub ranks: OsuRanks,
}

impl OsuTest {
    const fn new(
        title: &'static str,
        program: &'static str,
        size: OsuSize,
        ranks: OsuRanks,
    ) -> Self {
        Self { title, program, size, ranks }
    }
}

/// Which size OSU prints, as `bytes` counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OsuSize {
    /// The same.
    Whole,
    /// That of one rank's block; `bytes` is that of all.
    Block,
    /// None.
    Absent,
}

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OsuRanks {
    /// Exactly two.
    Two,
    /// Two for each pair that the header names.
    Pairs,
    /// As many as were started.
    All,
}

impl Collective {
    /// Whether elements of several ranks become one.
    pub fn reduces(&self) -> bool {
        matches!(self.flow, Flow::Reduces(_))
    }

    /// Whether one rank has a part of its own.
    pub fn has_root(&self) -> bool {
        self.roles == Roles::Root
    }

    /// Whether ranks act in pairs.
    pub fn is_paired(&self) -> bool {
        matches!(self.roles, Roles::Pairs { .. })
    }

    /// The keys of its problem that are for GPUs.
    pub(super) fn gpu_keys(&self) -> Vec<Key> {
        match self.nccl {
            Nccl::Calls(_) => vec![keys::REGISTERED, graph_key()],
            Nccl::CommInit => vec![keys::BY],
            Nccl::Unsupported(_) => Vec::new(),
        }
    }

    /// How it is started and ended where nothing is said.
    pub fn default_completion(&self) -> CompletionMode {
        let form = self.keys.iter().find(|key| key.name == "form");
        let first = form.and_then(|key| CompletionMode::find(&key.default()));
        first.unwrap_or(CompletionMode::Blocking)
    }
}

/// Names are unique.
impl PartialEq for Collective {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Collective {}

impl fmt::Debug for Collective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Its place among [`COLLECTIVES`]: what it is serialised for is other ranks of the same build.
impl Serialize for Collective {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let place = COLLECTIVES.iter().position(|known| *known == self);
        let place = place.ok_or_else(|| S::Error::custom(format!("{self:?} is not listed")))?;
        serializer.serialize_u32(place as u32)
    }
}

impl<'de> Deserialize<'de> for &'static Collective {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let place = u32::deserialize(deserializer)?;
        let known = COLLECTIVES.get(place as usize).copied();
        known.ok_or_else(|| D::Error::custom(format!("there is no collective number {place}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::element::Element;
    use crate::world::wire;

    #[test]
    fn a_place_leads_back() {
        for collective in COLLECTIVES {
            let bytes = wire::encode(collective).unwrap();
            assert_eq!(wire::decode::<&'static Collective>(&bytes).unwrap(), *collective);
        }
    }

    /// What one fact says, another does not deny.
    #[test]
    fn facts_agree() {
        for collective in COLLECTIVES {
            let has = |name: &str| collective.keys.iter().any(|key| key.name == name);
            let uneven = !matches!(collective.blocks, BlockSizes::Whole | BlockSizes::Equal);
            let name = collective.name;
            assert_eq!(collective.mpi == MpiCall::Barrier, name == "barrier", "{name}");
            if let Nccl::Calls(calls) = collective.nccl
                && !matches!(collective.ranks, RankCount::PowerOfTwo)
            {
                let exchange = Exchange::plain(collective, Element::F32, 4096);
                let stages = calls(Seat { exchange: &exchange, ranks: 3, rank: 2, root: 2 });
                assert!(stages.iter().any(|stage| !stage.is_empty()), "{name}");
            }
            assert_eq!(has("op"), collective.reduces(), "{collective:?}");
            assert_eq!(has("root"), collective.has_root(), "{collective:?}");
            assert_eq!(has("pairs"), collective.is_paired(), "{collective:?}");
            assert_eq!(has("spread"), uneven, "{collective:?}");
            assert_eq!(has("bytes"), collective.bandwidth.is_some(), "{collective:?}");
            let moves = !matches!(collective.flow, Flow::Nothing);
            assert_eq!(moves, collective.bandwidth.is_some(), "{collective:?}");
            assert!(!collective.nccl_tests || collective.in_place.is_some(), "{collective:?}");
            assert!(!collective.is_paired() || collective.ranks == RankCount::Several);
            let by_message =
                matches!(collective.mpi, MpiCall::Messages(_) | MpiCall::Put | MpiCall::Get);
            // One count stands for all of them.
            assert!(!by_message || collective.blocks == BlockSizes::Whole, "{collective:?}");
        }
    }
}
