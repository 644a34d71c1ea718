//! Softmax of the rows of a matrix, forward.

use super::*;

pub(super) const CODE: Code = Code {
    host: Host::Own { f32: host, f64: host },
    cublas_lt: false,
    check: Check { expected, suspects: None },
};

fn host<T: Exponential>(cpu: pulp::Arch, inputs: &[View<'_, T>], _: &[f64], y: &mut [T]) {
    cpu.dispatch(Rows { x: inputs[0], y });
}

/// Of each row first the largest element is found, so that no exponential overflows; the later passes find the row in
/// the cache. No closure: `call` and what it calls must be inlined to get the widest vectors.
struct Rows<'a, T> {
    x: View<'a, T>,
    y: &'a mut [T],
}

impl<T: Exponential> pulp::NullaryFnOnce for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let cols = self.x.shape[1];
        for (x, y) in self.x.data.chunks_exact(cols).zip(self.y.chunks_exact_mut(cols)) {
            let most = largest(x);
            let mut sum = 0.0;
            for (x, y) in x.chunks(PIECE).zip(y.chunks_mut(PIECE)) {
                sum += exponentials(x, most, y);
            }
            let scale = T::rounded(1.0 / sum);
            for y in y {
                *y = *y * scale;
            }
        }
    }
}

/// y = exp(x − most), and its sum.
#[inline(always)]
fn exponentials<T: Exponential>(x: &[T], most: T, y: &mut [T]) -> f64 {
    for (x, y) in x.iter().zip(&mut *y) {
        *y = (*x - most).exp();
    }
    sum(y, |y| y)
}

fn expected(inputs: &[Values<'_>], _: &[f64], at: usize, y: &mut [Expected]) {
    let x = inputs[0].row(at / y.len());
    let most = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum = exact_sum(x.iter().map(|x| (x - most).exp()));
    y.iter_mut().zip(x).for_each(|(y, x)| *y = Expected::of((x - most).exp() / sum));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_spoils_its_row_and_no_other() {
        let x = [0.0, f64::NAN, 1.0, 2.0, f64::NEG_INFINITY, 2.0];
        let mut y = [7.0; 6];
        host(pulp::Arch::new(), &[View { data: &x, shape: &[2, 3] }], &[], &mut y);
        assert!(y[..3].iter().all(|y| y.is_nan()), "{y:?}");
        assert_eq!(y[3..], [0.5, 0.0, 0.5]);
    }
}
