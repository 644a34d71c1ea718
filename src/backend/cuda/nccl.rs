//! One NCCL communicator, over cudarc's thin bindings.
//!
//! Not over its safe ones: those hide the handle, so that errors in flight cannot be seen and a hung
//! operation cannot be aborted, and they panic when dropped after a failure. The communicator does
//! not block: a peer that never comes shows as a deadline here instead of a hang inside NCCL.
#![expect(unsafe_code, reason = "NCCL takes raw handles and pointers")]

use std::cell::Cell;
use std::ffi::CStr;

use cudarc::driver::sys::{CUdeviceptr, CUstream};
use cudarc::nccl::{result, sys};

use crate::backend::Share;
use crate::error::{Error, Kind, Result};
use crate::nvidia;
use crate::work::Element;
use crate::world::Wait;

/// A communicator of this process's GPU.
#[derive(Debug)]
pub(super) struct Comm {
    raw: sys::ncclComm_t,
    /// This rank's number among the communicator's ranks, and how many those are.
    pub(super) rank: usize,
    pub(super) size: usize,
    wait: Wait,
    aborted: Cell<bool>,
}

/// NCCL's name for an element type.
pub(super) fn data_type(element: Element) -> Option<sys::ncclDataType_t> {
    use sys::ncclDataType_t as T;
    Some(match element {
        Element::F32 => T::ncclFloat32,
        Element::F64 => T::ncclFloat64,
        Element::F16 => T::ncclFloat16,
        Element::Bf16 => T::ncclBfloat16,
        Element::I8 => T::ncclInt8,
        Element::I32 => T::ncclInt32,
        Element::I64 => T::ncclInt64,
        Element::U8 => T::ncclUint8,
        Element::U32 => T::ncclUint32,
        Element::U64 => T::ncclUint64,
        Element::I16 | Element::U16 | Element::Fp8E4m3 | Element::Fp8E5m2 => return None,
    })
}

/// The version of the library, such as `2.28.9`.
pub(super) fn version() -> Result<String> {
    nvidia::NCCL.require()?;
    let code = result::get_nccl_version()
        .map_err(|why| failed("ask NCCL's version", why.0, std::ptr::null_mut()))?;
    // NCCL_VERSION in nccl.h, since 2.9.
    Ok(format!("{}.{}.{}", code / 10_000, code / 100 % 100, code % 100))
}

/// One sentence for an error of NCCL, with what it says of it.
fn failed(doing: &str, code: sys::ncclResult_t, comm: sys::ncclComm_t) -> Error {
    let text = |pointer: *const std::ffi::c_char| {
        if pointer.is_null() {
            return String::new();
        }
        // SAFETY: NCCL returns texts that end in a zero and stay until its next error.
        unsafe { CStr::from_ptr(pointer) }.to_string_lossy().trim().replace('\n', "; ")
    };
    // SAFETY: both take any code, and a communicator that is alive or null.
    let (reason, detail) =
        unsafe { (text(sys::ncclGetErrorString(code)), text(sys::ncclGetLastError(comm))) };
    let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
    Error::new(Kind::CaseFailed, format!("cannot {doing}: NCCL says {reason}{detail}"))
}

/// The settings of a communicator that does not block; all else as NCCL chooses
/// (`NCCL_CONFIG_INITIALIZER` in nccl.h 2.30.0). Older libraries read the part that they know. Newer ones
/// go by `version` and fill in what it did not have yet, also where that lies in this structure's padding:
/// the number must be that of the structure.
fn config() -> sys::ncclConfig_t {
    /// `NCCL_CONFIG_UNDEF_INT`.
    const UNDEFINED: i32 = i32::MIN;
    sys::ncclConfig_t {
        size: size_of::<sys::ncclConfig_t>(),
        magic: 0xcafe_beef,
        version: 23_000,
        blocking: 0,
        cgaClusterSize: UNDEFINED,
        minCTAs: UNDEFINED,
        maxCTAs: UNDEFINED,
        netName: std::ptr::null(),
        splitShare: UNDEFINED,
        trafficClass: UNDEFINED,
        commName: std::ptr::null(),
        collnetEnable: UNDEFINED,
        CTAPolicy: UNDEFINED,
        shrinkShare: UNDEFINED,
        nvlsCTAs: UNDEFINED,
        nChannelsPerNetPeer: UNDEFINED,
        nvlinkCentricSched: UNDEFINED,
        graphUsageMode: UNDEFINED,
        numRmaCtx: UNDEFINED,
        maxP2pPeers: UNDEFINED,
    }
}

