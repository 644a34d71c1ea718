//! a = s·b over arrays, gathered from places in a random order.

use super::access::{arrays, by_place, gathered};
use super::*;

pub(super) const CODE: Code = Code {
    host: for_floats!(host),
    cublas_lt: false,
    check: Check { expected: &[expected], suspects: None },
};

fn host<T: Stored>(
    cpu: pulp::Arch,
    inputs: &[View<'_>],
    scalars: &[f64],
    outputs: &mut [ViewMut<'_>],
) {
    let a = outputs[0].of::<T>();
    cpu.dispatch(|| {
        let s = T::Wide::rounded(scalars[0]);
        gathered(arrays::<T, 1>(inputs), inputs[1].of(), a, |[b]| T::narrow(s * b.wide()));
    });
}

fn expected(inputs: &[Values<'_>], scalars: &[f64], at: usize, a: &mut [Expected]) {
    by_place(inputs, at, a, |[b]| scalars[0] * b);
}
