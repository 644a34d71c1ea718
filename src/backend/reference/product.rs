//! Matrices whose product is known exactly, and the check of a product.

use super::Number;
use crate::base::accuracy::Accuracy;
use crate::base::random::Stream as Random;
use crate::benchmark::work::Gemm;

/// A product C = A·B to be checked; all matrices row-major.
#[derive(Debug, Clone, Copy)]
pub(in crate::backend) struct Product<'a, T> {
    /// The sides.
    pub(in crate::backend) shape: Gemm,
    /// m×k.
    pub(in crate::backend) a: &'a [T],
    /// k×n.
    pub(in crate::backend) b: &'a [T],
    /// m×n, what was computed.
    pub(in crate::backend) c: &'a [T],
}

/// Fills A and B of a product with random whole numbers, so small that every sum of products stays
/// below 2^24 (7 standard deviations below, for k of 2^20): f32 accumulators hold it exactly in any
/// order. Those of B need 12 bits, more than TF32 has, so that a product in TF32 shows. In the 16-bit
/// types, which hold far fewer whole numbers, entries are −1, 0 and 1, with so many zeros that a sum beyond
/// the type's exact range is 7 standard deviations away; one that occurs is rounded once, at the end.
pub(in crate::backend) fn fill<T: Number>(shape: &Gemm, a: &mut [T], b: &mut [T]) {
    let mut random = Random::new(0, "gemm", &[]);
    let narrow = T::EXACT < 1 << 24;
    let amplitudes = [1, if narrow || shape.k > 1 << 20 { 1 } else { 4095 }];
    let share = if narrow { T::EXACT as f64 / (7.0 * (shape.k as f64).sqrt()) } else { 1.0 };
    for (matrix, amplitude) in [a, b].into_iter().zip(amplitudes) {
        // Of `slots` equally likely values the middle one and the surplus are zero.
        let values = 2 * amplitude + 1;
        let slots = if share < 1.0 { ((values - 1) as f64 / share).ceil() as i64 } else { values };
        for value in matrix {
            let slot = random.below(slots as usize) as i64;
            *value = T::of(if slot < values { slot - amplitude } else { 0 });
        }
    }
}

