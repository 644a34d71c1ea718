//! gemm by a kernel of our own for tensor cores.

use super::*;

pub(super) const CODE: Code = Code { cublas_lt: false, ..gemm::CODE };
