//! Every benchmark.

use std::sync::LazyLock;

use super::{Benchmark, Key, Values, WorkKind};
use crate::benchmark::collective::{COLLECTIVES, Collective};
use crate::benchmark::work::{Element, StreamOp};

const ARRAY: Key = Key {
    name: "array",
    help: "size of each array, bytes",
    values: Values::Sizes(["1MiB", "64MiB", "256MiB"]),
    divides: true,
};

/// A benchmark whose ranks exchange data.
fn exchange(collective: &'static Collective) -> Benchmark {
    let Collective { name, aliases, description, keys, default, ref in_place, .. } = *collective;
    Benchmark {
        name,
        aliases,
        description,
        keys,
        precisions: if keys.is_empty() { &[] } else { &Element::ALL },
        placements: in_place.is_some(),
        collective: true,
        usual: default,
        kind: WorkKind::Exchange(collective),
    }
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
pub static CATALOGUE: LazyLock<Vec<Benchmark>> =
    LazyLock::new(|| COLLECTIVES.iter().copied().map(exchange).chain(KERNELS).collect());

const KERNELS: [Benchmark; 3] = [
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
