//! What every rank computes by itself: each kernel in one file, registered by one line.

mod copy;
mod formula;
mod gemm;
mod layer_norm;
mod softmax;
mod tensor;
mod triad;

use std::borrow::Cow;
use std::ops::{Add, Mul, Sub};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

pub use formula::Formula;
pub use tensor::{Fill, Tensor, Values, View};

use crate::base::error::{Error, Result};
use crate::benchmark::element::Element;
use crate::benchmark::{BYTE_KEYS, Key, Number, Problem, Setting};
use crate::machine::kernel::Source;

/// Every kernel.
pub static KERNELS: LazyLock<Vec<Kernel>> = LazyLock::new(|| {
    vec![copy::kernel(), gemm::kernel(), layer_norm::kernel(), softmax::kernel(), triad::kernel()]
});

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
    /// What it reads.
    pub inputs: Vec<Tensor>,
    /// What it writes.
    pub output: Tensor,
    /// What it must write.
    pub reference: Reference,
    /// How a CPU does it.
    pub host: Host,
    /// How an NVIDIA GPU does it.
    pub cuda: Cuda,
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
    /// The elements of the output from the given one on, computed from the inputs in 64 bits: of a matrix one row, of a
    /// vector as many as there is room for.
    pub expected: fn(&[Values<'_>], usize, &mut [Expected]),
    /// The largest difference that is rounding, in units of the type's epsilon at the element's scale.
    pub tolerance: f64,
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

/// What a CPU does with elements of type `T`, on one thread: a rank drives one core.
pub type HostOp<T> = fn(pulp::Arch, &[View<'_, T>], &mut [T]);

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
    /// Blocks.
    pub grid: Formula,
    /// Threads of a block.
    pub block: u32,
}

impl Cuda {
    /// A function of our own for each of [`Element::WIDE_FLOATS`], in blocks of 256 threads.
    fn own(
        source: Source,
        entries: [&'static str; 2],
        arguments: Vec<Argument>,
        grid: &'static str,
    ) -> Self {
        let entries = Element::WIDE_FLOATS.into_iter().zip(entries.map(Cow::Borrowed)).collect();
        Self::Own(CudaKernel { source, entries, arguments, grid: grid.into(), block: 256 })
    }
}

/// An argument of a function in CUDA C++.
#[derive(Debug, Clone)]
pub enum Argument {
    /// The address of the tensor of this name.
    Tensor(Cow<'static, str>),
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
    /// The kernel at one problem.
    ///
    /// # Errors
    /// Usage error for sizes that are 0 or beyond all.
    pub fn run(&'static self, problem: &Problem, element: Element) -> Result<KernelRun> {
        let size = |key: &Key| {
            let value = problem.get(&*key.name).and_then(Setting::number).unwrap_or(0);
            // 2^24 a side: one f32 matrix of a PiB. Larger is a typing error.
            let side = !BYTE_KEYS.contains(&&*key.name);
            if value == 0 || side && value > 1 << 24 {
                return Err(Error::usage(format!(
                    "{}: {}={value} is not between 1 and {}",
                    self.name,
                    key.name,
                    if side { 1 << 24 } else { u64::MAX }
                )));
            }
            Ok(value)
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
        let kernel = KERNELS.iter().find(is_named);
        let kernel = kernel.ok_or_else(|| Error::usage(format!("there is no kernel {name}")))?;
        Self::new(kernel, sizes, element)
    }
}

impl KernelRun {
    fn new(kernel: &'static Kernel, sizes: Vec<u64>, element: Element) -> Result<Self> {
        let mut run = Self { kernel, element, sizes, shapes: Vec::new() };
        let axes = |tensor: &Tensor| {
            let axes = tensor.shape.iter().map(|axis| Ok(run.evaluate(axis)? as usize));
            axes.collect::<Result<Vec<usize>>>()
        };
        let tensors = kernel.inputs.iter().chain([&kernel.output]);
        run.shapes = tensors.map(axes).collect::<Result<_>>()?;
        // What is asked for later is known, too.
        let known = |formula| run.evaluate(formula).map(drop);
        if let Bound::Compute(flops) = &kernel.bound {
            known(flops)?;
        }
        for input in &kernel.inputs {
            if let Fill::Whole { terms, .. } = &input.fill {
                known(terms)?;
            }
        }
        if let Cuda::Own(own) = &kernel.cuda {
            known(&own.grid)?;
            for argument in &own.arguments {
                if let Argument::Count(count) = argument {
                    known(count)?;
                }
            }
        }
        Ok(run)
    }

    fn evaluate(&self, formula: &Formula) -> Result<f64> {
        formula.value(|name| match self.kernel.keys.iter().position(|key| key.name == name) {
            Some(at) => Some(self.sizes[at]),
            None => (name == "element_bytes").then(|| self.element.bytes()),
        })
    }

    /// The value of a formula of its kernel; `new` has seen to it that there is one.
    pub fn value(&self, formula: &Formula) -> f64 {
        self.evaluate(formula).unwrap_or(f64::NAN)
    }

    /// The inputs with their shapes.
    pub fn inputs(&self) -> impl Iterator<Item = (&'static Tensor, &[usize])> {
        self.kernel.inputs.iter().zip(self.shapes.iter().map(Vec::as_slice))
    }

    /// The output with its shape.
    pub fn output(&self) -> (&'static Tensor, &[usize]) {
        (&self.kernel.output, &self.shapes[self.kernel.inputs.len()])
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
        matches!(self.kernel.bound, Bound::Memory).then(|| self.bytes())
    }
}

/// The addresses of tensors, then numbers of 64 bits.
fn arguments(tensors: &[&'static str], counts: &[&'static str]) -> Vec<Argument> {
    let tensors = tensors.iter().map(|&name| Argument::Tensor(name.into()));
    tensors.chain(counts.iter().map(|&count| Argument::Count(count.into()))).collect()
}

/// The shape of a matrix whose rows are worked on each by itself.
const MATRIX: &[&str] = &["rows", "cols"];

/// Its sizes.
fn matrix_keys() -> Vec<Key> {
    vec![
        Key::sizes("rows", "rows of x", ["64", "4096", "16384"]).divided(),
        Key::sizes("cols", "columns of x", ["1024", "4096", "16384"]),
    ]
}

/// Elements that are summed in their own type before the partial sum is added to an f64, so that long rows lose
/// nothing.
const PIECE: usize = 1024;

/// Independent partial sums: two of the widest vectors.
const LANES: usize = 32;

/// A float that host operations compute with.
trait Real: Number + PartialOrd + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> {}

impl Real for f32 {}
impl Real for f64 {}

/// A sum with the error of one rounding (Neumaier, 1974), for references.
fn exact_sum(terms: impl IntoIterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0f64, 0.0);
    for term in terms {
        let next = sum + term;
        let (large, small) = if sum.abs() >= term.abs() { (sum, term) } else { (term, sum) };
        lost += (large - next) + small;
        sum = next;
    }
    sum + lost
}
