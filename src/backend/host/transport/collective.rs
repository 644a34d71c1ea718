//! A collective operation: one after another, or several in flight, in each form that MPI has.

use super::call::{Call, Mode};
use super::datatype::PIECE;
use super::memory::Memory;
use super::{Comm, Requests, barrier, largest, place, together};
use crate::backend::Remarks;
use crate::backend::host::{Operation, Window};
use crate::backend::reference::Number;
use crate::base::accuracy::Accuracy;
use crate::base::error::{Error, Result};
use crate::base::units::{Nanos, milliseconds};
use crate::benchmark::collective::MpiCollective;
use crate::benchmark::metric::Overlap;
use crate::benchmark::work::{CompletionMode, Exchange, Root};
use crate::stats;
use crate::world::clock::{Clock as _, HostClock};
use crate::world::progress::Phase;

/// Operations whose median is the time to compute for.
const REHEARSALS: usize = 11;

/// Roots that are tried when the root rotates.
const ROOTS: usize = 4;

/// Operations that are begun together and waited for together, mostly one.
pub(super) struct Calls<'a, T> {
    requests: Requests,
    calls: Vec<Call>,
    memories: Vec<Memory<T>>,
    completion: CompletionMode,
    comm: Comm,
    ranks: usize,
    root: Root,
    /// How many have been run.
    turn: usize,
    /// Calls of one operation.
    pieces: usize,
    clock: &'a HostClock,
    /// How long all operations take by themselves, where a computation of that length runs meanwhile, ns.
    alone: Option<Nanos>,
}

impl<'a, T: Number> Calls<'a, T> {
    /// # Errors
    /// Unsupported for what MPI cannot do, and when memory is short.
    pub(super) fn new(
        comm: Comm,
        exchange: &Exchange,
        function: MpiCollective,
        clock: &'a HostClock,
    ) -> Result<Self> {
        let (_, ranks) = place(&comm);
        let elements = exchange.elements();
        let whole = matches!(function, MpiCollective::Allreduce | MpiCollective::Reduce);
        let pieces = if whole { elements.div_ceil(PIECE).max(1) } else { 1 };
        let one = |_| {
            let memory = Memory::new(&comm, exchange, 1)?;
            let span = |piece: u64| {
                let at = piece * PIECE;
                (at, if whole { (elements - at).min(PIECE) } else { elements })
            };
            let call = |piece| Call::new(&comm, exchange, function, &memory, span(piece));
            let calls: Vec<Call> = (0..pieces).map(call).collect::<Result<_>>()?;
            Ok((calls, memory))
        };
        let all: Result<Vec<_>> = (0..exchange.window).map(one).collect();
        let (calls, memories): (Vec<Vec<Call>>, Vec<Memory<T>>) =
            together(&comm, all)?.into_iter().unzip();
        let calls: Vec<Call> = calls.into_iter().flatten().collect();
        // Several in flight are begun, whatever the completion mode.
        let completion = match exchange.completion {
            CompletionMode::Blocking if exchange.window > 1 => CompletionMode::NonBlocking,
            mode => mode,
        };
        let mut own = Self {
            requests: Requests::new(calls.len(), completion),
            calls,
            memories,
            completion,
            comm,
            ranks,
            root: exchange.root,
            turn: 0,
            pieces: pieces as usize,
            clock,
            alone: None,
        };
        if completion == CompletionMode::Persistent {
            own.make()?;
        }
        Ok(own)
    }

    /// Makes persistent requests.
    fn make(&mut self) -> Result<()> {
        let Root::Fixed(root) = self.root else {
            return Err(Error::unsupported(
                "a persistent operation keeps its root; choose another form, or root=0",
            ));
        };
        for (call, request) in self.calls.iter().zip(&mut self.requests.all) {
            // SAFETY: the memories live as long as `self`.
            if !unsafe { call.issue(root as usize, Mode::Make(request)) } {
                return Err(Error::unsupported(
                    "this MPI has no persistent collectives (MPI 4 has, as MPICH since 4.0); choose another \
                     form",
                ));
            }
        }
        Ok(())
    }

