//! Rows of a table, by their numbers.

use super::*;

pub(super) const CODE: Code = Code {
    host: for_numbers!(host),
    cublas_lt: false,
    check: Check { expected: &[expected], suspects: None },
};

fn host<T: Number>(_: pulp::Arch, inputs: &[View<'_>], _: &[f64], outputs: &mut [ViewMut<'_>]) {
    let (table, dim) = (inputs[0].of::<T>(), inputs[0].shape[1]);
    let rows = outputs[0].of::<T>().chunks_exact_mut(dim);
    for (y, id) in rows.zip(inputs[1].of::<i32>()) {
        y.copy_from_slice(&table[*id as usize * dim..][..dim]);
    }
}

fn expected(inputs: &[Values<'_>], _: &[f64], at: usize, y: &mut [Expected]) {
    let token = at / y.len();
    let id = inputs[1].read(token..token + 1)[0] as usize;
    y.iter_mut().zip(inputs[0].row(id)).for_each(|(y, value)| *y = Expected::of(value));
}
