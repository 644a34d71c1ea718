//! Exchanges by MPI, called as a C program would call it.
#![expect(unsafe_code, reason = "MPI_IN_PLACE and calls without rsmpi's per-call checks")]

mod barrier;
mod call;
mod collective;
mod creation;
mod datatype;
mod memory;
mod messages;
mod one_sided;

use std::cell::RefCell;
use std::collections::HashMap;
use std::mem::ManuallyDrop;
use std::rc::Rc;

use mpi::ffi;
use mpi::raw::AsRaw as _;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator as _, Group as _};

use super::Operation;
use crate::backend::reference::{Number, with_number};
use crate::base::error::{Error, Result};
use crate::base::units::Nanos;
use crate::benchmark::collective::{MpiCall, MpiCollective, MpiMessages};
use crate::benchmark::work::{CompletionMode, Exchange};
use crate::plan::mesh::Group;
use crate::world::clock::HostClock;
use crate::world::fault;
use crate::world::progress::{self, Phase};

/// A communicator that is never dropped: freeing it is a collective call, in which a rank that
/// unwinds would wait for ranks that never come.
type Comm = Rc<ManuallyDrop<SimpleCommunicator>>;

/// The communicators of the groups this rank has been in.
pub(super) struct Transport {
    comms: RefCell<HashMap<Vec<usize>, Comm>>,
    /// How long MPI took to start on this rank, ns.
    started: Nanos,
}

impl Transport {
    pub(super) fn new(started: Nanos) -> Self {
        Self { comms: RefCell::default(), started }
    }

    /// Every rank of the group calls this; `clocks` are this rank's, and what all of them read, if there
    /// is such a one.
    pub(super) fn prepare<'a>(
        &'a self,
        exchange: &Exchange,
        group: &Group,
        (clock, common): (&'a HostClock, Option<&'a HostClock>),
    ) -> Result<Box<dyn Operation + 'a>> {
        let comm = self.comm(group)?;
        match exchange.collective.mpi {
            MpiCall::Init => Ok(Box::new(creation::Start(self.started))),
            MpiCall::CommDup => Ok(Box::new(creation::Creation::new(comm))),
            MpiCall::Barrier => Ok(Box::new(barrier::Barrier::new(comm, common))),
            MpiCall::Collective(function) => {
                with_number!(exchange.element, T => collective::<T>(comm, exchange, function, clock))
            }
            MpiCall::Messages(way) => with_number!(exchange.element, T => {
                Ok(Box::new(messages::Messages::<T>::new(comm, exchange, way)?))
            }),
            call @ (MpiCall::Put | MpiCall::Get) => with_number!(exchange.element, T => {
                let puts = call == MpiCall::Put;
                Ok(Box::new(one_sided::OneSided::<T>::new(comm, exchange, puts)?))
            }),
        }
    }

    fn comm(&self, group: &Group) -> Result<Comm> {
        if let Some(comm) = self.comms.borrow().get(&group.ranks) {
            return Ok(Rc::clone(comm));
        }
        let world = SimpleCommunicator::world();
        let ranks: Vec<i32> =
            group.ranks.iter().map(|&rank| i32::try_from(rank).unwrap_or(i32::MAX)).collect();
        let connect = || world.split_by_subgroup(&world.group().include(&ranks));
        let comm = fault::during(Phase::Connect, || progress::in_collective(connect));
        let comm = comm.ok_or_else(|| {
            Error::internal(format!("rank {} is not in the group {group}", world.rank()))
        })?;
        let comm = Rc::new(ManuallyDrop::new(comm));
        self.comms.borrow_mut().insert(group.ranks.clone(), Rc::clone(&comm));
        Ok(comm)
    }
}

fn collective<'a, T: Number>(
    comm: Comm,
    exchange: &Exchange,
    function: MpiCollective,
    clock: &'a HostClock,
) -> Result<Box<dyn Operation + 'a>> {
    let begins = exchange.completion != CompletionMode::Blocking || exchange.window > 1;
    if function == MpiCollective::Sendrecv && begins {
        // MPI has no call that begins both ways at once.
        let way = MpiMessages::Window { answered: false };
        return Ok(Box::new(messages::Messages::<T>::new(comm, exchange, way)?));
    }
    Ok(Box::new(collective::Calls::<T>::new(comm, exchange, function, clock)?))
}

/// Requests that are begun and waited for together. Their owner declares them before the memory that they use.
struct Requests {
    all: Vec<ffi::MPI_Request>,
    persistent: bool,
}

impl Requests {
    fn new(len: usize, completion: CompletionMode) -> Self {
        // SAFETY: a constant of the library.
        let none = unsafe { ffi::RSMPI_REQUEST_NULL };
        Self { all: vec![none; len], persistent: completion == CompletionMode::Persistent }
    }

    /// Starts all of them where they are persistent; false where each is to be begun.
    fn start(&mut self) -> bool {
        if self.persistent {
            // SAFETY: made by their owner, and none of them is active.
            unsafe {
                ffi::MPI_Startall(self.all.len() as i32, self.all.as_mut_ptr());
            }
        }
        self.persistent
    }

    fn wait(&mut self) {
        // SAFETY: as many requests as counted.
        unsafe {
            let ignore = ffi::RSMPI_STATUSES_IGNORE;
            ffi::MPI_Waitall(self.all.len() as i32, self.all.as_mut_ptr(), ignore);
        }
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        if !self.persistent || std::thread::panicking() {
            return;
        }
        // SAFETY: a constant of the library.
        let none = unsafe { ffi::RSMPI_REQUEST_NULL };
        for request in self.all.iter_mut().filter(|request| **request != none) {
            // SAFETY: made by their owner, inactive, and freed once.
            unsafe {
                ffi::MPI_Request_free(request);
            }
        }
    }
}

/// This rank's place in a communicator, and how many ranks that has.
fn place(comm: &Comm) -> (usize, usize) {
    (comm.rank().unsigned_abs() as usize, comm.size().unsigned_abs() as usize)
}

/// Makes one rank's error every rank's, before a call that all of them must make.
fn together<T>(comm: &Comm, own: Result<T>) -> Result<T> {
    match (progress::in_collective(|| largest(comm, own.is_err().into())), own) {
        (1.., Ok(_)) => Err(Error::unsupported(
            "another rank of the group cannot prepare it; choose a smaller problem",
        )),
        (_, own) => own,
    }
}

/// No rank goes on before every rank has come.
fn barrier(comm: &Comm) {
    // SAFETY: the communicator lives.
    unsafe {
        ffi::MPI_Barrier(comm.as_raw());
    }
}

/// The largest of all ranks' numbers.
fn largest(comm: &Comm, own: Nanos) -> Nanos {
    use mpi::collective::SystemOperation;
    use mpi::datatype::Equivalence as _;
    let mut largest = own;
    // SAFETY: one element on both sides, as counted, and the communicator lives.
    unsafe {
        ffi::MPI_Allreduce(
            (&raw const own).cast(),
            (&raw mut largest).cast(),
            1,
            i64::equivalent_datatype().as_raw(),
            SystemOperation::max().as_raw(),
            comm.as_raw(),
        );
    }
    largest
}
