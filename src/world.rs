//! The ranks of a run: communication, waiting, clocks, and the progress of this rank.
//!
//! All ranks make the same sequence of calls. Every wait goes through [`Wait`], which spins, yields or sleeps, and
//! checks a deadline; except that spinning ranks wait inside MPI to synchronise starts and clocks, because that is
//! fastest.

pub mod abort;
pub mod clock;
pub mod fault;
mod launch;
mod member;
#[cfg(feature = "mpi")]
mod mpi;
#[cfg(not(feature = "mpi"))]
#[path = "world/no_mpi.rs"]
mod mpi;
pub mod progress;
pub mod supervision;
pub mod wire;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde::{Serialize, de::DeserializeOwned};

pub use launch::{
    Launch, innermost as innermost_launch, is_first_process, mpi_yields, wait_for_first_process,
};
pub use member::Member;
pub use mpi::{abort as abort_mpi, library as mpi_library, programs_folder as mpi_programs_folder};

use crate::base::error::{Error, Result};
use crate::base::units::Nanos;
use crate::plan::config::ThreadLevel;
use crate::plan::place::Place;
use mpi::MpiComm;

/// The ranks of a run, or of a case, with this process as one of them.
#[derive(Debug)]
pub struct World {
    /// `None` in a single process without MPI.
    comm: Option<MpiComm>,
    rank: usize,
    members: Vec<Member>,
    wait: Wait,
    mpi_init_time: Option<Nanos>,
}

/// How to wait for other ranks.
#[derive(Debug, Clone, Copy)]
pub struct Wait {
    policy: WaitPolicy,
    /// When a wait is too long, and what ends the process then.
    deadline: Option<(Instant, fn() -> !)>,
}

/// What a waiting rank does between two polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitPolicy {
    /// Polls again at once: the core belongs to this rank.
    Spin,
    /// Yields: the core is shared with the ranks it waits for.
    Yield,
    /// Sleeps: the core belongs to a rank that measures, or nothing is measured.
    Sleep,
}

/// The operation of a reduction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReduceOp {
    /// The maximum.
    Max,
    /// The sum.
    Sum,
}

/// A sleeping rank polls after a tenth of the time it has waited, within these bounds: it takes little time from the
/// ranks that measure, and delays no case much.
const MIN_SLEEP: Duration = Duration::from_micros(20);
const MAX_SLEEP: Duration = Duration::from_millis(20);

impl Wait {
    /// What the rank does between two polls.
    pub fn policy(self) -> WaitPolicy {
        self.policy
    }

    /// The same wait with [`WaitPolicy::Yield`], for other threads of this process.
    pub fn yielding(self) -> Self {
        Self { policy: WaitPolicy::Yield, ..self }
    }

    /// A wait without a deadline, before and after the cases. It yields, because the number of ranks on this node is
    /// not known at first.
    const FOREVER: Self = Self { policy: WaitPolicy::Yield, deadline: None };

    /// Waits until `done` returns a value, for at most about `limit`.
    pub fn at_most<T>(self, limit: Duration, mut done: impl FnMut() -> Option<T>) -> Option<T> {
        let end = Instant::now() + limit;
        let over = || (Instant::now() > end).then_some(None);
        self.until(|| done().map(Some).or_else(over))
    }

    /// Waits until `done` returns a value.
    ///
    /// After the deadline it ends the process: ranks that wait for a missing one cannot agree on an error.
    pub fn until<T>(self, mut done: impl FnMut() -> Option<T>) -> T {
        let began = Instant::now();
        let mut polls: u32 = 0;
        loop {
            if let Some(value) = done() {
                return value;
            }
            polls = polls.wrapping_add(1);
            match self.policy {
                WaitPolicy::Spin => std::hint::spin_loop(),
                WaitPolicy::Yield => std::thread::yield_now(),
                WaitPolicy::Sleep => {
                    std::thread::sleep((began.elapsed() / 10).clamp(MIN_SLEEP, MAX_SLEEP))
                }
            }
            let read_clock = self.policy == WaitPolicy::Sleep || polls.is_multiple_of(1 << 12);
            if let Some((deadline, on_timeout)) = self.deadline.filter(|_| read_clock)
                && Instant::now() > deadline
            {
                on_timeout();
            }
        }
    }
}

