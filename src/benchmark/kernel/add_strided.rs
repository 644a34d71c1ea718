//! a = b + c over arrays, every stride-th element first.

use super::access::{arrays, strided};
use super::*;

pub(super) const CODE: Code =
    Code { host: for_floats!(host), cublas_lt: false, check: add::CODE.check };

fn host<T: Stored>(
    cpu: pulp::Arch,
    inputs: &[View<'_>],
    scalars: &[f64],
    outputs: &mut [ViewMut<'_>],
) {
    let a = outputs[0].of::<T>();
    cpu.dispatch(|| {
        strided(arrays::<T, 2>(inputs), scalars[0] as usize, a, |[b, c]| {
            T::narrow(b.wide() + c.wide())
        });
    });
}
