//! This process among the ranks: who they are, and how they wait for each other.
//!
//! All ranks make the same sequence of calls here. Every wait goes through one place
//! ([`Wait`]), which knows whether to spin, to yield or to sleep, and when it is too late; except that ranks
//! which spin wait inside MPI for a start and for a clock, because that is quickest.

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

use std::time::{Duration, Instant};

use serde::{Serialize, de::DeserializeOwned};

pub use launch::{
    Launch, innermost as innermost_launch, is_first_process, mpi_yields, wait_for_first_process,
};
pub use member::Member;
pub use mpi::{Threading, library as mpi_library, programs_folder as mpi_programs_folder};

use crate::base::error::{Error, Exit, Result};
use crate::base::units::Nanos;
use crate::plan::config::ThreadLevel;
use crate::plan::place::Place;

/// The ranks of a run, or of a case, as seen from one of them.
#[derive(Debug)]
pub struct World {
    link: Connection,
    rank: usize,
    members: Vec<Member>,
    wait: Wait,
    /// How long MPI took to start here.
    started_in: Duration,
}

/// How this process reaches the others.
#[derive(Debug)]
enum Connection {
    /// There are no others, and no MPI was started.
    Solo,
    Mpi(mpi::Link),
}

/// How to wait for other ranks.
#[derive(Debug, Clone, Copy)]
pub struct Wait {
    policy: WaitPolicy,
    deadline: Option<Deadline>,
}

/// When a wait is too long, and what ends the process then.
#[derive(Debug, Clone, Copy)]
struct Deadline {
    at: Instant,
    on_timeout: fn() -> !,
}

/// What to do between two looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitPolicy {
    /// Look again at once: the core is ours.
    Spin,
    /// Let another process run: the core is shared with ranks we wait for.
    Yield,
    /// Sleep: the core belongs to a measurement.
    Sleep,
}

/// How numbers of all ranks become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    /// The largest.
    Max,
    /// The sum.
    Sum,
}

/// A sleeping rank looks after a tenth of the time it has slept: it takes next to nothing from those who
/// measure, and makes no case much longer. Not more often than this,
const NAP: Duration = Duration::from_micros(20);
/// and not more seldom than this.
const LONGEST_NAP: Duration = Duration::from_millis(20);

impl Wait {
    /// What to do between two looks.
    pub fn policy(self) -> WaitPolicy {
        self.policy
    }

    /// The same wait, which lets threads of this process run.
    pub fn yielding(self) -> Self {
        Self { policy: WaitPolicy::Yield, ..self }
    }

    /// Before the deadline is known, and after it no longer matters. Yields, because the number of
    /// ranks on this node is not known yet either.
    const FOREVER: Self = Self { policy: WaitPolicy::Yield, deadline: None };

    /// Waits until `done` returns a value.
    ///
    /// Past the deadline this ends the process: ranks that wait for one that never comes cannot
    /// agree on anything.
    pub fn until<T>(self, mut done: impl FnMut() -> Option<T>) -> T {
        let began = Instant::now();
        let mut looks: u32 = 0;
        loop {
            if let Some(value) = done() {
                return value;
            }
            looks = looks.wrapping_add(1);
            match self.policy {
                WaitPolicy::Spin => std::hint::spin_loop(),
                WaitPolicy::Yield => std::thread::yield_now(),
                WaitPolicy::Sleep => {
                    std::thread::sleep((began.elapsed() / 10).clamp(NAP, LONGEST_NAP))
                }
            }
            let look_at_clock = self.policy == WaitPolicy::Sleep || looks.is_multiple_of(1 << 12);
            if let Some(deadline) = self.deadline.filter(|_| look_at_clock)
                && Instant::now() > deadline.at
            {
                (deadline.on_timeout)();
            }
        }
    }
}

impl World {
    /// Joins the ranks that the innermost launcher started; alone when there is none. MPI is told of so many
    /// threads.
    ///
    /// # Errors
    /// Unfit when the launcher started several ranks but this process finds itself alone (a silent
    /// singleton), or when ranks are of different builds.
    pub fn join(threads: ThreadLevel) -> Result<Self> {
        let launch = innermost_launch();
        let began = Instant::now();
        let started = launch.as_ref().map(|_| mpi::Link::join(threads)).transpose()?;
        let Some(link) = started else {
            progress::set_place(0, &member::host());
            let me = Member::this(launch.as_ref());
            return Ok(Self::new(Connection::Solo, 0, vec![me]));
        };
        let started_in = began.elapsed();
        let (rank, size) = (link.rank(), link.size());
        progress::set_place(rank, &member::host());
        if let Some(expected) = launch.as_ref().and_then(|launch| launch.size)
            && expected != size
        {
            return Err(Error::unfit(format!(
                "{} started {expected} processes, but MPI sees {size} rank: each would measure itself \
                 alone. This binary uses {}; start it with that library's launcher (srun: --mpi=pmix \
                 for Open MPI, --mpi=pmi2 for MPICH)",
                launch.map_or_else(String::new, |launch| launch.name.to_owned()),
                mpi_library().unwrap_or_else(|| "an unknown MPI".to_owned())
            )));
        }
        let me = Member::this(launch.as_ref());
        refuse_mixed_builds(&link.all_gather_builds(me.build))?;
        let members = link.all_gather_members(&me, Wait::FOREVER)?;
        Ok(Self { started_in, ..Self::new(Connection::Mpi(link), rank, members) })
    }