impl World {
    /// Initialises MPI with this thread level, if a launcher started this process.
    ///
    /// # Errors
    /// Unfit if the launcher started several processes but MPI sees one rank, or if ranks run different builds.
    pub fn join(threads: ThreadLevel) -> Result<Self> {
        let launch = innermost_launch();
        let began = Instant::now();
        let comm = launch.as_ref().map(|_| MpiComm::init(threads)).transpose()?;
        let init_time = Nanos::try_from(began.elapsed().as_nanos()).unwrap_or(Nanos::MAX);
        let mpi_init_time = comm.as_ref().map(|_| init_time);
        let (rank, size) = comm.as_ref().map_or((0, 1), |comm| (comm.rank(), comm.size()));
        progress::set_place(rank, &member::host());
        let me = Member::this();
        if let Some(Launch { name, size: Some(expected), .. }) = launch
            && expected != size
        {
            return Err(Error::unfit(format!(
                "{name} started {expected} processes, but MPI sees {size} rank; this binary uses {}, so start it with \
                 that library's launcher (srun: --mpi=pmix for Open MPI, --mpi=pmi2 for MPICH)",
                mpi_library().unwrap_or_else(|| "an unknown MPI".to_owned())
            )));
        }
        let builds = comm.as_ref().map_or_else(Vec::new, |comm| comm.all_gather_builds(me.build));
        if let Some(rank) = builds.iter().position(|build| *build != builds[0]) {
            return Err(Error::unfit(format!(
                "rank {rank} runs build {:016x}, rank 0 runs {:016x}, and results of different builds must not be \
                 mixed; start the same binary everywhere",
                builds[rank], builds[0]
            )));
        }
        let unmet = Self { wait: Wait::FOREVER, ..Self::new(comm, rank, vec![me.clone(); size]) };
        let members = unmet.broadcast(unmet.gather(me)?)?;
        Ok(Self { mpi_init_time, ..Self::new(unmet.comm, rank, members) })
    }

    fn new(comm: Option<MpiComm>, rank: usize, members: Vec<Member>) -> Self {
        let policy = match member::oversubscription(&members) {
            Some(_) => WaitPolicy::Yield,
            None => WaitPolicy::Spin,
        };
        let wait = Wait { policy, deadline: None };
        Self { comm, rank, members, wait, mpi_init_time: None }
    }

    /// Sets the deadline of all waits to `timeout` from now; after it `on_timeout` ends the process. Only for ranks
    /// without a watchdog.
    pub fn set_deadline(&mut self, timeout: Duration, on_timeout: fn() -> !) {
        self.wait.deadline = Instant::now().checked_add(timeout).map(|at| (at, on_timeout));
    }

    /// Sleeps in all waits from now on: where nothing is measured, ranks that poll keep each other from the cores.
    pub fn sleep_while_waiting(&mut self) {
        self.wait.policy = WaitPolicy::Sleep;
    }

    /// This process's rank.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Number of ranks.
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// Whether this is rank 0.
    pub fn is_root(&self) -> bool {
        self.rank == 0
    }

    /// All ranks.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Duration of MPI's initialisation on this rank, ns; `None` in a process without MPI.
    pub fn mpi_init_time(&self) -> Option<Nanos> {
        self.mpi_init_time
    }

    /// Node and socket of each rank.
    pub fn places(&self) -> Vec<Place> {
        let mut nodes: HashMap<&str, usize> = HashMap::new();
        let places = self.members.iter().map(|member| {
            let new = nodes.len();
            Place { node: *nodes.entry(&member.host).or_insert(new), socket: member.socket }
        });
        places.collect()
    }

    /// How these ranks wait.
    pub fn wait(&self) -> Wait {
        self.wait
    }

    /// This rank's index among the ranks of its node.
    pub fn local_rank(&self) -> usize {
        let host = &self.members[self.rank].host;
        self.members[..self.rank].iter().filter(|member| member.host == *host).count()
    }

    /// How many ranks are on this rank's node.
    pub fn ranks_here(&self) -> usize {
        let host = &self.members[self.rank].host;
        self.members.iter().filter(|member| member.host == *host).count()
    }

    /// Ranks and cores of the most oversubscribed node, if `ranks` oversubscribe one.
    pub fn oversubscription(&self, ranks: &[usize]) -> Option<(usize, usize)> {
        let members: Vec<Member> = ranks.iter().map(|&rank| self.members[rank].clone()).collect();
        member::oversubscription(&members)
    }

    /// Whether all ranks read the same clock.
    pub fn shares_clock(&self) -> bool {
        self.members.iter().all(|member| member.clock == self.members[0].clock)
    }

    /// Gives each of these ranks its own clock domain. All ranks call this with the same ranks, before they create
    /// subsets.
    pub fn separate_clocks(&mut self, ranks: &[usize]) {
        for &rank in ranks {
            self.members[rank].clock ^= crate::base::random::fingerprint(rank.to_le_bytes());
        }
    }

    /// A world of these ranks. All of them call it, and no others.
    pub fn subset(&self, ranks: &[usize]) -> Result<Self> {
        let position = ranks
            .iter()
            .position(|&rank| rank == self.rank)
            .ok_or_else(|| Error::internal(format!("rank {} is not among {ranks:?}", self.rank)))?;
        let comm = self.comm.as_ref().map(|comm| comm.subset(ranks));
        let members = ranks.iter().map(|&rank| self.members[rank].clone()).collect();
        let mut subset = Self::new(comm, position, members);
        subset.wait.deadline = self.wait.deadline;
        if self.wait.policy == WaitPolicy::Sleep {
            subset.sleep_while_waiting();
        }
        Ok(subset)
    }

