//! Root mean square normalisation of the rows of a matrix, forward (Zhang, Sennrich, 2019).

use super::*;

pub(super) const CODE: Code = Code {
    host: for_floats!(host),
    cublas_lt: false,
    check: Check { expected: &[expected], suspects: None },
};

fn host<T: Stored>(
    cpu: pulp::Arch,
    inputs: &[View<'_>],
    scalars: &[f64],
    outputs: &mut [ViewMut<'_>],
) {
    let y = outputs[0].of::<T>();
    cpu.dispatch(Rows { x: inputs[0].of::<T>(), weight: inputs[1].of(), eps: scalars[0], y });
}

/// The second pass over a row finds it in the cache.
struct Rows<'a, T> {
    x: &'a [T],
    weight: &'a [T],
    eps: f64,
    y: &'a mut [T],
}

impl<T: Stored> pulp::NullaryFnOnce for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { x, weight, eps, y } = self;
        let cols = weight.len();
        for (x, y) in x.chunks_exact(cols).zip(y.chunks_exact_mut(cols)) {
            let scale = T::Wide::rounded(1.0 / (sum(x, |x| x * x) / cols as f64 + eps).sqrt());
            for ((y, x), weight) in y.iter_mut().zip(x).zip(weight) {
                *y = T::narrow(x.wide() * scale * weight.wide());
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
