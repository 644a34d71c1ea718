//! Inputs whose right expected are known exactly, and what those expected are: shared by the backends
//! that compute.

mod buffer_layout;
mod expected_results;
mod number;
mod operands;
mod product;

pub(super) use buffer_layout::BufferLayout;
pub(super) use expected_results::{Data, ExpectedResults};
pub(super) use number::{Number, no_such_type, with_number};
pub(super) use operands::{FACTOR, Operands};
pub(super) use product::{Product, fill as fill_product};

use super::Accuracy;
use crate::benchmark::work::StreamOp;
use crate::world::fault::{Fault, is_planted};
use crate::world::progress::Phase;

/// s of the triad.
pub(super) const SCALAR: i64 = 3;

/// The arrays of a pass over memory: small whole numbers, so that results are exact. Coprime periods:
/// no shift hides.
pub(super) fn b_at(i: usize) -> i64 {
    (i % 251) as i64
}

/// As [`b_at`].
pub(super) fn c_at(i: usize) -> i64 {
    (i % 127) as i64
}

/// What no element of a pass's result is.
pub(super) const WRONG: i64 = -1;

/// Compares every element that a pass left in `phase` with its reference. A wrong element is put in first, if that
/// is planted here.
pub(super) fn judge_pass<T: Number>(op: StreamOp, phase: Phase, result: &mut [T]) -> Accuracy {
    if is_planted(Fault::Wrong, phase) {
        result[result.len() / 2] = T::of(WRONG);
    }
    let scale = if op == StreamOp::Triad { SCALAR } else { 0 };
    Accuracy::compare(result.iter().enumerate().map(|(i, got)| {
        let expected = b_at(i) + scale * c_at(i);
        (T::of(expected).to_f64(), got.to_f64(), 0.0)
    }))
}
