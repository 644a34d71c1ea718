//! Data that NCCL moves between ranks: one operation after another, or several at once.
#![expect(unsafe_code, reason = "NCCL reads and writes through raw addresses")]

use std::rc::Rc;

use super::call::Caller;
use super::gpu::Gpu;
use super::memory::Memory;
use super::nccl::Comm;
use super::reduction;
use super::schedule::{Stages, stages, together};
use super::{Accuracy, Operation};
use crate::backend::reference::{Number, with_number};
use crate::base::error::{Error, Result};
use crate::benchmark::work::{CompletionMode, Exchange, Pattern, Placement, Root};
use crate::world::progress::Phase;

/// What NCCL can do on no machine.
///
/// # Errors
/// Unsupported, in one sentence.
pub(super) fn check(exchange: &Exchange) -> Result<()> {
    let pattern = exchange.pattern;
    match pattern {
        Pattern::Barrier => {
            return Err(Error::unsupported(
                "NCCL has no barrier; measure an all_reduce of 4 bytes instead",
            ));
        }
        Pattern::MpiInit => {
            return Err(Error::unsupported(
                "MPI's start is measured by --backend host; what NCCL does at its start is comm_init",
            ));
        }
        Pattern::Put | Pattern::Get => {
            return Err(Error::unsupported(
                "one-sided calls of NCCL, which need its newest versions, are not measured; bandwidth sends the \
                 same messages",
            ));
        }
        _ => {}
    }
    // A window of messages is never waited for one by one, so its usual form is another.
    let windowed = matches!(pattern, Pattern::Bandwidth | Pattern::Bidirectional);
    let usual = if windowed { CompletionMode::NonBlocking } else { CompletionMode::Blocking };
    if exchange.completion != usual {
        return Err(Error::unsupported(
            "NCCL's operations are queued on the GPU and have no other form; leave out form",
        ));
    }
    let exchanges = matches!(pattern, Pattern::AllToAll | Pattern::AllToAllV | Pattern::SendRecv);
    if exchanges && exchange.placement == Placement::In {
        return Err(Error::unsupported(
            "NCCL sends and receives at once, so what is received cannot replace what is sent; choose \
             placement=out",
        ));
    }
    if pattern.reduces() {
        reduction::known(exchange.operator)?;
    }
    Ok(())
}

/// Prepares an exchange that [`check`] has let pass.
///
/// # Errors
/// Unsupported for what this NCCL or this GPU cannot do, and when memory is short.
pub(super) fn prepare<'a>(
    gpu: &'a Gpu,
    comm: Rc<Comm>,
    exchange: &Exchange,
) -> Result<Box<dyn Operation + 'a>> {
    with_number!(exchange.element, typed(gpu, comm, exchange))
}

fn typed<'a, T: Number>(
    gpu: &'a Gpu,
    comm: Rc<Comm>,
    exchange: &Exchange,
) -> Result<Box<dyn Operation + 'a>> {
    Ok(Box::new(Transfer::<T>::new(gpu, comm, exchange)?))
}

/// An exchange as calls of NCCL.
struct Transfer<'a, T> {
    gpu: &'a Gpu,
    caller: Caller,
    /// What is called, with the root it is called for: one for each turn, then again from the first.
    turns: Vec<(usize, Stages)>,
    /// Those of the operations that run at once; messages of a window share theirs, as in the OSU
    /// benchmarks.
    memories: Vec<Memory<T>>,
    /// How many runs have been queued.
    queued: usize,
}

impl<'a, T: Number> Transfer<'a, T> {
    fn new(gpu: &'a Gpu, comm: Rc<Comm>, exchange: &Exchange) -> Result<Self> {
        let place = (comm.rank, comm.size);
        let window = exchange.window as usize;
        let copies = if exchange.pattern.is_paired() { 1 } else { window };
        let memories = (0..copies).map(|_| Memory::new(gpu, &comm, exchange));
        let memories = memories.collect::<Result<Vec<Memory<T>>>>()?;
        let roots = match exchange.root {
            Root::Fixed(root) => root as usize..root as usize + 1,
            Root::Rotating => 0..comm.size,
        };
        let turn = |root: usize| {
            let spots = memories.iter().map(Memory::spot).cycle().take(window);
            (root, together(spots.map(|spot| stages(exchange, place, root, spot))))
        };
        let turns = roots.map(turn).collect();
        let capability = gpu.facts().compute_capability.as_deref();
        let caller = Caller::new::<T>(comm, gpu.raw_stream(), exchange, capability)?;
        Ok(Self { gpu, caller, turns, memories, queued: 0 })
    }

    fn compare(&self, phase: Phase) -> Result<Accuracy> {
        // Of the last run.
        let (root, _) = self.turns[(self.queued.max(1) - 1) % self.turns.len()];
        let found = self.memories.iter().map(|memory| memory.compare(self.gpu, root, phase));
        Ok(Accuracy::sum(found.collect::<Result<Vec<Accuracy>>>()?))
    }
}

impl<T: Number> Operation for Transfer<'_, T> {
    fn runs(&self) -> usize {
        self.turns.len()
    }

    fn load(&mut self) -> Result<()> {
        self.memories.iter().try_for_each(|memory| memory.load(self.gpu))
    }

    fn enqueue(&mut self) -> Result<()> {
        let (_, stages) = &self.turns[self.queued % self.turns.len()];
        self.queued += 1;
        // SAFETY: the addresses lie within the memories, which live until the stream is done, as `Timed`
        // sees to.
        stages.iter().try_for_each(|calls| unsafe { self.caller.queue(calls) })
    }

    fn compare(&mut self) -> Result<Accuracy> {
        Self::compare(self, Phase::Verify)
    }

    fn load_timed(&mut self) -> Result<()> {
        self.memories.iter().try_for_each(|memory| memory.load_timed(self.gpu))
    }

    fn compare_timed(&mut self) -> Result<Accuracy> {
        Self::compare(self, Phase::Measure)
    }

    fn between_ranks(&self) -> bool {
        true
    }

    fn check(&self) -> Result<()> {
        self.caller.check()
    }
}
