//! a = b + c over arrays in memory, as in STREAM.

use super::*;

pub(super) const CODE: Code = Code {
    host: Host::Own { f32: host, f64: host },
    cublas_lt: false,
    check: Check { expected, suspects: None },
};

fn host<T: Real>(cpu: pulp::Arch, inputs: &[View<'_, T>], _: &[f64], a: &mut [T]) {
    let (b, c) = (inputs[0].data, inputs[1].data);
    cpu.dispatch(|| {
        for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
            *a = *b + *c;
        }
    });
}

fn expected(inputs: &[Values<'_>], _: &[f64], at: usize, a: &mut [Expected]) {
    by_element(inputs, at, a, |[b, c]| Expected::of(b + c));
}
