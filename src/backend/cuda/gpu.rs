//! One GPU: its context, its stream, its memory.
#![expect(unsafe_code, reason = "the driver takes raw pointers and handles")]

use std::cell::RefCell;
use std::collections::HashMap;
use std::mem::offset_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};

use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{self, CUdevice_attribute as Attribute, CUdeviceptr, CUevent_flags};
use cudarc::driver::{CudaContext, CudaEvent, CudaFunction, CudaStream};
use cudarc::nvrtc::Ptx;

use super::launch::Launch;
use super::nccl::Registered;
use crate::backend::reference::Number;
use crate::base::error::{Error, Kind, Result};
use crate::base::units::Nanos;
use crate::machine::cache::{Cache, MemoryLevel};
use crate::machine::device::Device;
use crate::machine::kernel::{
    self, Built, Code, Compilation, Function, Level, Request, Source, Stage,
};
use crate::machine::{nvidia, telemetry};

/// A GPU with the one stream that everything runs on.
#[derive(Debug)]
pub(super) struct Gpu {
    context: Arc<CudaContext>,
    pub(super) stream: Arc<CudaStream>,
    elapsed: EventElapsed,
    pub(super) facts: Device,
    /// Its compute capability, major and minor.
    pub(super) capability: (i32, i32),
    arch: String,
    /// The functions that have been compiled, by the kernel, the name there, and how much was optimised.
    functions: RefCell<HashMap<(Source, String, Level), Compiled>>,
}

/// A function of a kernel as machine code on the GPU.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    /// What is launched.
    pub(super) function: CudaFunction,
    /// What it uses.
    uses: Function,
    /// How it came about.
    compilation: Compilation,
}

/// The driver's `cuEventElapsedTime`. cudarc calls the version that came with CUDA 12.8, which would
/// shut out every older driver.
type EventElapsed = unsafe extern "C" fn(*mut f32, sys::CUevent, sys::CUevent) -> i32;

/// One sentence for an error of the driver.
pub(super) fn failed(doing: &str) -> impl Fn(DriverError) -> Error {
    move |error| {
        let text = |part: Result<&std::ffi::CStr, DriverError>| {
            part.map_or_else(|_| "unknown error".into(), |text| text.to_string_lossy().into_owned())
        };
        let reason = format!("{} ({})", text(error.error_string()), text(error.error_name()));
        if error.0 == sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY {
            let free = free_memory();
            return Error::unsupported(format!(
                "{doing}: the GPU has not enough free memory ({free}); choose a smaller problem"
            ));
        }
        Error::new(Kind::CaseFailed, format!("{doing}: {reason}{}", remedy(error.0)))
    }
}

/// What to do about an error that is the device's own.
fn remedy(error: sys::CUresult) -> &'static str {
    use sys::CUresult as E;
    match error {
        E::CUDA_ERROR_ECC_UNCORRECTABLE => {
            "; the GPU's memory is damaged: take it out of use until it is reset (nvidia-smi -q -d ECC shows where)"
        }
        E::CUDA_ERROR_DEVICE_UNAVAILABLE => {
            "; another process has the GPU to itself (nvidia-smi shows the compute mode), or it has fallen off the bus \
             (the kernel's log then tells of an Xid)"
        }
        _ => "",
    }
}

/// How much memory of the GPU is free, and how much it has, bytes; `None` where the driver does not say.
pub(super) fn memory() -> Option<(u64, u64)> {
    result::mem_get_info().ok().map(|(free, total)| (free as u64, total as u64))
}

/// How much memory of the GPU is free, for messages.
pub(super) fn free_memory() -> String {
    let free = memory().map(|(free, _)| format!("{free} bytes"));
    free.unwrap_or_else(|| "the driver does not say how much".to_owned())
}

/// The same before any case, where nothing can be measured at all.
fn unfit(doing: &str) -> impl Fn(DriverError) -> Error {
    move |error| Error { kind: Kind::Unfit, ..failed(doing)(error) }
}

/// How many GPUs the driver shows this process.
pub(super) fn count() -> Result<usize> {
    match result::init().and_then(|()| result::device::get_count()) {
        Ok(count) => Ok(usize::try_from(count).unwrap_or(0)),
        Err(DriverError(sys::CUresult::CUDA_ERROR_NO_DEVICE)) => Ok(0),
        Err(why) => Err(unfit("cannot start NVIDIA's driver")(why)),
    }
}

/// The newest CUDA that the driver serves, such as `13.0`.
pub(super) fn driver_version() -> Result<String> {
    let mut version = 0;
    // SAFETY: the pointer is to one int.
    let told = unsafe { sys::cuDriverGetVersion(&raw mut version) }.result();
    told.map_err(unfit("cannot ask the driver's version"))?;
    Ok(format!("{}.{}", version / 1000, version % 1000 / 10))
}

