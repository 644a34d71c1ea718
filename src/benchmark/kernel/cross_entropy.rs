//! Cross entropy of the softmax of each row, forward: how unlikely its target is.

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
    let (x, targets, cols) = (inputs[0].of::<T>(), inputs[1].of(), inputs[0].shape[1]);
    cpu.dispatch(Rows { x, targets, cols, loss: outputs[0].of() });
}

struct Rows<'a, T> {
    x: &'a [T],
    targets: &'a [i32],
    cols: usize,
    loss: &'a mut [f32],
}

impl<T: Stored<Wide = f32>> pulp::NullaryFnOnce for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let rows = self.x.chunks_exact(self.cols).zip(self.targets);
        for (loss, (x, target)) in self.loss.iter_mut().zip(rows) {
            let most = largest(x);
            let sum = sum(x, |x| (x - most).exp());
            *loss = (sum.ln() + f64::from(most) - f64::from(x[*target as usize].wide())) as f32;
        }
    }
}

fn expected(inputs: &[Values<'_>], _: &[f64], at: usize, loss: &mut [Expected]) {
    let targets = inputs[1].read(at..at + loss.len());
    for (row, (loss, target)) in loss.iter_mut().zip(targets).enumerate() {
        let x = inputs[0].row(at + row);
        let most = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum = exact_sum(x.iter().map(|x| (x - most).exp()));
        let of_target = x[target as usize];
        let value = sum.ln() + most - of_target;
        *loss = Expected { value, scale: sum.ln() + most.abs() + of_target.abs() };
    }
}
