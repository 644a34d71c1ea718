//! The transpose of a matrix.

use super::*;

pub(super) const CODE: Code = Code {
    host: Host::Own { f32: host, f64: host },
    cublas_lt: false,
    check: Check { expected, suspects: None },
};

/// Rows and columns of a tile: each of its rows is a cache line of f32.
const TILE: usize = 16;

fn host<T: Copy>(_: pulp::Arch, inputs: &[View<'_, T>], _: &[f64], y: &mut [T]) {
    let &View { data: x, shape: &[rows, cols] } = &inputs[0] else { return };
    for top in (0..rows).step_by(TILE) {
        let height = TILE.min(rows - top);
        for left in (0..cols).step_by(TILE) {
            for column in left..cols.min(left + TILE) {
                let y = &mut y[column * rows + top..][..height];
                for (y, x) in y.iter_mut().zip(x[top * cols + column..].iter().step_by(cols)) {
                    *y = *x;
                }
            }
        }
    }
}

fn expected(inputs: &[Values<'_>], _: &[f64], at: usize, y: &mut [Expected]) {
    let (column, cols) = (at / y.len(), inputs[0].shape[1]);
    for (row, y) in y.iter_mut().enumerate() {
        let place = row * cols + column;
        *y = Expected::of(inputs[0].read(place..place + 1)[0]);
    }
}
