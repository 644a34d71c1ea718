//! Matrix products by cuBLASLt, with the fastest of the algorithms that it offers.
#![expect(unsafe_code, reason = "what is queued reads raw memory of the device")]

use super::cublaslt::{self, Plan, WORKSPACE};
use super::gpu::{Buffer, Gpu};
use super::kernel::Memory;
use super::{Accuracy, Operation};
use crate::backend::reference::{Number, with_number};
use crate::backend::tuner::{Tunable, Tuner};
use crate::base::error::{Error, Result};
use crate::base::random::Stream as Random;
use crate::base::units::Nanos;
use crate::benchmark::kernel::{Axis, Choice, KernelRun, Tuning};
use crate::world::clock::HostClock;
use crate::world::progress::Phase;

/// What is chosen: the place of an algorithm in the list of cuBLASLt's heuristic, whose first choice is 0.
const CANDIDATE: &str = "candidate";

/// Prepares a product.
///
/// # Errors
/// Unfit without cuBLASLt, unsupported for types and sizes that it does not take, and when memory is short.
pub(super) fn prepare<'a>(
    gpu: &'a Gpu,
    run: &KernelRun,
    tuner: &Tuner,
) -> Result<Box<dyn Operation + 'a>> {
    let plan = Plan::new(gpu, run)?;
    let (memory, workspace) = (Memory::new(gpu, run)?, gpu.allocate(WORKSPACE)?);
    let values = (0..plan.candidates() as u64).collect();
    let axes = [Axis { name: CANDIDATE.to_owned(), values }];
    let mut product = Product { gpu, memory, workspace, plan, tuning: None };
    product.load_noise()?;
    product.tuning = tuner.tune(run, &axes, &mut product)?;
    Ok(Box::new(product))
}

/// A product, ready to run.
struct Product<'a> {
    gpu: &'a Gpu,
    memory: Memory,
    workspace: Buffer,
    plan: Plan,
    tuning: Option<Tuning>,
}

impl Product<'_> {
    /// Random floats in [-1, 1), which are timed: small whole numbers switch fewer transistors, and a GPU at
    /// its power limit then clocks higher than it would for anybody's data.
    fn load_noise(&self) -> Result<()> {
        let mut random = Random::new(0, "gemm timed", &[]);
        for ((_, shape), buffer) in self.memory.run.inputs().zip(&self.memory.inputs) {
            let most = if self.memory.run.element.is_float() { 1.0 } else { 127.0 };
            let noise =
                (0..shape.iter().product()).map(|_: usize| most * (2.0 * random.unit() - 1.0));
            with_number!(self.memory.run.element, T => {
                let values: Vec<T> = noise.map(<T as Number>::rounded).collect();
                self.gpu.upload(buffer, 0, &values)?;
            });
        }
        Ok(())
    }

    /// The known data, B column by column where it must lie so.
    fn load_known(&self) -> Result<()> {
        let Memory { run, inputs, .. } = &self.memory;
        self.memory.load(self.gpu)?;
        let (Some(b), true) = (run.inputs().nth(1), self.plan.is_turned) else { return Ok(()) };
        let (k, n) = (b.1[0], b.1[1]);
        let known = run.filled(b)?;
        with_number!(known.element, T => {
            let rows = known.of::<T>();
            let columns = (0..n).flat_map(|column| (0..k).map(move |row| rows[row * n + column]));
            self.gpu.upload(&inputs[1], 0, &columns.collect::<Vec<T>>())
        })
    }
}

impl Tunable for Product<'_> {
    fn choose(&mut self, choice: &Choice) -> Result<()> {
        let candidate = choice.get(CANDIDATE).and_then(|place| usize::try_from(place).ok());
        self.plan.choose(candidate.ok_or_else(|| Error::internal("no algorithm is chosen"))?);
        Ok(())
    }

    fn time(&mut self, _: &HostClock) -> Result<Nanos> {
        let gpu = self.gpu;
        gpu.time(|| self.enqueue())
    }

    fn facts(&self) -> Result<Vec<(&'static str, u64)>> {
        self.plan.configuration()
    }

    fn library(&self) -> Option<String> {
        cublaslt::version().ok()
    }
}

impl Operation for Product<'_> {
    fn load(&mut self, phase: Phase) -> Result<()> {
        match phase {
            Phase::Measure => self.load_noise(),
            _ => self.load_known(),
        }
    }

    fn enqueue(&mut self) -> Result<()> {
        let Memory { run, inputs, outputs } = &self.memory;
        let buffers = [&inputs[0], &inputs[1], &outputs[0], &self.workspace];
        // SAFETY: the buffers are of the shapes of the run that the plan was made for, and live as long as the product.
        unsafe { self.plan.queue(self.gpu, run.element, buffers) }
    }

    /// A kernel, and where a sum is split what clears the parts and what adds them up.
    fn entries(&self) -> u32 {
        3
    }

    fn compare(&mut self, phase: Phase) -> Result<Accuracy> {
        match phase {
            // The noise that is timed has no exact product.
            Phase::Measure => Ok(Accuracy::default()),
            _ => self.memory.compare(self.gpu, phase),
        }
    }

    fn tuning(&self) -> Option<Tuning> {
        self.tuning.clone()
    }
}