    fn root_of(&self, turn: usize) -> usize {
        match self.root {
            Root::Fixed(root) => root as usize,
            Root::Rotating => turn % self.ranks,
        }
    }

    fn start(&mut self, root: usize) {
        if self.requests.start() {
            return;
        }
        for (call, request) in self.calls.iter().zip(&mut self.requests.all) {
            // SAFETY: the memories live as long as `self`, and `wait` comes before they are touched.
            unsafe {
                call.issue(root, Mode::Start(request));
            }
        }
    }

    /// How long one takes by itself: the median of some on the slowest rank.
    fn rehearse(&mut self) {
        let mut took = Vec::with_capacity(REHEARSALS);
        for _ in 0..REHEARSALS {
            barrier(&self.comm);
            let began = self.clock.now();
            let root = self.root_of(self.turn);
            self.turn += 1;
            self.start(root);
            self.requests.wait();
            took.push((self.clock.now() - began) as f64);
        }
        let own = stats::median(&took).unwrap_or(0.0) as Nanos;
        self.alone = Some(largest(&self.comm, own));
    }
}

impl<T: Number> Operation for Calls<'_, T> {
    fn run(&mut self) {
        let root = self.root_of(self.turn);
        self.turn += 1;
        match self.completion {
            CompletionMode::Blocking => {
                for call in &self.calls {
                    // SAFETY: the memories live as long as `self`.
                    unsafe {
                        call.issue(root, Mode::Run);
                    }
                }
            }
            CompletionMode::NonBlocking | CompletionMode::Persistent => {
                self.start(root);
                self.requests.wait();
            }
            CompletionMode::Overlapped => {
                self.start(root);
                let end = self.clock.now() + self.alone.unwrap_or(0);
                while self.clock.now() < end {
                    std::hint::spin_loop();
                }
                self.requests.wait();
            }
        }
    }

    fn timed(&mut self, window: &mut Window) {
        match (self.completion, self.root, &self.calls[..]) {
            (CompletionMode::Blocking, Root::Fixed(root), [call]) => {
                // SAFETY: the memory lives as long as `self`.
                unsafe {
                    call.issue(root as usize, Mode::Time(window));
                }
            }
            _ => window.time(|| self.run()),
        }
    }

    fn verify(&mut self) -> Accuracy {
        let runs = if self.root == Root::Rotating { self.ranks.min(ROOTS) } else { 1 };
        let mut found = Vec::new();
        for _ in 0..runs {
            let root = self.root_of(self.turn);
            self.memories.iter_mut().for_each(|memory| memory.load(Phase::Verify));
            self.run();
            found
                .extend(self.memories.iter_mut().map(|memory| memory.compare(root, Phase::Verify)));
        }
        self.memories.iter_mut().for_each(|memory| memory.load(Phase::Measure));
        if self.completion == CompletionMode::Overlapped {
            self.rehearse();
        }
        Accuracy::sum(found)
    }

    fn check(&mut self) -> Accuracy {
        let root = self.root_of(self.turn.wrapping_sub(1));
        Accuracy::sum(self.memories.iter_mut().map(|memory| memory.compare(root, Phase::Measure)))
    }

    fn remarks(&self) -> Remarks {
        let pieces = self.pieces;
        let split = if pieces > 1 {
            Some(format!("in {pieces} calls of at most 2^30 elements"))
        } else {
            self.calls.first().and_then(|call| call.counted.remark())
        };
        let one = self.alone.map(|alone| milliseconds(alone as f64) / self.memories.len() as f64);
        let overlap = one.map(|one| Overlap { alone_ms: one, computed_ms: one });
        Remarks { split, overlap, ..Remarks::default() }
    }
}
