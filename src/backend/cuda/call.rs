//! Calls of NCCL, each with its arguments.
#![expect(unsafe_code, reason = "NCCL takes raw handles and pointers")]

use std::ffi::{c_int, c_void};
use std::rc::Rc;

use cudarc::driver::sys::{CUdeviceptr, CUstream};
use cudarc::nccl::sys::{cudaStream_t, ncclDataType_t};

use super::nccl::{Code, Comm, SUCCESS, is_fine, version_code};
use super::reduction::Reduction;
use crate::backend::reference::{Number, no_such_type};
use crate::base::error::{Error, Result};
use crate::benchmark::collective::NcclCall;
use crate::benchmark::work::{Element, Exchange};

/// One call on one rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) function: NcclCall,
    /// Where it reads; of no meaning for what only receives.
    pub(super) input: CUdeviceptr,
    /// Where it writes; of no meaning for what only sends.
    pub(super) output: CUdeviceptr,
    /// Elements as NCCL counts them for this call.
    pub(super) count: usize,
}

/// What calls have in common.
pub(super) struct Caller {
    comm: Rc<Comm>,
    stream: CUstream,
    data_type: ncclDataType_t,
    /// How many of NCCL's elements make one.
    parts: usize,
    /// Where elements are reduced.
    reduction: Option<Reduction>,
}

/// NCCL's name for an element type, and how many of NCCL's make one: what is only moved is moved as bytes where
/// NCCL has no such type.
fn data_type(element: Element, reduces: bool) -> Option<(ncclDataType_t, usize)> {
    use ncclDataType_t as T;
    let data_type = match element {
        Element::F32 => T::ncclFloat32,
        Element::F64 => T::ncclFloat64,
        Element::F16 => T::ncclFloat16,
        Element::Bf16 => T::ncclBfloat16,
        Element::Fp8E4m3 if reduces => T::ncclFloat8e4m3,
        Element::Fp8E5m2 if reduces => T::ncclFloat8e5m2,
        Element::I8 => T::ncclInt8,
        Element::I32 => T::ncclInt32,
        Element::I64 => T::ncclInt64,
        Element::U8 | Element::Fp8E4m3 | Element::Fp8E5m2 => T::ncclUint8,
        Element::U32 => T::ncclUint32,
        Element::U64 => T::ncclUint64,
        Element::Tf32 | Element::Fp6 | Element::Fp4 => return None,
        Element::I16 | Element::U16 if reduces => return None,
        Element::I16 | Element::U16 => return Some((T::ncclUint8, 2)),
    };
    Some((data_type, 1))
}

/// The first NCCL that reduces 8-bit floats, and the first compute capability that it does so on.
const FP8: (i32, u32) = (22_400, 9);

/// # Errors
/// Unsupported where this NCCL or this GPU cannot reduce 8-bit floats.
fn check_fp8(element: Element, capability: Option<&str>) -> Result<()> {
    let major = capability.and_then(|text| text.split('.').next()?.parse().ok());
    let found = version_code()?;
    let (version, capable) = FP8;
    if found >= version && major.is_some_and(|major: u32| major >= capable) {
        return Ok(());
    }
    Err(Error::unsupported(format!(
        "NCCL reduces {} since version 2.24 and on GPUs of compute capability 9.0 or more; this is {} on a GPU \
         of {}",
        element.name(),
        super::nccl::version()?,
        capability.unwrap_or("unknown capability")
    )))
}

impl Caller {
    /// For the elements of `exchange`, which are of type `T`, on a GPU of this compute capability.
    ///
    /// # Errors
    /// Unsupported for types and operators that NCCL has not.
    pub(super) fn new<T: Number>(
        comm: Rc<Comm>,
        stream: CUstream,
        exchange: &Exchange,
        capability: Option<&str>,
    ) -> Result<Self> {
        let Exchange { collective, element, operator, .. } = *exchange;
        let reduces = collective.reduces();
        let (data_type, parts) = data_type(element, reduces)
            .ok_or_else(|| no_such_type("a reduction by NCCL", element))?;
        if reduces && matches!(element, Element::Fp8E4m3 | Element::Fp8E5m2) {
            check_fp8(element, capability)?;
        }
        let reduction = || Reduction::new::<T>(Rc::clone(&comm), operator, data_type);
        let reduction = reduces.then(reduction).transpose()?;
        Ok(Self { comm, stream, data_type, parts, reduction })
    }

    /// Begins to queue calls that begin together. The communicator must have settled what came before.
    ///
    /// # Safety
    /// What each call reads and writes is memory of the communicator's GPU that lives until the stream is done
    /// with it.
    pub(super) unsafe fn begin(&self, calls: &[Call]) -> Code {
        match calls {
            [] => SUCCESS,
            // SAFETY: the caller vouches for the memory.
            [call] => unsafe { self.issue(call) },
            calls => self.comm.group(|| {
                // SAFETY: as above.
                let mut codes = calls.iter().map(|call| unsafe { self.issue(call) });
                codes.find(|code| !is_fine(*code)).unwrap_or(SUCCESS)
            }),
        }
    }

    /// The communicator.
    pub(super) fn comm(&self) -> &Comm {
        &self.comm
    }

    /// # Safety
    /// As [`begin`](Self::begin).
    unsafe fn issue(&self, call: &Call) -> Code {
        let input: *const c_void = std::ptr::with_exposed_provenance(call.input as usize);
        let output: *mut c_void = std::ptr::with_exposed_provenance_mut(call.output as usize);
        let (count, of) = (call.count * self.parts, self.data_type);
        let (nccl, comm) = (self.comm.functions, self.comm.raw());
        // cudarc's two names for a stream are one C type.
        let stream: cudaStream_t = self.stream.cast();
        let operator = || match &self.reduction {
            Some(reduction) => reduction.operator,
            None => unreachable!("a reduction without an operator"),
        };
        // SAFETY: the caller vouches for the memory, the communicator is alive, and ranks are fewer than 2^31
        // since it was connected.
        unsafe {
            match call.function {
                NcclCall::AllReduce => {
                    (nccl.all_reduce)(input, output, count, of, operator(), comm, stream)
                }
                NcclCall::ReduceScatter => {
                    (nccl.reduce_scatter)(input, output, count, of, operator(), comm, stream)
                }
                NcclCall::Reduce(root) => {
                    let root = root as c_int;
                    (nccl.reduce)(input, output, count, of, operator(), root, comm, stream)
                }
                NcclCall::AllGather => (nccl.all_gather)(input, output, count, of, comm, stream),
                NcclCall::Broadcast(root) => {
                    (nccl.broadcast)(input, output, count, of, root as c_int, comm, stream)
                }
                NcclCall::Send(to) => (nccl.send)(input, count, of, to as c_int, comm, stream),
                NcclCall::Receive(from) => {
                    (nccl.receive)(output, count, of, from as c_int, comm, stream)
                }
            }
        }
    }
}
