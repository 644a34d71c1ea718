//! Every benchmark.

use std::sync::LazyLock;

use super::kernel::{KERNELS, Kernel};
use super::{Benchmark, Key, Values, WorkKind};
use crate::benchmark::work::{Element, Pattern};

const BYTES: Key = Key::new(
    "bytes",
    "size as nccl-tests counts it: of a rank's buffer, or of the blocks of all ranks",
    Values::sizes(["8..4KiB*8", "8..16MiB*8", "64MiB..1GiB*4"]),
);

const MESSAGE: Key = Key::new(
    "bytes",
    "size of a message, bytes",
    Values::sizes(["8..4KiB*8", "8..16MiB*8", "64MiB..1GiB*4"]),
);

const OP: Key = Key::new(
    "op",
    "how elements are reduced",
    Values::Words(&[
        "sum", "prod", "max", "min", "avg", "mulsum", "land", "lor", "lxor", "band", "bor", "bxor",
    ]),
);

const ROOT: Key = Key::new(
    "root",
    "place in the group of the rank with a part of its own, or rotate",
    Values::Numbers { usual: 0, least: 0, most: u32::MAX, words: &["rotate"] },
);

const FORM: Key = form(&["blocking", "nonblocking", "persistent", "overlapped"]);
const MESSAGE_FORM: Key = form(&["blocking", "nonblocking", "persistent"]);
const WINDOW_FORM: Key = form(&["nonblocking", "persistent"]);

const fn form(words: &'static [&'static str]) -> Key {
    let help = "how it is started and ended; overlapped computes meanwhile";
    Key::new("form", help, Values::Words(words))
}

const AGGREGATE: Key = Key::new(
    "aggregate",
    "operations started together and waited for together",
    Values::Numbers { usual: 1, least: 1, most: 1024, words: &[] },
);

const WINDOW: Key = window(64);
const ONE: Key = window(1);

const fn window(usual: u32) -> Key {
    let values = Values::Numbers { usual, least: 1, most: 4096, words: &[] };
    Key::new("window", "messages of a sender in flight together", values)
}

const OFFSET: Key = Key::new(
    "offset",
    "bytes by which buffers begin behind a page; whole elements",
    Values::Numbers { usual: 0, least: 0, most: 4096, words: &[] },
);

const SPREAD: Key = Key::new(
    "spread",
    "by how many percent the smallest and the largest block differ from the mean",
    Values::Numbers { usual: 50, least: 0, most: 100, words: &[] },
);

const MATRIX: Key = Key::new(
    "matrix",
    "file with a row for each rank: what it has for each rank, in proportion",
    Values::File,
);

const PAIRS: Key = Key::new(
    "pairs",
    "how many pairs act at once: ranks of the first half with those of the second",
    Values::Numbers { usual: 0, least: 1, most: u32::MAX, words: &["all"] },
);

const REDUCES: &[Key] = &[BYTES, OP, FORM, AGGREGATE, OFFSET];
const MOVES: &[Key] = &[BYTES, FORM, AGGREGATE, OFFSET];
const ROOTED: &[Key] = &[BYTES, ROOT, FORM, AGGREGATE, OFFSET];
const MOVES_UNEVENLY: &[Key] = &[BYTES, SPREAD, FORM, AGGREGATE, OFFSET];
const ROOTED_UNEVENLY: &[Key] = &[BYTES, SPREAD, ROOT, FORM, AGGREGATE, OFFSET];
const WINDOWED: &[Key] = &[MESSAGE, WINDOW, PAIRS, WINDOW_FORM, OFFSET];
const ONE_SIDED: &[Key] = &[MESSAGE, ONE, PAIRS, OFFSET];
const PORT: &[Key] = &[MESSAGE, ROOT, ONE, OFFSET];

/// A benchmark whose ranks exchange data.
fn exchange(
    name: &'static str,
    pattern: Pattern,
    description: &'static str,
    keys: &[Key],
) -> Benchmark {
    Benchmark {
        name: name.into(),
        aliases: Vec::new(),
        description: description.into(),
        keys: keys.to_vec(),
        precisions: if keys.is_empty() { Vec::new() } else { Element::ALL.to_vec() },
        placements: false,
        collective: true,
        usual: false,
        kind: WorkKind::Exchange(pattern),
    }
}

/// The same in and out of place.
fn in_and_out(benchmark: Benchmark) -> Benchmark {
    Benchmark { placements: true, ..benchmark }
}

/// The same, also found by other names.
fn also(aliases: &[&'static str], benchmark: Benchmark) -> Benchmark {
    Benchmark { aliases: aliases.iter().map(|&alias| alias.into()).collect(), ..benchmark }
}

/// The same, measured when nothing is said.
fn usual(benchmark: Benchmark) -> Benchmark {
    Benchmark { usual: true, ..benchmark }
}

impl From<&'static Kernel> for Benchmark {
    fn from(kernel: &'static Kernel) -> Self {
        Self {
            name: kernel.name.clone(),
            aliases: Vec::new(),
            description: kernel.description.clone(),
            keys: kernel.keys.clone(),
            precisions: kernel.precisions.clone(),
            placements: false,
            collective: false,
            usual: kernel.default,
            kind: WorkKind::Kernel(kernel),
        }
    }
}

