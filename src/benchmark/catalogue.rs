//! Every benchmark.

use super::{Benchmark, Key, Values, WorkKind};
use crate::benchmark::work::{Element, Pattern, StreamOp};

const BYTES: Key = Key {
    name: "bytes",
    help: "size as nccl-tests counts it: of a rank's buffer, or of the blocks of all ranks",
    values: Values::Sizes(["8..4KiB*8", "8..16MiB*8", "64MiB..1GiB*4"]),
    divides: false,
};

const MESSAGE: Key = Key { help: "size of a message, bytes", ..BYTES };

const OP: Key = Key {
    name: "op",
    help: "how elements are reduced",
    values: Values::Words(&[
        "sum", "prod", "max", "min", "avg", "mulsum", "land", "lor", "lxor", "band", "bor", "bxor",
    ]),
    divides: false,
};

const ROOT: Key = Key {
    name: "root",
    help: "place in the group of the rank with a part of its own, or rotate",
    values: Values::Numbers { usual: 0, least: 0, most: u32::MAX, words: &["rotate"] },
    divides: false,
};

const FORM: Key = Key {
    name: "form",
    help: "how it is started and ended; overlapped computes meanwhile",
    values: Values::Words(&["blocking", "nonblocking", "persistent", "overlapped"]),
    divides: false,
};

const MESSAGE_FORM: Key =
    Key { values: Values::Words(&["blocking", "nonblocking", "persistent"]), ..FORM };

const WINDOW_FORM: Key = Key { values: Values::Words(&["nonblocking", "persistent"]), ..FORM };

const AGGREGATE: Key = Key {
    name: "aggregate",
    help: "operations started together and waited for together",
    values: Values::Numbers { usual: 1, least: 1, most: 1024, words: &[] },
    divides: false,
};

const WINDOW: Key = Key {
    name: "window",
    help: "messages of a sender in flight together",
    values: Values::Numbers { usual: 64, least: 1, most: 4096, words: &[] },
    divides: false,
};

const ONE: Key =
    Key { values: Values::Numbers { usual: 1, least: 1, most: 4096, words: &[] }, ..WINDOW };

const OFFSET: Key = Key {
    name: "offset",
    help: "bytes by which buffers begin behind a page; whole elements",
    values: Values::Numbers { usual: 0, least: 0, most: 4096, words: &[] },
    divides: false,
};

const SPREAD: Key = Key {
    name: "spread",
    help: "by how many percent the smallest and the largest block differ from the mean",
    values: Values::Numbers { usual: 50, least: 0, most: 100, words: &[] },
    divides: false,
};

const MATRIX: Key = Key {
    name: "matrix",
    help: "file with a row for each rank: what it has for each rank, in proportion",
    values: Values::File,
    divides: false,
};

const PAIRS: Key = Key {
    name: "pairs",
    help: "how many pairs act at once: ranks of the first half with those of the second",
    values: Values::Numbers { usual: 0, least: 1, most: u32::MAX, words: &["all"] },
    divides: false,
};

const REDUCES: &[Key] = &[BYTES, OP, FORM, AGGREGATE, OFFSET];
const MOVES: &[Key] = &[BYTES, FORM, AGGREGATE, OFFSET];
const ROOTED: &[Key] = &[BYTES, ROOT, FORM, AGGREGATE, OFFSET];
const MOVES_UNEVENLY: &[Key] = &[BYTES, SPREAD, FORM, AGGREGATE, OFFSET];
const ROOTED_UNEVENLY: &[Key] = &[BYTES, SPREAD, ROOT, FORM, AGGREGATE, OFFSET];
const WINDOWED: &[Key] = &[MESSAGE, WINDOW, PAIRS, WINDOW_FORM, OFFSET];
const ONE_SIDED: &[Key] = &[MESSAGE, ONE, PAIRS, OFFSET];
const PORT: &[Key] = &[MESSAGE, ROOT, ONE, OFFSET];

const ARRAY: Key = Key {
    name: "array",
    help: "size of each array, bytes",
    values: Values::Sizes(["1MiB", "64MiB", "256MiB"]),
    divides: true,
};

/// A benchmark whose ranks exchange data.
const fn exchange(
    name: &'static str,
    pattern: Pattern,
    description: &'static str,
    keys: &'static [Key],
) -> Benchmark {
    Benchmark {
        name,
        aliases: &[],
        description,
        keys,
        precisions: if keys.is_empty() { &[] } else { &Element::ALL },
        placements: false,
        collective: true,
        usual: false,
        kind: WorkKind::Exchange(pattern),
    }
}

/// The same in and out of place.
const fn in_and_out(benchmark: Benchmark) -> Benchmark {
    Benchmark { placements: true, ..benchmark }
}

/// The same, also found by other names.
const fn also(aliases: &'static [&'static str], benchmark: Benchmark) -> Benchmark {
    Benchmark { aliases, ..benchmark }
}

/// The same, measured when nothing is said.
const fn usual(benchmark: Benchmark) -> Benchmark {
    Benchmark { usual: true, ..benchmark }
}

/// A kernel that every rank runs by itself.
const fn kernel(
    name: &'static str,
    kind: WorkKind,
    description: &'static str,
    (keys, precisions): (&'static [Key], &'static [Element]),
) -> Benchmark {
    Benchmark {
        name,
        aliases: &[],
        description,
        keys,
        precisions,
        placements: false,
        collective: false,
        usual: true,
        kind,
    }
}

/// Every benchmark.
pub const CATALOGUE: [Benchmark; 27] = [
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
        exchange("broadcast", Pattern::Broadcast, "every rank ends with the root's data", ROOTED),
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
    usual(exchange("barrier", Pattern::Barrier, "no rank leaves before every rank has come", &[])),
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
    kernel(
        "copy",
        WorkKind::Stream(StreamOp::Copy),
        "a[i] = b[i] over arrays in memory, on every rank at once",
        (&[ARRAY], &Element::WIDE_FLOATS),
    ),
    kernel(
        "gemm",
        WorkKind::Gemm,
        "C = A*B, dense and row-major, on every rank at once",
        (
            &[
                Key {
                    name: "m",
                    help: "rows of A and C",
                    values: Values::Sizes(["256", "1024", "4096"]),
                    divides: true,
                },
                Key {
                    name: "n",
                    help: "columns of B and C; m where not given",
                    values: Values::AsFirst,
                    divides: false,
                },
                Key {
                    name: "k",
                    help: "columns of A, rows of B; m where not given",
                    values: Values::AsFirst,
                    divides: false,
                },
            ],
            &Element::FLOATS,
        ),
    ),
    kernel(
        "triad",
        WorkKind::Stream(StreamOp::Triad),
        "a[i] = b[i] + s*c[i] over arrays in memory, on every rank at once",
        (&[ARRAY], &Element::WIDE_FLOATS),
    ),
];
