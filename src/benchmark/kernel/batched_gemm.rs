//! C = A·B of each of a batch, dense and row-major. The matrices of a batch lie below each other.

use super::*;

pub(super) const CODE: Code = Code {
    host: product::HOST,
    cublas_lt: false,
    check: Check { expected: &[expected], suspects: Some(suspects) },
};

/// How many products there are.
fn products(inputs: &[Values<'_>]) -> usize {
    inputs[1].shape[0] / inputs[0].shape[1]
}

fn expected(inputs: &[Values<'_>], _: &[f64], at: usize, c: &mut [Expected]) {
    let row = at / c.len();
    let item = row * products(inputs) / inputs[0].shape[0];
    let terms = inputs[0].row(row);
    let mut sums = vec![0.0; c.len()];
    for (l, a) in terms.iter().enumerate() {
        let b = inputs[1].row(item * terms.len() + l);
        sums.iter_mut().zip(b).for_each(|(sum, b)| *sum += a * b);
    }
    c.iter_mut().zip(sums).for_each(|(c, sum)| *c = Expected::of(sum));
}

fn suspects(inputs: &[Values<'_>], _: &[f64], c: &Values<'_>) -> Vec<usize> {
    let x = freivalds(c.shape[1]);
    let turned = times(&inputs[1], &x);
    let (k, rows) = (inputs[0].shape[1], c.shape[0] / products(inputs));
    let expected = |row: usize| {
        let item = row / rows;
        scalar_product(&inputs[0].row(row), &turned[item * k..(item + 1) * k])
    };
    // Not a number is not the right one.
    let differs = |row: &usize| expected(*row) != scalar_product(&c.row(*row), &x);
    (0..c.shape[0]).filter(differs).collect()
}