    fn new(link: Connection, rank: usize, members: Vec<Member>) -> Self {
        let policy = if member::oversubscription(&members).is_some() {
            WaitPolicy::Yield
        } else {
            WaitPolicy::Spin
        };
        Self {
            link,
            rank,
            members,
            wait: Wait { policy, deadline: None },
            started_in: Duration::ZERO,
        }
    }

    /// Waits end with `on_timeout`, which ends the process, `timeout` from now. For ranks without a watchdog,
    /// which does that otherwise.
    pub fn set_deadline(&mut self, timeout: Duration, on_timeout: fn() -> !) {
        let at = Instant::now().checked_add(timeout);
        self.wait.deadline = at.map(|at| Deadline { at, on_timeout });
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

    /// Where every rank is, by rank.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// How long MPI, which connects these ranks, took to start on this one, ns; `None` in a process that
    /// was started alone.
    pub fn started_in(&self) -> Option<Nanos> {
        let nanos = Nanos::try_from(self.started_in.as_nanos()).unwrap_or(Nanos::MAX);
        matches!(self.link, Connection::Mpi(_)).then_some(nanos)
    }

    /// Where each rank is, by rank.
    pub fn places(&self) -> Vec<Place> {
        let mut hosts: Vec<&str> = Vec::new();
        let places = self.members.iter().map(|member| {
            let known = hosts.iter().position(|host| *host == member.host);
            let node = known.unwrap_or_else(|| {
                hosts.push(&member.host);
                hosts.len() - 1
            });
            Place { node, socket: member.socket }
        });
        places.collect()
    }

    /// How ranks wait here.
    pub fn wait(&self) -> Wait {
        self.wait
    }

    /// This rank's number among the ranks of its node.
    pub fn local_rank(&self) -> usize {
        let host = &self.members[self.rank].host;
        self.members[..self.rank].iter().filter(|member| member.host == *host).count()
    }

    /// Ranks and cores of the node where `ranks` outnumber their cores the most, if they do.
    pub fn oversubscription(&self, ranks: &[usize]) -> Option<(usize, usize)> {
        let members: Vec<Member> = ranks.iter().map(|&rank| self.members[rank].clone()).collect();
        member::oversubscription(&members)
    }

    /// Whether all ranks read the same clock.
    pub fn shares_clock(&self) -> bool {
        self.members.iter().all(|member| member.clock == self.members[0].clock)
    }

    /// Remembers that these ranks read clocks of their own, whatever their nodes say. All ranks call
    /// this alike, before there are subsets.
    pub fn tell_clocks_apart(&mut self, ranks: &[usize]) {
        for &rank in ranks {
            self.members[rank].clock ^= crate::base::random::fingerprint(rank.to_le_bytes());
        }
    }

    /// The ranks `ranks` of this world as a world of their own. Only they call this, all of them.
    ///
    /// # Errors
    /// Internal error when this rank is not one of them.
    pub fn subset(&self, ranks: &[usize]) -> Result<Self> {
        let position = ranks
            .iter()
            .position(|&rank| rank == self.rank)
            .ok_or_else(|| Error::internal(format!("rank {} is not among {ranks:?}", self.rank)))?;
        let link = match &self.link {
            Connection::Solo => Connection::Solo,
            Connection::Mpi(link) => link.subset(ranks),
        };
        let members = ranks.iter().map(|&rank| self.members[rank].clone()).collect();
        let mut subset = Self::new(link, position, members);
        subset.wait.deadline = self.wait.deadline;
        Ok(subset)
    }

    /// No rank leaves before every rank has come.
    pub fn barrier(&self) {
        if let Connection::Mpi(link) = &self.link {
            progress::waiting(|| link.barrier(self.wait));
        }
    }

    /// A barrier whose early ranks sleep, so that the cores belong to those who still measure.
    pub fn park(&self) {
        if let Connection::Mpi(link) = &self.link {
            progress::waiting(|| link.barrier(Wait { policy: WaitPolicy::Sleep, ..self.wait }));
        }
    }

    /// The latest of all ranks' times, on every rank, once every rank has come. For the start of an
    /// iteration: nothing is allocated or encoded.
    pub fn latest(&self, time: Nanos) -> Nanos {
        match &self.link {
            Connection::Solo => time,
            Connection::Mpi(link) => progress::waiting(|| link.latest(time, self.wait)),
        }
    }

    /// Sends a time to one other rank, which [receives](Self::receive) it.
    pub fn send(&self, to: usize, time: Nanos) {
        if let Connection::Mpi(link) = &self.link {
            progress::waiting(|| link.send(to, time, self.wait));
        }
    }

    /// The time that one other rank [sends](Self::send).
    pub fn receive(&self, from: usize) -> Nanos {
        match &self.link {
            Connection::Solo => 0,
            Connection::Mpi(link) => progress::waiting(|| link.receive(from, self.wait)),
        }
    }

    /// Replaces each number by its sum over the ranks, or by the largest of them. All ranks bring
    /// equally many.
    pub fn fold(&self, numbers: &mut [i64], fold: Fold) {
        if let Connection::Mpi(link) = &self.link {
            progress::waiting(|| link.fold(numbers, fold, self.wait));
        }
    }

    /// The largest of all ranks' values, on every rank.
    pub fn max(&self, value: i64) -> i64 {
        match &self.link {
            Connection::Solo => value,
            Connection::Mpi(link) => progress::waiting(|| link.max(value, self.wait)),
        }
    }

    /// Rank 0's value on every rank; the others pass `None`.
    ///
    /// # Errors
    /// When the value cannot be encoded or decoded.
    pub fn broadcast<T: Serialize + DeserializeOwned>(&self, value: Option<T>) -> Result<T> {
        self.broadcast_from(0, value)
    }

    fn broadcast_from<T: Serialize + DeserializeOwned>(
        &self,
        from: usize,
        value: Option<T>,
    ) -> Result<T> {
        let ours = || Error::internal("the rank that broadcasts has no value");
        match &self.link {
            Connection::Solo => value.ok_or_else(ours),
            Connection::Mpi(link) => {
                let bytes = match value {
                    Some(value) if self.rank == from => wire::encode(&value)?,
                    _ => Vec::new(),
                };
                wire::decode(&progress::waiting(|| link.broadcast(from, bytes, self.wait)))
            }
        }
    }

    /// Every rank's value at rank 0, by rank; `None` elsewhere.
    ///
    /// # Errors
    /// When a value cannot be encoded or decoded.
    pub fn gather<T: Serialize + DeserializeOwned>(&self, value: T) -> Result<Option<Vec<T>>> {
        match &self.link {
            Connection::Solo => Ok(Some(vec![value])),
            Connection::Mpi(link) => {
                let own = wire::encode(&value)?;
                let parts = progress::waiting(|| link.gather(own, self.wait));
                parts.map(|parts| parts.iter().map(|part| wire::decode(part)).collect()).transpose()
            }
        }
    }

    /// Makes one rank's error every rank's error, so that nobody waits for one that has left.
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

    /// What MPI this is, and how many threads may call it.
    pub fn threading(&self) -> Option<Threading> {
        match &self.link {
            Connection::Solo => None,
            Connection::Mpi(link) => Some(link.threading()),
        }
    }

    /// Leaves in good order. Dropping a `World` instead does nothing, so that a rank that fails does
    /// not wait in `MPI_Finalize` for ranks that never come.
    pub fn leave(self) {
        if let Connection::Mpi(link) = self.link {
            link.leave();
        }
    }
}

fn refuse_mixed_builds(builds: &[u64]) -> Result<()> {
    match builds.iter().position(|build| *build != builds[0]) {
        None => Ok(()),
        Some(rank) => Err(Error::unfit(format!(
            "rank {rank} runs build {:016x}, rank 0 runs {:016x}: figures of different builds must not \
             be mixed; start the same binary everywhere",
            builds[rank], builds[0]
        ))),
    }
}

/// Ends the whole job at once with this exit code. Only the thread that calls MPI may call this.
pub fn abort_mpi(exit: Exit) -> ! {
    mpi::abort(exit)
}

/// Ends this process at once with this exit code, from any thread and whatever the others are in. Launchers
/// end the other ranks then.
pub fn exit_process(exit: Exit) -> ! {
    mpi::quit(exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alone_every_collective_is_the_identity() {
        let world = World::new(Connection::Solo, 0, vec![Member::this(None)]);
        assert_eq!(world.broadcast(Some(7)).unwrap(), 7);
        assert_eq!(world.gather("x".to_owned()).unwrap().unwrap(), ["x"]);
        assert_eq!(world.max(-3), -3);
        let error = Error::usage("no");
        assert_eq!(world.unanimous::<()>(Err(error.clone())), Err(error));
        assert_eq!(world.unanimous(Ok(1)), Ok(1));
        assert!(world.subset(&[1]).is_err());
    }
}
