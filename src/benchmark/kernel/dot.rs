//! The scalar product of each row of a matrix with that of another.

use super::*;

pub(super) const CODE: Code = Code {
    host: Host::Own { f32: host, f64: host },
    cublas_lt: false,
    check: Check { expected, suspects: None },
};

fn host<T: Real>(cpu: pulp::Arch, inputs: &[View<'_, T>], _: &[f64], y: &mut [T]) {
    cpu.dispatch(Rows { x: inputs[0], z: inputs[1], y });
}

struct Rows<'a, T> {
    x: View<'a, T>,
    z: View<'a, T>,
    y: &'a mut [T],
}

impl<T: Real> pulp::NullaryFnOnce for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let cols = self.x.shape[1];
        let rows = self.x.data.chunks_exact(cols).zip(self.z.data.chunks_exact(cols));
        for (y, (x, z)) in self.y.iter_mut().zip(rows) {
            *y = T::rounded(sum_of_pairs(x, z, |x, z| x * z));
        }
    }
}

fn expected(inputs: &[Values<'_>], _: &[f64], at: usize, y: &mut [Expected]) {
    by_row(inputs, at, y, |[x, z]| {
        let products = || x.iter().zip(&z).map(|(x, z)| x * z);
        Expected { value: exact_sum(products()), scale: exact_sum(products().map(f64::abs)) }
    });
}
