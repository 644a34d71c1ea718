//! The facts of a kernel's way from an operator to machine code.

use serde::Serialize;

use crate::base::error::Result;
use crate::benchmark::Problem;
use crate::benchmark::kernel::{Choice, Cuda, CudaKernel, KernelRun, Tensor};
use crate::benchmark::work::Element;
use crate::machine::kernel::ptx::Ptx;
use crate::machine::kernel::sass::Sass;
use crate::machine::kernel::{Demand, Function, Level, Occupancy, StageTime};
use crate::machine::topology::Topology;

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Inspection {
    /// The compiler.
    pub(super) compiler: String,
    /// What was asked of named kernels.
    pub(super) cases: Vec<CaseFacts>,
    /// The functions of all kernels, for every architecture.
    pub(super) functions: Vec<FunctionFacts>,
}

/// A named kernel at one problem.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct CaseFacts {
    /// Name of the kernel.
    pub(super) kernel: String,
    /// Type of the elements.
    pub(super) precision: Element,
    /// What it computes on.
    pub(super) problem: Problem,
    /// What is to be computed.
    pub(super) graph: Graph,
    /// How a GPU is told to compute it, by architecture; empty where this program tells none.
    pub(super) schedule: Vec<Schedule>,
}

/// What is to be computed, whatever does it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Graph {
    /// In words.
    operator: String,
    /// What is read.
    pub(super) inputs: Vec<TensorFacts>,
    /// What is written.
    pub(super) outputs: Vec<TensorFacts>,
    /// Floating point operations; null where memory limits it, and nobody counts them.
    pub(super) flops: Option<f64>,
    /// Bytes of all tensors.
    pub(super) bytes: u64,
    /// Collectives between ranks: a kernel has none.
    pub(super) collectives: Vec<String>,
    /// The least time it can take on described machines.
    pub(super) minimum: Vec<Minimum>,
}

/// A tensor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct TensorFacts {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
}

/// The least time that the peaks of a machine allow.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Minimum {
    /// The described machine.
    pub(super) machine: String,
    /// To move all bytes once.
    pub(super) memory_ms: f64,
    /// To do all operations; null without a count or a peak.
    pub(super) arithmetic_ms: Option<f64>,
}

impl Minimum {
    /// The larger one.
    pub(super) fn ms(&self) -> f64 {
        self.arithmetic_ms.unwrap_or(0.0).max(self.memory_ms)
    }

    fn of(run: &KernelRun, machine: &Topology) -> Self {
        let device = &machine.device;
        let peak = match run.element {
            Element::F32 => Some(&device.f32_tflops),
            Element::F64 => Some(&device.f64_tflops),
            _ => None,
        };
        let arithmetic = run.flops().zip(peak).map(|(flops, peak)| flops / peak.value / 1e9);
        Self {
            machine: machine.name.clone(),
            memory_ms: run.memory_traffic().unwrap_or_else(|| run.bytes()) as f64
                / device.memory_gbps.value
                / 1e6,
            arithmetic_ms: arithmetic,
        }
    }
}

impl Graph {
    /// That of a kernel, and what these machines need for it.
    pub(super) fn of<'a>(
        run: &KernelRun,
        machines: impl IntoIterator<Item = &'a Topology>,
    ) -> Self {
        let tensor = |(tensor, shape): (&Tensor, &[usize])| TensorFacts {
            name: tensor.name.to_string(),
            shape: shape.to_vec(),
        };
        let mut minimum: Vec<Minimum> = Vec::new();
        for machine in machines {
            if !minimum.iter().any(|known| known.machine == machine.name) {
                minimum.push(Minimum::of(run, machine));
            }
        }
        Self {
            operator: run.kernel.description.to_string(),
            inputs: run.inputs().map(tensor).collect(),
            outputs: run.outputs().map(tensor).collect(),
            flops: run.flops(),
            bytes: run.memory_traffic().unwrap_or_else(|| run.bytes()),
            collectives: Vec::new(),
            minimum,
        }
    }
}

/// How a GPU is told to compute it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Schedule {
    /// Architecture.
    pub(super) arch: String,
    /// The function that is started.
    pub(super) function: String,
    /// What may be chosen for the device, where nothing is searched; empty where nothing may.
    pub(super) choice: String,
    /// Blocks along each axis.
    pub(super) grid: [u64; 3],
    /// Threads of a block along each axis.
    pub(super) block: [u32; 3],
    /// Blocks of a cluster along each axis; null without clusters.
    pub(super) cluster: Option<[u64; 3]>,
    /// Elements of the first output for each block, rounded up: the tile.
    pub(super) tile: u64,
    /// Bytes of shared memory of a block.
    pub(super) shared_bytes: u32,
    /// How many blocks fit a multiprocessor, computed.
    pub(super) occupancy: Option<Occupancy>,
    /// Multiprocessors of the described machine's GPU.
    pub(super) multiprocessors: Option<u32>,
    /// How often all of them are filled with blocks: blocks over those that fit at once.
    pub(super) waves: Option<f64>,
    /// Places for blocks that stay empty in the last wave, as percent of those of all waves.
    pub(super) tail_percent: Option<f64>,
}