impl Gpu {
    /// Opens the GPU with this number among the visible ones.
    pub(super) fn open(ordinal: usize) -> Result<Self> {
        // SAFETY: the type is that of cuda.h since CUDA 3.
        let elapsed = unsafe { nvidia::DRIVER.symbol::<EventElapsed>("cuEventElapsedTime") }?;
        let opening = format!("cannot open GPU {ordinal}");
        let context = CudaContext::new(ordinal).map_err(unfit(&opening))?;
        // SAFETY: everything runs on one stream. Before the first allocation, because cudarc would
        // record an event around each operation, within the time that is measured.
        unsafe { context.disable_event_tracking() };
        let stream = context.new_stream().map_err(unfit(&opening))?;
        let capability = context.compute_capability().map_err(unfit(&opening))?;
        let facts = facts(ordinal)?;
        let arch = kernel::arch_of(capability.0, capability.1);
        let functions = RefCell::default();
        Ok(Self { context, stream, elapsed, facts, capability, arch, functions })
    }

    /// The stream, for libraries.
    pub(super) fn raw_stream(&self) -> sys::CUstream {
        self.stream.cu_stream()
    }

    /// Compiles a function of a kernel, such as `gelu<float>`, for this GPU and loads it, the first time it is asked for.
    pub(super) fn function(&self, source: &Source, name: &str, level: Level) -> Result<Compiled> {
        let key = (source.clone(), name.to_owned(), level);
        if let Some(compiled) = self.functions.borrow().get(&key) {
            return Ok(compiled.clone());
        }
        let request = Request { source, functions: &[name], arch: &self.arch, level };
        let Built { binary, mut compilation } = kernel::build(&request)?;
        let made = match source.code {
            Code::Cuda(_) => format!("{} made it", compilation.compiler),
            Code::Ptx(_) => "it is PTX".to_owned(),
            Code::Cubin(_) => "it is machine code".to_owned(),
        };
        let loading = format!(
            "cannot load kernel {} for {} ({made}, and the driver serves CUDA {}: its maker must not be \
             of a later major version)",
            source.name,
            self.arch,
            driver_version()?
        );
        let uses = binary.functions.iter().find(|function| function.name == name);
        let mut uses = uses.cloned().unwrap_or_default();
        let image = match binary.cubin.is_empty() {
            // A text that ends in a zero byte.
            true => [binary.ptx.as_bytes(), &[0]].concat(),
            false => binary.cubin,
        };
        let loading_it =
            || self.context.load_module(Ptx::from_binary(image))?.load_function(&uses.symbol);
        let (function, time) = kernel::timed(Stage::Load, loading_it);
        let function = function.map_err(unfit(&loading))?;
        if !binary.is_reported {
            let ask = |told: Result<i32, DriverError>| {
                let told = told.map_err(failed("cannot ask what a kernel uses"))?;
                Ok::<u32, Error>(u32::try_from(told).unwrap_or(0))
            };
            uses.registers = ask(function.num_regs())?;
            uses.stack_bytes = ask(function.local_size_bytes())?;
            uses.shared_bytes = ask(function.shared_size_bytes())?;
        }
        compilation.stages.push(time);
        let compiled = Compiled { function, uses, compilation };
        self.functions.borrow_mut().insert(key, compiled.clone());
        Ok(compiled)
    }

    /// An event that tells the time.
    pub(super) fn event(&self) -> Result<CudaEvent> {
        // cudarc's default is an event that tells no time.
        let timing = Some(CUevent_flags::CU_EVENT_DEFAULT);
        self.context.new_event(timing).map_err(failed("cannot create an event"))
    }

    /// Queues the event.
    pub(super) fn record(&self, event: &CudaEvent) -> Result<()> {
        event.record(&self.stream).map_err(failed("cannot record an event"))
    }

    /// Device time of what `enqueue` queues, ns.
    pub(super) fn time(&self, enqueue: impl FnOnce() -> Result<()>) -> Result<Nanos> {
        let (begin, end) = (self.event()?, self.event()?);
        self.record(&begin)?;
        enqueue()?;
        self.record(&end)?;
        self.synchronize()?;
        self.between(&begin, &end)
    }

