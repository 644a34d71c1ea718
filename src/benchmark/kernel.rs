//! What every rank computes by itself.
//!
//! A kernel is a folder with a description ([`Manifest`]) and its CUDA source. Of those that come with the program, what
//! must be code is in one file, registered by one line.

mod access;
mod adamw;
mod add;
mod add_random;
mod add_strided;
mod batched_gemm;
mod command;
mod conv2d;
mod copy;
mod copy_random;
mod copy_strided;
mod cross_entropy;
mod dequantise;
mod discovery;
mod dot;
mod embedding;
mod exponential;
mod flash_attention;
mod formula;
mod freivalds;
mod gelu;
mod gemm;
mod gemm_mma;
mod launch_latency;
mod launch_throughput;
mod layer_norm;
mod manifest;
mod moe_permute;
mod mul;
mod norm;
mod pointer_chase;
mod product;
mod quantise;
mod reduce_max;
mod reduce_sum;
mod reduction;
mod rms_norm;
mod rms_norm_residual;
mod rope;
mod run;
mod scale;
mod scale_random;
mod scale_strided;
mod softmax;
mod stored;
mod streaming;
mod swiglu;
mod tensor;
mod transpose;
mod triad;
mod triad_random;
mod triad_strided;
#[cfg(test)]
mod trials;
mod tune;

use std::borrow::Cow;
use std::ops::{Add, Mul, Sub};
use std::path::Path;
use std::sync::LazyLock;

pub use command::{Command, Skip, Target};
pub use discovery::{Found, FoundKernel, Origin, Refused, check, discover, found};
pub use exponential::Exponential;
pub use formula::{Extents, Formula};
use freivalds::{freivalds, scalar_product, times};
pub use manifest::Manifest;
use reduction::{PIECE, exact_sum, largest, sum, sum_of_pairs};
pub use run::KernelRun;
pub use stored::Stored;
use streaming::fill;
pub use tensor::{Dtype, Fill, Tensor, Values, View, ViewMut};
pub use tune::{Axis, Choice, ChosenBy, Tuning};

use crate::base::error::{Error, Result};
use crate::benchmark::element::Element;
use crate::benchmark::{
    GRAPH, Key, Number, Preset, Problem, Setting, Values as Allowed, graph_key,
};
use crate::machine::kernel::{Code as KernelCode, Level, Source};

/// The key for how much the assembler optimises.
pub const LEVEL: &str = "optimization";

/// Every kernel.
pub static KERNELS: LazyLock<Vec<Kernel>> =
    LazyLock::new(|| BuiltIn::ALL.iter().map(BuiltIn::kernel).collect());

/// A kernel that comes with the program.
struct BuiltIn {
    name: &'static str,
    manifest: &'static str,
    source: Option<&'static str>,
    code: Code,
}

/// What of a kernel must be code.
#[derive(Clone, Copy)]
struct Code {
    host: Option<Host>,
    /// Whether cuBLASLt does it on NVIDIA GPUs.
    cublas_lt: bool,
    check: Check,
}

/// The kernel in the folder of this name, and in the file of this name.
macro_rules! built_in {
    ($name:ident $(, $source:literal)?) => {
        BuiltIn {
            name: stringify!($name),
            manifest: include_str!(concat!("../../kernels/", stringify!($name), "/bench.yaml")),
            source: [
                $(Some(include_str!(concat!("../../kernels/", stringify!($name), "/", $source))),)?
                None,
            ][0],
            code: $name::CODE,
        }
    };
}

