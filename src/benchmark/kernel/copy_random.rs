//! a = b over arrays, gathered from places in a random order.

use super::access::{arrays, by_place, gathered};
use super::*;

pub(super) const CODE: Code = Code {
    host: for_numbers!(host),
    cublas_lt: false,
    check: Check { expected: &[expected], suspects: None },
};

fn host<T: Number>(_: pulp::Arch, inputs: &[View<'_>], _: &[f64], outputs: &mut [ViewMut<'_>]) {
    let a = outputs[0].of::<T>();
    gathered(arrays::<T, 1>(inputs), inputs[1].of(), a, |[b]| b);
}

fn expected(inputs: &[Values<'_>], _: &[f64], at: usize, a: &mut [Expected]) {
    by_place(inputs, at, a, |[b]| b);
}