    /// Device time between two completed events, ns.
    pub(super) fn between(&self, begin: &CudaEvent, end: &CudaEvent) -> Result<Nanos> {
        let mut milliseconds = 0f32;
        // SAFETY: both events are alive, and the pointer is to one float.
        let code =
            unsafe { (self.elapsed)(&raw mut milliseconds, begin.cu_event(), end.cu_event()) };
        match code {
            0 => Ok((f64::from(milliseconds) * 1e6).round() as Nanos),
            code => Err(Error::new(
                Kind::CaseFailed,
                format!("cannot read the time between two events: CUDA error {code}"),
            )),
        }
    }

    /// Waits until everything queued is done. Only where nothing can hang: it knows no deadline.
    pub(super) fn synchronize(&self) -> Result<()> {
        self.stream.synchronize().map_err(failed("work on the GPU failed"))
    }

    /// Device memory of `bytes` bytes.
    pub(super) fn allocate(&self, bytes: u64) -> Result<Buffer> {
        // The driver refuses to allocate nothing.
        let size = usize::try_from(bytes.max(1)).unwrap_or(usize::MAX);
        // SAFETY: the context is current on this thread since it was opened. Not cudarc's own
        // allocator, whose pool memory other processes could not map.
        let pointer = unsafe { result::malloc_sync(size) }
            .map_err(failed(&format!("cannot allocate {bytes} bytes")))?;
        let owner = Owner::Driver(Arc::clone(&self.context));
        Ok(Buffer { pointer, bytes: size, owner })
    }

    /// Copies `values` into `buffer`, `offset` bytes behind its beginning, and waits for it.
    pub(super) fn upload<T: Number>(
        &self,
        buffer: &Buffer,
        offset: usize,
        values: &[T],
    ) -> Result<()> {
        let place = buffer.place(offset, size_of_val(values));
        // SAFETY: the buffer holds as many bytes, numbers have no others, and `values` lives until the copy is done.
        // On our stream, because the plain copy returns before the data has arrived.
        unsafe { result::memcpy_htod_async(place, values, self.raw_stream()) }
            .map_err(failed("cannot copy to the GPU"))?;
        self.synchronize()
    }

    /// Copies what lies `offset` bytes behind the beginning of `buffer` to `values`, once everything queued
    /// is done.
    pub(super) fn download<T: Number>(
        &self,
        values: &mut [T],
        buffer: &Buffer,
        offset: usize,
    ) -> Result<()> {
        let place = buffer.place(offset, size_of_val(values));
        // SAFETY: the buffer holds as many bytes, all of which are numbers whatever they are, and `values` lives until
        // the copy is done.
        unsafe { result::memcpy_dtoh_async(values, place, self.raw_stream()) }
            .map_err(failed("cannot copy from the GPU"))?;
        self.synchronize()
    }

    /// Queues filling a buffer with one byte.
    pub(super) fn fill(&self, buffer: &Buffer, byte: u8) -> Result<()> {
        // SAFETY: the buffer holds that many bytes.
        unsafe { result::memset_d8_async(buffer.pointer, byte, buffer.bytes, self.raw_stream()) }
            .map_err(failed("cannot fill memory of the GPU"))
    }

    /// A few words of host memory that the GPU reads and writes.
    pub(super) fn pinned_words(&self) -> Result<PinnedWords> {
        let flags = sys::CU_MEMHOSTALLOC_PORTABLE | sys::CU_MEMHOSTALLOC_DEVICEMAP;
        // SAFETY: the context is current on this thread.
        let pointer = unsafe { result::malloc_host(size_of::<Words>(), flags) }
            .map_err(unfit("cannot allocate pinned memory"))?;
        // SAFETY: the driver gave as many bytes, aligned to a page, and they are ours alone.
        unsafe { pointer.cast::<Words>().write(Default::default()) };
        Ok(PinnedWords { pointer: pointer.cast(), _context: Arc::clone(&self.context) })
    }
}

/// What GPU `ordinal` among the visible ones is. It needs no context.
pub(super) fn facts(ordinal: usize) -> Result<Device> {
    ask(ordinal).map_err(unfit(&format!("cannot ask GPU {ordinal} what it is")))
}

