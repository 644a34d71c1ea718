//! Data that NCCL moves between ranks: one operation after another, or several at once.
#![expect(unsafe_code, reason = "NCCL reads and writes through raw addresses")]

use std::rc::Rc;

use super::call::Caller;
use super::gpu::Gpu;
use super::memory::{Buffers, Memory};
use super::nccl::{Comm, SUCCESS};
use super::reduction;
use super::schedule::{Groups, located, together};
use super::timed::ENTRIES;
use super::{Accuracy, Operation, Share};
use crate::backend::reference::{Number, with_number};
use crate::base::error::{Error, Kind, Result};
use crate::benchmark::collective::{Nccl, Seat, Sharing};
use crate::benchmark::work::{Exchange, Placement, Root};
use crate::world::progress::Phase;

/// What NCCL can do on no machine.
///
/// # Errors
/// Unsupported, in one sentence.
pub(super) fn check(exchange: &Exchange) -> Result<()> {
    let collective = exchange.collective;
    if let Nccl::Unsupported(why) = collective.nccl {
        return Err(Error::unsupported(why));
    }
    if exchange.completion != collective.default_completion() {
        return Err(Error::unsupported(
            "NCCL's operations are queued on the GPU and have no other form; leave out form",
        ));
    }
    sharing(exchange)?;
    if collective.reduces() {
        reduction::known(exchange.operator)?;
    }
    Ok(())
}

/// How input and result share a buffer in place.
fn sharing(exchange: &Exchange) -> Result<Sharing> {
    match exchange.collective.in_place {
        Some(in_place) if exchange.placement == Placement::In => {
            in_place.nccl.map_err(Error::unsupported)
        }
        Some(_) | None => Ok(Sharing::Front),
    }
}

/// Prepares an exchange that [`check`] has let pass.
///
/// # Errors
/// Unsupported for what this NCCL or this GPU cannot do, and when memory is short.
pub(super) fn prepare<'a>(
    gpu: &'a Gpu,
    comm: Rc<Comm>,
    exchange: &Exchange,
    share: Share<'a>,
) -> Result<Box<dyn Operation + 'a>> {
    with_number!(exchange.element, T => Ok(Box::new(Transfer::<T>::new(gpu, comm, exchange, share)?)))
}

/// Entries of a stream's queue for calls that begin together (`ncclLaunchPrepare` and `ncclLaunchFinish` of NCCL 2.30): it
/// waits for two of NCCL's own streams and launches the kernel, and its events are recorded for up to three of them.
const ENTRIES_PER_GROUP: u32 = 6;

/// Bytes that a call takes at most (`ncclDevWorkCollReg` of NCCL 2.30) in the queue where NCCL since 2.22 keeps what does not
/// fit the arguments of its kernel. A full one is waited for.
const WORK_BYTES: u64 = 352;

/// Bytes of that queue (`NCCL_WORK_FIFO_BYTES`) that are free at least before a sample: NCCL looks at the end of work when an
/// eighth of it is new.
const WORK_QUEUE_BYTES: u64 = (1 << 20) / 8 * 7;

/// An error of this rank alone, while others may wait for it: no reason to leave a case out.
fn alone(why: Error) -> Error {
    let kind = if why.kind == Kind::Unsupported { Kind::CaseFailed } else { why.kind };
    Error { kind, ..why }
}

/// What ranks do with calls of NCCL.
const DOING: &str = "queue an exchange";

/// An exchange as calls of NCCL.
struct Transfer<'a, T> {
    gpu: &'a Gpu,
    caller: Caller,
    /// What is called, with the root it is called for: one for each turn, then again from the first.
    turns: Vec<(usize, Groups)>,
    /// Those of the operations that run at once; the messages of a window that a pair sends are one, as in the OSU
    /// benchmarks.
    memories: Vec<Memory<T>>,
    /// How many runs have been queued.
    queued: usize,
    share: Share<'a>,
    /// Whether what is queued is verified. NCCL may take memory for connections that it needs for the first time then, and
    /// all ranks agree on how that went.
    verifies: bool,
}

