//! Kernels in CUDA C++, compiled for the GPU at hand.
#![expect(unsafe_code, reason = "launching kernels with raw arguments")]

use cudarc::driver::{CudaFunction, LaunchConfig, PushKernelArg as _};

use super::gpu::{Buffer, Gpu, failed, function};
use super::{Accuracy, Operation, gemm};
use crate::backend::reference::{Number, judge, no_such_type, with_number};
use crate::base::error::{Error, Result};
use crate::benchmark::kernel::{Argument, Cuda, CudaKernel, KernelRun, Tensor};
use crate::benchmark::work::Element;
use crate::world::progress::Phase;

/// Prepares a kernel.
///
/// # Errors
/// Unsupported for types that it has no function for, and when memory is short.
pub(super) fn prepare<'a>(gpu: &'a Gpu, run: &KernelRun) -> Result<Box<dyn Operation + 'a>> {
    let name = &run.kernel.name;
    let own = match &run.kernel.cuda {
        Some(Cuda::Own(own)) => own,
        Some(Cuda::CublasLt) => return gemm::prepare(gpu, run),
        None => return Err(Error::unsupported(format!("{name} has no form for NVIDIA GPUs"))),
    };
    let entry = own.entries.iter().find(|(element, _)| *element == run.element);
    let (_, entry) = entry.ok_or_else(|| no_such_type(&format!("{name} on GPUs"), run.element))?;
    let (grid, block) = (run.extents(&own.grid), run.extents(&own.block));
    let shared = run.value(&own.shared_bytes);
    // As the CUDA C++ programming guide has them for all GPUs.
    let fits =
        |extents: [f64; 3], most: [f64; 3]| extents.iter().zip(most).all(|(n, most)| *n <= most);
    if !fits(grid, [f64::from(i32::MAX), 65535.0, 65535.0])
        || !fits(block, [1024.0, 1024.0, 64.0])
        || block.iter().product::<f64>() > 1024.0
        || shared > f64::from(i32::MAX)
    {
        return Err(Error::unsupported(format!(
            "{name} has a grid of {grid:?} blocks of {block:?} threads and {shared} bytes, more than a GPU can start"
        )));
    }
    let [grid_dim, block_dim] = [grid, block].map(|[x, y, z]| (x as u32, y as u32, z as u32));
    let memory = Memory::new(gpu, run)?;
    Ok(Box::new(Kernel {
        gpu,
        function: function(&gpu.load(&own.source)?, entry)?,
        launch: LaunchConfig { grid_dim, block_dim, shared_mem_bytes: shared as u32 },
        arguments: arguments(own, run, &memory)?,
        memory,
    }))
}

/// The tensors of a kernel on the GPU.
pub(super) struct Memory {
    pub(super) run: KernelRun,
    pub(super) inputs: Vec<Buffer>,
    pub(super) output: Buffer,
}

impl Memory {
    /// Room for them.
    pub(super) fn new(gpu: &Gpu, run: &KernelRun) -> Result<Self> {
        let room = |(_, shape): (&Tensor, &[usize])| gpu.allocate(run.bytes_of(shape));
        Ok(Self {
            inputs: run.inputs().map(room).collect::<Result<_>>()?,
            output: room(run.output())?,
            run: run.clone(),
        })
    }

    /// Fills them.
    pub(super) fn load(&self, gpu: &Gpu) -> Result<()> {
        self.spoil(gpu)?;
        with_number!(self.run.element, T => {
            let mut inputs = known::<T>(&self.run).zip(&self.inputs);
            inputs.try_for_each(|(values, buffer)| gpu.upload(buffer, 0, &values))
        })
    }

    /// Spoils the output: no type has a number whose bits are all set, that is a result of a kernel.
    fn spoil(&self, gpu: &Gpu) -> Result<()> {
        gpu.fill(&self.output, 0xff)
    }

    /// Compares the output with the reference.
    pub(super) fn compare(&self, gpu: &Gpu, phase: Phase) -> Result<Accuracy> {
        let run = &self.run;
        with_number!(run.element, T => {
            let mut values = vec![T::default(); run.output().1.iter().product()];
            gpu.download(&mut values, &self.output, 0)?;
            let inputs: Vec<Vec<T>> = known(run).collect();
            Ok(judge(run, inputs.iter().map(Vec::as_slice), &mut values, phase))
        })
    }
}

/// What belongs into the inputs, made anew where it is needed.
fn known<T: Number>(run: &KernelRun) -> impl Iterator<Item = Vec<T>> {
    run.inputs().map(|(tensor, shape)| {
        let mut values = vec![T::default(); shape.iter().product()];
        tensor.fill(run, &mut values);
        values
    })
}

/// An argument as the driver takes it.
enum Word {
    Wide(u64),
    F32(f32),
    F64(f64),
}

fn arguments(own: &CudaKernel, run: &KernelRun, memory: &Memory) -> Result<Vec<Word>> {
    let tensors = || run.inputs().chain([run.output()]).map(|(tensor, _)| tensor);
    let buffers = || memory.inputs.iter().chain([&memory.output]);
    let word = |argument: &Argument| match argument {
        Argument::Tensor(name) => {
            let mut known = tensors().zip(buffers()).filter(|(tensor, _)| tensor.name == *name);
            let (_, buffer) = known.next().ok_or_else(|| {
                Error::internal(format!("{} has no tensor {name}", run.kernel.name))
            })?;
            Ok(Word::Wide(buffer.pointer))
        }
        Argument::Scalar(number) if run.element == Element::F64 => Ok(Word::F64(*number)),
        Argument::Scalar(number) => Ok(Word::F32(*number as f32)),
        Argument::Count(formula) => Ok(Word::Wide(run.value(formula) as u64)),
    };
    own.arguments.iter().map(word).collect()
}

/// A kernel, ready to run.
struct Kernel<'a> {
    gpu: &'a Gpu,
    function: CudaFunction,
    launch: LaunchConfig,
    arguments: Vec<Word>,
    memory: Memory,
}

impl Operation for Kernel<'_> {
    fn load(&mut self, phase: Phase) -> Result<()> {
        match phase {
            // The known data stays; the result is spoilt once more.
            Phase::Measure => self.memory.spoil(self.gpu),
            _ => self.memory.load(self.gpu),
        }
    }

    fn enqueue(&mut self) -> Result<()> {
        let mut queue = self.gpu.stream.launch_builder(&self.function);
        for argument in &self.arguments {
            match argument {
                Word::Wide(word) => queue.arg(word),
                Word::F32(number) => queue.arg(number),
                Word::F64(number) => queue.arg(number),
            };
        }
        // SAFETY: the arguments are those that the kernel's benchmark declares for the function, which stays
        // within the tensors, and they live until the stream is done.
        unsafe { queue.launch(self.launch) }.map(drop).map_err(failed("cannot queue a kernel"))
    }

    fn compare(&mut self, phase: Phase) -> Result<Accuracy> {
        self.memory.compare(self.gpu, phase)
    }
}
