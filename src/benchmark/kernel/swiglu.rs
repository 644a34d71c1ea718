//! The gated unit of feed-forward layers: gate·sigmoid(gate)·up (Shazeer, 2020).

use super::*;

pub(super) const CODE: Code = Code {
    host: for_floats!(host),
    cublas_lt: false,
    check: Check { expected: &[expected], suspects: None },
};

fn host<T: Stored>(cpu: pulp::Arch, inputs: &[View<'_>], _: &[f64], outputs: &mut [ViewMut<'_>]) {
    let a = outputs[0].of::<T>();
    cpu.dispatch(Elements { gate: inputs[0].of::<T>(), up: inputs[1].of(), a });
}

struct Elements<'a, T> {
    gate: &'a [T],
    up: &'a [T],
    a: &'a mut [T],
}

impl<T: Stored> pulp::NullaryFnOnce for Elements<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for ((a, gate), up) in self.a.iter_mut().zip(self.gate).zip(self.up) {
            let gate = gate.wide();
            *a = T::narrow(gate * gate.sigmoid() * up.wide());
        }
    }
}

fn expected(inputs: &[Values<'_>], _: &[f64], at: usize, a: &mut [Expected]) {
    by_element(inputs, at, a, |[gate, up]| Expected::of(gate / (1.0 + (-gate).exp()) * up));
}
