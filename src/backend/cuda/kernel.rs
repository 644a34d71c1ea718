//! Kernels in CUDA C++, compiled for the GPU at hand.
#![expect(unsafe_code, reason = "launching kernels with raw arguments")]

use std::ffi::c_void;

use cudarc::driver::CudaFunction;

use super::gpu::{Buffer, Gpu, failed};
use super::launch::Launch;
use super::{Accuracy, Operation, gemm};
use crate::backend::reference::{judge, no_such_type};
use crate::backend::tuner::{Tunable, Tuner};
use crate::base::error::{Error, Result};
use crate::base::units::Nanos;
use crate::benchmark::kernel::{Argument, Choice, Cuda, CudaKernel, KernelRun, Tensor, Tuning};
use crate::benchmark::{Numbers, work::Element};
use crate::machine::kernel::Compilation;
use crate::world::clock::HostClock;
use crate::world::progress::Phase;

/// Prepares a kernel.
///
/// # Errors
/// Unsupported for types that it has no function for, and when memory is short.
pub(super) fn prepare<'a>(
    gpu: &'a Gpu,
    run: &KernelRun,
    tuner: &Tuner,
) -> Result<Box<dyn Operation + 'a>> {
    let own = match &run.kernel.cuda {
        Some(Cuda::Own(own)) => own,
        Some(Cuda::CublasLt) => return gemm::prepare(gpu, run, tuner),
        None => {
            let name = &run.kernel.name;
            return Err(Error::unsupported(format!("{name} has no form for NVIDIA GPUs")));
        }
    };
    let first = Choice::first(&own.axes);
    let form = Form::new(gpu, own, run, &first)?;
    let memory = Memory::new(gpu, run)?;
    let mut kernel = Kernel { gpu, own, form, memory, tuning: None, seen: None };
    kernel.form.arguments = arguments(own, run, &first, &kernel.memory)?;
    if !own.axes.is_empty() {
        kernel.memory.load(gpu)?;
        kernel.tuning = tuner.tune(run, &own.axes, &mut kernel)?;
    }
    Ok(Box::new(kernel))
}

/// A kernel as it is started.
struct Form {
    function: CudaFunction,
    compilation: Compilation,
    launch: Launch,
    arguments: Vec<Word>,
    /// Where the arguments are; kept, so that queueing allocates nothing within the time.
    pointers: Vec<*mut c_void>,
}

impl Form {
    /// Without its arguments.
    ///
    /// # Errors
    /// Unsupported for types that it has no function for, and for more than a GPU can start.
    fn new(gpu: &Gpu, own: &CudaKernel, run: &KernelRun, choice: &Choice) -> Result<Self> {
        let name = &run.kernel.name;
        let entry = own.entries.iter().find(|(element, _)| *element == run.element);
        let (_, entry) =
            entry.ok_or_else(|| no_such_type(&format!("{name} on GPUs"), run.element))?;
        let launch = Launch::of(gpu, own, run, choice)?;
        let compiled = gpu.function(&own.source_of(choice), entry, run.level)?;
        Ok(Self {
            compilation: compiled.launched(&launch),
            function: compiled.function,
            launch,
            arguments: Vec::new(),
            pointers: Vec::new(),
        })
    }
}

/// The tensors of a kernel on the GPU.
pub(super) struct Memory {
    pub(super) run: KernelRun,
    pub(super) inputs: Vec<Buffer>,
    pub(super) outputs: Vec<Buffer>,
}

impl Memory {
    /// Room for them.
    pub(super) fn new(gpu: &Gpu, run: &KernelRun) -> Result<Self> {
        let room = |(tensor, shape): (&Tensor, &[usize])| gpu.allocate(run.bytes_of(tensor, shape));
        Ok(Self {
            inputs: run.inputs().map(room).collect::<Result<_>>()?,
            outputs: run.outputs().map(room).collect::<Result<_>>()?,
            run: run.clone(),
        })
    }

    /// Fills them.
    pub(super) fn load(&self, gpu: &Gpu) -> Result<()> {
        self.spoil(gpu)?;
        let mut inputs = self.run.inputs().zip(&self.inputs);
        inputs.try_for_each(|(of, buffer)| gpu.upload(buffer, 0, self.run.filled(of)?.bytes()))
    }

    /// Spoils the outputs.
    fn spoil(&self, gpu: &Gpu) -> Result<()> {
        let mut outputs = self.run.outputs().zip(&self.outputs);
        outputs.try_for_each(|((tensor, _), output)| {
            gpu.fill(output, tensor.element_in(self.run.element).spoilt_byte())
        })
    }

    /// Compares the outputs with the reference.
    pub(super) fn compare(&self, gpu: &Gpu, phase: Phase) -> Result<Accuracy> {
        self.compare_again(gpu, phase, &mut None)
    }

