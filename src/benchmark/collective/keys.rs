//! The keys of problems whose ranks exchange data.

use crate::benchmark::{Key, Values};

pub(super) const BYTES: Key = Key {
    name: "bytes",
    help: "size as nccl-tests counts it: of a rank's buffer, or of the blocks of all ranks",
    values: Values::Sizes(["8..4KiB*8", "8..16MiB*8", "64MiB..1GiB*4"]),
    divides: false,
};

pub(super) const MESSAGE: Key = Key { help: "size of a message, bytes", ..BYTES };

pub(super) const OP: Key = Key {
    name: "op",
    help: "how elements are reduced",
    values: Values::Words(&[
        "sum", "prod", "max", "min", "avg", "mulsum", "land", "lor", "lxor", "band", "bor", "bxor",
    ]),
    divides: false,
};

pub(super) const ROOT: Key = Key {
    name: "root",
    help: "place in the group of the rank with a part of its own, or rotate",
    values: Values::Numbers { usual: 0, least: 0, most: u32::MAX, words: &["rotate"] },
    divides: false,
};

pub(super) const FORM: Key = Key {
    name: "form",
    help: "how it is started and ended; overlapped computes meanwhile",
    values: Values::Words(&["blocking", "nonblocking", "persistent", "overlapped"]),
    divides: false,
};

pub(super) const MESSAGE_FORM: Key =
    Key { values: Values::Words(&["blocking", "nonblocking", "persistent"]), ..FORM };

pub(super) const WINDOW_FORM: Key =
    Key { values: Values::Words(&["nonblocking", "persistent"]), ..FORM };

pub(super) const AGGREGATE: Key = Key {
    name: "aggregate",
    help: "operations started together and waited for together",
    values: Values::Numbers { usual: 1, least: 1, most: 1024, words: &[] },
    divides: false,
};

pub(super) const WINDOW: Key = Key {
    name: "window",
    help: "messages of a sender in flight together",
    values: Values::Numbers { usual: 64, least: 1, most: 4096, words: &[] },
    divides: false,
};

pub(super) const ONE: Key =
    Key { values: Values::Numbers { usual: 1, least: 1, most: 4096, words: &[] }, ..WINDOW };

pub(super) const OFFSET: Key = Key {
    name: "offset",
    help: "bytes by which buffers begin behind a page; whole elements",
    values: Values::Numbers { usual: 0, least: 0, most: 4096, words: &[] },
    divides: false,
};

pub(super) const SPREAD: Key = Key {
    name: "spread",
    help: "by how many percent the smallest and the largest block differ from the mean",
    values: Values::Numbers { usual: 50, least: 0, most: 100, words: &[] },
    divides: false,
};

pub(super) const MATRIX: Key = Key {
    name: "matrix",
    help: "file with a row for each rank: what it has for each rank, in proportion",
    values: Values::File,
    divides: false,
};

pub(super) const PAIRS: Key = Key {
    name: "pairs",
    help: "how many pairs act at once: ranks of the first half with those of the second",
    values: Values::Numbers { usual: 0, least: 1, most: u32::MAX, words: &["all"] },
    divides: false,
};

pub(super) const REDUCES: &[Key] = &[BYTES, OP, FORM, AGGREGATE, OFFSET];
pub(super) const REDUCES_TO_ROOT: &[Key] = &[BYTES, OP, ROOT, FORM, AGGREGATE, OFFSET];
pub(super) const MOVES: &[Key] = &[BYTES, FORM, AGGREGATE, OFFSET];
pub(super) const MOVES_BY_MATRIX: &[Key] = &[BYTES, SPREAD, MATRIX, FORM, AGGREGATE, OFFSET];
pub(super) const ROOTED: &[Key] = &[BYTES, ROOT, FORM, AGGREGATE, OFFSET];
pub(super) const MOVES_UNEVENLY: &[Key] = &[BYTES, SPREAD, FORM, AGGREGATE, OFFSET];
pub(super) const ROOTED_UNEVENLY: &[Key] = &[BYTES, SPREAD, ROOT, FORM, AGGREGATE, OFFSET];
pub(super) const WINDOWED: &[Key] = &[MESSAGE, WINDOW, PAIRS, WINDOW_FORM, OFFSET];
pub(super) const ONE_SIDED: &[Key] = &[MESSAGE, ONE, PAIRS, OFFSET];
pub(super) const PORT: &[Key] = &[MESSAGE, ROOT, ONE, OFFSET];
