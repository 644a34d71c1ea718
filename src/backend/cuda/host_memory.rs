//! Memory of the host that a GPU copies from and to: on the NUMA node that the GPU is at, where that can be had.
#![expect(unsafe_code, reason = "the system and the driver take raw pointers")]

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use cudarc::driver::CudaContext;
use cudarc::driver::result::DriverError;
use cudarc::driver::sys::{self, CUdeviceptr, CUresult};

use super::gpu::{Gpu, failed};
use crate::base::error::{Error, Result};
use crate::machine::numa;

/// Whole pages of memory, pinned or not.
#[derive(Debug)]
pub(super) struct HostMemory {
    first: *mut u8,
    bytes: usize,
    /// Where it is pinned.
    pinned: Option<Arc<CudaContext>>,
    /// Whether it lies on the GPU's NUMA node, as far as that is known.
    pub(super) is_near: bool,
}

impl HostMemory {
    /// So many bytes, all of whose pages are there.
    ///
    /// # Errors
    /// Unsupported, in one sentence, when the machine has not that much memory, or will not pin it.
    pub(super) fn new(gpu: &Gpu, bytes: u64, is_pinned: bool) -> Result<Self> {
        let scarce = |what: &str| {
            let told =
                format!("{bytes} bytes of memory are not to be {what}; choose a smaller problem");
            Error::unsupported(told)
        };
        let bytes = usize::try_from(bytes).map_err(|_| scarce("had"))?;
        let (access, kind) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: memory of nobody, wherever the system has some.
        let first = unsafe { libc::mmap(std::ptr::null_mut(), bytes, access, kind, -1, 0) };
        if first == libc::MAP_FAILED {
            return Err(scarce("had"));
        }
        let mut memory = Self { first: first.cast(), bytes, pinned: None, is_near: true };
        // Before the first touch, which gives each page its place.
        let node = gpu.facts.pci.as_deref().and_then(numa::node_of_pci);
        node.inspect(|node| prefer(&mut memory, *node));
        memory.fill(0);
        memory.is_near = match node {
            _ if numa::nodes().len() < 2 => true,
            None => false,
            Some(node) => [0, bytes - 1].iter().all(|at| node_at(&memory[*at]) == Some(node)),
        };
        if is_pinned {
            let flags = sys::CU_MEMHOSTREGISTER_PORTABLE | sys::CU_MEMHOSTREGISTER_DEVICEMAP;
            // SAFETY: the memory is there, and unpinned before it goes.
            let pinned = unsafe { sys::cuMemHostRegister_v2(first, bytes, flags) }.result();
            pinned.map_err(|why| match why {
                DriverError(CUresult::CUDA_ERROR_OUT_OF_MEMORY) => scarce("pinned"),
                why => failed("cannot pin memory of the host")(why),
            })?;
            memory.pinned = Some(Arc::clone(gpu.stream.context()));
        }
        Ok(memory)
    }

    /// Its address for copies: that of the host, by which the driver knows it.
    pub(super) fn pointer(&self) -> CUdeviceptr {
        self.first.expose_provenance() as CUdeviceptr
    }

    /// Its address for kernels, where it is pinned.
    pub(super) fn device_pointer(&self) -> Result<CUdeviceptr> {
        let mut pointer = 0;
        // SAFETY: the place outlives the call; the driver refuses memory that it has not pinned.
        unsafe { sys::cuMemHostGetDevicePointer_v2(&raw mut pointer, self.first.cast(), 0) }
            .result()
            .map_err(failed("cannot map pinned memory for the GPU"))?;
        Ok(pointer)
    }
}

impl Deref for HostMemory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: so many bytes are mapped, and the GPU writes to them only while nobody looks: `Timed` waits for it.
        unsafe { std::slice::from_raw_parts(self.first, self.bytes) }
    }
}

impl DerefMut for HostMemory {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.first, self.bytes) }
    }
}

impl Drop for HostMemory {
    fn drop(&mut self) {
        if let Some(context) = &self.pinned {
            // SAFETY: pinned by `new`; the driver waits for work that still uses it.
            context.record_err(unsafe { sys::cuMemHostUnregister(self.first.cast()) }.result());
        }
        // SAFETY: mapped by `new`, and nobody borrows it. It fails for no whole mapping.
        unsafe { libc::munmap(self.first.cast(), self.bytes) };
    }
}

/// Words of a set of nodes.
const NODE_WORDS: usize = 16;

/// Asks for pages on this NUMA node (`mbind`, `MPOL_PREFERRED`). Where that is refused they lie anywhere, which shows later.
fn prefer(memory: &mut [u8], node: usize) {
    const MPOL_PREFERRED: libc::c_ulong = 1;
    const NO_FLAGS: libc::c_ulong = 0;
    let bits = libc::c_ulong::BITS as usize;
    let mut set: [libc::c_ulong; NODE_WORDS] = [0; NODE_WORDS];
    let Some(word) = set.get_mut(node / bits) else { return };
    *word = 1 << (node % bits);
    // SAFETY: the system reads as many bits as said, and moves no memory that is in use.
    unsafe {
        let (first, len) = (memory.as_mut_ptr(), memory.len());
        libc::syscall(
            libc::SYS_mbind,
            first,
            len,
            MPOL_PREFERRED,
            set.as_ptr(),
            NODE_WORDS * bits,
            NO_FLAGS,
        )
    };
}

/// The NUMA node on which a page lies; `None` where the system does not tell.
fn node_at(byte: &u8) -> Option<usize> {
    const MPOL_F_NODE: libc::c_ulong = 1;
    const MPOL_F_ADDR: libc::c_ulong = 2;
    const NO_WORDS: libc::c_ulong = 0;
    let (mut node, nothing) = (-1 as libc::c_int, std::ptr::null::<libc::c_ulong>());
    let flags = MPOL_F_NODE | MPOL_F_ADDR;
    // SAFETY: the place for the number outlives the call, and there is none for a set of nodes.
    let told = unsafe {
        let (place, at) = (&raw mut node, std::ptr::from_ref(byte));
        libc::syscall(libc::SYS_get_mempolicy, place, nothing, NO_WORDS, at, flags)
    };
    if told == 0 { usize::try_from(node).ok() } else { None }
}
