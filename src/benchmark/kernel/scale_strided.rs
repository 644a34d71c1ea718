//! a = s·b over arrays, every stride-th element first.

use super::access::{arrays, strided};
use super::*;

pub(super) const CODE: Code =
    Code { host: for_floats!(host), cublas_lt: false, check: scale::CODE.check };

fn host<T: Stored>(
    cpu: pulp::Arch,
    inputs: &[View<'_>],
    scalars: &[f64],
    outputs: &mut [ViewMut<'_>],
) {
    let a = outputs[0].of::<T>();
    cpu.dispatch(|| {
        let s = T::Wide::rounded(scalars[0]);
        strided(arrays::<T, 1>(inputs), scalars[1] as usize, a, |[b]| T::narrow(s * b.wide()));
    });
}
