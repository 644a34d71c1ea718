//! a = b over arrays, every stride-th element first.

use super::access::{arrays, strided};
use super::*;

pub(super) const CODE: Code =
    Code { host: for_numbers!(host), cublas_lt: false, check: copy::CODE.check };

fn host<T: Number>(
    _: pulp::Arch,
    inputs: &[View<'_>],
    scalars: &[f64],
    outputs: &mut [ViewMut<'_>],
) {
    let a = outputs[0].of::<T>();
    strided(arrays::<T, 1>(inputs), scalars[0] as usize, a, |[b]| b);
}
