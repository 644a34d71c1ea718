//! Messages between ranks: ping-pong, windows, one port for all.

use std::ffi::{c_int, c_void};

use mpi::ffi;
use mpi::raw::AsRaw as _;

use super::datatype::Counted;
use super::memory::Memory;
use super::{Comm, place};
use crate::backend::host::Operation;
use crate::backend::reference::{Data, Number};
use crate::backend::{Accuracy, Remarks};
use crate::base::error::{Error, Result};
use crate::benchmark::work::{CompletionMode, Exchange, Pattern, Placement, Root};
use crate::world::progress::Phase;

/// Tags of messages, and of expected to them.
const DATA: c_int = 1;
const ANSWER: c_int = 2;

/// BufferLayout of the two messages of a ping-pong.
const RECEIVED: usize = 0;
const SENT: usize = 1;

/// A rank's part in an exchange of messages.
pub(super) struct Messages<T> {
    comm: Comm,
    memory: Memory<T>,
    counted: Counted,
    completion: CompletionMode,
    role: Role,
    /// What is received and sent in one run, receives first.
    flows: Vec<Flow>,
    requests: Vec<ffi::MPI_Request>,
    /// Whom this rank expected when all has come, and who expected it.
    expected: Vec<c_int>,
    answered: Vec<c_int>,
    root: usize,
}

/// What a rank does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Sends, then waits for what comes back.
    Serves,
    /// Waits for what comes, and sends it on.
    Returns,
    /// Begins everything, and waits for it.
    Floods,
}

/// One message.
#[derive(Debug, Clone, Copy)]
struct Flow {
    other: c_int,
    at: *mut c_void,
    sends: bool,
}

impl<T: Number> Messages<T> {
    /// # Errors
    /// Unsupported when memory is short, and in place where forms cannot.
    pub(super) fn new(comm: Comm, exchange: &Exchange) -> Result<Self> {
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
        let mut memory = Memory::<T>::new(&comm, exchange)?;
        let counted = Counted::new(exchange.elements(), exchange.element);
        let (input, output) = (memory.input(), memory.output());
        let len = exchange.elements() as usize;
        let flow = |other: usize, buffer: *mut T, place: usize, sends: bool| Flow {
            other: other as c_int,
            at: buffer.wrapping_add(place * len).cast(),
            sends,
        };
        let partner = exchange.partner(ranks, rank);
        let first = partner.is_some_and(|partner| rank < partner);
        let others = || (0..ranks).filter(|&other| other != root);
        let mut flows: Vec<Flow> = match (exchange.pattern, partner) {
            (Pattern::SendRecv, _) => vec![
                flow((rank + ranks - 1) % ranks, output, 0, false),
                flow((rank + 1) % ranks, input, 0, true),
            ],
            (Pattern::Latency | Pattern::Bidirectional, Some(partner)) => {
                vec![flow(partner, output, 0, false), flow(partner, input, 0, true)]
            }
            (Pattern::Bandwidth, Some(partner)) if first => vec![flow(partner, input, 0, true)],
            (Pattern::Bandwidth, Some(partner)) => vec![flow(partner, output, 0, false)],
            (Pattern::Incast, _) if rank == root => {
                others().enumerate().map(|(i, other)| flow(other, output, i, false)).collect()
            }
            (Pattern::Incast, _) => vec![flow(root, input, 0, true)],
            (Pattern::Outcast, _) if rank == root => {
                others().enumerate().map(|(i, other)| flow(other, input, i, true)).collect()
            }
            (Pattern::Outcast, _) => vec![flow(root, output, 0, false)],
            _ => Vec::new(),
        };
        // A window of the same message, as the OSU benchmarks send it.
        let window = exchange.window as usize;
        flows = flows.into_iter().flat_map(|flow| std::iter::repeat_n(flow, window)).collect();
        let in_one_direction =
            matches!(exchange.pattern, Pattern::Bandwidth | Pattern::Incast | Pattern::Outcast);
        let with = |sends: bool| {
            let mut ranks: Vec<c_int> = flows
                .iter()
                .filter(|flow| in_one_direction && flow.sends == sends)
                .map(|flow| flow.other)
                .collect();
            ranks.dedup();
            ranks
        };
        let role = match (exchange.pattern, partner) {
            (Pattern::Latency, Some(_)) if first => Role::Serves,
            (Pattern::Latency, Some(_)) => Role::Returns,
            _ => Role::Floods,
        };
        let (expected, answered) = (with(false), with(true));
        // SAFETY: a constant of the library.
        let none = unsafe { ffi::RSMPI_REQUEST_NULL };
        let requests = vec![none; flows.len()];
        let completion = exchange.completion;
        let mut messages = Self {
            comm,
            memory,
            counted,
            completion,
            role,
            flows,
            requests,
            expected,
            answered,
            root,
        };
        if completion == CompletionMode::Persistent {
            messages.each(|flow, counted, comm, request| {
                let (at, count, datatype) = (flow.at, counted.count, counted.datatype);
                // SAFETY: the memory lives as long as the requests, which `drop` frees first.
                unsafe {
                    if flow.sends {
                        ffi::MPI_Send_init(at, count, datatype, flow.other, DATA, comm, request);
                    } else {
                        ffi::MPI_Recv_init(at, count, datatype, flow.other, DATA, comm, request);
                    }
                }
            });
        }
        Ok(messages)
    }

