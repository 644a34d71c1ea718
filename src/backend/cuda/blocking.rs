//! The kernel that holds the stream back until the host opens it.
#![expect(unsafe_code, reason = "launching a kernel with raw arguments")]

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, Ordering};

use cudarc::driver::{CudaFunction, LaunchConfig, PushKernelArg as _};

use super::device_clock::{DeviceClock, Seen};
use super::gpu::{Gpu, PinnedWords, failed};
use crate::base::error::{Error, Result};
use crate::base::units::Nanos;
use crate::machine::kernel::{self, Level};

/// Longest time a blocking kernel stays closed, ns. A rank that waits longer for the others than this starts too
/// early, and the round is invalid; a device that nobody opens again is free after it.
const TIMEOUT_NS: u64 = BlockingKernel::SECONDS * 1_000_000_000;

const ONE_THREAD: LaunchConfig =
    LaunchConfig { grid_dim: (1, 1, 1), block_dim: (1, 1, 1), shared_mem_bytes: 0 };

/// The smallest step of the device's clock, ns.
fn clock_step(gpu: &Gpu, words: &PinnedWords) -> Result<Nanos> {
    let function = gpu.function(&kernel::BLOCKING, kernel::CLOCK_STEP, Level::default())?.function;
    let [_, stamps] = words.pointers();
    let mut launch = gpu.stream.launch_builder(&function);
    launch.arg(&stamps);
    // SAFETY: the argument is that of kernels/blocking/kernel.cu, and the words outlive the kernel, which is waited for.
    unsafe { launch.launch(ONE_THREAD) }.map_err(failed("cannot read the GPU's clock"))?;
    gpu.synchronize()?;
    Ok(words.words().stamps[0].load(Ordering::Acquire).cast_signed())
}

/// A blocking kernel in the stream. Every kernel behind it must have run once before: the driver loads code at
/// the first launch, and may wait for the device to do so.
#[derive(Debug)]
pub(super) struct BlockingKernel {
    function: CudaFunction,
    words: PinnedWords,
    ticket: Cell<u32>,
    clock: RefCell<DeviceClock>,
}

impl BlockingKernel {
    /// Longest time that it stays closed, s.
    pub(super) const SECONDS: u64 = 2;

    /// Compiles it, and lets one pass, so that it is loaded.
    pub(super) fn build(gpu: &Gpu) -> Result<Self> {
        let (source, name) = (&kernel::BLOCKING, kernel::BLOCKING_FUNCTION);
        let function = gpu.function(source, name, Level::default())?.function;
        let words = gpu.pinned_words()?;
        let clock = RefCell::new(DeviceClock::new(clock_step(gpu, &words)?));
        let kernel = Self { function, words, ticket: Cell::new(0), clock };
        kernel.close(gpu)?;
        kernel.open();
        gpu.synchronize()?;
        if kernel.gave_up() {
            return Err(Error::unfit(
                "launching a kernel waits for its end here, so rounds cannot be queued before they start; unset \
                 CUDA_LAUNCH_BLOCKING, or add --no-blocking-kernel for debuggers and their like",
            ));
        }
        Ok(kernel)
    }

    /// Queues a closed blocking kernel.
    pub(super) fn close(&self, gpu: &Gpu) -> Result<()> {
        self.ticket.set(self.ticket.get().wrapping_add(1));
        let ([tickets, stamps], ticket) = (self.words.pointers(), self.ticket.get());
        let mut launch = gpu.stream.launch_builder(&self.function);
        launch.arg(&tickets).arg(&stamps).arg(&ticket).arg(&TIMEOUT_NS);
        // SAFETY: the arguments are those of kernels/blocking/kernel.cu, and the words outlive the kernel:
        // `Timed` waits for what it has queued before it goes.
        unsafe { launch.launch(ONE_THREAD) }
            .map(drop)
            .map_err(failed("cannot queue the blocking kernel"))
    }

    /// Lets everything behind it start.
    pub(super) fn open(&self) {
        self.words.words().tickets[0].store(self.ticket.get(), Ordering::Release);
    }

    /// Whether the device stands before the last blocking kernel, so that opening it is all that is left.
    pub(super) fn is_reached(&self) -> bool {
        self.words.words().tickets[2].load(Ordering::Acquire) == self.ticket.get()
    }

    /// When the last blocking kernel came and passed, by the device's clock; for once it has passed.
    fn stamps(&self) -> [Nanos; 2] {
        let stamp = |stamp: &AtomicU64| stamp.load(Ordering::Acquire).cast_signed();
        self.words.words().stamps.each_ref().map(stamp)
    }

    /// When the last blocking kernel passed, by the host's clock, and the bound of the error. The host saw at `came` that it
    /// stood there, and opened it at `opened`.
    pub(super) fn passed(&self, came: Nanos, opened: Nanos) -> Option<(Nanos, Nanos)> {
        let [device_came, passed] = self.stamps();
        let mut clock = self.clock.borrow_mut();
        let came = Seen { device: device_came, host: came };
        clock.learn(came, Seen { device: passed, host: opened });
        clock.on_host(passed)
    }

    /// Whether the last blocking kernel gave up before it was opened.
    pub(super) fn gave_up(&self) -> bool {
        self.words.words().tickets[1].load(Ordering::Acquire) == self.ticket.get()
    }
}
