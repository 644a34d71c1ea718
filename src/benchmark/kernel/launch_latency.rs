//! What it costs to start a kernel on a GPU and to see its end. CPUs launch nothing.

use super::*;

pub(super) const CODE: Code =
    Code { host: None, cublas_lt: false, check: Check { expected: &[], suspects: None } };
