//! a = b + c over arrays, gathered from places in a random order.

use super::access::{arrays, by_place, gathered};
use super::*;

pub(super) const CODE: Code = Code {
    host: for_floats!(host),
    cublas_lt: false,
    check: Check { expected: &[expected], suspects: None },
};

fn host<T: Stored>(cpu: pulp::Arch, inputs: &[View<'_>], _: &[f64], outputs: &mut [ViewMut<'_>]) {
    let a = outputs[0].of::<T>();
    cpu.dispatch(|| {
        gathered(arrays::<T, 2>(inputs), inputs[2].of(), a, |[b, c]| {
            T::narrow(b.wide() + c.wide())
        });
    });
}

fn expected(inputs: &[Values<'_>], _: &[f64], at: usize, a: &mut [Expected]) {
    by_place(inputs, at, a, |[b, c]| b + c);
}