/// Every benchmark.
pub static CATALOGUE: LazyLock<Vec<Benchmark>> =
    LazyLock::new(|| exchanges().into_iter().chain(KERNELS.iter().map(Benchmark::from)).collect());

fn exchanges() -> [Benchmark; 24] {
    [
        usual(in_and_out(also(
            &["allreduce"],
            exchange(
                "all_reduce",
                Pattern::AllReduce,
                "every rank ends with the reduction over all ranks",
                REDUCES,
            ),
        ))),
        in_and_out(also(
            &["allgather"],
            exchange(
                "all_gather",
                Pattern::AllGather,
                "every rank ends with every rank's block",
                MOVES,
            ),
        )),
        in_and_out(also(
            &["allgatherv"],
            exchange(
                "all_gatherv",
                Pattern::AllGatherV,
                "all_gather with blocks of different sizes",
                MOVES_UNEVENLY,
            ),
        )),
        in_and_out(exchange(
            "reduce_scatter",
            Pattern::ReduceScatter,
            "each rank ends with its block of the reduction over all ranks",
            REDUCES,
        )),
        in_and_out(also(
            &["bcast"],
            exchange(
                "broadcast",
                Pattern::Broadcast,
                "every rank ends with the root's data",
                ROOTED,
            ),
        )),
        in_and_out(exchange(
            "reduce",
            Pattern::Reduce,
            "the root ends with the reduction over all ranks",
            &[BYTES, OP, ROOT, FORM, AGGREGATE, OFFSET],
        )),
        in_and_out(exchange(
            "gather",
            Pattern::Gather,
            "the root ends with every rank's block",
            ROOTED,
        )),
        in_and_out(exchange(
            "gatherv",
            Pattern::GatherV,
            "gather with blocks of different sizes",
            ROOTED_UNEVENLY,
        )),
        in_and_out(exchange(
            "scatter",
            Pattern::Scatter,
            "each rank ends with its block of the root's data",
            ROOTED,
        )),
        in_and_out(exchange(
            "scatterv",
            Pattern::ScatterV,
            "scatter with blocks of different sizes",
            ROOTED_UNEVENLY,
        )),
        in_and_out(also(
            &["all_to_all"],
            exchange(
                "alltoall",
                Pattern::AllToAll,
                "each rank ends with the block that every rank has for it",
                MOVES,
            ),
        )),
        in_and_out(also(
            &["all_to_allv"],
            exchange(
                "alltoallv",
                Pattern::AllToAllV,
                "alltoall with blocks of different sizes",
                &[BYTES, SPREAD, MATRIX, FORM, AGGREGATE, OFFSET],
            ),
        )),
        in_and_out(exchange(
            "sendrecv",
            Pattern::SendRecv,
            "each rank sends to the next and receives from the one before, in a ring",
            &[BYTES, MESSAGE_FORM, AGGREGATE, OFFSET],
        )),
        in_and_out(exchange(
            "hypercube",
            Pattern::Hypercube,
            "all_gather by log2(n) exchanges between ranks whose numbers differ in one bit",
            &[BYTES, OFFSET],
        )),
        usual(exchange(
            "barrier",
            Pattern::Barrier,
            "no rank leaves before every rank has come",
            &[],
        )),
        also(
            &["p2p_latency", "multi_lat"],
            exchange(
                "latency",
                Pattern::Latency,
                "one way of a message between the ranks of a pair: half a ping-pong",
                &[MESSAGE, PAIRS, MESSAGE_FORM, OFFSET],
            ),
        ),
        also(
            &["p2p_bandwidth", "multi_pair", "message_rate", "mbw_mr"],
            exchange(
                "bandwidth",
                Pattern::Bandwidth,
                "a window of messages between the ranks of a pair, with the message rate of all pairs",
                WINDOWED,
            ),
        ),
        also(
            &["p2p_bidirectional", "bisection"],
            exchange(
                "bidirectional",
                Pattern::Bidirectional,
                "a window of messages both ways; with all pairs, between the halves of the group",
                WINDOWED,
            ),
        ),
        exchange(
            "put",
            Pattern::Put,
            "one-sided writes into the memory of the other rank of a pair",
            ONE_SIDED,
        ),
        exchange(
            "get",
            Pattern::Get,
            "one-sided reads from the memory of the other rank of a pair",
            ONE_SIDED,
        ),
        exchange("incast", Pattern::Incast, "every rank sends to the root at once", PORT),
        exchange(
            "outcast",
            Pattern::Outcast,
            "the root sends to every rank at once, something else to each",
            PORT,
        ),
        exchange("comm_init", Pattern::CommInit, "a communicator of the group is made", &[]),
        exchange("mpi_init", Pattern::MpiInit, "MPI's start, once in a launch", &[]),
    ]
}
