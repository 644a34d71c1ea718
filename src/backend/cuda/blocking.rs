//! The kernel that holds the stream back until the host opens it.
#![expect(unsafe_code, reason = "launching a kernel with raw arguments")]

use std::cell::Cell;
use std::sync::atomic::Ordering;

use cudarc::driver::{CudaFunction, LaunchConfig, PushKernelArg as _};

use super::gpu::{Gpu, PinnedWords, failed, function};
use crate::base::error::{Error, Result};
use crate::machine::kernel;

/// Longest time a blocking kernel stays closed, ns. A rank that waits longer for the others than this starts too
/// early, and the round is invalid; a device that nobody opens again is free after it.
const TIMEOUT_NS: u64 = 2_000_000_000;

/// A blocking kernel in the stream. Every kernel behind it must have run once before: the driver loads code at
/// the first launch, and may wait for the device to do so.
#[derive(Debug)]
pub(super) struct BlockingKernel {
    function: CudaFunction,
    /// The highest ticket that may pass, the last one that gave up, the last one that has come.
    words: PinnedWords,
    ticket: Cell<u32>,
}

impl BlockingKernel {
    /// Compiles it, and lets one pass, so that it is loaded.
    pub(super) fn build(gpu: &Gpu) -> Result<Self> {
        let function = function(&gpu.load(&kernel::BLOCKING)?, "blocking")?;
        let kernel = Self { function, words: gpu.pinned_words()?, ticket: Cell::new(0) };
        kernel.close(gpu)?;
        kernel.open();
        gpu.synchronize()?;
        if kernel.gave_up() {
            return Err(Error::unfit(
                "launching a kernel waits for its end here, so rounds cannot be queued before they start; \
                 unset CUDA_LAUNCH_BLOCKING, and measure without a debugger",
            ));
        }
        Ok(kernel)
    }

    /// Queues a closed blocking kernel.
    pub(super) fn close(&self, gpu: &Gpu) -> Result<()> {
        self.ticket.set(self.ticket.get().wrapping_add(1));
        let (words, ticket) = (self.words.pointer(), self.ticket.get());
        let one = LaunchConfig { grid_dim: (1, 1, 1), block_dim: (1, 1, 1), shared_mem_bytes: 0 };
        let mut launch = gpu.stream.launch_builder(&self.function);
        launch.arg(&words).arg(&ticket).arg(&TIMEOUT_NS);
        // SAFETY: the arguments are those of kernels/blocking/kernel.cu, and the words outlive the kernel:
        // `Timed` waits for what it has queued before it goes.
        unsafe { launch.launch(one) }.map(drop).map_err(failed("cannot queue the blocking kernel"))
    }

    /// Lets everything behind it start.
    pub(super) fn open(&self) {
        self.words.words()[0].store(self.ticket.get(), Ordering::Release);
    }

    /// Whether the device stands before the last blocking kernel, so that opening it is all that is left.
    pub(super) fn is_reached(&self) -> bool {
        self.words.words()[2].load(Ordering::Acquire) == self.ticket.get()
    }

    /// Whether the last blocking kernel gave up before it was opened.
    pub(super) fn gave_up(&self) -> bool {
        self.words.words()[1].load(Ordering::Acquire) == self.ticket.get()
    }
}
