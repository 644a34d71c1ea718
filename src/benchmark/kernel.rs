//! What every rank computes by itself.
//!
//! A kernel is a folder with a description ([`Manifest`]) and its CUDA source. Of those that come with the program, what
//! must be code is in one file, registered by one line.

mod add;
mod command;
mod copy;
mod discovery;
mod dot;
mod exponential;
mod flash_attention;
mod formula;
mod gelu;
mod gemm;
mod layer_norm;
mod manifest;
mod mul;
mod norm;
mod reduce_max;
mod reduce_sum;
mod reduction;
mod rms_norm;
mod rope;
mod scale;
mod softmax;
mod swiglu;
mod tensor;
mod transpose;
mod triad;

use std::borrow::Cow;
use std::ops::{Add, Mul, Sub};
use std::path::Path;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use command::{Command, Skip, Target};
pub use discovery::{Found, FoundKernel, Origin, Refused, check, discover, found};
use exponential::Exponential;
pub use formula::{Extents, Formula};
pub use manifest::Manifest;
use reduction::{PIECE, exact_sum, largest, sum, sum_of_pairs};
pub use tensor::{Fill, Tensor, Values, View};

use crate::base::error::{Error, Result};
use crate::benchmark::element::Element;
use crate::benchmark::{Key, Number, Problem, Setting};
use crate::machine::kernel::Source;

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
    host: Host,
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
        built_in!(add, "kernel.cu"),
        built_in!(copy, "kernel.cu"),
        built_in!(dot, "kernel.cu"),
        built_in!(flash_attention, "kernel.cu"),
        built_in!(gelu, "kernel.cu"),
        built_in!(gemm),
        built_in!(layer_norm, "kernel.cu"),
        built_in!(mul, "kernel.cu"),
        built_in!(norm, "kernel.cu"),
        built_in!(reduce_max, "kernel.cu"),
        built_in!(reduce_sum, "kernel.cu"),
        built_in!(rms_norm, "kernel.cu"),
        built_in!(rope, "kernel.cu"),
        built_in!(scale, "kernel.cu"),
        built_in!(softmax, "kernel.cu"),
        built_in!(swiglu, "kernel.cu"),
        built_in!(transpose, "kernel.cu"),
        built_in!(triad, "kernel.cu"),
    ];

    fn named(name: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|known| known.name == name)
    }

    fn kernel(&self) -> Kernel {
        let source = |_: &str| {
            let source = self.source.map(Cow::Borrowed);
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
    /// One line on what it computes.
    pub description: Cow<'static, str>,
    /// The keys of its problem, which formulas may name.
    pub keys: Vec<Key>,
    /// The types that it is defined for; the first is the default.
    pub precisions: Vec<Element>,
    /// Whether it is measured when no benchmark is named.
    pub default: bool,
    /// What limits it, and so its rate.
    pub bound: Bound,
    /// Numbers that it computes with.
    pub scalars: Vec<f64>,
    /// What it reads.
    pub inputs: Vec<Tensor>,
    /// What it writes.
    pub output: Tensor,
    /// What it must write, where that is known.
    pub reference: Option<Reference>,
    /// How a CPU does it.
    pub host: Option<Host>,
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
    /// Memory: its tensors are read or written once each. What a cache fetches before a write
    /// (write-allocate) is not counted, as in STREAM (McCalpin, 1995).
    Memory,
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
    /// The elements of the output from the given one on, computed from the inputs and scalars in 64 bits: of a matrix one
    /// row, of a vector as many as there is room for.
    pub expected: fn(&[Values<'_>], &[f64], usize, &mut [Expected]),
    /// Finds the rows, ascending, that may differ from the reference, where that takes less than computing it.
    pub suspects: Option<Suspects>,
}

/// From the inputs and the output, rows of the output.
pub type Suspects = fn(&[Values<'_>], &Values<'_>) -> Vec<usize>;

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

/// What a CPU does with inputs and scalars for an output of type `T`, on one thread: a rank drives one core.
pub type HostOp<T> = fn(pulp::Arch, &[View<'_, T>], &[f64], &mut [T]);

/// How a CPU does it.
#[derive(Debug, Clone, Copy)]
pub enum Host {
    /// By a function for each type.
    Own {
        /// 32-bit floats.
        f32: HostOp<f32>,
        /// 64-bit floats.
        f64: HostOp<f64>,
    },
    /// The product of two matrices, by the gemm crate.
    Gemm,
}

/// How an NVIDIA GPU does it.
#[derive(Debug)]
pub enum Cuda {
    /// By a function of our own.
    Own(CudaKernel),
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
    /// Bytes of shared memory of a block that are set at the launch.
    pub shared_bytes: Formula,
}

/// An argument of a function in CUDA C++.
#[derive(Debug, Clone)]
pub enum Argument {
    /// The address of the tensor of this name.
    Tensor(String),
    /// A number of the element's type.
    Scalar(f64),
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
        self.inputs.iter().chain([&self.output])
    }

    /// Its source in CUDA C++.
    pub fn source(&self) -> Option<&Source> {
        match &self.cuda {
            Some(Cuda::Own(own)) => Some(&own.source),
            _ => None,
        }
    }

    /// The kernel at one problem.
    ///
    /// # Errors
    /// Usage error for sizes that are 0 or beyond all.
    pub fn run(&'static self, problem: &Problem, element: Element) -> Result<KernelRun> {
        let size = |key: &Key| match problem.get(&*key.name).and_then(Setting::number).unwrap_or(0)
        {
            0 => Err(Error::usage(format!("{}: {}=0 leaves nothing to do", self.name, key.name))),
            value => Ok(value),
        };
        KernelRun::new(self, self.keys.iter().map(size).collect::<Result<_>>()?, element)
    }
}

/// A kernel at one problem, on elements of one type. Between ranks it goes by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Named", into = "Named")]
pub struct KernelRun {
    /// Which.
    pub kernel: &'static Kernel,
    /// Type of the elements.
    pub element: Element,
    /// What the kernel's keys are set to, in their order.
    pub sizes: Vec<u64>,
    /// Elements along each axis of the inputs and of the output.
    shapes: Vec<Vec<usize>>,
}

/// What ranks tell each other of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Named {
    kernel: String,
    element: Element,
    sizes: Vec<u64>,
}

impl From<KernelRun> for Named {
    fn from(run: KernelRun) -> Self {
        Self { kernel: run.kernel.name.to_string(), element: run.element, sizes: run.sizes }
    }
}

impl TryFrom<Named> for KernelRun {
    type Error = Error;

    fn try_from(Named { kernel: name, element, sizes }: Named) -> Result<Self> {
        let is_named = |known: &&Kernel| known.name == name && known.keys.len() == sizes.len();
        let kernel = KERNELS.iter().chain(&found().kernels).find(is_named);
        let kernel = kernel.ok_or_else(|| Error::usage(format!("there is no kernel {name}")))?;
        Self::new(kernel, sizes, element)
    }
}

impl KernelRun {
    fn new(kernel: &'static Kernel, sizes: Vec<u64>, element: Element) -> Result<Self> {
        let mut run = Self { kernel, element, sizes, shapes: Vec::new() };
        let axes = |tensor: &Tensor| {
            // Of programs it need not be known what they write.
            let least = u64::from(kernel.command.is_none());
            let axes =
                tensor.shape.iter().map(|axis| Ok(run.whole("an axis", axis, least)? as usize));
            axes.collect::<Result<Vec<usize>>>()
        };
        run.shapes = kernel.tensors().map(axes).collect::<Result<_>>()?;
        run.check_reference()?;
        // 8 PiB. Larger is a typing error.
        if run.bytes() > 1 << 53 {
            let told = "its tensors would have more than 2^53 bytes; choose a smaller size";
            return Err(Error::usage(format!("{}: {told}", kernel.name)));
        }
        // What is asked for later is known, too.
        if let Some(Cuda::Own(own)) = &kernel.cuda {
            for axis in [&own.grid, &own.block].into_iter().flat_map(Extents::axes).flatten() {
                run.whole("an axis of the grid or of a block", axis, 1)?;
            }
            run.whole("shared memory", &own.shared_bytes, 0)?;
            for argument in &own.arguments {
                if let Argument::Count(count) = argument {
                    run.whole("an argument", count, 0)?;
                }
            }
        }
        Ok(run)
    }

    /// Refuses shapes that the reference does not expect: axes that are equal there must be equal here.
    fn check_reference(&self) -> Result<()> {
        let Some(model) = self.kernel.model().filter(|_| self.kernel.origin.is_some()) else {
            return Ok(());
        };
        let axes = model.tensors().zip(&self.shapes);
        let mut known: Vec<(&Formula, usize)> = Vec::new();
        for (axis, &length) in axes.flat_map(|(tensor, shape)| tensor.shape.iter().zip(shape)) {
            match known.iter().find(|(known, _)| *known == axis) {
                None => known.push((axis, length)),
                Some(&(_, other)) if other == length => {}
                Some((_, other)) => {
                    let told = "are not those of its reference";
                    return Err(Error::usage(format!(
                        "{}: the shapes of its tensors {told}, {}: there an axis of {length} is as long as one of \
                         {other}; correct its bench.yaml",
                        self.kernel.name, model.name
                    )));
                }
            }
        }
        Ok(())
    }

    /// A value that must be whole.
    fn whole(&self, what: &str, formula: &Formula, least: u64) -> Result<u64> {
        let value = self.value(formula);
        // Beyond 2^53 not every whole number is a float.
        if value.fract() == 0.0 && (least as f64..=2f64.powi(53)).contains(&value) {
            return Ok(value as u64);
        }
        Err(Error::usage(format!(
            "{}: {what} is {value}, and must be a whole number from {least} to 2^53; choose another size, or correct \
             its bench.yaml",
            self.kernel.name
        )))
    }

    /// The value of a formula of its kernel.
    pub fn value(&self, formula: &Formula) -> f64 {
        formula.value(|name| match self.kernel.keys.iter().position(|key| key.name == name) {
            Some(at) => Some(self.sizes[at]),
            None => (name == manifest::ELEMENT_BYTES).then(|| self.element.bytes()),
        })
    }

    /// The inputs with their shapes.
    pub fn inputs(&self) -> impl Iterator<Item = (&'static Tensor, &[usize])> {
        self.kernel.inputs.iter().zip(self.shapes.iter().map(Vec::as_slice))
    }

    /// The output with its shape.
    pub fn output(&self) -> (&'static Tensor, &[usize]) {
        (&self.kernel.output, &self.shapes[self.kernel.inputs.len()])
    }

    /// The extents along three axes.
    pub fn extents(&self, extents: &Extents) -> [f64; 3] {
        extents.axes().map(|axis| axis.map_or(1.0, |axis| self.value(axis)))
    }

    /// What a program is told: its sizes, and what else its description sets.
    pub fn settings(&self) -> Map<String, Value> {
        let sizes = self.kernel.keys.iter().zip(&self.sizes);
        let sizes = sizes.map(|(key, size)| (key.name.to_string(), Value::from(*size)));
        let constants = self.kernel.command.iter().flat_map(|command| command.constants.clone());
        constants.chain(sizes).collect()
    }

    /// Bytes of a tensor of this shape.
    pub fn bytes_of(&self, shape: &[usize]) -> u64 {
        shape.iter().fold(self.element.bytes(), |bytes, &axis| bytes.saturating_mul(axis as u64))
    }

    /// Bytes of all tensors.
    pub fn bytes(&self) -> u64 {
        self.shapes.iter().fold(0, |sum, shape| sum.saturating_add(self.bytes_of(shape)))
    }

    /// Floating point operations, where they limit it.
    pub fn flops(&self) -> Option<f64> {
        match &self.kernel.bound {
            Bound::Compute(flops) => Some(self.value(flops)),
            Bound::Memory => None,
        }
    }

    /// Bytes read and written, where they limit it.
    pub fn memory_traffic(&self) -> Option<u64> {
        matches!(self.kernel.bound, Bound::Memory).then(|| self.bytes()).filter(|bytes| *bytes > 0)
    }
}

/// A float that host operations compute with.
trait Real: Number + PartialOrd + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> {
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
