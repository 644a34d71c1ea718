//! One NCCL communicator.
//!
//! Not over cudarc: its safe bindings hide the handle, so that errors in flight cannot be seen and a hung
//! operation cannot be aborted, and they panic when dropped after a failure; its thin ones have an enumeration where
//! newer libraries have more numbers. The communicator does not block: a peer that never comes shows as a deadline here
//! instead of a hang inside NCCL.
#![expect(unsafe_code, reason = "NCCL takes raw handles and pointers")]

mod functions;
mod registered;

use std::cell::Cell;
use std::ffi::CStr;
use std::rc::Rc;
use std::time::Duration;

use cudarc::nccl::sys;

use super::blocking::BlockingKernel;
use super::gpu::free_memory;
use crate::backend::Share;
use crate::base::error::{Error, Kind, Result};
use crate::world::{Wait, progress};
use functions::{CUDA_ERROR, IN_PROGRESS, REMOTE_ERROR, SYSTEM_ERROR, SplitFunctions};
pub(super) use functions::{Code, Functions, SUCCESS, is_fine};
pub(super) use registered::Registered;

/// How long ranks wait for each other at the end of a communicator. One that has gone is not waited for any longer.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long an error that a peer's end may explain is kept back. A launcher and the watchdog tell that a rank has died within
/// this time, and that is what the job shall end with; NCCL may know of it within a millisecond, but not why.
const HEARSAY: Duration = Duration::from_secs(3);

/// How long it is kept back where this process was asked to stop meanwhile: launchers that end a job do so first, and kill its
/// processes some seconds later.
const STOPPING: Duration = Duration::from_secs(10);

/// What ranks do when a communicator is made.
const CONNECT: &str = "connect the ranks";
const SPLIT: &str = "split a communicator";

/// A communicator of this process's GPU.
#[derive(Debug)]
pub(super) struct Comm {
    pub(super) functions: &'static Functions,
    raw: sys::ncclComm_t,
    /// This rank's number among the communicator's ranks, and how many those are.
    pub(super) rank: usize,
    pub(super) size: usize,
    wait: Wait,
    /// What may hold its operations back.
    blocking: Option<Rc<BlockingKernel>>,
    aborted: Cell<bool>,
    /// Whether what it failed of may have happened to another rank.
    is_hearsay: Cell<bool>,
}

/// The version of the library, such as `2.28.9`.
pub(super) fn version() -> Result<String> {
    let code = version_code()?;
    Ok(format!("{}.{}.{}", code / 10_000, code / 100 % 100, code % 100))
}

/// The same as one number, such as 22809: `NCCL_VERSION` in nccl.h, since 2.9.
pub(super) fn version_code() -> Result<i32> {
    let functions = Functions::get()?;
    let mut version = 0;
    // SAFETY: the pointer is to one int.
    match unsafe { (functions.version)(&raw mut version) } {
        SUCCESS => Ok(version),
        code => Err(failed(functions, "ask NCCL's version", code, std::ptr::null_mut())),
    }
}

/// One sentence for an error of NCCL, with what it says of it. Unsupported where memory is short.
fn failed(functions: &Functions, doing: &str, code: Code, comm: sys::ncclComm_t) -> Error {
    let text = |pointer: *const std::ffi::c_char| {
        if pointer.is_null() {
            return String::new();
        }
        // SAFETY: NCCL returns texts that end in a zero and stay until its next error.
        unsafe { CStr::from_ptr(pointer) }.to_string_lossy().trim().replace('\n', "; ")
    };
    // SAFETY: both take any code, and a communicator that is alive or null.
    let (reason, detail) =
        unsafe { (text((functions.error_text)(code)), text((functions.last_error)(comm))) };
    let says = format!("cannot {doing}: NCCL says {reason} (code {code})");
    let says = if detail.is_empty() { says } else { format!("{says}, {detail}") };
    if matches!(code, CUDA_ERROR | SYSTEM_ERROR) && tells_of_memory(&detail) {
        return Error::unsupported(format!(
            "{says}; its own buffers need memory, of which the GPU has free: {}; choose a smaller problem, or end what \
             else uses the GPU",
            free_memory()
        ));
    }
    Error::new(Kind::CaseFailed, says)
}

