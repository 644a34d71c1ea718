//! The largest element of each row of a matrix.

use super::*;

pub(super) const CODE: Code = Code {
    host: Host::Own { f32: host, f64: host },
    cublas_lt: false,
    check: Check { expected, suspects: None },
};

fn host<T: Real>(cpu: pulp::Arch, inputs: &[View<'_, T>], _: &[f64], y: &mut [T]) {
    cpu.dispatch(Rows { x: inputs[0], y });
}

struct Rows<'a, T> {
    x: View<'a, T>,
    y: &'a mut [T],
}

impl<T: Real> pulp::NullaryFnOnce for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (y, x) in self.y.iter_mut().zip(self.x.data.chunks_exact(self.x.shape[1])) {
            *y = largest(x);
        }
    }
}

fn expected(inputs: &[Values<'_>], _: &[f64], at: usize, y: &mut [Expected]) {
    by_row(inputs, at, y, |[x]| Expected::of(x.into_iter().fold(f64::NEG_INFINITY, f64::max)));
}
