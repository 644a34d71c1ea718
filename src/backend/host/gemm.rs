//! Matrix products by the `gemm` crate, on one thread.
//!
//! Chosen by measurement against OpenBLAS, matrixmultiply and faer (docs/results/): the fastest on
//! AVX-512 in both precisions. One thread, because a rank drives one core.
#![expect(unsafe_code, reason = "the gemm crate takes pointers and strides")]

use super::buffer::Buffer;
use super::number::{Number, no_such_type};
use super::{Accuracy, Operation};
use crate::error::Result;
use crate::fault::{Fault, is_planted};
use crate::progress::Phase;
use crate::random::Stream as Random;
use crate::work::{Element, Gemm};

/// Prepares a product.
///
/// # Errors
/// Unsupported for integers, and when memory is short.
pub(super) fn prepare(gemm: &Gemm) -> Result<Box<dyn Operation>> {
    match gemm.element {
        Element::F32 => Ok(Box::new(Product::<f32>::new(gemm)?)),
        Element::F64 => Ok(Box::new(Product::<f64>::new(gemm)?)),
        other => Err(no_such_type("gemm", other)),
    }
}

/// Three matrices, row-major.
struct Product<T> {
    shape: Gemm,
    a: Buffer<T>,
    b: Buffer<T>,
    c: Buffer<T>,
}

/// Largest absolute value of an element. Products and their sums stay whole numbers below 2^24, which
/// both types hold exactly, so the right answer does not depend on the order of summation.
fn amplitude(k: usize) -> i64 {
    if k <= 1 << 20 { 4 } else { 1 }
}

impl<T: Number> Product<T> {
    fn new(shape: &Gemm) -> Result<Self> {
        let mut random = Random::new(0, "gemm", &[]);
        let span = 2 * amplitude(shape.k) + 1;
        let mut fill = |len: usize| -> Result<Buffer<T>> {
            let mut matrix = Buffer::new(len, T::default())?;
            for value in &mut *matrix {
                *value = T::of(random.below(span as usize) as i64 - span / 2);
            }
            Ok(matrix)
        };
        let (a, b) = (fill(shape.m * shape.k)?, fill(shape.k * shape.n)?);
        Ok(Self { shape: *shape, a, b, c: Buffer::new(shape.m * shape.n, T::default())? })
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
    fn wrong_rows(&self) -> Vec<usize> {
        let Gemm { n, k, .. } = self.shape;
        let mut random = Random::new(0, "freivalds", &[]);
        let x: Vec<f64> = (0..n).map(|_| 1.0 + random.below(1000) as f64).collect();
        let times = |matrix: &[T], width: usize, vector: &[f64]| -> Vec<f64> {
            let dot = |row: &[T]| row.iter().zip(vector).map(|(m, v)| m.to_f64() * v).sum();
            matrix.chunks_exact(width).map(dot).collect()
        };
        let expected = times(&self.a, k, &times(&self.b, n, &x));
        let got = times(&self.c, n, &x);
        let differs = |(_, (expected, got)): &(usize, (f64, f64))| expected != got;
        let rows = expected.into_iter().zip(got).enumerate().filter(differs);
        rows.map(|(row, _)| row).collect()
    }
}

impl<T: Number> Operation for Product<T> {
    fn run(&mut self) {
        let Gemm { m, n, k, .. } = self.shape;
        // SAFETY: the three buffers hold m·n, m·k and k·n elements, c overlaps neither, and the
        // strides (columns 1 apart, rows n, k and n apart) keep every access inside them.
        unsafe {
            gemm::gemm(
                m,
                n,
                k,
                self.c.as_mut_ptr(),
                1,
                n as isize,
                false,
                self.a.as_ptr(),
                1,
                k as isize,
                self.b.as_ptr(),
                1,
                n as isize,
                T::of(0),
                T::of(1),
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    }

    fn verify(&mut self) -> Accuracy {
        self.run();
        if is_planted(Fault::Wrong, Phase::Verify) {
            let middle = self.c.len() / 2;
            self.c[middle] = T::of(1 << 20);
        }
        let n = self.shape.n;
        let mut accuracy = Accuracy { checked: self.c.len() as u64, ..Accuracy::default() };
        for row in self.wrong_rows() {
            let got = self.c[row * n..][..n].iter();
            let elements = self.reference_row(row).into_iter().zip(got);
            let mut wrong = Accuracy::compare(elements.map(|(e, got)| (e, got.to_f64(), 0.0)));
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_odd_shapes_are_right_and_a_planted_error_is_named() {
        for (m, n, k) in [(1, 1, 1), (3, 5, 7), (64, 17, 33), (130, 70, 257)] {
            for element in Element::FLOATS {
                let shape = Gemm { m, n, k, element };
                let accuracy = prepare(&shape).unwrap().verify();
                assert_eq!((accuracy.checked, accuracy.wrong), ((m * n) as u64, 0), "{shape:?}");
            }
            let mut product =
                Product::<f32>::new(&Gemm { m, n, k, element: Element::F32 }).unwrap();
            product.run();
            let last = m * n - 1;
            let right = product.c[last];
            product.c[last] += 1.0;
            assert_eq!(product.wrong_rows(), [m - 1]);
            assert_eq!(product.reference_row(m - 1)[n - 1], f64::from(right));
        }
        assert!(prepare(&Gemm { m: 1, n: 1, k: 1, element: Element::I32 }).is_err());
    }
}