impl<'a, T: Number> Transfer<'a, T> {
    fn new(gpu: &'a Gpu, comm: Rc<Comm>, exchange: &Exchange, share: Share<'a>) -> Result<Self> {
        let window = exchange.window as usize;
        let Nccl::Calls(calls) = exchange.collective.nccl else {
            return Err(Error::internal(format!("{} has no calls", exchange.collective.name)));
        };
        let (copies, results) =
            if exchange.collective.is_paired() { (1, window) } else { (window, 1) };
        let sharing = sharing(exchange)?;
        let buffers = Buffers { gpu, comm: &comm, registration: exchange.registration, share };
        let memories = (0..copies).map(|_| Memory::new(buffers, exchange, sharing, results));
        let memories = memories.collect::<Result<Vec<Memory<T>>>>()?;
        let roots = match exchange.root {
            Root::Fixed(root) => root as usize..root as usize + 1,
            Root::Rotating => 0..comm.size,
        };
        let turn = |root: usize| {
            let spots = memories.iter().flat_map(Memory::spots);
            let stages = calls(Seat { exchange, ranks: comm.size, rank: comm.rank, root });
            (root, together(spots.map(|spot| located(&stages, spot))))
        };
        let turns = roots.map(turn).collect();
        let capability = gpu.facts.compute_capability.as_deref();
        let caller = Caller::new::<T>(comm, gpu.raw_stream(), exchange, capability)?;
        Ok(Self { gpu, caller, turns, memories, queued: 0, share, verifies: false })
    }
}

impl<T: Number> Operation for Transfer<'_, T> {
    fn runs(&self) -> usize {
        self.turns.len()
    }

    fn meets_others(&self) -> bool {
        true
    }

    /// In place, a result is the next run's input.
    fn repeats_on(&self) -> Phase {
        Phase::Measure
    }

    fn load(&mut self, phase: Phase) -> Result<()> {
        self.verifies = phase == Phase::Verify;
        self.memories.iter().try_for_each(|memory| memory.load(self.gpu, phase)).map_err(alone)
    }

    fn entries(&self) -> u32 {
        let of = |(_, groups): &(usize, Groups)| {
            let calls = groups.iter().map(Vec::len).sum::<usize>() as u64;
            let work = (calls * WORK_BYTES * u64::from(ENTRIES)).div_ceil(WORK_QUEUE_BYTES);
            (u64::from(ENTRIES_PER_GROUP) * groups.len() as u64).max(work)
        };
        self.turns.iter().map(of).max().map_or(0, |most| u32::try_from(most).unwrap_or(u32::MAX))
    }

    fn enqueue(&mut self) -> Result<()> {
        let (_, groups) = &self.turns[self.queued % self.turns.len()];
        self.queued += 1;
        let (comm, mut next, mut begun) = (self.caller.comm(), groups.iter(), SUCCESS);
        let step = || loop {
            if let Err(why) = comm.settled(DOING, begun)? {
                return Some(Err(why));
            }
            let Some(calls) = next.next() else { return Some(Ok(())) };
            // SAFETY: the addresses lie within the memories, which live until the stream is done, as `Timed` sees to.
            begun = unsafe { self.caller.begin(calls) };
        };
        if self.verifies { comm.together(self.share, step) } else { comm.wait().until(step) }
    }

    fn compare(&mut self, phase: Phase) -> Result<Accuracy> {
        // Of the last run.
        let (root, _) = self.turns[(self.queued.max(1) - 1) % self.turns.len()];
        let found = self.memories.iter().map(|memory| memory.compare(self.gpu, root, phase));
        found.collect::<Result<Vec<Accuracy>>>().map(Accuracy::sum).map_err(alone)
    }

    fn check(&self) -> Result<()> {
        self.caller.comm().check()
    }
}