impl Schedule {
    /// How a function of a kernel is started.
    pub(super) fn of(
        (run, own): (&KernelRun, &CudaKernel),
        (arch, machine): (&str, Option<&Topology>),
        function: &Function,
    ) -> Self {
        let choice = Choice::first(&own.axes);
        let grid = run.extents(&choice, &own.grid).map(|blocks| blocks as u64);
        let block = run.extents(&choice, &own.block).map(|threads| threads as u32);
        let shared_bytes =
            function.shared_bytes.saturating_add(run.value_with(&choice, &own.shared_bytes) as u32);
        let demand = Demand {
            threads: block.iter().fold(1, |all: u32, axis| all.saturating_mul(*axis)),
            registers: function.registers,
            shared_bytes,
            barriers: function.barriers,
        };
        let occupancy = Occupancy::of(arch, &demand);
        let of_machine = machine.and_then(|machine| machine.device.multiprocessors.as_ref());
        let multiprocessors = of_machine.map(|figure| figure.value as u32);
        let blocks = grid.iter().fold(1, |all: u64, axis| all.saturating_mul(*axis)).max(1);
        let at_once = occupancy.as_ref().zip(multiprocessors);
        let at_once = at_once.map(|(fitting, count)| f64::from(fitting.blocks) * f64::from(count));
        let waves = at_once.filter(|at_once| *at_once > 0.0).map(|fit| blocks as f64 / fit);
        let elements = run.outputs().next().map_or(0, |(_, shape)| shape.iter().product::<usize>());
        Self {
            arch: arch.to_owned(),
            function: function.name.clone(),
            choice: choice.to_string(),
            grid,
            block,
            cluster: own
                .cluster
                .as_ref()
                .map(|cluster| run.extents(&choice, cluster).map(|blocks| blocks as u64)),
            tile: (elements as u64).div_ceil(blocks),
            shared_bytes,
            occupancy,
            multiprocessors,
            waves,
            tail_percent: waves.map(|waves| 100.0 * (1.0 - waves / waves.ceil())),
        }
    }
}

/// A function in machine code.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct FunctionFacts {
    /// Name of the kernel.
    pub(super) kernel: String,
    /// Architecture.
    pub(super) arch: String,
    /// How much the assembler optimised; null of ready code.
    pub(super) level: Option<Level>,
    /// Its name.
    pub(super) function: String,
    /// What it uses; not there of ready code, of which only a GPU's driver tells.
    #[serde(flatten)]
    pub(super) uses: Option<Uses>,
    /// Bytes of the machine code with all functions of the kernel.
    pub(super) cubin_bytes: usize,
    /// How long each stage took, with all functions of the kernel.
    pub(super) stages: Vec<StageTime>,
    /// What stands in its PTX. Static: a loop counts once.
    pub(super) ptx: Option<Ptx>,
    /// What stands in its machine code. Static: a loop counts once. Null without a disassembler.
    pub(super) sass: Option<Sass>,
}

/// What a function uses.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Uses {
    pub(super) registers: u32,
    pub(super) stack_bytes: u32,
    pub(super) spill_bytes: u32,
    pub(super) shared_bytes: u32,
    pub(super) barriers: u32,
}

impl From<&Function> for Uses {
    fn from(function: &Function) -> Self {
        let Function { registers, stack_bytes, spill_bytes, shared_bytes, barriers, .. } =
            *function;
        Self { registers, stack_bytes, spill_bytes, shared_bytes, barriers }
    }
}

/// The function of a kernel that computes on elements of this type, if it has one that is compiled here.
pub(super) fn entry(run: &KernelRun) -> Option<(&'static CudaKernel, &'static str)> {
    let Some(Cuda::Own(own)) = &run.kernel.cuda else { return None };
    let (_, entry) = own.entries.iter().find(|(element, _)| *element == run.element)?;
    Some((own, entry))
}

/// The described machine with GPUs of an architecture, if one comes with the program; `named` is taken for all of them.
pub(super) fn machine(arch: &str, named: Option<&str>) -> Result<Option<Topology>> {
    let usual = match arch {
        "sm_80" => Some("dgx-a100"),
        "sm_90" | "sm_90a" => Some("dgx-h100"),
        "sm_100" | "sm_100a" => Some("dgx-b200"),
        _ => None,
    };
    named.or(usual).map(Topology::load).transpose()
}
