//! Messages between ranks: ping-pong, windows, one port for all.

use std::ffi::{c_int, c_void};

use mpi::ffi;
use mpi::raw::AsRaw as _;

use super::datatype::Counted;
use super::memory::Memory;
use super::{Comm, Requests, place};
use crate::backend::host::Operation;
use crate::backend::reference::Number;
use crate::backend::{Accuracy, Remarks};
use crate::base::error::{Error, Result};
use crate::benchmark::collective::MpiMessages;
use crate::benchmark::work::{CompletionMode, Exchange, Placement, Root};
use crate::world::progress::Phase;

/// Tags of messages, and of answers to them.
const DATA: c_int = 1;
const ANSWER: c_int = 2;

/// Places of the two messages of a ping-pong.
const RECEIVED: usize = 0;
const SENT: usize = 1;

/// A rank's part in an exchange of messages.
pub(super) struct Messages<T> {
    requests: Requests,
    comm: Comm,
    memory: Memory<T>,
    counted: Counted,
    completion: CompletionMode,
    /// The two messages of a ping-pong in their order; else all are begun, and waited for.
    turns: Option<[usize; 2]>,
    /// What is received and sent in one run, receives first, each of them into memory of its own.
    messages: Vec<Message>,
    /// Whom this rank answers when all has come, and who answers it.
    owed: Vec<c_int>,
    awaited: Vec<c_int>,
    root: usize,
}

/// One message.
#[derive(Debug, Clone, Copy)]
struct Message {
    other: c_int,
    at: *mut c_void,
    sends: bool,
}

impl<T: Number> Messages<T> {
    /// # Errors
    /// Unsupported when memory is short, and in place where forms cannot.
    pub(super) fn new(comm: Comm, exchange: &Exchange, way: MpiMessages) -> Result<Self> {
        let (rank, ranks) = place(&comm);
        if exchange.placement == Placement::In {
            return Err(Error::unsupported(
                "a message that replaces itself has only a blocking form in MPI",
            ));
        }
        let Root::Fixed(root) = exchange.root else {
            return Err(Error::unsupported(
                "the root of messages stays, because what they are is prepared; give its number",
            ));
        };
        let root = root as usize;
        let window = exchange.window;
        let memory = Memory::<T>::new(&comm, exchange, window)?;
        let counted = Counted::new(exchange.elements(), exchange.element);
        let message = |other: usize, buffer: *mut T, at: u64, sends: bool| Message {
            other: other as c_int,
            at: buffer.wrapping_add(at as usize).cast(),
            sends,
        };
        let mut at = 0;
        let mut messages = Vec::new();
        for part in exchange.parts(ranks, rank, root) {
            let from = |from| (0..window as usize).map(move |result| (from, result));
            let received = part.from.into_iter().flat_map(from);
            messages.extend(
                received.map(|(from, result)| message(from, memory.output(result), at, false)),
            );
            at += part.len;
        }
        // A window of the same message, as the OSU benchmarks send it.
        for (to, part) in exchange.sent(ranks, rank, root) {
            let one = message(to, memory.input(), part.at, true);
            messages.extend(std::iter::repeat_n(one, window as usize));
        }
        let first = exchange.partner(ranks, rank).is_some_and(|partner| rank < partner);
        let (turns, answered) = match way {
            MpiMessages::Window { answered } => (None, answered),
            MpiMessages::PingPong if messages.is_empty() => (None, false),
            MpiMessages::PingPong if first => (Some([SENT, RECEIVED]), false),
            MpiMessages::PingPong => (Some([RECEIVED, SENT]), false),
        };
        let with = |sends: bool| {
            let mut ranks: Vec<c_int> = messages
                .iter()
                .filter(|message| answered && message.sends == sends)
                .map(|message| message.other)
                .collect();
            ranks.dedup();
            ranks
        };
        let (owed, awaited) = (with(false), with(true));
        let completion = exchange.completion;
        let requests = Requests::new(messages.len(), completion);
        let mut own = Self {
            requests,
            comm,
            memory,
            counted,
            completion,
            turns,
            messages,
            owed,
            awaited,
            root,
        };
        if completion == CompletionMode::Persistent {
            own.each(|message, counted, comm, request| {
                let (at, count, datatype) = (message.at, counted.count, counted.datatype);
                // SAFETY: the memory lives as long as the requests, which `drop` frees first.
                unsafe {
                    if message.sends {
                        ffi::MPI_Send_init(at, count, datatype, message.other, DATA, comm, request);
                    } else {
                        ffi::MPI_Recv_init(at, count, datatype, message.other, DATA, comm, request);
                    }
                }
            });
        }
        Ok(own)
    }

