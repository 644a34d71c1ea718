//! How fast a GPU goes from one kernel to the next. CPUs launch nothing.

use super::*;

pub(super) const CODE: Code =
    Code { host: None, cublas_lt: false, check: Check { expected: &[], suspects: None } };