    /// Does something with each message and its request.
    fn each(&mut self, act: impl Fn(Flow, &Counted, ffi::MPI_Comm, *mut ffi::MPI_Request)) {
        let comm = self.comm.as_raw();
        for (flow, request) in self.flows.iter().zip(&mut self.requests) {
            act(*flow, &self.counted, comm, request);
        }
    }

    /// Begins what there is to receive and then what there is to send, and waits for all of it.
    fn flood(&mut self) {
        if self.completion == CompletionMode::Persistent {
            // SAFETY: made in `new`, and none of them is active.
            unsafe {
                ffi::MPI_Startall(self.requests.len() as c_int, self.requests.as_mut_ptr());
            }
        } else {
            self.each(begin);
        }
        // SAFETY: as many requests as counted.
        unsafe {
            ffi::MPI_Waitall(
                self.requests.len() as c_int,
                self.requests.as_mut_ptr(),
                ffi::RSMPI_STATUSES_IGNORE,
            );
        }
        let (byte, mut answer) = (0u8, 0u8);
        let datatype = super::datatype::datatype(crate::benchmark::work::Element::U8);
        let comm = self.comm.as_raw();
        // SAFETY: one byte on both sides, and the communicator lives.
        unsafe {
            for &other in &self.expected {
                ffi::MPI_Send((&raw const byte).cast(), 1, datatype, other, ANSWER, comm);
            }
            for &other in &self.answered {
                let place = (&raw mut answer).cast();
                ffi::MPI_Recv(place, 1, datatype, other, ANSWER, comm, ffi::RSMPI_STATUS_IGNORE);
            }
        }
    }

    /// Sends or receives one message of a ping-pong, and waits for it.
    fn one(&mut self, i: usize) {
        let (flow, comm) = (self.flows[i], self.comm.as_raw());
        let Counted { count, datatype, .. } = self.counted;
        // SAFETY: the memory lives as long as `self`, and nothing is in flight when this returns.
        unsafe {
            match (self.completion, flow.sends) {
                (CompletionMode::Blocking, true) => {
                    ffi::MPI_Send(flow.at, count, datatype, flow.other, DATA, comm);
                }
                (CompletionMode::Blocking, false) => {
                    let ignore = ffi::RSMPI_STATUS_IGNORE;
                    ffi::MPI_Recv(flow.at, count, datatype, flow.other, DATA, comm, ignore);
                }
                (completion, _) => {
                    let request = &raw mut self.requests[i];
                    if completion == CompletionMode::Persistent {
                        ffi::MPI_Start(request);
                    } else {
                        begin(flow, &self.counted, comm, request);
                    }
                    ffi::MPI_Wait(request, ffi::RSMPI_STATUS_IGNORE);
                }
            }
        }
    }
}

fn begin(flow: Flow, counted: &Counted, comm: ffi::MPI_Comm, request: *mut ffi::MPI_Request) {
    let (count, datatype) = (counted.count, counted.datatype);
    // SAFETY: the memory lives until the request has been waited for.
    unsafe {
        if flow.sends {
            ffi::MPI_Isend(flow.at, count, datatype, flow.other, DATA, comm, request);
        } else {
            ffi::MPI_Irecv(flow.at, count, datatype, flow.other, DATA, comm, request);
        }
    }
}

impl<T: Number> Operation for Messages<T> {
    fn run(&mut self) {
        match self.role {
            Role::Floods => self.flood(),
            Role::Serves => {
                self.one(SENT);
                self.one(RECEIVED);
            }
            Role::Returns => {
                self.one(RECEIVED);
                self.one(SENT);
            }
        }
    }

    fn verify(&mut self) -> Accuracy {
        self.memory.load(Data::Known);
        self.run();
        let accuracy = self.memory.compare(self.root, Phase::Verify);
        self.memory.load_timed();
        accuracy
    }

    fn check(&mut self) -> Accuracy {
        self.memory.compare(self.root, Phase::Measure)
    }

    fn remarks(&self) -> Remarks {
        Remarks { split: self.counted.remark(), overlap: None }
    }
}

impl<T> Drop for Messages<T> {
    fn drop(&mut self) {
        if self.completion != CompletionMode::Persistent || std::thread::panicking() {
            return;
        }
        for request in &mut self.requests {
            // SAFETY: made here, inactive, and freed once.
            unsafe {
                ffi::MPI_Request_free(request);
            }
        }
    }
}