    /// Does something with each message and its request.
    fn each(&mut self, act: impl Fn(Message, &Counted, ffi::MPI_Comm, *mut ffi::MPI_Request)) {
        let comm = self.comm.as_raw();
        for (message, request) in self.messages.iter().zip(&mut self.requests.all) {
            act(*message, &self.counted, comm, request);
        }
    }

    /// Begins what there is to receive and then what there is to send, and waits for all of it.
    fn flood(&mut self) {
        if !self.requests.start() {
            self.each(begin);
        }
        self.requests.wait();
        let (byte, mut answer) = (0u8, 0u8);
        let datatype = super::datatype::datatype(crate::benchmark::work::Element::U8);
        let comm = self.comm.as_raw();
        // SAFETY: one byte on both sides, and the communicator lives.
        unsafe {
            for &other in &self.owed {
                ffi::MPI_Send((&raw const byte).cast(), 1, datatype, other, ANSWER, comm);
            }
            for &other in &self.awaited {
                let place = (&raw mut answer).cast();
                ffi::MPI_Recv(place, 1, datatype, other, ANSWER, comm, ffi::RSMPI_STATUS_IGNORE);
            }
        }
    }

    /// Sends or receives one message of a ping-pong, and waits for it.
    fn one(&mut self, i: usize) {
        let (message, comm) = (self.messages[i], self.comm.as_raw());
        let Counted { count, datatype, .. } = self.counted;
        // SAFETY: the memory lives as long as `self`, and nothing is in flight when this returns.
        unsafe {
            match (self.completion, message.sends) {
                (CompletionMode::Blocking, true) => {
                    ffi::MPI_Send(message.at, count, datatype, message.other, DATA, comm);
                }
                (CompletionMode::Blocking, false) => {
                    let ignore = ffi::RSMPI_STATUS_IGNORE;
                    ffi::MPI_Recv(message.at, count, datatype, message.other, DATA, comm, ignore);
                }
                (completion, _) => {
                    let request = &raw mut self.requests.all[i];
                    if completion == CompletionMode::Persistent {
                        ffi::MPI_Start(request);
                    } else {
                        begin(message, &self.counted, comm, request);
                    }
                    ffi::MPI_Wait(request, ffi::RSMPI_STATUS_IGNORE);
                }
            }
        }
    }
}

fn begin(message: Message, counted: &Counted, comm: ffi::MPI_Comm, request: *mut ffi::MPI_Request) {
    let (count, datatype) = (counted.count, counted.datatype);
    // SAFETY: the memory lives until the request has been waited for.
    unsafe {
        if message.sends {
            ffi::MPI_Isend(message.at, count, datatype, message.other, DATA, comm, request);
        } else {
            ffi::MPI_Irecv(message.at, count, datatype, message.other, DATA, comm, request);
        }
    }
}

impl<T: Number> Operation for Messages<T> {
    fn run(&mut self) {
        match self.turns {
            None => self.flood(),
            Some(turns) => turns.into_iter().for_each(|message| self.one(message)),
        }
    }

    fn verify(&mut self) -> Accuracy {
        self.memory.load(Phase::Verify);
        self.run();
        let accuracy = self.memory.compare(self.root, Phase::Verify);
        self.memory.load(Phase::Measure);
        accuracy
    }

    fn check(&mut self) -> Accuracy {
        self.memory.compare(self.root, Phase::Measure)
    }

    fn remarks(&self) -> Remarks {
        Remarks { split: self.counted.remark(), ..Remarks::default() }
    }
}
