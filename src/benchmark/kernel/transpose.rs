//! The transpose of a matrix.

use super::*;

pub(super) const CODE: Code = Code {
    host: for_numbers!(host),
    cublas_lt: false,
    check: Check { expected: &[expected], suspects: None },
};

fn host<T: Number>(
    _: pulp::Arch,
    inputs: &[View<'_>],
    constants: &[f64],
    outputs: &mut [ViewMut<'_>],
) {
    let y = outputs[0].of::<T>();
    let (x, &[rows, cols]) = (inputs[0].of::<T>(), inputs[0].shape) else { return };
    let tile = constants[0] as usize;
    for top in (0..rows).step_by(tile) {
        let height = tile.min(rows - top);
        for left in (0..cols).step_by(tile) {
            for column in left..cols.min(left + tile) {
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
