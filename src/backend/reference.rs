//! Inputs whose right answers are known exactly, and what those answers are: shared by the backends
//! that compute.

mod answers;
mod number;
mod places;
mod product;
mod terms;

pub(super) use answers::{Answers, Data};
pub(super) use number::{Number, no_such_type, with_number};
pub(super) use places::Places;
pub(super) use product::{Product, fill as fill_product};
pub(super) use terms::{FACTOR, Terms};

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
