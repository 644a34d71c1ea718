//! a = s·b over arrays in memory, as in STREAM.

use super::*;

pub(super) const CODE: Code = Code {
    host: for_floats!(host),
    cublas_lt: false,
    check: Check { expected: &[expected], suspects: None },
};

fn host<T: Stored>(
    cpu: pulp::Arch,
    inputs: &[View<'_>],
    constants: &[f64],
    outputs: &mut [ViewMut<'_>],
) {
    let a = outputs[0].of::<T>();
    let b = inputs[0].of::<T>();
    let s = T::Wide::rounded(constants[0]);
    fill(cpu, a, constants[1] > 0.0, |at, a| {
        let b = &b[at..][..a.len()];
        for (a, b) in a.iter_mut().zip(b) {
            *a = T::narrow(s * b.wide());
        }
    });
}

fn expected(inputs: &[Values<'_>], scalars: &[f64], at: usize, a: &mut [Expected]) {
    by_element(inputs, at, a, |[b]| Expected::of(scalars[0] * b));
}
