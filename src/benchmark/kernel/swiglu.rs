//! The gated unit of feed-forward layers: gate·sigmoid(gate)·up (Shazeer, 2020).

use super::*;

pub(super) const CODE: Code = Code {
    host: Host::Own { f32: host, f64: host },
    cublas_lt: false,
    check: Check { expected, suspects: None },
};

fn host<T: Exponential>(cpu: pulp::Arch, inputs: &[View<'_, T>], _: &[f64], a: &mut [T]) {
    cpu.dispatch(Elements { gate: inputs[0].data, up: inputs[1].data, a });
}

struct Elements<'a, T> {
    gate: &'a [T],
    up: &'a [T],
    a: &'a mut [T],
}

impl<T: Exponential> pulp::NullaryFnOnce for Elements<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for ((a, gate), up) in self.a.iter_mut().zip(self.gate).zip(self.up) {
            *a = *gate * gate.sigmoid() * *up;
        }
    }
}

fn expected(inputs: &[Values<'_>], _: &[f64], at: usize, a: &mut [Expected]) {
    by_element(inputs, at, a, |[gate, up]| Expected::of(gate / (1.0 + (-gate).exp()) * up));
}
