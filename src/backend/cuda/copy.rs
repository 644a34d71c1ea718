//! Copies between memories, in one direction or in both at once: by copy engines, or by a kernel.
#![expect(unsafe_code, reason = "copies between raw addresses, and launching a kernel")]

use cudarc::driver::sys::{self, CUdeviceptr, CUstream};
use cudarc::driver::{CudaFunction, LaunchConfig, PushKernelArg as _};

use super::fork::Fork;
use super::gpu::{Buffer, Gpu, failed};
use super::host_memory::HostMemory;
use super::{Accuracy, Operation};
use crate::backend::reference::{fill_source, judge_copy, spoil_target};
use crate::base::error::Result;
use crate::benchmark::Numbers;
use crate::benchmark::copy::{Engine, MemoryCopy, Place};
use crate::benchmark::work::Element;
use crate::machine::kernel::{self, Level};
use crate::world::progress::Phase;

/// Prepares a copy.
///
/// # Errors
/// Unsupported when memory is short.
pub(super) fn prepare<'a>(gpu: &'a Gpu, copy: &MemoryCopy) -> Result<Box<dyn Operation + 'a>> {
    let way = |[from, to]: &[Place; 2]| -> Result<[Memory; 2]> {
        Ok([Memory::new(gpu, *from, copy)?, Memory::new(gpu, *to, copy)?])
    };
    let ways = copy.route.ways().iter().map(way).collect::<Result<Vec<_>>>()?;
    let by = match copy.engine {
        Engine::CopyEngine => By::CopyEngines(Fork::new(gpu, ways.len())?),
        Engine::Kernel => By::Kernel(Mover::new(gpu, &ways, copy.bytes)?),
    };
    Ok(Box::new(Copying { gpu, copy: *copy, ways, by }))
}

/// Memory at one end of a copy.
enum Memory {
    Host(HostMemory),
    Device(Buffer),
}

impl Memory {
    fn new(gpu: &Gpu, place: Place, copy: &MemoryCopy) -> Result<Self> {
        Ok(match place {
            Place::Host => Self::Host(HostMemory::new(gpu, copy.bytes, !copy.pageable)?),
            Place::Device => Self::Device(gpu.allocate(copy.bytes)?),
        })
    }

    /// Its address for copies.
    fn pointer(&self) -> CUdeviceptr {
        match self {
            Self::Host(memory) => memory.pointer(),
            Self::Device(buffer) => buffer.pointer,
        }
    }

    /// Its address for kernels.
    fn device_pointer(&self) -> Result<CUdeviceptr> {
        match self {
            Self::Host(memory) => memory.device_pointer(),
            Self::Device(buffer) => Ok(buffer.pointer),
        }
    }

    /// Puts in what `fill` puts into memory of the host.
    fn load(&mut self, gpu: &Gpu, bytes: u64, fill: impl Fn(&mut [u8])) -> Result<()> {
        match self {
            Self::Host(memory) => fill(memory),
            Self::Device(buffer) => {
                let mut values = Numbers::new(Element::U8, bytes as usize)?;
                fill(values.bytes_mut());
                gpu.upload(buffer, 0, values.bytes())?;
            }
        }
        Ok(())
    }
}

/// What copies.
enum By {
    /// Copy engines, each direction in a stream of its own.
    CopyEngines(Fork),
    Kernel(Mover),
}

/// The kernel that copies, with its addresses: of each direction to where and from where.
struct Mover {
    function: CudaFunction,
    launch: LaunchConfig,
    pointers: [[CUdeviceptr; 2]; 2],
    bytes: u64,
}

impl Mover {
    /// Threads of a block, and bytes that each has in flight: as in kernels/move_bytes.
    const THREADS: u32 = 256;
    const IN_FLIGHT: u64 = 64;

    /// Blocks of each direction on a multiprocessor: as many threads as one holds.
    const BLOCKS: u32 = 8;

