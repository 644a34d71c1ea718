//! Softmax of the rows of a matrix, forward; all of each, or as far as a token sees.

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
    let (y, is_causal) = (outputs[0].of::<T>(), scalars[0] > 0.0);
    cpu.dispatch(Rows { x: inputs[0].of::<T>(), cols: inputs[0].shape[1], is_causal, y });
}

/// How many columns a row sees.
fn seen(row: usize, cols: usize, is_causal: bool) -> usize {
    if is_causal { row % cols + 1 } else { cols }
}

/// Of each row first the largest element is found, so that no exponential overflows; the later passes find the row in
/// the cache. No closure: `call` and what it calls must be inlined to get the widest vectors.
struct Rows<'a, T> {
    x: &'a [T],
    cols: usize,
    is_causal: bool,
    y: &'a mut [T],
}

impl<T: Stored> pulp::NullaryFnOnce for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { x, cols, is_causal, y } = self;
        let rows = x.chunks_exact(cols).zip(y.chunks_exact_mut(cols));
        for (row, (x, y)) in rows.enumerate() {
            let seen = seen(row, cols, is_causal);
            let (x, (y, hidden)) = (&x[..seen], y.split_at_mut(seen));
            hidden.fill(T::of(0));
            let most = largest(x);
            let mut sum = 0.0;
            for (x, y) in x.chunks(PIECE).zip(y.chunks_mut(PIECE)) {
                sum += exponentials(x, most, y);
            }
            let scale = T::Wide::rounded(1.0 / sum);
            for (y, x) in y.iter_mut().zip(x) {
                // Narrow types do not keep them exactly enough.
                let power = if keeps::<T>() { y.wide() } else { (x.wide() - most).exp() };
                *y = T::narrow(power * scale);
            }
        }
    }
}

/// Whether a type holds what is computed with it.
const fn keeps<T: Stored>() -> bool {
    size_of::<T>() == size_of::<T::Wide>()
}

/// The sum of exp(x − most), which are put into y where it keeps them.
#[inline(always)]
fn exponentials<T: Stored>(x: &[T], most: T::Wide, y: &mut [T]) -> f64 {
    if keeps::<T>() {
        for (x, y) in x.iter().zip(&mut *y) {
            *y = T::narrow((x.wide() - most).exp());
        }
        return sum(y, |y| y);
    }
    let mut powers = [T::Wide::of(0); PIECE];
    for (x, power) in x.iter().zip(&mut powers) {
        *power = (x.wide() - most).exp();
    }
    sum(&powers[..x.len()], |power| power)
}

fn expected(inputs: &[Values<'_>], scalars: &[f64], at: usize, y: &mut [Expected]) {
    let (row, cols) = (at / y.len(), y.len());
    let mut x = inputs[0].row(row);
    x[seen(row, cols, scalars[0] > 0.0)..].fill(f64::NEG_INFINITY);
    let most = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum = exact_sum(x.iter().map(|x| (x - most).exp()));
    y.iter_mut().zip(x).for_each(|(y, x)| *y = Expected::of((x - most).exp() / sum));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::{bytes_of, bytes_of_mut};

    #[test]
    fn what_is_no_number_spoils_its_row_and_no_other() {
        let x = [0.0, f64::NAN, 1.0, 2.0, f64::NEG_INFINITY, 2.0];
        let mut y = [7f64; 6];
        let input = View::new(Element::F64, bytes_of(&x), &[2, 3]);
        let output = ViewMut::new(Element::F64, bytes_of_mut(&mut y), &[2, 3]);
        host::<f64>(pulp::Arch::new(), &[input], &[0.0], &mut [output]);
        assert!(y[..3].iter().all(|y| y.is_nan()), "{y:?}");
        assert_eq!(y[3..], [0.5, 0.0, 0.5]);
    }

    #[test]
    fn what_a_row_does_not_see_is_not_counted() {
        let softmax = KERNELS.iter().find(|kernel| kernel.name == "softmax").unwrap();
        for (rows, cols) in [(1, 1), (1, 33), (33, 33), (34, 33), (65, 33), (66, 33), (100, 7)] {
            for causal in [0, 1] {
                let sizes = [("rows", rows), ("cols", cols), ("causal", causal)];
                let problem = sizes.map(|(key, size)| (key.to_owned(), Setting::Number(size)));
                let run = softmax.run(&problem.into(), Element::F16).unwrap();
                let row = |row| seen(row, cols as usize, causal == 1) as u64 + cols;
                let expected: u64 = (0..rows as usize).map(row).sum();
                assert_eq!(run.memory_traffic(), Some(2 * expected), "{rows} {cols} {causal}");
            }
        }
    }
}