    /// Communicates, as waiting for other ranks; `None` without MPI.
    fn waiting<T>(&self, act: impl FnOnce(&MpiComm) -> T) -> Option<T> {
        self.comm.as_ref().map(|comm| progress::waiting(|| act(comm)))
    }

    /// A barrier.
    pub fn barrier(&self) {
        self.waiting(|comm| comm.barrier(self.wait));
    }

    /// A barrier in which early ranks sleep, to leave the cores to those that still measure.
    pub fn park(&self) {
        self.waiting(|comm| comm.barrier(Wait { policy: WaitPolicy::Sleep, ..self.wait }));
    }

    /// The latest of all ranks' times, on every rank. It synchronises the start of an iteration, so it allocates and
    /// encodes nothing.
    pub fn latest(&self, time: Nanos) -> Nanos {
        self.waiting(|comm| comm.latest(time, self.wait)).unwrap_or(time)
    }

    /// Sends a time to another rank, which must [receive](Self::receive) it.
    pub fn send(&self, to: usize, time: Nanos) {
        self.waiting(|comm| comm.send(to, time, self.wait));
    }

    /// Receives a time that another rank [sends](Self::send).
    pub fn receive(&self, from: usize) -> Nanos {
        self.waiting(|comm| comm.receive(from, self.wait)).unwrap_or(0)
    }

    /// Reduces the numbers elementwise over all ranks, in place. All ranks pass the same number of them.
    pub fn all_reduce(&self, numbers: &mut [i64], op: ReduceOp) {
        self.waiting(|comm| {
            let own = numbers.to_vec();
            comm.all_reduce(&own, numbers, op, self.wait);
        });
    }

    /// The largest of all ranks' values, on every rank.
    pub fn max(&self, value: i64) -> i64 {
        let mut largest = [value];
        self.all_reduce(&mut largest, ReduceOp::Max);
        largest[0]
    }

    /// Rank 0's value on every rank; the others pass `None`.
    pub fn broadcast<T: Serialize + DeserializeOwned>(&self, value: Option<T>) -> Result<T> {
        self.broadcast_from(0, value)
    }

    fn broadcast_from<T: Serialize + DeserializeOwned>(
        &self,
        from: usize,
        value: Option<T>,
    ) -> Result<T> {
        let Some(comm) = &self.comm else {
            return value.ok_or_else(|| Error::internal("the rank that broadcasts has no value"));
        };
        let bytes = match value {
            Some(value) if self.rank == from => wire::encode(&value)?,
            _ => Vec::new(),
        };
        wire::decode(&progress::waiting(|| comm.broadcast(from, bytes, self.wait)))
    }

    /// Every rank's value on rank 0, by rank; `None` on the others.
    pub fn gather<T: Serialize + DeserializeOwned>(&self, value: T) -> Result<Option<Vec<T>>> {
        let Some(comm) = &self.comm else { return Ok(Some(vec![value])) };
        let own = wire::encode(&value)?;
        let parts = progress::waiting(|| comm.gather(own, self.wait));
        parts.map(|parts| parts.iter().map(|part| wire::decode(part)).collect()).transpose()
    }

    /// Makes one rank's error every rank's error, so that no rank waits for one that has returned.
    ///
    /// # Errors
    /// The error of the lowest rank that has one.
    pub fn unanimous<T>(&self, result: Result<T>) -> Result<T> {
        let none = -i64::try_from(self.size()).unwrap_or(i64::MAX);
        let own = if result.is_err() { -i64::try_from(self.rank).unwrap_or(0) } else { none };
        let first = self.max(own);
        if first == none {
            return result;
        }
        let from = usize::try_from(-first).unwrap_or(0);
        Err(self.broadcast_from(from, result.err())?)
    }

    /// MPI's thread level; `None` without MPI.
    pub fn threading(&self) -> Option<&'static str> {
        self.comm.as_ref().map(MpiComm::threading)
    }

    /// Finalizes MPI. Dropping a `World` does not, so that a failing rank does not hang in `MPI_Finalize`.
    pub fn leave(self) {
        if let Some(comm) = self.comm {
            comm.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alone_every_collective_is_the_identity() {
        let world = World::new(None, 0, vec![Member::this()]);
        assert_eq!(world.broadcast(Some(7)).unwrap(), 7);
        assert_eq!(world.gather("x".to_owned()).unwrap().unwrap(), ["x"]);
        assert_eq!(world.max(-3), -3);
        let error = Error::usage("no");
        assert_eq!(world.unanimous::<()>(Err(error.clone())), Err(error));
        assert_eq!(world.unanimous(Ok(1)), Ok(1));
        assert!(world.subset(&[1]).is_err());
    }
}