/// Whether NCCL's last message is one about memory that was not given: CUDA's own words, or those in `alloc.h` of NCCL 2.19
/// to 2.30, which come after them.
fn tells_of_memory(detail: &str) -> bool {
    ["out of memory", "Failed to CUDA", "Failed to malloc"].iter().any(|part| detail.contains(part))
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

/// Whether NCCL makes communicators of others.
///
/// # Errors
/// Unfit where it is too old for that.
pub(super) fn can_split() -> Result<()> {
    SplitFunctions::get().map(drop)
}

impl Comm {
    /// Connects `size` ranks, of which this is number `rank`; all of them call this with the same id.
    ///
    /// # Errors
    /// What NCCL says when the ranks cannot connect.
    pub(super) fn connect(
        place: (usize, usize),
        id: Id,
        wait: Wait,
        blocking: Option<Rc<BlockingKernel>>,
    ) -> Result<Self> {
        let (comm, begun) = Self::begin(place, id, wait, blocking)?;
        comm.settle(CONNECT, begun)?;
        Ok(comm)
    }

    /// The same where a rank may be short of memory for it: then all say so, as in [`together`](Self::together).
    pub(super) fn connect_agreed(
        place: (usize, usize),
        share: Share<'_>,
        wait: Wait,
        blocking: Option<Rc<BlockingKernel>>,
    ) -> Result<Self> {
        let (comm, begun) = Self::begin(place, Id::shared(place.0, share)?, wait, blocking)?;
        comm.together(share, || comm.settled(CONNECT, begun))?;
        Ok(comm)
    }

    /// A communicator of the same ranks, made of this one; all of them call this.
    ///
    /// # Errors
    /// Unfit for an NCCL that is too old; what it says when it makes none.
    pub(super) fn split(&self) -> Result<Self> {
        self.split_by(|begun| self.settle(SPLIT, begun))
    }

    /// The same where a rank may be short of memory for it: then all say so.
    pub(super) fn split_agreed(&self, share: Share<'_>) -> Result<Self> {
        self.split_by(|begun| self.together(share, || self.settled(SPLIT, begun)))
    }

    fn split_by(&self, settle: impl FnOnce(Code) -> Result<()>) -> Result<Self> {
        let split = SplitFunctions::get()?.split;
        let Self { functions, rank, size, wait, ref blocking, .. } = *self;
        let (mut raw, mut config) = (std::ptr::null_mut(), config());
        // SAFETY: the communicator is alive, its ranks are fewer than 2^31, and both pointers are to values that outlive
        // the call; NCCL copies the settings, and writes the new handle until this communicator has settled.
        settle(unsafe { split(self.raw, 0, rank as i32, &raw mut raw, &raw mut config) })?;
        let (aborted, is_hearsay) = (Cell::new(false), Cell::new(false));
        let blocking = blocking.clone();
        Ok(Self { functions, raw, rank, size, wait, blocking, aborted, is_hearsay })
    }

    fn begin(
        (rank, size): (usize, usize),
        id: Id,
        wait: Wait,
        blocking: Option<Rc<BlockingKernel>>,
    ) -> Result<(Self, Code)> {
        let internal = id.0.map(|byte| byte as std::ffi::c_char);
        let whole = |number: usize| {
            i32::try_from(number).map_err(|_| Error::unsupported("NCCL counts ranks in 31 bits"))
        };
        let (ranks, own) = (whole(size)?, whole(rank)?);
        let functions = Functions::get()?;
        let (raw, aborted) = (std::ptr::null_mut(), Cell::new(false));
        let is_hearsay = Cell::new(false);
        let mut comm = Self { functions, raw, rank, size, wait, blocking, aborted, is_hearsay };
        let mut config = config();
        // SAFETY: the id is NCCL's own, the rank is below the number of ranks, and both pointers are to
        // values that outlive the call; NCCL copies the settings.
        let begun = unsafe {
            let id = sys::ncclUniqueId { internal };
            (functions.connect)(&raw mut comm.raw, ranks, id, own, &raw mut config)
        };
        Ok((comm, begun))
    }

    /// Repeats `step`, which waits for nothing, until it has an end on every rank; then its own. But where memory was short
    /// on some rank, that is the error of every rank, as unsupported, with the communicator aborted: NCCL tells the others at
    /// most that a rank has gone, and may let them wait for it for ever. All ranks call it; one that fails of
    /// something else returns at once, and must end the job.
    pub(super) fn together(
        &self,
        share: Share<'_>,
        mut step: impl FnMut() -> Option<Result<()>>,
    ) -> Result<()> {
        /// Between two talks of the ranks.
        const ROUND: Duration = Duration::from_millis(20);
        let mut own = None;
        loop {
            own = own.or_else(|| self.wait.at_most(ROUND, &mut step));
            let has_memory = match &own {
                Some(Err(why)) if why.kind == Kind::Unsupported => Err(why.clone()),
                Some(Err(why)) if !self.is_hearsay.get() => return Err(why.clone()),
                _ => Ok(()),
            };
            share.unanimous(has_memory).inspect_err(|_| self.abort())?;
            let waiting = share.most(own.is_none().into());
            if let Some(own) = own.take_if(|_| waiting == 0) {
                return own;
            }
        }
    }

    /// NCCL's handle, for calls of NCCL; that of an aborted communicator is no longer anything.
    pub(super) fn raw(&self) -> sys::ncclComm_t {
        self.raw
    }

    /// How its ranks wait for each other.
    pub(super) fn wait(&self) -> Wait {
        self.wait
    }

    /// Whether it can no longer be used.
    pub(super) fn is_aborted(&self) -> bool {
        self.aborted.get()
    }

    /// Makes calls that NCCL begins together. `calls` says how the last one ended that was made.
    pub(super) fn group(&self, calls: impl FnOnce() -> Code) -> Code {
        // SAFETY: it takes nothing.
        let begun = unsafe { (self.functions.group_start)() };
        if !is_fine(begun) {
            return begun;
        }
        let called = calls();
        // It ends whatever became of the calls: what follows would otherwise wait for its end.
        // SAFETY: it takes nothing.
        let ended = unsafe { (self.functions.group_end)() };
        if is_fine(called) { ended } else { called }
    }

    /// Waits until a call that does not block has done its part.
    ///
    /// # Errors
    /// What NCCL says; the communicator is then aborted.
    pub(super) fn settle(&self, doing: &str, begun: Code) -> Result<()> {
        self.wait.until(|| self.settled(doing, begun))
    }

    /// The same without waiting: nothing where it has not done its part yet.
    pub(super) fn settled(&self, doing: &str, begun: Code) -> Option<Result<()>> {
        match if begun == IN_PROGRESS { self.state() } else { begun } {
            SUCCESS => Some(Ok(())),
            IN_PROGRESS => None,
            code => Some(Err(self.give_up(doing, code))),
        }
    }

    /// Looks for an error of an operation in flight, such as a peer that has died.
    ///
    /// # Errors
    /// That error; the communicator is then aborted, so that what is in flight ends.
    pub(super) fn check(&self) -> Result<()> {
        let state = self.state();
        if is_fine(state) { Ok(()) } else { Err(self.give_up("finish an exchange", state)) }
    }

    fn state(&self) -> Code {
        let mut state = SUCCESS;
        // SAFETY: the communicator is alive until it is dropped.
        match unsafe { (self.functions.state)(self.raw, &raw mut state) } {
            SUCCESS => state,
            code => code,
        }
    }

    fn give_up(&self, doing: &str, code: Code) -> Error {
        let mut error = failed(self.functions, doing, code, self.raw);
        // What of this the death of a peer explains is not known here; a system call fails for many reasons.
        let may_be_hearsay = matches!(code, REMOTE_ERROR | SYSTEM_ERROR) && self.size > 1;
        if may_be_hearsay && error.kind == Kind::CaseFailed {
            self.is_hearsay.set(true);
            std::thread::sleep(HEARSAY);
            if progress::stop_requested() {
                std::thread::sleep(STOPPING);
                error.kind = Kind::Interrupted;
            }
        }
        self.abort();
        error
    }

    /// Ends it and what is in flight, here and, as far as NCCL can tell them, at the peers.
    pub(super) fn abort(&self) {
        if self.raw.is_null() || self.aborted.replace(true) {
            return;
        }
        // NCCL waits for its stream, which must get to NCCL's kernels for that.
        if let Some(blocking) = &self.blocking {
            blocking.open();
        }
        // SAFETY: alive, and aborted once. Its error is of no use: the communicator is gone.
        let _ = unsafe { (self.functions.abort)(self.raw) };
    }

    /// Ends it in good order, together with the other ranks; whether they all came.
    fn finalize(&self) -> bool {
        // SAFETY: alive, and finalized once, when nothing of it is in flight any more.
        let begun = unsafe { (self.functions.finalize)(self.raw) };
        let state = || Some(self.state()).filter(|state| *state != IN_PROGRESS);
        let ended = match begun {
            IN_PROGRESS => self.wait.at_most(FAREWELL, state),
            ended => Some(ended),
        };
        ended == Some(SUCCESS)
    }
}

impl Drop for Comm {
    /// Every rank of the communicator drops it at about the same time. Where one has gone, it is aborted: destroying would
    /// wait for ranks that never come.
    fn drop(&mut self) {
        if self.raw.is_null() || self.aborted.get() {
            return;
        }
        if self.finalize() {
            // SAFETY: alive and finalized, and destroyed once. Its error is of no use: the communicator is gone.
            let _ = unsafe { (self.functions.destroy)(self.raw) };
        } else {
            self.abort();
        }
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
    pub(super) fn shared(rank: usize, share: Share<'_>) -> Result<Self> {
        let create = |functions: &Functions| {
            let mut id = sys::ncclUniqueId { internal: [0; 128] };
            // SAFETY: the pointer is to one id.
            match unsafe { (functions.unique_id)(&raw mut id) } {
                SUCCESS => Ok(id.internal.map(|byte| byte.cast_unsigned()).to_vec()),
                code => Err(failed(functions, "create an NCCL id", code, std::ptr::null_mut())),
            }
        };
        let own = Functions::get().and_then(|nccl| (rank == 0).then(|| create(nccl)).transpose());
        let id = share.first(own)?.try_into();
        id.map(Self).map_err(|_| Error::internal("an NCCL id that is not 128 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nccl_says_of_memory_is_known() {
        for told in [
            "Cuda failure 2 'out of memory'",
            "Failed to CUDA calloc 6291456 bytes",
            "Failed to malloc 100 bytes",
        ] {
            assert!(tells_of_memory(told), "{told}");
        }
        assert!(!tells_of_memory("Cuda failure 700 'an illegal memory access was encountered'"));
    }
}
