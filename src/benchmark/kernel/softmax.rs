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

#[inline(always)]
fn largest<T: Real>(row: &[T]) -> T {
    let larger = |a: T, b: T| if b > a { b } else { a };
    let mut most = [row[0]; LANES];
    let (vectors, rest) = row.as_chunks::<LANES>();
    for vector in vectors {
        for (most, x) in most.iter_mut().zip(vector) {
            *most = larger(*most, *x);
        }
    }
    most.into_iter().chain(rest.iter().copied()).fold(row[0], larger)
}

/// y = exp(x − most), and its sum.
#[inline(always)]
fn exponentials<T: Exponential>(x: &[T], most: T, y: &mut [T]) -> f64 {
    for (x, y) in x.iter().zip(&mut *y) {
        *y = (*x - most).exp();
    }
    let mut sums = [T::of(0); LANES];
    let (vectors, rest) = y.as_chunks::<LANES>();
    for vector in vectors {
        for (sum, y) in sums.iter_mut().zip(vector) {
            *sum = *sum + *y;
        }
    }
    sums.into_iter().chain(rest.iter().copied()).map(T::to_f64).sum()
}

fn expected(inputs: &[Values<'_>], _: &[f64], at: usize, y: &mut [Expected]) {
    let x = inputs[0].row(at / y.len());
    let most = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum = exact_sum(x.iter().map(|x| (x - most).exp()));
    y.iter_mut().zip(x).for_each(|(y, x)| *y = Expected::of((x - most).exp() / sum));
}

/// A float that has an exponential.
trait Exponential: Real {
    /// e to the power of `self`, which is at most 0, without a branch, so that compilers make vectors of it: 2^n times a
    /// polynomial in the rest, |rest| ≤ ln(2)/2 (Cody and Waite, 1980). Below the smallest normal number it is 0.
    fn exp(self) -> Self;
}

macro_rules! exponential {
    ($type:ident, digits: $digits:expr, bias: $bias:expr, lowest: $lowest:expr, ln_2: $high:expr, $low:expr,
     degree: $degree:expr) => {
        impl Exponential for $type {
            #[inline(always)]
            fn exp(self) -> Self {
                // Adding this leaves the nearest whole number in the lowest bits.
                const ROUND: $type = 1.5 * (1u64 << $digits) as $type;
                // 1/k!: on so short an interval Taylor's series is as good as any with one term less.
                const FACTORS: [$type; $degree + 1] = {
                    let mut factors = [1.0; $degree + 1];
                    let (mut k, mut factorial) = (1, 1.0);
                    while k <= $degree {
                        factorial *= k as f64;
                        factors[k] = (1.0 / factorial) as $type;
                        k += 1;
                    }
                    factors
                };
                let shifted = self * std::$type::consts::LOG2_E + ROUND;
                let n = shifted - ROUND;
                // ln(2) in two parts, the first so short that n times it is exact (Cephes).
                let rest = self - n * $high - n * $low;
                let polynomial = FACTORS.iter().rev().fold(0.0, |sum, factor| sum * rest + factor);
                let power = Self::from_bits(shifted.to_bits().wrapping_add($bias) << $digits);
                if self < $lowest { 0.0 } else { polynomial * power }
            }
        }
    };
}

exponential!(f32, digits: 23, bias: 127, lowest: -87.33, ln_2: 355.0 / 512.0, -2.121_944_4e-4, degree: 7);
exponential!(f64, digits: 52, bias: 1023, lowest: -708.39, ln_2: 22_713.0 / 32_768.0,
      1.428_606_820_309_417_2e-6, degree: 13);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_as_exact_as_the_types() {
        for i in 0..=100_000 {
            let x = -7e-3 * f64::from(i);
            let relative = |got: f64, expected: f64| (got / expected - 1.0).abs();
            let error = relative(Exponential::exp(x), x.exp());
            assert!(error < 2.0 * f64::EPSILON, "{x}: {error}");
            let (x, limit) = (x as f32 / 8.02, 2.0 * f64::from(f32::EPSILON));
            let error = relative(Exponential::exp(x).to_f64(), f64::from(x).exp());
            assert!(error < limit, "{x}: {error}");
        }
        assert_eq!((Exponential::exp(0f32), Exponential::exp(0f64)), (1.0, 1.0));
        for x in [-88.0, -1e30, f32::NEG_INFINITY] {
            assert_eq!(Exponential::exp(x), 0.0);
        }
        assert!(Exponential::exp(f32::NAN).is_nan() && Exponential::exp(f64::NAN).is_nan());
    }

    #[test]
    fn what_is_no_number_spoils_its_row_and_no_other() {
        let x = [0.0, f64::NAN, 1.0, 2.0, f64::NEG_INFINITY, 2.0];
        let mut y = [7.0; 6];
        host(pulp::Arch::new(), &[View { data: &x, shape: &[2, 3] }], &[], &mut y);
        assert!(y[..3].iter().all(|y| y.is_nan()), "{y:?}");
        assert_eq!(y[3..], [0.5, 0.0, 0.5]);
    }
}
