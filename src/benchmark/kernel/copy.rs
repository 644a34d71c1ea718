//! a = b over arrays in memory, as in STREAM.

use super::*;

pub(super) const CODE: Code = Code {
    host: Host::Own { f32: host, f64: host },
    cublas_lt: false,
    check: Check { expected, suspects: None },
};

fn host<T: Copy>(_: pulp::Arch, inputs: &[View<'_, T>], _: &[f64], a: &mut [T]) {
    a.copy_from_slice(inputs[0].data);
}

fn expected(inputs: &[Values<'_>], _: &[f64], at: usize, a: &mut [Expected]) {
    by_element(inputs, at, a, |[b]| Expected::of(b));
}
