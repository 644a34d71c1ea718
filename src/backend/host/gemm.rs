//! Matrix products by the `gemm` crate, on one thread.
//!
//! Chosen by measurement against OpenBLAS, matrixmultiply and faer (docs/results/): the fastest on
//! AVX-512 in both precisions. One thread, because a rank drives one core.
#![expect(unsafe_code, reason = "the gemm crate takes pointers and strides")]

use crate::backend::reference::Number;
use crate::benchmark::kernel::View;

/// C = A·B, row-major.
pub(super) fn product<T: Number>(_: pulp::Arch, inputs: &[View<'_, T>], _: &[f64], c: &mut [T]) {
    let (a, b) = (inputs[0], inputs[1]);
    let (m, k, n) = (a.shape[0], a.shape[1], b.shape[1]);
    assert!((a.data.len(), b.data.len(), c.len()) == (m * k, k * n, m * n));
    // SAFETY: the three slices hold m·k, k·n and m·n elements, c overlaps neither, and the
    // strides (columns 1 apart, rows n, k and n apart) keep every access inside them.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.data.as_ptr(),
            1,
            k as isize,
            b.data.as_ptr(),
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
