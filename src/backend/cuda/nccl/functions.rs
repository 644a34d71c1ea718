//! NCCL's functions, as nccl.h declares them.

use std::ffi::{c_char, c_int, c_void};

use cudarc::nccl::sys::{
    cudaStream_t, ncclComm_t, ncclConfig_t, ncclDataType_t, ncclScalarResidence_t, ncclUniqueId,
};

use crate::machine::nvidia::functions;

/// How a call ended: `ncclResult_t` as a number.
pub(in crate::backend::cuda) type Code = c_int;

/// `ncclSuccess`.
pub(in crate::backend::cuda) const SUCCESS: Code = 0;
/// `ncclUnhandledCudaError`: a call of CUDA failed.
pub(super) const CUDA_ERROR: Code = 1;
/// `ncclSystemError`: a call of the system failed.
pub(super) const SYSTEM_ERROR: Code = 2;
/// `ncclRemoteError`: a peer has gone, or cannot be reached.
pub(super) const REMOTE_ERROR: Code = 6;
/// `ncclInProgress`: the call has not done its part yet.
pub(super) const IN_PROGRESS: Code = 7;

/// Whether a call has done its part, or will have.
pub(in crate::backend::cuda) fn is_fine(code: Code) -> bool {
    matches!(code, SUCCESS | IN_PROGRESS)
}

functions! {
    NCCL,
    /// What is called of NCCL.
    pub(in crate::backend::cuda) struct Functions {
        version = ncclGetVersion(*mut c_int) -> Code;
        unique_id = ncclGetUniqueId(*mut ncclUniqueId) -> Code;
        error_text = ncclGetErrorString(Code) -> *const c_char;
        last_error = ncclGetLastError(ncclComm_t) -> *const c_char;
        connect = ncclCommInitRankConfig(
            *mut ncclComm_t, c_int, ncclUniqueId, c_int, *mut ncclConfig_t,
        ) -> Code;
        state = ncclCommGetAsyncError(ncclComm_t, *mut Code) -> Code;
        finalize = ncclCommFinalize(ncclComm_t) -> Code;
        destroy = ncclCommDestroy(ncclComm_t) -> Code;
        abort = ncclCommAbort(ncclComm_t) -> Code;
        group_start = ncclGroupStart() -> Code;
        group_end = ncclGroupEnd() -> Code;
        // Operators are whole numbers, because one that was created has a number of its own.
        create_operator = ncclRedOpCreatePreMulSum(
            *mut u32, *mut c_void, ncclDataType_t, ncclScalarResidence_t, ncclComm_t,
        ) -> Code;
        destroy_operator = ncclRedOpDestroy(u32, ncclComm_t) -> Code;
        all_reduce = ncclAllReduce(
            *const c_void, *mut c_void, usize, ncclDataType_t, u32, ncclComm_t, cudaStream_t,
        ) -> Code;
        reduce_scatter = ncclReduceScatter(
            *const c_void, *mut c_void, usize, ncclDataType_t, u32, ncclComm_t, cudaStream_t,
        ) -> Code;
        reduce = ncclReduce(
            *const c_void, *mut c_void, usize, ncclDataType_t, u32, c_int, ncclComm_t, cudaStream_t,
        ) -> Code;
        all_gather = ncclAllGather(
            *const c_void, *mut c_void, usize, ncclDataType_t, ncclComm_t, cudaStream_t,
        ) -> Code;
        broadcast = ncclBroadcast(
            *const c_void, *mut c_void, usize, ncclDataType_t, c_int, ncclComm_t, cudaStream_t,
        ) -> Code;
        send = ncclSend(
            *const c_void, usize, ncclDataType_t, c_int, ncclComm_t, cudaStream_t,
        ) -> Code;
        receive = ncclRecv(
            *mut c_void, usize, ncclDataType_t, c_int, ncclComm_t, cudaStream_t,
        ) -> Code;
    }
}

functions! {
    NCCL,
    /// What makes communicators of others.
    pub(super) struct SplitFunctions {
        split = ncclCommSplit(
            ncclComm_t, c_int, c_int, *mut ncclComm_t, *mut ncclConfig_t,
        ) -> Code;
    }
}

functions! {
    NCCL,
    /// NCCL's memory, and what one communicator knows of it.
    pub(super) struct LocalFunctions {
        allocate = ncclMemAlloc(*mut *mut c_void, usize) -> Code;
        free = ncclMemFree(*mut c_void) -> Code;
        register = ncclCommRegister(ncclComm_t, *mut c_void, usize, *mut *mut c_void) -> Code;
        deregister = ncclCommDeregister(ncclComm_t, *mut c_void) -> Code;
    }
}

/// `NCCL_WIN_COLL_SYMMETRIC`: what a call uses lies at the same place of all ranks' windows.
pub(super) const SYMMETRIC: c_int = 1;

functions! {
    NCCL,
    /// Windows of memory that all ranks of a communicator know. `ncclWindow_t` is a pointer.
    pub(super) struct WindowFunctions {
        register = ncclCommWindowRegister(
            ncclComm_t, *mut c_void, usize, *mut *mut c_void, c_int,
        ) -> Code;
        deregister = ncclCommWindowDeregister(ncclComm_t, *mut c_void) -> Code;
    }
}
