//! Root mean square normalisation of the rows of a matrix, forward (Zhang, Sennrich, 2019).

use super::*;

pub(super) const CODE: Code = Code {
    host: Host::Own { f32: host, f64: host },
    cublas_lt: false,
    check: Check { expected, suspects: None },
};

fn host<T: Real>(cpu: pulp::Arch, inputs: &[View<'_, T>], scalars: &[f64], y: &mut [T]) {
    cpu.dispatch(Rows { x: inputs[0].data, weight: inputs[1].data, eps: scalars[0], y });
}

/// The second pass over a row finds it in the cache.
struct Rows<'a, T> {
    x: &'a [T],
    weight: &'a [T],
    eps: f64,
    y: &'a mut [T],
}

impl<T: Real> pulp::NullaryFnOnce for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { x, weight, eps, y } = self;
        let cols = weight.len();
        for (x, y) in x.chunks_exact(cols).zip(y.chunks_exact_mut(cols)) {
            let scale = T::rounded(1.0 / (sum(x, |x| x * x) / cols as f64 + eps).sqrt());
            for ((y, x), weight) in y.iter_mut().zip(x).zip(weight) {
                *y = *x * scale * *weight;
            }
        }
    }
}

fn expected(inputs: &[Values<'_>], scalars: &[f64], at: usize, y: &mut [Expected]) {
    let x = inputs[0].row(at / y.len());
    let squares = exact_sum(x.iter().map(|x| x * x));
    let scale = 1.0 / (squares / x.len() as f64 + scalars[0]).sqrt();
    for ((y, x), weight) in y.iter_mut().zip(x).zip(inputs[1].row(0)) {
        *y = Expected::of(x * scale * weight);
    }
}
