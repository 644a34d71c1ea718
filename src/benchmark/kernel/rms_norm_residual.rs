//! Root mean square normalisation of the sum of two matrices, row by row, with the sum: what stands between the layers of a
//! transformer, in one pass.

use super::*;

pub(super) const CODE: Code = Code {
    host: for_floats!(host),
    cublas_lt: false,
    check: Check { expected: &[expected_sum, expected], suspects: None },
};

fn host<T: Stored>(
    cpu: pulp::Arch,
    inputs: &[View<'_>],
    scalars: &[f64],
    outputs: &mut [ViewMut<'_>],
) {
    let [x, residual, weight] = [0, 1, 2].map(|input| inputs[input].of::<T>());
    let [sum, y] = outputs else { return };
    let (sum, y, eps) = (sum.of(), y.of(), scalars[0]);
    cpu.dispatch(Rows { x, residual, weight, eps, sum, y });
}

/// The second pass over a row finds it in the cache, and adds once more: the sum in memory is rounded.
struct Rows<'a, T> {
    x: &'a [T],
    residual: &'a [T],
    weight: &'a [T],
    eps: f64,
    sum: &'a mut [T],
    y: &'a mut [T],
}

impl<T: Stored> pulp::NullaryFnOnce for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { x, residual, weight, eps, sum, y } = self;
        let cols = weight.len();
        let inputs = x.chunks_exact(cols).zip(residual.chunks_exact(cols));
        let outputs = sum.chunks_exact_mut(cols).zip(y.chunks_exact_mut(cols));
        for ((x, residual), (sum, y)) in inputs.zip(outputs) {
            let squares = sum_of_pairs(x, residual, |x, other| (x + other) * (x + other));
            let scale = T::Wide::rounded(1.0 / (squares / cols as f64 + eps).sqrt());
            let inputs = x.iter().zip(residual).zip(weight);
            for ((sum, y), ((x, other), weight)) in sum.iter_mut().zip(y).zip(inputs) {
                let whole = x.wide() + other.wide();
                *sum = T::narrow(whole);
                *y = T::narrow(whole * scale * weight.wide());
            }
        }
    }
}

fn expected_sum(inputs: &[Values<'_>], _: &[f64], at: usize, sum: &mut [Expected]) {
    by_element(inputs, at, sum, |[x, residual]| Expected::of(x + residual));
}

fn expected(inputs: &[Values<'_>], scalars: &[f64], at: usize, y: &mut [Expected]) {
    let row = at / y.len();
    let (x, residual) = (inputs[0].row(row), inputs[1].row(row));
    let sum: Vec<f64> = x.iter().zip(residual).map(|(x, other)| x + other).collect();
    let squares = exact_sum(sum.iter().map(|sum| sum * sum));
    let scale = 1.0 / (squares / sum.len() as f64 + scalars[0]).sqrt();
    for ((y, sum), weight) in y.iter_mut().zip(sum).zip(inputs[2].row(0)) {
        *y = Expected::of(sum * scale * weight);
    }
}
