//! The scalar product of each row of a matrix with that of another.

use super::*;

pub(super) const CODE: Code = Code {
    host: for_floats!(host),
    cublas_lt: false,
    check: Check { expected: &[expected], suspects: None },
};

fn host<T: Stored>(cpu: pulp::Arch, inputs: &[View<'_>], _: &[f64], outputs: &mut [ViewMut<'_>]) {
    let y = outputs[0].of::<T>();
    let cols = inputs[0].shape[1];
    cpu.dispatch(Rows { x: inputs[0].of::<T>(), z: inputs[1].of(), cols, y });
}

struct Rows<'a, T> {
    x: &'a [T],
    z: &'a [T],
    cols: usize,
    y: &'a mut [T],
}

impl<T: Stored> pulp::NullaryFnOnce for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let rows = self.x.chunks_exact(self.cols).zip(self.z.chunks_exact(self.cols));
        for (y, (x, z)) in self.y.iter_mut().zip(rows) {
            *y = T::narrow(T::Wide::rounded(sum_of_pairs(x, z, |x, z| x * z)));
        }
    }
}

fn expected(inputs: &[Values<'_>], _: &[f64], at: usize, y: &mut [Expected]) {
    by_row(inputs, at, y, |[x, z]| {
        let products = || x.iter().zip(&z).map(|(x, z)| x * z);
        Expected { value: exact_sum(products()), scale: exact_sum(products().map(f64::abs)) }
    });
}
