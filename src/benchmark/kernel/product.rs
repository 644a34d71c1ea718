//! Products of matrices by the `gemm` crate, on one thread.
//!
//! Chosen by measurement against OpenBLAS, matrixmultiply and faer (docs/results/): the fastest on
//! AVX-512 in both precisions. One thread, because a rank drives one core.
#![expect(unsafe_code, reason = "the gemm crate takes pointers and strides")]

use std::cell::RefCell;

use super::*;
use crate::benchmark::Number;

/// C = A·B on the host, row-major; of each of a batch, where several lie below each other.
pub(super) const HOST: Option<Host> = Some(Host::Computes(|element| {
    Some(match element {
        Element::F32 => batch::<f32>,
        Element::F64 => batch::<f64>,
        Element::F16 => widened::<half::f16>,
        Element::Bf16 => widened::<half::bf16>,
        Element::Fp8E4m3 => widened::<float8::F8E4M3>,
        Element::Fp8E5m2 => widened::<float8::F8E5M2>,
        _ => return None,
    })
}));

/// A product of an m·k and a k·n matrix, both row-major.
#[derive(Debug, Clone, Copy)]
pub(super) struct Product {
    /// m, k and n.
    pub(super) sides: [usize; 3],
    /// Whether the second is given column by column.
    pub(super) by_columns: bool,
    /// Whether the product is added to what is there.
    pub(super) adds: bool,
}

impl Product {
    /// Puts `factor`·A·B into C.
    pub(super) fn compute<T: Number>(self, factor: T, a: &[T], b: &[T], c: &mut [T]) {
        let [m, k, n] = self.sides;
        assert!((a.len(), b.len(), c.len()) == (m * k, k * n, m * n));
        let (down, right) = if self.by_columns { (1, k as isize) } else { (n as isize, 1) };
        // SAFETY: the three slices hold m·k, k·n and m·n elements, c overlaps neither, and the
        // strides (of a and c: columns 1 apart, rows k and n apart; of b the same or turned) keep every access
        // inside them.
        unsafe {
            ::gemm::gemm(
                m,
                n,
                k,
                c.as_mut_ptr(),
                1,
                n as isize,
                self.adds,
                a.as_ptr(),
                1,
                k as isize,
                b.as_ptr(),
                right,
                down,
                T::of(1),
                factor,
                false,
                false,
                false,
                ::gemm::Parallelism::None,
            );
        }
    }
}

/// Of one product: rows, terms and columns.
fn sides(inputs: &[View<'_>]) -> [usize; 3] {
    let (a, b) = (inputs[0].shape, inputs[1].shape);
    let products = b[0] / a[1];
    [a[0] / products, a[1], b[1]]
}

fn batch<T: Number>(_: pulp::Arch, inputs: &[View<'_>], _: &[f64], outputs: &mut [ViewMut<'_>]) {
    multiply(sides(inputs), inputs[0].of::<T>(), inputs[1].of::<T>(), outputs[0].of::<T>());
}

thread_local! {
    /// The matrices in f32, kept from the first call, which is not timed.
    static WIDE: RefCell<[Vec<f32>; 3]> = const { RefCell::new([const { Vec::new() }; 3]) };
}

/// The same by way of f32, which the product is computed in.
fn widened<T: Stored<Wide = f32>>(
    cpu: pulp::Arch,
    inputs: &[View<'_>],
    _: &[f64],
    outputs: &mut [ViewMut<'_>],
) {
    WIDE.with_borrow_mut(|[a, b, c]| {
        let c_narrow = outputs[0].of::<T>();
        for (wide, narrow) in [(&mut *a, inputs[0].of::<T>()), (b, inputs[1].of())] {
            wide.resize(narrow.len(), 0.0);
            cpu.dispatch(Widen { wide, narrow });
        }
        c.resize(c_narrow.len(), 0.0);
        multiply(sides(inputs), a, b, c);
        cpu.dispatch(Narrow { narrow: c_narrow, wide: c });
    });
}

struct Widen<'a, T> {
    wide: &'a mut [f32],
    narrow: &'a [T],
}

impl<T: Stored<Wide = f32>> pulp::NullaryFnOnce for Widen<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.wide.iter_mut().zip(self.narrow).for_each(|(wide, narrow)| *wide = narrow.wide());
    }
}

struct Narrow<'a, T> {
    narrow: &'a mut [T],
    wide: &'a [f32],
}

impl<T: Stored<Wide = f32>> pulp::NullaryFnOnce for Narrow<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.narrow.iter_mut().zip(self.wide).for_each(|(narrow, wide)| *narrow = T::narrow(*wide));
    }
}

fn multiply<T: Number>(sides: [usize; 3], a: &[T], b: &[T], c: &mut [T]) {
    let [m, k, n] = sides;
    let product = Product { sides, by_columns: false, adds: false };
    let each = a.chunks_exact(m * k).zip(b.chunks_exact(k * n)).zip(c.chunks_exact_mut(m * n));
    each.for_each(|((a, b), c)| product.compute(T::of(1), a, b, c));
}