impl Comm {
    /// Connects `size` ranks, of which this is number `rank`; all of them call this. The first one's
    /// id travels by `share`.
    ///
    /// # Errors
    /// Unfit where there is no NCCL; what NCCL says when the ranks cannot connect.
    pub(super) fn connect(
        (rank, size): (usize, usize),
        share: &Share<'_>,
        wait: Wait,
    ) -> Result<Self> {
        let own = nvidia::NCCL.require().and_then(|_| (rank == 0).then(new_id).transpose());
        let id = share(own)?;
        let internal = <[u8; 128]>::try_from(id)
            .map_err(|_| Error::internal("an NCCL id that is not 128 bytes"))?
            .map(|byte| byte as std::ffi::c_char);
        let whole = |number: usize| {
            i32::try_from(number).map_err(|_| Error::unsupported("NCCL counts ranks in 31 bits"))
        };
        let (ranks, own) = (whole(size)?, whole(rank)?);
        let mut comm =
            Self { raw: std::ptr::null_mut(), rank, size, wait, aborted: Cell::new(false) };
        let mut config = config();
        // SAFETY: the id is NCCL's own, the rank is below the number of ranks, and both pointers are to
        // values that outlive the call; NCCL copies the settings.
        let begun = unsafe {
            result::comm_init_rank_config(
                &raw mut comm.raw,
                ranks,
                sys::ncclUniqueId { internal },
                own,
                &raw mut config,
            )
        };
        comm.settle("connect the ranks", begun)?;
        Ok(comm)
    }

    /// Queues the sum over all ranks of `count` elements.
    ///
    /// # Errors
    /// What NCCL says.
    pub(super) fn all_reduce(
        &self,
        (input, output): (CUdeviceptr, CUdeviceptr),
        (count, data_type): (usize, sys::ncclDataType_t),
        stream: CUstream,
    ) -> Result<()> {
        // SAFETY: the caller's buffers hold `count` elements of the type on this communicator's GPU and
        // live until the stream is done; cudarc's two names for a stream are one C type.
        let queued = unsafe {
            result::all_reduce(
                std::ptr::with_exposed_provenance(input as usize),
                std::ptr::with_exposed_provenance_mut(output as usize),
                count,
                data_type,
                sys::ncclRedOp_t::ncclSum,
                self.raw,
                stream.cast(),
            )
        };
        self.settle("queue an all_reduce", queued)
    }

    /// Waits until a call that does not block has done its part.
    fn settle(
        &self,
        doing: &str,
        begun: Result<result::NcclStatus, result::NcclError>,
    ) -> Result<()> {
        match begun {
            Ok(result::NcclStatus::Success) => Ok(()),
            Ok(_) => self.wait.until(|| match self.state() {
                sys::ncclResult_t::ncclSuccess => Some(Ok(())),
                sys::ncclResult_t::ncclInProgress => None,
                code => Some(Err(self.give_up(doing, code))),
            }),
            Err(why) => Err(self.give_up(doing, why.0)),
        }
    }

    /// Looks for an error of an operation in flight, such as a peer that has died.
    ///
    /// # Errors
    /// That error; the communicator is then aborted, so that what is in flight ends.
    pub(super) fn check(&self) -> Result<()> {
        match self.state() {
            sys::ncclResult_t::ncclSuccess | sys::ncclResult_t::ncclInProgress => Ok(()),
            code => Err(self.give_up("finish a collective", code)),
        }
    }

    fn state(&self) -> sys::ncclResult_t {
        let mut state = sys::ncclResult_t::ncclSuccess;
        // SAFETY: the communicator is alive until it is dropped.
        match unsafe { sys::ncclCommGetAsyncError(self.raw, &raw mut state) } {
            sys::ncclResult_t::ncclSuccess => state,
            code => code,
        }
    }

    fn give_up(&self, doing: &str, code: sys::ncclResult_t) -> Error {
        let error = failed(doing, code, self.raw);
        self.abort();
        error
    }

    fn abort(&self) {
        if self.raw.is_null() || self.aborted.replace(true) {
            return;
        }
        // SAFETY: alive, and aborted once. Its error is of no use: the communicator is gone.
        let _ = unsafe { result::comm_abort(self.raw) };
    }
}

impl Drop for Comm {
    /// Aborts rather than destroys: destroying may wait for ranks that never come.
    fn drop(&mut self) {
        self.abort();
    }
}

fn new_id() -> Result<Vec<u8>> {
    let id = result::get_uniqueid()
        .map_err(|why| failed("create an NCCL id", why.0, std::ptr::null_mut()))?;
    Ok(id.internal.iter().map(|&c| c.cast_unsigned()).collect())
}
