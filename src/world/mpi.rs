//! Control messages between ranks over MPI; the measured communication is elsewhere.
//!
//! Operations are nonblocking, completed in [`Wait::until`]. Those that synchronise the start of an iteration are
//! blocking if ranks spin: Open MPI's nonblocking collectives pollute the caches so that a 4 KiB all_reduce after one
//! took 6 % longer than after a blocking one, which spins as well.
//!
//! Errors stay fatal (MPI's default), because rsmpi discards return codes.
#![expect(unsafe_code, reason = "exits the process without MPI's exit handlers")]

use std::mem::ManuallyDrop;

use mpi::collective::SystemOperation;
use mpi::datatype::PartitionMut;
use mpi::environment::Universe;
use mpi::request::{Request, Scope, scope};
use mpi::topology::SimpleCommunicator;
use mpi::traits::{
    Communicator, CommunicatorCollectives as _, Destination as _, Group as _, Root as _,
    Source as _,
};

use super::{ReduceOp, Wait, WaitPolicy};
use crate::base::error::{Error, Exit, Result};
use crate::base::units::Nanos;
use crate::plan::config::ThreadLevel;

/// The communicator of a [`World`](super::World).
///
/// Neither the universe nor a communicator is dropped on unwinding: dropping is collective, and a failing rank would
/// hang in it.
pub(super) struct MpiComm {
    comm: ManuallyDrop<SimpleCommunicator>,
    universe: Option<ManuallyDrop<Universe>>,
}

impl std::fmt::Debug for MpiComm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rank {} of {}", self.rank(), self.size())
    }
}

