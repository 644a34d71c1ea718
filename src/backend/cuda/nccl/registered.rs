//! Memory that a communicator knows before its operations use it.
#![expect(unsafe_code, reason = "NCCL takes raw handles and pointers")]

use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::rc::Rc;

use cudarc::driver::sys::CUdeviceptr;
use cudarc::nccl::sys::ncclComm_t;

use super::functions::{LocalFunctions, SYMMETRIC, WindowFunctions};
use super::{Code, Comm, Functions, SUCCESS, failed};
use crate::backend::Share;
use crate::base::error::{Error, Result};
use crate::benchmark::work::Registration;

/// Memory of NCCL's own allocator, which is what all kinds of registration take.
#[derive(Debug)]
struct Memory {
    functions: &'static LocalFunctions,
    pointer: *mut c_void,
}

impl Memory {
    fn allocate(bytes: usize) -> Result<Self> {
        let functions = LocalFunctions::get()?;
        let mut pointer = std::ptr::null_mut();
        // SAFETY: the pointer is to one pointer, and the GPU's context is current on this thread.
        match unsafe { (functions.allocate)(&raw mut pointer, bytes) } {
            SUCCESS => Ok(Self { functions, pointer }),
            code => Err(of_library(&format!("allocate {bytes} bytes"), code)),
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated by `allocate`, and freed once, when nothing uses it any more.
        let code = unsafe { (self.functions.free)(self.pointer) };
        if code != SUCCESS {
            tracing::warn!("{}", of_library("free memory", code));
        }
    }
}

/// An error of a call without a communicator.
fn of_library(doing: &str, code: Code) -> Error {
    match Functions::get() {
        Ok(functions) => failed(functions, doing, code, std::ptr::null_mut()),
        Err(why) => why,
    }
}

/// Ends a registration: of one communicator, by its handle.
type Deregister = unsafe extern "C" fn(ncclComm_t, *mut c_void) -> Code;

/// Memory that a communicator knows.
#[derive(Debug)]
pub(in crate::backend::cuda) struct Registered {
    comm: Rc<Comm>,
    deregister: Deregister,
    handle: *mut c_void,
    memory: ManuallyDrop<Memory>,
    pub(in crate::backend::cuda) bytes: usize,
}

impl Registered {
    /// `bytes` bytes, on every rank of the communicator, all of which call this. In a symmetric window all have as much as
    /// the rank that asks for most.
    ///
    /// # Errors
    /// Unsupported, on all ranks, for an NCCL that is too old or does not register memory here, and where memory is short.
    pub(in crate::backend::cuda) fn allocate(
        comm: &Rc<Comm>,
        how: Registration,
        bytes: usize,
        share: Share<'_>,
    ) -> Result<Self> {
        let bytes = match how {
            Registration::Local => bytes,
            Registration::Symmetric => share.most(bytes),
        };
        let own = || {
            let deregister = match how {
                Registration::Local => LocalFunctions::get()?.deregister,
                Registration::Symmetric => WindowFunctions::get()?.deregister,
            };
            Ok((deregister, Memory::allocate(bytes)?))
        };
        let (deregister, memory) = share.unanimous(own())?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: the communicator is alive, the memory has as many bytes, and NCCL writes the handle until it has
        // settled, which is waited for below.
        let begun = unsafe { register(comm, how, (memory.pointer, bytes), &raw mut handle) }?;
        comm.together(share, || comm.settled("register memory", begun))?;
        let memory = ManuallyDrop::new(memory);
        let registered = Self { comm: Rc::clone(comm), deregister, handle, memory, bytes };
        // NCCL takes it for no error that it has registered nothing.
        let is_known = if handle.is_null() { Err(unregistered(how)) } else { Ok(()) };
        share.unanimous(is_known).map(|()| registered)
    }

    /// Its address on the GPU.
    pub(in crate::backend::cuda) fn pointer(&self) -> CUdeviceptr {
        self.memory.pointer.expose_provenance() as CUdeviceptr
    }
}

/// # Safety
/// The communicator is alive, the memory has so many bytes, and `handle` lives until the communicator has settled.
unsafe fn register(
    comm: &Comm,
    how: Registration,
    (at, bytes): (*mut c_void, usize),
    handle: *mut *mut c_void,
) -> Result<Code> {
    // SAFETY: as the caller says.
    Ok(unsafe {
        match how {
            Registration::Local => (LocalFunctions::get()?.register)(comm.raw(), at, bytes, handle),
            Registration::Symmetric => {
                (WindowFunctions::get()?.register)(comm.raw(), at, bytes, handle, SYMMETRIC)
            }
        }
    })
}

fn unregistered(how: Registration) -> Error {
    let why = match how {
        Registration::Local => "NCCL_LOCAL_REGISTER=0 forbids it, or messages go by copy engines",
        Registration::Symmetric => {
            "the ranks cannot all reach each other's memory, or NCCL_WIN_ENABLE=0 or NCCL_CUMEM_ENABLE=0 forbids it"
        }
    };
    Error::unsupported(format!(
        "NCCL has not registered the buffers as registered={} asks: {why}",
        how.name()
    ))
}

impl Drop for Registered {
    /// An aborted communicator knows nothing any more.
    fn drop(&mut self) {
        if !self.handle.is_null() && !self.comm.is_aborted() {
            // SAFETY: registered with this communicator, which is alive, and taken back once.
            let code = unsafe { (self.deregister)(self.comm.raw(), self.handle) };
            if code != SUCCESS {
                let doing = "take registered memory back, which therefore stays";
                let why = failed(self.comm.functions, doing, code, self.comm.raw());
                tracing::warn!("{}", why.message);
                return;
            }
        }
        // SAFETY: here alone, and nothing uses it any more.
        unsafe { ManuallyDrop::drop(&mut self.memory) }
    }
}
