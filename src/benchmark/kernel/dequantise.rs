//! Numbers of e4m3, times the scale of their row.

use float8::F8E4M3;

use super::*;

pub(super) const CODE: Code = Code {
    host: for_singles!(host),
    cublas_lt: false,
    check: Check { expected: &[expected], suspects: None },
};

fn host<T: Stored<Wide = f32>>(
    cpu: pulp::Arch,
    inputs: &[View<'_>],
    _: &[f64],
    outputs: &mut [ViewMut<'_>],
) {
    let (q, scales, cols) = (inputs[0].of(), inputs[1].of(), inputs[0].shape[1]);
    cpu.dispatch(Rows { q, scales, cols, y: outputs[0].of::<T>() });
}

struct Rows<'a, T> {
    q: &'a [F8E4M3],
    scales: &'a [f32],
    cols: usize,
    y: &'a mut [T],
}

impl<T: Stored<Wide = f32>> pulp::NullaryFnOnce for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let rows = self.q.chunks_exact(self.cols).zip(self.y.chunks_exact_mut(self.cols));
        for ((q, y), scale) in rows.zip(self.scales) {
            for (y, q) in y.iter_mut().zip(q) {
                *y = T::narrow(q.wide() * scale);
            }
        }
    }
}

fn expected(inputs: &[Values<'_>], _: &[f64], at: usize, y: &mut [Expected]) {
    let row = at / y.len();
    let scale = inputs[1].read(row..row + 1)[0];
    y.iter_mut().zip(inputs[0].row(row)).for_each(|(y, q)| *y = Expected::of(q * scale));
}
