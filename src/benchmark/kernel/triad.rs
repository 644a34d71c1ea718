//! a = b + s·c over arrays in memory, as in STREAM.

use super::*;

pub(super) const CODE: Code = Code {
    host: Host::Own { f32: host, f64: host },
    cublas_lt: false,
    check: Check { expected, suspects: None },
};

fn host<T: Real>(cpu: pulp::Arch, inputs: &[View<'_, T>], scalars: &[f64], a: &mut [T]) {
    let (b, c) = (inputs[0].data, inputs[1].data);
    cpu.dispatch(|| {
        let s = T::rounded(scalars[0]);
        for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
            *a = *b + s * *c;
        }
    });
}

fn expected(inputs: &[Values<'_>], scalars: &[f64], at: usize, a: &mut [Expected]) {
    by_element(inputs, at, a, |[b, c]| Expected::of(b + scalars[0] * c));
}
