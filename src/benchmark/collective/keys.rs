//! The keys of problems whose ranks exchange data.

use super::Operator;
use crate::benchmark::{Key, Values};

pub(super) const BYTES: Key =
    bytes("size as nccl-tests counts it: of a rank's buffer, or of the blocks of all ranks");

pub(super) const MESSAGE: Key = bytes("size of a message, bytes");

const fn bytes(help: &'static str) -> Key {
    Key::sizes("bytes", help, ["8..4KiB*8", "8..16MiB*8", "64MiB..1GiB*4"])
}

pub(super) const OP: Key =
    Key::new("op", "how elements are reduced", Values::Words(&Operator::NAMES));

pub(super) const ROOT: Key = Key::new(
    "root",
    "place in the group of the rank with a part of its own, or rotate",
    Values::Numbers { default: 0, least: 0, most: u32::MAX, words: &["rotate"] },
);

pub(super) const FORM: Key = form(&["blocking", "nonblocking", "persistent", "overlapped"]);
pub(super) const MESSAGE_FORM: Key = form(&["blocking", "nonblocking", "persistent"]);
pub(super) const WINDOW_FORM: Key = form(&["nonblocking", "persistent"]);

const fn form(words: &'static [&'static str]) -> Key {
    let help = "how it is started and ended; overlapped computes meanwhile";
    Key::new("form", help, Values::Words(words))
}

pub(super) const AGGREGATE: Key = Key::new(
    "aggregate",
    "operations started together and waited for together",
    Values::Numbers { default: 1, least: 1, most: 1024, words: &[] },
);

pub(super) const WINDOW: Key = window(64);
pub(super) const ONE: Key = window(1);

const fn window(default: u32) -> Key {
    let values = Values::Numbers { default, least: 1, most: 4096, words: &[] };
    Key::new("window", "messages of a sender in flight together", values)
}

pub(super) const OFFSET: Key = Key::new(
    "offset",
    "bytes by which buffers begin behind a page; whole elements",
    Values::Numbers { default: 0, least: 0, most: 4096, words: &[] },
);

/// Of every collective that NCCL has.
pub(super) const REGISTERED: Key = Key::new(
    "registered",
    "how NCCL is told of the buffers before they are used; GPUs only",
    Values::Words(&["none", "local", "symmetric"]),
);

/// Of new communicators.
pub(super) const BY: Key = Key::new(
    "by",
    "how NCCL makes it: from an id, or as a split of the group's own; GPUs only",
    Values::Words(&["id", "split"]),
);

pub(super) const SPREAD: Key = Key::new(
    "spread",
    "by how many percent the smallest and the largest block differ from the mean",
    Values::Numbers { default: 50, least: 0, most: 100, words: &[] },
);

pub(super) const MATRIX: Key = Key::new(
    "matrix",
    "file with a row for each rank: what it has for each rank, in proportion",
    Values::File,
);

pub(super) const PAIRS: Key = Key::new(
    "pairs",
    "how many pairs act at once: ranks of the first half with those of the second",
    Values::Numbers { default: 0, least: 1, most: u32::MAX, words: &["all"] },
);

pub(super) const REDUCES: &[Key] = &[BYTES, OP, FORM, AGGREGATE, OFFSET];
pub(super) const MOVES: &[Key] = &[BYTES, FORM, AGGREGATE, OFFSET];
pub(super) const ROOTED: &[Key] = &[BYTES, ROOT, FORM, AGGREGATE, OFFSET];
pub(super) const ROOTED_UNEVENLY: &[Key] = &[BYTES, SPREAD, ROOT, FORM, AGGREGATE, OFFSET];