fn ask(ordinal: usize) -> Result<Device, DriverError> {
    result::init()?;
    let gpu = result::device::get(i32::try_from(ordinal).unwrap_or(i32::MAX))?;
    let mut pci = [0; 32];
    // SAFETY: the buffer is as long as said.
    unsafe { sys::cuDeviceGetPCIBusId(pci.as_mut_ptr(), 32, gpu) }.result()?;
    let pci = pci.iter().take_while(|&&c| c != 0).map(|&c| char::from(c.cast_unsigned())).collect();
    let bytes = result::device::get_uuid(gpu)?.bytes;
    let hex = bytes.map(|byte| format!("{:02x}", byte.cast_unsigned()));
    let parts = [0..4, 4..6, 6..8, 8..10, 10..16].map(|range| hex[range].concat());
    // SAFETY: the device was given by the driver.
    let attribute = |attribute| unsafe { result::device::get_attribute(gpu, attribute) };
    let major = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
    let minor = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
    let processors = attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
    let last = attribute(Attribute::CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE)?;
    let last = u64::try_from(last).ok().filter(|bytes| *bytes > 0);
    let last = last.map(|bytes| Cache { level: MemoryLevel::L2, bytes, shared_by: None });
    let positive = |told: i32| u32::try_from(told).ok().filter(|told| *told > 0);
    let megahertz = |kilohertz| positive(kilohertz).map(|kilohertz| kilohertz / 1000);
    Ok(Device {
        kind: "cuda".to_owned(),
        name: result::device::get_name(gpu)?,
        uuid: Some(telemetry::uuid_of(&parts.join("-"))),
        pci: Some(pci),
        // SAFETY: as above.
        memory_bytes: Some(unsafe { result::device::total_mem(gpu) }? as u64),
        compute_capability: Some(format!("{major}.{minor}")),
        multiprocessors: positive(processors),
        clock_mhz: megahertz(attribute(Attribute::CU_DEVICE_ATTRIBUTE_CLOCK_RATE)?),
        memory_clock_mhz: megahertz(attribute(Attribute::CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE)?),
        memory_bus_bits: positive(attribute(
            Attribute::CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH,
        )?),
        caches: last.into_iter().collect(),
    })
}

impl Compiled {
    /// What a launch of it uses.
    pub(super) fn launched(&self, launch: &Launch) -> Compilation {
        let (threads, dynamic) = (launch.threads(), launch.shared_bytes);
        // The driver's own account, beside ours.
        let driver_blocks = self
            .function
            .occupancy_max_active_blocks_per_multiprocessor(threads, dynamic as usize, None)
            .ok();
        let compilation = self.compilation.clone().launched(&self.uses, threads, dynamic);
        Compilation { driver_blocks, ..compilation }
    }
}

/// Memory of the GPU.
#[derive(Debug)]
pub(super) struct Buffer {
    /// Its address on the GPU.
    pub(super) pointer: CUdeviceptr,
    bytes: usize,
    owner: Owner,
}

/// Who takes memory back.
#[derive(Debug)]
enum Owner {
    Driver(Arc<CudaContext>),
    Nccl { _memory: Registered },
}

impl Buffer {
    /// Of memory that a communicator knows.
    pub(super) fn registered(memory: Registered) -> Self {
        let (pointer, bytes) = (memory.pointer(), memory.bytes);
        Self { pointer, bytes, owner: Owner::Nccl { _memory: memory } }
    }

    /// The address of `bytes` bytes from `offset` on.
    fn place(&self, offset: usize, bytes: usize) -> CUdeviceptr {
        let fits = offset.checked_add(bytes).is_some_and(|end| end <= self.bytes);
        assert!(fits, "a copy past the end of a buffer");
        self.pointer + offset as CUdeviceptr
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Owner::Driver(context) = &self.owner {
            // SAFETY: allocated by `allocate`, freed once; the driver waits for work that still uses it.
            context.record_err(unsafe { result::free_sync(self.pointer) });
        }
    }
}

/// What a blocking kernel and the host tell each other.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Words {
    /// The highest ticket that may pass, the last one that gave up, the last one that has come.
    pub(super) tickets: [AtomicU32; 3],
    /// When it came and when it passed, by the device's clock.
    pub(super) stamps: [AtomicU64; 2],
}

/// A few words of host memory that the GPU reads and writes, at the same address.
#[derive(Debug)]
pub(super) struct PinnedWords {
    pointer: *mut Words,
    _context: Arc<CudaContext>,
}

impl PinnedWords {
    /// The words, as the host sees them.
    pub(super) fn words(&self) -> &Words {
        // SAFETY: allocated and zeroed by `pinned_words`, freed with `self`; the GPU writes whole words.
        unsafe { &*self.pointer }
    }

    /// The addresses of tickets and stamps on the GPU: the same, since CUDA 4 and on all 64-bit systems.
    pub(super) fn pointers(&self) -> [CUdeviceptr; 2] {
        let base = self.pointer.addr() as CUdeviceptr;
        [offset_of!(Words, tickets), offset_of!(Words, stamps)].map(|at| base + at as CUdeviceptr)
    }
}

impl Drop for PinnedWords {
    fn drop(&mut self) {
        // SAFETY: allocated by `pinned_words`, freed once. An error is of no use any more: the
        // process is about to end.
        let _ = unsafe { result::free_host(self.pointer.cast()) };
    }
}
