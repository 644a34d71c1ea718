//! One NCCL communicator, over cudarc's thin bindings.
//!
//! Not over its safe ones: those hide the handle, so that errors in flight cannot be seen and a hung
//! operation cannot be aborted, and they panic when dropped after a failure. The communicator does
//! not block: a peer that never comes shows as a deadline here instead of a hang inside NCCL.
#![expect(unsafe_code, reason = "NCCL takes raw handles and pointers")]

use std::cell::Cell;
use std::ffi::CStr;

use cudarc::nccl::{result, sys};

use crate::backend::Share;
use crate::base::error::{Error, Kind, Result};
use crate::machine::nvidia;
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

/// The version of the library, such as `2.28.9`.
pub(super) fn version() -> Result<String> {
    let code = version_code()?;
    Ok(format!("{}.{}.{}", code / 10_000, code / 100 % 100, code % 100))
}

/// The same as one number, such as 22809: `NCCL_VERSION` in nccl.h, since 2.9.
pub(super) fn version_code() -> Result<i32> {
    nvidia::NCCL.require()?;
    result::get_nccl_version()
        .map_err(|why| failed("ask NCCL's version", why.0, std::ptr::null_mut()))
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
    /// Connects `size` ranks, of which this is number `rank`; all of them call this with the same id.
    ///
    /// # Errors
    /// What NCCL says when the ranks cannot connect.
    pub(super) fn connect((rank, size): (usize, usize), id: Id, wait: Wait) -> Result<Self> {
        let internal = id.0.map(|byte| byte as std::ffi::c_char);
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

    /// NCCL's handle, for calls of NCCL; that of an aborted communicator is no longer anything.
    pub(super) fn raw(&self) -> sys::ncclComm_t {
        self.raw
    }

    /// Whether it can no longer be used.
    pub(super) fn is_aborted(&self) -> bool {
        self.aborted.get()
    }

    /// Makes calls that NCCL begins together.
    ///
    /// # Errors
    /// What NCCL says; the communicator is then aborted.
    pub(super) fn group(
        &self,
        doing: &str,
        calls: impl FnOnce() -> Result<(), result::NcclError>,
    ) -> Result<()> {
        let begun = result::group_start().and_then(|_| {
            let called = calls();
            // It ends whatever became of the calls: what follows would otherwise wait for its end.
            let ended = result::group_end();
            called.and(ended)
        });
        self.settle(doing, begun)
    }

    /// Waits until a call that does not block has done its part.
    ///
    /// # Errors
    /// What NCCL says; the communicator is then aborted.
    pub(super) fn settle(
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
            code => Err(self.give_up("finish an exchange", code)),
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

/// What ranks that are to be connected know of each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Id([u8; 128]);

impl Id {
    /// A new one; the first rank's travels by `share`, and every rank calls this.
    ///
    /// # Errors
    /// Unfit where there is no NCCL; what NCCL says otherwise.
    pub(super) fn shared(rank: usize, share: &Share<'_>) -> Result<Self> {
        let create = || {
            let id = result::get_uniqueid()
                .map_err(|why| failed("create an NCCL id", why.0, std::ptr::null_mut()))?;
            Ok(id.internal.map(|byte| byte.cast_unsigned()).to_vec())
        };
        let own = nvidia::NCCL.require().and_then(|_| (rank == 0).then(create).transpose());
        let id = share(own)?.try_into();
        id.map(Self).map_err(|_| Error::internal("an NCCL id that is not 128 bytes"))
    }
}
