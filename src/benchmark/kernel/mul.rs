//! a = b·c, element by element, over arrays in memory.

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
    let (b, c) = (inputs[0].of::<T>(), inputs[1].of::<T>());
    fill(cpu, a, constants[0] > 0.0, |at, a| {
        let (b, c) = (&b[at..][..a.len()], &c[at..][..a.len()]);
        for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
            *a = T::narrow(b.wide() * c.wide());
        }
    });
}

fn expected(inputs: &[Values<'_>], _: &[f64], at: usize, a: &mut [Expected]) {
    by_element(inputs, at, a, |[b, c]| Expected::of(b * c));
}
