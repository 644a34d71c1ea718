//! C = A·B, dense, row-major.

use serde::{Deserialize, Serialize};

use super::Element;

/// A matrix product: A is m×k, B is k×n, C is m×n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gemm {
    /// Rows of A and C.
    pub m: usize,
    /// Columns of B and C.
    pub n: usize,
    /// Columns of A, rows of B.
    pub k: usize,
    /// Element type of all three.
    pub element: Element,
}

impl Gemm {
    /// 2·m·n·k: a multiplication and an addition for each term (LAPACK Working Note 41).
    pub fn flops(&self) -> f64 {
        2.0 * self.m as f64 * self.n as f64 * self.k as f64
    }

    /// A, B and C.
    pub(super) fn footprint(&self) -> u64 {
        let elements = self.m * self.k + self.k * self.n + self.m * self.n;
        elements as u64 * self.element.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gemm_of_two_counts_sixteen() {
        let gemm = Gemm { m: 2, n: 2, k: 2, element: Element::F32 };
        assert_eq!((gemm.flops(), gemm.footprint()), (16.0, 48));
    }
}
