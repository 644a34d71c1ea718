//! a = b over arrays in memory, as in STREAM.

use super::*;

pub(super) const CODE: Code = Code {
    host: for_numbers!(host),
    cublas_lt: false,
    check: Check { expected: &[expected], suspects: None },
};

fn host<T: Number>(
    cpu: pulp::Arch,
    inputs: &[View<'_>],
    constants: &[f64],
    outputs: &mut [ViewMut<'_>],
) {
    let (a, b) = (outputs[0].of::<T>(), inputs[0].of::<T>());
    fill(cpu, a, constants[0] > 0.0, |at, a| a.copy_from_slice(&b[at..][..a.len()]));
}

fn expected(inputs: &[Values<'_>], _: &[f64], at: usize, a: &mut [Expected]) {
    by_element(inputs, at, a, |[b]| Expected::of(b));
}
