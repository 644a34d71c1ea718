//! Each row of a matrix as numbers of e4m3 and a scale.

use float8::F8E4M3;

use super::*;

pub(super) const CODE: Code = Code {
    host: for_singles!(host),
    cublas_lt: false,
    check: Check { expected: &[expected_numbers, expected_scales], suspects: None },
};

/// The largest number of e4m3.
const LARGEST: f32 = 448.0;

/// What a row whose largest absolute value is this is multiplied with, and its scale; both as CPUs and GPUs divide.
fn factor_and_scale(largest: f32) -> (f32, f32) {
    if largest > 0.0 { (LARGEST / largest, largest / LARGEST) } else { (1.0, 1.0) }
}

fn host<T: Stored<Wide = f32>>(
    cpu: pulp::Arch,
    inputs: &[View<'_>],
    _: &[f64],
    outputs: &mut [ViewMut<'_>],
) {
    let [q, scales] = outputs else { return };
    let (x, cols) = (inputs[0].of::<T>(), inputs[0].shape[1]);
    cpu.dispatch(Rows { x, cols, q: q.of(), scales: scales.of() });
}

struct Rows<'a, T> {
    x: &'a [T],
    cols: usize,
    q: &'a mut [F8E4M3],
    scales: &'a mut [f32],
}

impl<T: Stored<Wide = f32>> pulp::NullaryFnOnce for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let rows = self.x.chunks_exact(self.cols).zip(self.q.chunks_exact_mut(self.cols));
        for ((x, q), to) in rows.zip(self.scales) {
            // Both ends, because whether a number is negative is no matter of order.
            let highest = largest(x);
            let lowest =
                x.iter().fold(highest, |low, x| if x.wide() < low { x.wide() } else { low });
            let (factor, scale) = factor_and_scale(highest.max(-lowest));
            *to = scale;
            for (q, x) in q.iter_mut().zip(x) {
                *q = F8E4M3::narrow(x.wide() * factor);
            }
        }
    }
}

fn largest_of(x: &[f64]) -> f32 {
    x.iter().fold(0.0, |most, x| f64::max(most, x.abs())) as f32
}

/// In f32, as there is one right result for each bit.
fn expected_numbers(inputs: &[Values<'_>], _: &[f64], at: usize, q: &mut [Expected]) {
    let x = inputs[0].row(at / q.len());
    let (factor, _) = factor_and_scale(largest_of(&x));
    q.iter_mut().zip(x).for_each(|(q, x)| *q = Expected::of((x as f32 * factor).into()));
}

fn expected_scales(inputs: &[Values<'_>], _: &[f64], at: usize, scales: &mut [Expected]) {
    by_row(inputs, at, scales, |[x]| Expected::of(factor_and_scale(largest_of(&x)).1.into()));
}