impl<T: Number> Product<'_, T> {
    /// Compares every element with the reference.
    pub(in crate::backend) fn check(&self) -> Accuracy {
        let n = self.shape.n;
        let mut accuracy = Accuracy { checked: self.c.len() as u64, ..Accuracy::default() };
        for row in self.suspicious_rows() {
            let got = self.c[row * n..][..n].iter();
            let elements = self.reference_row(row).into_iter().zip(got);
            let exact =
                |(expected, got): (f64, &T)| (T::rounded(expected).to_f64(), got.to_f64(), 0.0);
            let mut wrong = Accuracy::compare(elements.map(exact));
            if let Some(first) = &mut wrong.first_wrong {
                first.index += (row * n) as u64;
            }
            accuracy.wrong += wrong.wrong;
            accuracy.max_abs = accuracy.max_abs.max(wrong.max_abs);
            accuracy.max_rel = accuracy.max_rel.max(wrong.max_rel);
            accuracy.rmse += wrong.rmse * wrong.rmse * n as f64 / self.c.len() as f64;
            accuracy.first_wrong = accuracy.first_wrong.or(wrong.first_wrong);
        }
        accuracy.rmse = accuracy.rmse.sqrt();
        accuracy
    }

    /// Row `i` of the product, exactly.
    fn reference_row(&self, i: usize) -> Vec<f64> {
        let Gemm { n, k, .. } = self.shape;
        let mut row = vec![0.0; n];
        for (a, b) in self.a[i * k..][..k].iter().zip(self.b.chunks_exact(n)) {
            for (sum, b) in row.iter_mut().zip(b) {
                *sum += a.to_f64() * b.to_f64();
            }
        }
        row
    }

    /// Rows whose product with a vector differs from the reference's: Freivalds' check (1977), one
    /// pass over each matrix instead of the product again. The vectors are positive, so that one
    /// wrong element always shows, and whole, so that the sums are exact.
    fn suspicious_rows(&self) -> Vec<usize> {
        let Gemm { n, k, .. } = self.shape;
        let mut random = Random::new(0, "freivalds", &[]);
        let x: Vec<f64> = (0..n).map(|_| 1.0 + random.below(1000) as f64).collect();
        let times = |matrix: &[T], width: usize, vector: &[f64]| -> Vec<f64> {
            let dot = |row: &[T]| row.iter().zip(vector).map(|(m, v)| m.to_f64() * v).sum();
            matrix.chunks_exact(width).map(dot).collect()
        };
        let expected = times(self.a, k, &times(self.b, n, &x));
        let got = times(self.c, n, &x);
        let differs = |(_, (expected, got)): &(usize, (f64, f64))| expected != got;
        let rows = expected.into_iter().zip(got).enumerate().filter(differs);
        rows.map(|(row, _)| row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::work::Element;
    use half::{bf16, f16};

    /// The product by definition, rounded once.
    fn multiplied<T: Number>(shape: Gemm, a: &[T], b: &[T]) -> Vec<T> {
        let product = Product { shape, a, b, c: &[] };
        (0..shape.m).flat_map(|i| product.reference_row(i)).map(T::rounded).collect()
    }

    fn planted_error_is_named<T: Number>(m: usize, n: usize, k: usize, element: Element) {
        let shape = Gemm { m, n, k, element };
        let (mut a, mut b) = (vec![T::default(); m * k], vec![T::default(); k * n]);
        fill(&shape, &mut a, &mut b);
        let mut c = multiplied(shape, &a, &b);
        let accuracy = Product { shape, a: &a, b: &b, c: &c }.check();
        assert_eq!((accuracy.checked, accuracy.wrong), ((m * n) as u64, 0), "{shape:?}");
        let last = m * n - 1;
        c[last] = T::of(c[last].to_f64() as i64 + 1);
        let accuracy = Product { shape, a: &a, b: &b, c: &c }.check();
        assert_eq!(accuracy.first_wrong.map(|wrong| wrong.index), Some(last as u64), "{shape:?}");
    }

    #[test]
    fn a_planted_error_is_named_in_every_type() {
        for (m, n, k) in [(1, 1, 1), (3, 5, 7), (64, 17, 33), (40, 30, 2000)] {
            planted_error_is_named::<f32>(m, n, k, Element::F32);
            planted_error_is_named::<f64>(m, n, k, Element::F64);
            planted_error_is_named::<f16>(m, n, k, Element::F16);
            planted_error_is_named::<bf16>(m, n, k, Element::Bf16);
        }
    }

    #[test]
    fn a_product_in_tf32_shows() {
        let shape = Gemm { m: 8, n: 8, k: 64, element: Element::F32 };
        let (mut a, mut b) = (vec![0f32; 8 * 64], vec![0f32; 64 * 8]);
        fill(&shape, &mut a, &mut b);
        // TF32 keeps 10 of the 23 bits of an f32's fraction.
        let narrowed: Vec<f32> = b.iter().map(|b| f32::from_bits(b.to_bits() & !0x1fff)).collect();
        let c = multiplied(shape, &a, &narrowed);
        assert!(Product { shape, a: &a, b: &b, c: &c }.check().wrong > 0);
    }

    #[test]
    fn narrow_types_get_entries_whose_sums_they_hold() {
        let shape = Gemm { m: 16, n: 16, k: 8192, element: Element::Bf16 };
        let (mut a, mut b) = (vec![bf16::ZERO; 16 * 8192], vec![bf16::ZERO; 16 * 8192]);
        fill(&shape, &mut a, &mut b);
        let product = Product { shape, a: &a, b: &b, c: &[] };
        assert!((0..16).all(|i| product.reference_row(i).iter().all(|sum| sum.abs() <= 256.0)));
        let zeros = a.iter().filter(|value| **value == bf16::ZERO).count();
        assert!(zeros < a.len() * 4 / 5, "{zeros} of {} are zero", a.len());
    }
}
