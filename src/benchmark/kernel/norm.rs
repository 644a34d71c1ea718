//! The Euclidean norm of each row of a matrix.

use super::*;

pub(super) const CODE: Code = Code {
    host: for_floats!(host),
    cublas_lt: false,
    check: Check { expected: &[expected], suspects: None },
};

fn host<T: Stored>(cpu: pulp::Arch, inputs: &[View<'_>], _: &[f64], outputs: &mut [ViewMut<'_>]) {
    let y = outputs[0].of::<T>();
    let cols = inputs[0].shape[1];
    cpu.dispatch(Rows { x: inputs[0].of::<T>(), cols, y });
}

struct Rows<'a, T> {
    x: &'a [T],
    cols: usize,
    y: &'a mut [T],
}

impl<T: Stored> pulp::NullaryFnOnce for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (y, x) in self.y.iter_mut().zip(self.x.chunks_exact(self.cols)) {
            *y = T::narrow(T::Wide::rounded(sum(x, |x| x * x).sqrt()));
        }
    }
}

fn expected(inputs: &[Values<'_>], _: &[f64], at: usize, y: &mut [Expected]) {
    by_row(inputs, at, y, |[x]| Expected::of(exact_sum(x.iter().map(|x| x * x)).sqrt()));
}