impl BuiltIn {
    const ALL: &'static [Self] = &[
        built_in!(adamw, "kernel.cu"),
        built_in!(add, "kernel.cu"),
        built_in!(add_random, "kernel.cu"),
        built_in!(add_strided, "kernel.cu"),
        built_in!(batched_gemm, "kernel.cu"),
        built_in!(conv2d, "kernel.cu"),
        built_in!(copy, "kernel.cu"),
        built_in!(copy_random, "kernel.cu"),
        built_in!(copy_strided, "kernel.cu"),
        built_in!(cross_entropy, "kernel.cu"),
        built_in!(dequantise, "kernel.cu"),
        built_in!(dot, "kernel.cu"),
        built_in!(embedding, "kernel.cu"),
        built_in!(flash_attention, "kernel.cu"),
        built_in!(gelu, "kernel.cu"),
        built_in!(gemm),
        built_in!(gemm_mma, "kernel.cu"),
        built_in!(launch_latency, "kernel.cu"),
        built_in!(launch_throughput, "kernel.cu"),
        built_in!(layer_norm, "kernel.cu"),
        built_in!(moe_permute, "kernel.cu"),
        built_in!(mul, "kernel.cu"),
        built_in!(norm, "kernel.cu"),
        built_in!(pointer_chase, "kernel.cu"),
        built_in!(quantise, "kernel.cu"),
        built_in!(reduce_max, "kernel.cu"),
        built_in!(reduce_sum, "kernel.cu"),
        built_in!(rms_norm, "kernel.cu"),
        built_in!(rms_norm_residual, "kernel.cu"),
        built_in!(rope, "kernel.cu"),
        built_in!(scale, "kernel.cu"),
        built_in!(scale_random, "kernel.cu"),
        built_in!(scale_strided, "kernel.cu"),
        built_in!(softmax, "kernel.cu"),
        built_in!(swiglu, "kernel.cu"),
        built_in!(transpose, "kernel.cu"),
        built_in!(triad, "kernel.cu"),
        built_in!(triad_random, "kernel.cu"),
        built_in!(triad_strided, "kernel.cu"),
    ];

    fn named(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|known| known.name == name)
    }

    fn kernel(&self) -> Kernel {
        let source = |_: &str| {
            let source = self.source.map(|source| Cow::Borrowed(source.as_bytes()));
            source.ok_or_else(|| Error::internal("it is not part of the program"))
        };
        let kernel = Manifest::parse(self.manifest)
            .and_then(|of| of.kernel((Path::new(self.name), false), source));
        kernel.unwrap_or_else(|why| panic!("kernels/{}/bench.yaml: {why}", self.name))
    }
}

/// A kernel: what a person may ask of it, what it counts, what is right, and how a CPU and a GPU do it.
pub struct Kernel {
    /// Name on the command line and in the report.
    pub name: Cow<'static, str>,
    /// Other names.
    pub aliases: Vec<Cow<'static, str>>,
    /// One line on what it computes.
    pub description: Cow<'static, str>,
    /// The keys of its problem, which formulas may name.
    pub keys: Vec<Key>,
    /// Sets of problem sizes by name.
    pub presets: Vec<Preset>,
    /// The types that it is defined for; the first is the default.
    pub precisions: Vec<Element>,
    /// Whether it is measured when no benchmark is named.
    pub default: bool,
    /// What limits it, and so its rate.
    pub bound: Bound,
    /// Numbers that it computes with.
    pub scalars: Vec<Formula>,
    /// What it reads.
    pub inputs: Vec<Tensor>,
    /// What it writes.
    pub outputs: Vec<Tensor>,
    /// What it must write, where that is known.
    pub reference: Option<Reference>,
    /// How a CPU does it.
    pub host: Option<Host>,
    /// What of that is chosen.
    pub host_axes: Vec<Axis>,
    /// How an NVIDIA GPU does it.
    pub cuda: Option<Cuda>,
    /// The program that does it instead.
    pub command: Option<Command>,
    /// What it is for; empty for any backend that has a form of it.
    pub targets: Vec<Target>,
    /// When it is skipped.
    pub skips: Vec<Skip>,
    /// Where it was found, if it does not come with the program.
    pub origin: Option<Origin>,
}

/// What limits a kernel on every machine that is large enough for it.
#[derive(Debug)]
pub enum Bound {
    /// Arithmetic: so many floating point operations.
    Compute(Formula),
    /// Memory: so many bytes that are read or written; if absent, its tensors once each. What a cache fetches before a
    /// write (write-allocate) is not counted, as in STREAM (McCalpin, 1995).
    Memory(Option<Formula>),
    /// The latency of memory: so many loads, each of which waits for the one before.
    Latency(Formula),
}

