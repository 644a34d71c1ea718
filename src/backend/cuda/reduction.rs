//! The operator by which NCCL reduces.
#![expect(unsafe_code, reason = "NCCL takes raw handles and pointers")]

use std::rc::Rc;

use cudarc::nccl::sys::{ncclDataType_t, ncclRedOp_t, ncclScalarResidence_t};

use super::nccl::Comm;
use crate::backend::reference::{FACTOR, Number};
use crate::base::error::{Error, Result};
use crate::benchmark::work::Operator;

/// An operator of a communicator.
pub(super) struct Reduction {
    comm: Rc<Comm>,
    /// NCCL's number for the operator.
    pub(super) operator: u32,
    /// Whether it was created.
    is_own: bool,
}

/// What NCCL calls an operator of its own; the sum stands for one that is made of it.
///
/// # Errors
/// Unsupported for operators that NCCL has not.
pub(super) fn known(operator: Operator) -> Result<ncclRedOp_t> {
    Ok(match operator {
        Operator::Sum | Operator::MulSum => ncclRedOp_t::ncclSum,
        Operator::Prod => ncclRedOp_t::ncclProd,
        Operator::Max => ncclRedOp_t::ncclMax,
        Operator::Min => ncclRedOp_t::ncclMin,
        Operator::Avg => ncclRedOp_t::ncclAvg,
        logical => {
            return Err(Error::unsupported(format!(
                "NCCL has no reduction by {}; choose sum, prod, max, min, avg or mulsum",
                logical.name()
            )));
        }
    })
}

impl Reduction {
    /// For elements of type `T`, which NCCL calls `data_type`.
    ///
    /// # Errors
    /// As [`known`]; what NCCL says when it creates no operator.
    pub(super) fn new<T: Number>(
        comm: Rc<Comm>,
        operator: Operator,
        data_type: ncclDataType_t,
    ) -> Result<Self> {
        let mut reduction = Self { comm, operator: known(operator)? as u32, is_own: false };
        if operator == Operator::MulSum {
            reduction.create(T::of(FACTOR), data_type)?;
        }
        Ok(reduction)
    }

    fn create<T>(&mut self, mut factor: T, data_type: ncclDataType_t) -> Result<()> {
        // SAFETY: the factor is an element of the type and read before the call returns, the number's place
        // outlives it, and the communicator is alive.
        let created = unsafe {
            (self.comm.functions.create_operator)(
                &raw mut self.operator,
                (&raw mut factor).cast(),
                data_type,
                ncclScalarResidence_t::ncclScalarHostImmediate,
                self.comm.raw(),
            )
        };
        self.comm.settle("create an operator", created)?;
        self.is_own = true;
        Ok(())
    }
}

impl Drop for Reduction {
    fn drop(&mut self) {
        if !self.is_own || self.comm.is_aborted() {
            return;
        }
        // SAFETY: created in this communicator, which is alive, and destroyed once. An error is of no use: the
        // operator goes with the communicator.
        let _ = unsafe { (self.comm.functions.destroy_operator)(self.operator, self.comm.raw()) };
    }
}