    fn new(gpu: &Gpu, ways: &[[Memory; 2]], bytes: u64) -> Result<Self> {
        let (source, name) = (&kernel::MOVE_BYTES, kernel::MOVE_BYTES_FUNCTION);
        let function = gpu.function(source, name, Level::default())?.function;
        let mut pointers = [[0; 2]; 2];
        for (place, [from, to]) in pointers.iter_mut().zip(ways) {
            *place = [to.device_pointer()?, from.device_pointer()?];
        }
        let of_block = u64::from(Self::THREADS) * Self::IN_FLIGHT;
        let most = Self::BLOCKS * gpu.facts.multiprocessors.unwrap_or(1);
        let blocks = bytes.div_ceil(of_block).clamp(1, most.into()) as u32 * ways.len() as u32;
        let launch = LaunchConfig {
            grid_dim: (blocks, 1, 1),
            block_dim: (Self::THREADS, 1, 1),
            shared_mem_bytes: 0,
        };
        Ok(Self { function, launch, pointers, bytes })
    }

    fn run(&self, gpu: &Gpu) -> Result<()> {
        let mut launch = gpu.stream.launch_builder(&self.function);
        for pointer in self.pointers.iter().flatten() {
            launch.arg(pointer);
        }
        launch.arg(&self.bytes);
        // SAFETY: the arguments are those of kernels/move_bytes/kernel.cu. All memory has so many bytes, and outlives the
        // kernel: `Timed` waits for what it has queued before it goes.
        unsafe { launch.launch(self.launch) }.map(drop).map_err(failed("cannot queue a kernel"))
    }
}

/// Queues a copy in this stream, wherever its ends are.
///
/// # Safety
/// Both ends have so many bytes, and live until the stream is done.
pub(super) unsafe fn copy_bytes(
    to: CUdeviceptr,
    from: CUdeviceptr,
    bytes: usize,
    stream: CUstream,
) -> Result<()> {
    // SAFETY: as the caller guarantees.
    unsafe { sys::cuMemcpyAsync(to, from, bytes, stream) }
        .result()
        .map_err(failed("cannot queue a copy"))
}

/// A copy, ready to run.
struct Copying<'a> {
    gpu: &'a Gpu,
    copy: MemoryCopy,
    /// From where and to where, of each direction.
    ways: Vec<[Memory; 2]>,
    by: By,
}

impl Operation for Copying<'_> {
    fn load(&mut self, _: Phase) -> Result<()> {
        let (gpu, bytes) = (self.gpu, self.copy.bytes);
        for (way, [from, to]) in self.ways.iter_mut().enumerate() {
            from.load(gpu, bytes, |source| fill_source(way, source))?;
            to.load(gpu, bytes, |target| spoil_target(way, target))?;
        }
        Ok(())
    }

    /// A copy of pageable memory takes the host along: it would wait for a closed blocking kernel for ever.
    fn is_queued(&self) -> bool {
        !self.copy.pageable
    }

    fn is_near(&self) -> bool {
        let is_near = |memory: &Memory| !matches!(memory, Memory::Host(memory) if !memory.is_near);
        self.ways.iter().flatten().all(is_near)
    }

    fn entries(&self) -> u32 {
        match &self.by {
            By::CopyEngines(fork) => 1 + fork.entries(),
            By::Kernel(_) => 1,
        }
    }

    fn enqueue(&mut self) -> Result<()> {
        let bytes = self.copy.bytes as usize;
        let copy = |way: usize, stream: CUstream| {
            let [from, to] = &self.ways[way];
            // SAFETY: both have so many bytes, and outlive the copy: `Timed` waits for what it has queued before it goes.
            unsafe { copy_bytes(to.pointer(), from.pointer(), bytes, stream) }
        };
        match &self.by {
            By::CopyEngines(fork) => fork.queue(self.gpu, copy),
            By::Kernel(mover) => mover.run(self.gpu),
        }
    }

    fn compare(&mut self, phase: Phase) -> Result<Accuracy> {
        let (gpu, bytes) = (self.gpu, self.copy.bytes);
        let judged = self.ways.iter_mut().enumerate().map(|(way, [_, to])| {
            Ok(match to {
                Memory::Host(memory) => judge_copy(way, phase, memory),
                Memory::Device(buffer) => {
                    let mut values = Numbers::new(Element::U8, bytes as usize)?;
                    gpu.download(values.bytes_mut(), buffer, 0)?;
                    judge_copy(way, phase, values.bytes_mut())
                }
            })
        });
        judged.collect::<Result<Vec<Accuracy>>>().map(Accuracy::sum)
    }
}