    /// The same of outputs for inputs on which the first ones had the fingerprint `seen`.
    fn compare_again(&self, gpu: &Gpu, phase: Phase, seen: &mut Option<u64>) -> Result<Accuracy> {
        let run = &self.run;
        let download = |((tensor, shape), buffer): ((&Tensor, &[usize]), &Buffer)| {
            let mut values = Numbers::new(tensor.element_in(run.element), shape.iter().product())?;
            gpu.download(values.bytes_mut(), buffer, 0)?;
            Ok(values)
        };
        let outputs = run.outputs().zip(&self.outputs).map(download);
        let mut outputs: Vec<Numbers> = outputs.collect::<Result<_>>()?;
        let inputs = run.inputs().map(|of| run.filled(of)).collect::<Result<Vec<Numbers>>>()?;
        let outputs = outputs.iter_mut().map(Numbers::bytes_mut);
        Ok(judge(run, inputs.iter().map(Numbers::bytes), outputs, phase, seen))
    }
}

/// An argument as the driver takes it.
enum Word {
    Wide(u64),
    F32(f32),
    F64(f64),
}

fn arguments(
    own: &CudaKernel,
    run: &KernelRun,
    choice: &Choice,
    memory: &Memory,
) -> Result<Vec<Word>> {
    let tensors = || run.kernel.tensors();
    let buffers = || memory.inputs.iter().chain(&memory.outputs);
    let word = |argument: &Argument| match argument {
        Argument::Tensor(name) => {
            let mut known = tensors().zip(buffers()).filter(|(tensor, _)| tensor.name == *name);
            let (_, buffer) = known.next().ok_or_else(|| {
                Error::internal(format!("{} has no tensor {name}", run.kernel.name))
            })?;
            Ok(Word::Wide(buffer.pointer))
        }
        Argument::Scalar(number) => Ok(scalar(run.element, run.value(number))),
        Argument::Count(formula) => Ok(Word::Wide(run.value_with(choice, formula) as u64)),
    };
    own.arguments.iter().map(word).collect()
}

impl Word {
    /// Where it is.
    fn pointer(&self) -> *mut c_void {
        match self {
            Self::Wide(word) => std::ptr::from_ref(word).cast_mut().cast(),
            Self::F32(number) => std::ptr::from_ref(number).cast_mut().cast(),
            Self::F64(number) => std::ptr::from_ref(number).cast_mut().cast(),
        }
    }
}

/// A number of the type that elements are computed in.
fn scalar(element: Element, number: f64) -> Word {
    match element {
        Element::F64 => Word::F64(number),
        narrow if narrow.is_float() => Word::F32(number as f32),
        // The driver takes as many bytes of it as the function's parameter has, the lowest first.
        _ => Word::Wide(number as i64 as u64),
    }
}

/// A kernel, ready to run.
struct Kernel<'a> {
    gpu: &'a Gpu,
    own: &'static CudaKernel,
    form: Form,
    memory: Memory,
    tuning: Option<Tuning>,
    /// The fingerprint of the first outputs.
    seen: Option<u64>,
}

impl Tunable for Kernel<'_> {
    fn choose(&mut self, choice: &Choice) -> Result<()> {
        let run = &self.memory.run;
        let arguments = arguments(self.own, run, choice, &self.memory)?;
        self.form = Form { arguments, ..Form::new(self.gpu, self.own, run, choice)? };
        Ok(())
    }

    fn time(&mut self, _: &HostClock) -> Result<Nanos> {
        let gpu = self.gpu;
        gpu.time(|| self.enqueue())
    }
}

impl Operation for Kernel<'_> {
    fn load(&mut self, phase: Phase) -> Result<()> {
        match phase {
            // The known data stays; the result is spoilt once more.
            Phase::Measure => self.memory.spoil(self.gpu),
            _ => self.memory.load(self.gpu),
        }
    }

    fn is_queued(&self) -> bool {
        self.own.queued
    }

    fn enqueue(&mut self) -> Result<()> {
        let Form { function, launch, arguments, pointers, .. } = &mut self.form;
        pointers.clear();
        pointers.extend(arguments.iter().map(Word::pointer));
        // SAFETY: the arguments are those that the kernel's benchmark declares for the function, which stays
        // within the tensors, and they live until the stream is done.
        unsafe { launch.queue(self.gpu, function, pointers) }
            .map_err(failed("cannot queue a kernel"))
    }

    fn compare(&mut self, phase: Phase) -> Result<Accuracy> {
        self.memory.compare_again(self.gpu, phase, &mut self.seen)
    }

    fn compilation(&self) -> Option<Compilation> {
        Some(self.form.compilation.clone())
    }

    fn tuning(&self) -> Option<Tuning> {
        self.tuning.clone()
    }
}
