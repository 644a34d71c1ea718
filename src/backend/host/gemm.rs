//! Matrix products by the `gemm` crate, on one thread.
//!
//! Chosen by measurement against OpenBLAS, matrixmultiply and faer (docs/results/): the fastest on
//! AVX-512 in both precisions. One thread, because a rank drives one core.
#![expect(unsafe_code, reason = "the gemm crate takes pointers and strides")]

use super::buffer::Buffer;
use super::{Accuracy, Operation};
use crate::backend::reference::{Number, Product, fill_product, no_such_type};
use crate::base::error::Result;
use crate::benchmark::work::{Element, Gemm};
use crate::world::fault::{Fault, is_planted};
use crate::world::progress::Phase;

/// Prepares a product.
///
/// # Errors
/// Unsupported for integers and 16-bit floats, and when memory is short.
pub(super) fn prepare(gemm: &Gemm) -> Result<Box<dyn Operation>> {
    match gemm.element {
        Element::F32 => Ok(Box::new(Matrices::<f32>::new(gemm)?)),
        Element::F64 => Ok(Box::new(Matrices::<f64>::new(gemm)?)),
        other => Err(no_such_type("gemm on CPUs", other)),
    }
}

/// Three matrices, row-major.
struct Matrices<T> {
    shape: Gemm,
    a: Buffer<T>,
    b: Buffer<T>,
    c: Buffer<T>,
}

impl<T: Number> Matrices<T> {
    fn new(shape: &Gemm) -> Result<Self> {
        let mut a = Buffer::new(shape.m * shape.k, 0, T::default())?;
        let mut b = Buffer::new(shape.k * shape.n, 0, T::default())?;
        fill_product(shape, &mut a, &mut b);
        Ok(Self { shape: *shape, a, b, c: Buffer::new(shape.m * shape.n, 0, T::default())? })
    }

    /// Compares every element with its reference; one is made wrong first, if that is planted here.
    fn compare(&mut self, phase: Phase) -> Accuracy {
        if is_planted(Fault::Wrong, phase) {
            let middle = self.c.len() / 2;
            self.c[middle] = T::of(1 << 20);
        }
        Product { shape: self.shape, a: &self.a, b: &self.b, c: &self.c }.check()
    }
}

impl<T: Number> Operation for Matrices<T> {
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
        let accuracy = self.compare(Phase::Verify);
        // A product that is timed and writes nothing must be found, too.
        self.c.fill(T::rounded(f64::NAN));
        accuracy
    }

    fn check(&mut self) -> Accuracy {
        self.compare(Phase::Measure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_odd_shapes_are_right() {
        for (m, n, k) in [(1, 1, 1), (3, 5, 7), (64, 17, 33), (130, 70, 257)] {
            for element in Element::WIDE_FLOATS {
                let shape = Gemm { m, n, k, element };
                let accuracy = prepare(&shape).unwrap().verify();
                assert_eq!((accuracy.checked, accuracy.wrong), ((m * n) as u64, 0), "{shape:?}");
            }
        }
        for element in [Element::I32, Element::Bf16] {
            assert!(prepare(&Gemm { m: 1, n: 1, k: 1, element }).is_err());
        }
    }
}