/// What is right.
#[derive(Debug)]
pub struct Reference {
    /// The built-in kernel whose it is.
    pub of: &'static str,
    /// How it is found.
    pub check: Check,
    /// The largest difference that is rounding, in units of the type's epsilon at the element's scale.
    pub tolerance: f64,
    /// The same as a share of the element's scale; the larger one holds.
    pub relative: f64,
    /// The largest root mean square of the differences.
    pub rmse: Option<f64>,
}

/// How it is found what is right.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// For each output, what it must be.
    pub expected: &'static [ExpectedOutput],
    /// Finds the rows, ascending, that may differ from the reference, where that takes less than computing it.
    pub suspects: Option<Suspects>,
}

/// The elements of an output from the given one on, computed from the inputs and scalars in 64 bits: of a matrix one
/// row, of others as many as there is room for.
pub type ExpectedOutput = fn(&[Values<'_>], &[f64], usize, &mut [Expected]);

/// From the inputs, the scalars and the output, rows of the output.
pub type Suspects = fn(&[Values<'_>], &[f64], &Values<'_>) -> Vec<usize>;

/// What an element must be.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected {
    /// Its value.
    pub value: f64,
    /// How large the numbers are that its rounding errors come from.
    pub scale: f64,
}

impl Expected {
    /// An element whose error is relative to itself.
    pub fn of(value: f64) -> Self {
        Self { value, scale: value.abs() }
    }
}

/// What a CPU does with inputs and constants (the kernel's scalars, then what is chosen) for the outputs, on one thread:
/// a rank drives one core.
pub type HostOp = fn(pulp::Arch, &[View<'_>], &[f64], &mut [ViewMut<'_>]);

/// How a CPU does it.
#[derive(Debug, Clone, Copy)]
pub enum Host {
    /// By a function of our own for a type, if there is one. Narrow floats are computed in f32.
    Computes(fn(Element) -> Option<HostOp>),
    /// The same, and nothing is computed.
    Moves(fn(Element) -> Option<HostOp>),
}

/// A function for each type of float.
macro_rules! for_floats {
    ($host:ident) => {
        Some(Host::Computes(|element| {
            Some(match element {
                Element::F32 => $host::<f32>,
                Element::F64 => $host::<f64>,
                Element::F16 => $host::<half::f16>,
                Element::Bf16 => $host::<half::bf16>,
                Element::Fp8E4m3 => $host::<float8::F8E4M3>,
                Element::Fp8E5m2 => $host::<float8::F8E5M2>,
                _ => return None,
            })
        }))
    };
}
use for_floats;

/// A function for each type of float that is computed in f32.
macro_rules! for_singles {
    ($host:ident) => {
        Some(Host::Computes(|element| {
            Some(match element {
                Element::F32 => $host::<f32>,
                Element::F16 => $host::<half::f16>,
                Element::Bf16 => $host::<half::bf16>,
                _ => return None,
            })
        }))
    };
}
use for_singles;

/// A function for each type of number.
macro_rules! for_numbers {
    ($host:ident) => {
        Some(Host::Moves(|element| Some(crate::benchmark::with_number!(element, T => $host::<T> as HostOp))))
    };
}
use for_numbers;

/// How an NVIDIA GPU does it.
#[derive(Debug)]
pub enum Cuda {
    /// By a function of our own.
    Own(Box<CudaKernel>),
    /// The product of two matrices, by cuBLASLt.
    CublasLt,
}

/// A function in CUDA C++.
#[derive(Debug)]
pub struct CudaKernel {
    /// What defines it.
    pub source: Source,
    /// The function for each type.
    pub entries: Vec<(Element, Cow<'static, str>)>,
    /// Its arguments, in order.
    pub arguments: Vec<Argument>,
    /// Blocks along each axis.
    pub grid: Extents,
    /// Threads of a block along each axis.
    pub block: Extents,
    /// Blocks of a cluster along each axis, where blocks are started in clusters.
    pub cluster: Option<Extents>,
    /// Bytes of shared memory of a block that are set at the launch.
    pub shared_bytes: Formula,
    /// Whether launches stand in the queue before the time begins, so that it is the device's alone.
    pub queued: bool,
    /// What of it is chosen.
    pub axes: Vec<Axis>,
}

impl CudaKernel {
    /// Its source in the form of a choice; ready code has but one.
    pub fn source_of(&self, choice: &Choice) -> Source {
        match &self.source.code {
            KernelCode::Cuda(code) => {
                let code = KernelCode::Cuda((choice.macros() + code).into());
                Source { name: self.source.name.clone(), code }
            }
            _ => self.source.clone(),
        }
    }
}

/// An argument of a function in CUDA C++.
#[derive(Debug, Clone)]
pub enum Argument {
    /// The address of the tensor of this name.
    Tensor(String),
    /// A number of the type that elements are computed in.
    Scalar(Formula),
    /// A number of 64 bits without a sign.
    Count(Formula),
}

/// Kernels are told apart by name.
impl PartialEq for Kernel {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Kernel {}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.name.fmt(f)
    }
}

impl Kernel {
    /// What it reads, then what it writes.
    pub fn tensors(&self) -> impl Iterator<Item = &Tensor> {
        self.inputs.iter().chain(&self.outputs)
    }

    /// Whether there is anything that has a type.
    pub(crate) fn has_elements(&self) -> bool {
        self.tensors().next().is_some() || self.command.is_some()
    }

    /// Its source.
    pub fn source(&self) -> Option<&Source> {
        match &self.cuda {
            Some(Cuda::Own(own)) => Some(&own.source),
            _ => None,
        }
    }

    /// The keys for GPUs: how much the assembler optimises, where this program has it compiled, and graphs.
    pub(super) fn gpu_keys(&self) -> impl Iterator<Item = Key> {
        let help = "how much the assembler optimises for GPUs";
        let compiled = self.source().filter(|source| source.code.is_compiled());
        let level = compiled.map(|_| Key::new(LEVEL, help, Allowed::Words(Level::NAMES)));
        level.into_iter().chain(self.cuda.as_ref().map(|_| graph_key()))
    }

    /// The kernel at one problem.
    ///
    /// # Errors
    /// Usage error for sizes that are 0 or beyond all.
    pub fn run(&'static self, problem: &Problem, element: Element) -> Result<KernelRun> {
        let size = |key: &Key| match problem.get(&*key.name).and_then(Setting::number).unwrap_or(0)
        {
            0 if !key.may_be_zero() => {
                Err(Error::usage(format!("{}: {}=0 leaves nothing to do", self.name, key.name)))
            }
            value => Ok(value),
        };
        let mut run =
            KernelRun::new(self, self.keys.iter().map(size).collect::<Result<_>>()?, element)?;
        let level = problem.get(LEVEL).and_then(Setting::word).and_then(Level::find);
        run.level = level.unwrap_or_default();
        let graph = problem.get(GRAPH).and_then(Setting::number);
        run.graph = graph.map(|runs| runs as u32);
        Ok(run)
    }
}

/// A float that CPUs compute with.
pub trait Real:
    Number + PartialOrd + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self>
{
    /// `self`·`factor` + `term`, rounded once.
    fn mul_add(self, factor: Self, term: Self) -> Self;
}

macro_rules! real {
    ($($type:ident)*) => {
        $(impl Real for $type {
            #[inline(always)]
            fn mul_add(self, factor: Self, term: Self) -> Self {
                $type::mul_add(self, factor, term)
            }
        })*
    };
}

real!(f32 f64);

/// An output whose elements follow each from those of the inputs in the same place.
fn by_element<const N: usize>(
    inputs: &[Values<'_>],
    at: usize,
    output: &mut [Expected],
    of: impl Fn([f64; N]) -> Expected,
) {
    let read: [_; N] = std::array::from_fn(|i| inputs[i].read(at..at + output.len()));
    for (place, output) in output.iter_mut().enumerate() {
        *output = of(read.each_ref().map(|input| input[place]));
    }
}

/// An output whose elements follow each from a row of the inputs.
fn by_row<const N: usize>(
    inputs: &[Values<'_>],
    at: usize,
    output: &mut [Expected],
    of: impl Fn([Vec<f64>; N]) -> Expected,
) {
    for (row, output) in output.iter_mut().enumerate() {
        *output = of(std::array::from_fn(|input| inputs[input].row(at + row)));
    }
}
