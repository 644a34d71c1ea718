//! How NCCL reduces: its calls that take an operator, and the operator.
//!
//! Not over cudarc: it has operators as an enumeration, but one that was created has a number of its own.
#![expect(unsafe_code, reason = "NCCL takes raw handles and pointers")]

use std::ffi::{c_int, c_void};
use std::rc::Rc;

use cudarc::nccl::sys::{
    cudaStream_t, ncclComm_t, ncclDataType_t, ncclRedOp_t, ncclResult_t, ncclScalarResidence_t,
};

use super::nccl::Comm;
use crate::backend::reference::{FACTOR, Number};
use crate::base::error::{Error, Result};
use crate::benchmark::work::Operator;
use crate::machine::nvidia;

/// `ncclAllReduce` and `ncclReduceScatter` (nccl.h).
type ToAll = unsafe extern "C" fn(
    *const c_void,
    *mut c_void,
    usize,
    ncclDataType_t,
    u32,
    ncclComm_t,
    cudaStream_t,
) -> ncclResult_t;

/// `ncclReduce`.
type ToRoot = unsafe extern "C" fn(
    *const c_void,
    *mut c_void,
    usize,
    ncclDataType_t,
    u32,
    c_int,
    ncclComm_t,
    cudaStream_t,
) -> ncclResult_t;

/// `ncclRedOpCreatePreMulSum`.
type Create = unsafe extern "C" fn(
    *mut u32,
    *mut c_void,
    ncclDataType_t,
    ncclScalarResidence_t,
    ncclComm_t,
) -> ncclResult_t;

/// `ncclRedOpDestroy`.
type Destroy = unsafe extern "C" fn(u32, ncclComm_t) -> ncclResult_t;

/// An operator of a communicator, with the calls that take it.
pub(super) struct Reduction {
    comm: Rc<Comm>,
    /// NCCL's number for the operator.
    pub(super) operator: u32,
    /// Present where it was created.
    destroy: Option<Destroy>,
    pub(super) all_reduce: ToAll,
    pub(super) reduce_scatter: ToAll,
    pub(super) reduce: ToRoot,
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
        // SAFETY: the types are those of nccl.h since 2.11.
        let (all_reduce, reduce_scatter, reduce) = unsafe {
            (
                nvidia::NCCL.symbol::<ToAll>("ncclAllReduce")?,
                nvidia::NCCL.symbol::<ToAll>("ncclReduceScatter")?,
                nvidia::NCCL.symbol::<ToRoot>("ncclReduce")?,
            )
        };
        let number = known(operator)? as u32;
        let destroy = None;
        let mut reduction =
            Self { comm, operator: number, destroy, all_reduce, reduce_scatter, reduce };
        if operator == Operator::MulSum {
            reduction.create(T::of(FACTOR), data_type)?;
        }
        Ok(reduction)
    }

    fn create<T>(&mut self, mut factor: T, data_type: ncclDataType_t) -> Result<()> {
        // SAFETY: the types are those of nccl.h since 2.11.
        let (create, destroy) = unsafe {
            (
                nvidia::NCCL.symbol::<Create>("ncclRedOpCreatePreMulSum")?,
                nvidia::NCCL.symbol::<Destroy>("ncclRedOpDestroy")?,
            )
        };
        // SAFETY: the factor is an element of the type and read before the call returns, the number's place
        // outlives it, and the communicator is alive.
        let created = unsafe {
            create(
                &raw mut self.operator,
                (&raw mut factor).cast(),
                data_type,
                ncclScalarResidence_t::ncclScalarHostImmediate,
                self.comm.raw(),
            )
        };
        self.comm.settle("create an operator", created.result())?;
        self.destroy = Some(destroy);
        Ok(())
    }
}

impl Drop for Reduction {
    fn drop(&mut self) {
        let Some(destroy) = self.destroy.filter(|_| !self.comm.is_aborted()) else { return };
        // SAFETY: created in this communicator, which is alive, and destroyed once. An error is of no use: the
        // operator goes with the communicator.
        let _ = unsafe { destroy(self.operator, self.comm.raw()) };
    }
}