/// Name and version of the MPI library, on one line.
pub fn library() -> Option<String> {
    let text = mpi::environment::library_version().ok()?;
    let words = text.replace(['\0', '\n', '\t'], " ");
    let short = words.split("MPICH Release date").next()?.split(", ").next()?;
    Some(short.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The folder of MPI's programs, if the build named MPI by its path.
pub fn programs_folder() -> Option<&'static str> {
    Some(env!("TESSERABENCH_MPI_BIN")).filter(|folder| !folder.is_empty())
}

/// Aborts the job with this exit code by `MPI_Abort`. Only the thread that calls MPI may call this.
pub fn abort(exit: Exit) -> ! {
    if mpi::environment::is_initialized() && !mpi::environment::is_finalized() {
        SimpleCommunicator::world().abort(exit.code().into());
    }
    std::process::exit(exit.code().into())
}

/// Ends this process without finalizing MPI, from any thread. The launcher then ends the other ranks.
pub(super) fn exit_process(exit: Exit) -> ! {
    // SAFETY: no memory is touched. Exit handlers must not run: they are MPI's, and its thread may be inside a call.
    unsafe { libc::_exit(exit.code().into()) }
}

fn complete<'a, D: ?Sized, S: Scope<'a>>(request: Request<'a, D, S>, wait: Wait) {
    let mut pending = Some(request);
    wait.until(|| match pending.take()?.test() {
        Ok(_) => Some(()),
        Err(request) => {
            pending = Some(request);
            None
        }
    });
}

impl MpiComm {
    /// Initialises MPI with this thread level. Helper threads never call MPI, so MPI_THREAD_SINGLE is enough for every
    /// known MPI; with MPI_THREAD_FUNNELED the latency at 8 bytes rises by half in Open MPI 4.1.
    pub(super) fn init(threads: ThreadLevel) -> Result<Self> {
        let universe = match threads {
            ThreadLevel::Single => mpi::initialize(),
            ThreadLevel::Funneled => mpi::initialize_with_threading(mpi::Threading::Funneled)
                .map(|(universe, _)| universe),
        };
        let universe =
            universe.ok_or_else(|| Error::internal("MPI was initialised twice in one process"))?;
        let comm = ManuallyDrop::new(universe.world().duplicate());
        Ok(Self { comm, universe: Some(ManuallyDrop::new(universe)) })
    }

    pub(super) fn rank(&self) -> usize {
        self.comm.rank().unsigned_abs() as usize
    }

    pub(super) fn size(&self) -> usize {
        self.comm.size().unsigned_abs() as usize
    }

    pub(super) fn threading(&self) -> &'static str {
        match mpi::environment::threading_support() {
            mpi::Threading::Single => "single",
            mpi::Threading::Funneled => "funneled",
            mpi::Threading::Serialized => "serialized",
            mpi::Threading::Multiple => "multiple",
        }
    }

    /// A communicator of these ranks; only they call this.
    pub(super) fn subset(&self, ranks: &[usize]) -> Self {
        let ranks: Vec<i32> = ranks.iter().map(|&rank| mpi_rank(rank)).collect();
        let group = self.comm.group().include(&ranks);
        let comm = self.comm.split_by_subgroup(&group);
        let comm = ManuallyDrop::new(comm.unwrap_or_else(SimpleCommunicator::self_comm));
        Self { comm, universe: None }
    }

    /// Every rank's build id, in an encoding that all builds share.
    pub(super) fn all_gather_builds(&self, build: u64) -> Vec<u64> {
        let mut builds = vec![0u64; self.size()];
        self.comm.all_gather_into(&build, &mut builds[..]);
        builds
    }

    pub(super) fn barrier(&self, wait: Wait) {
        if wait.policy == WaitPolicy::Spin {
            self.comm.barrier();
        } else {
            complete(self.comm.immediate_barrier(), wait);
        }
    }

    pub(super) fn latest(&self, time: Nanos, wait: Wait) -> Nanos {
        let mut latest = [time];
        if wait.policy == WaitPolicy::Spin {
            self.comm.all_reduce_into(&time, &mut latest[0], SystemOperation::max());
        } else {
            self.all_reduce(&[time], &mut latest, ReduceOp::Max, wait);
        }
        latest[0]
    }

    pub(super) fn send(&self, to: usize, time: Nanos, wait: Wait) {
        let other = self.comm.process_at_rank(mpi_rank(to));
        if wait.policy == WaitPolicy::Spin {
            other.send(&time);
        } else {
            scope(|scope| complete(other.immediate_send(scope, &time), wait));
        }
    }

    pub(super) fn receive(&self, from: usize, wait: Wait) -> Nanos {
        let other = self.comm.process_at_rank(mpi_rank(from));
        let mut time: Nanos = 0;
        if wait.policy == WaitPolicy::Spin {
            other.receive_into(&mut time);
        } else {
            scope(|scope| complete(other.immediate_receive_into(scope, &mut time), wait));
        }
        time
    }

    pub(super) fn all_reduce(&self, own: &[i64], all: &mut [i64], op: ReduceOp, wait: Wait) {
        let operation = match op {
            ReduceOp::Max => SystemOperation::max(),
            ReduceOp::Sum => SystemOperation::sum(),
        };
        scope(|scope| {
            let request = self.comm.immediate_all_reduce_into(scope, own, all, operation);
            complete(request, wait);
        });
    }

    pub(super) fn broadcast(&self, from: usize, bytes: Vec<u8>, wait: Wait) -> Vec<u8> {
        let root = self.comm.process_at_rank(mpi_rank(from));
        let (mut length, mut bytes) = (bytes.len() as u64, bytes);
        scope(|scope| complete(root.immediate_broadcast_into(scope, &mut length), wait));
        bytes.resize(length as usize, 0);
        scope(|scope| complete(root.immediate_broadcast_into(scope, &mut bytes[..]), wait));
        bytes
    }

    pub(super) fn gather(&self, bytes: Vec<u8>, wait: Wait) -> Option<Vec<Vec<u8>>> {
        let root = self.comm.process_at_rank(0);
        // `wire` limits a message to 64 MiB, so its length fits an i32. So does the sum of 31 of them; more ranks
        // gather small messages only.
        let own = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        if self.rank() != 0 {
            scope(|scope| complete(root.immediate_gather_into(scope, &own), wait));
            scope(|scope| complete(root.immediate_gather_varcount_into(scope, &bytes[..]), wait));
            return None;
        }
        let mut counts = vec![0i32; self.size()];
        scope(|scope| {
            complete(root.immediate_gather_into_root(scope, &own, &mut counts[..]), wait);
        });
        let starts = counts.iter().scan(0, |end, count| {
            *end += count;
            Some(*end - count)
        });
        let starts: Vec<i32> = starts.collect();
        let mut all = vec![0u8; counts.iter().sum::<i32>().unsigned_abs() as usize];
        {
            let mut parts = PartitionMut::new(&mut all[..], &counts[..], &starts[..]);
            scope(|scope| {
                let request =
                    root.immediate_gather_varcount_into_root(scope, &bytes[..], &mut parts);
                complete(request, wait);
            });
        }
        let parts = counts.iter().zip(&starts).map(|(count, start)| {
            let start = start.unsigned_abs() as usize;
            all[start..start + count.unsigned_abs() as usize].to_vec()
        });
        Some(parts.collect())
    }

    pub(super) fn leave(self) {
        self.barrier(Wait::FOREVER);
        if let Some(universe) = self.universe {
            drop(ManuallyDrop::into_inner(universe));
        }
    }
}

fn mpi_rank(rank: usize) -> i32 {
    i32::try_from(rank).unwrap_or(i32::MAX)
}
