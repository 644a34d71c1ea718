//! The watchdog of a rank: a thread that says where the rank is, and ends the job when a deadline passes.
//!
//! Every rank has one, so that whichever hangs is found. Rank 0's process also hears all of them and decides
//! who is at fault ([`tesserabench_launcher::judge`]); when that process itself is stopped or gone, the others
//! notice that they are not answered. These threads never call MPI: it is initialised for one thread.

mod sentence;
mod signals;
mod stack;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tesserabench_launcher::{
    Activity, Cause, Client, ClientOptions, Heartbeat, Order, Server, ServerOptions, Token, Verdict,
};

use crate::base::error::{Error, Kind, Result};
use crate::machine::environment::Environment;
use crate::plan::{DeadlineKind, Deadlines, Plan};
use crate::world::World;
use crate::world::abort;
use crate::world::fault;
use crate::world::progress::{self, Phase, Position};
use sentence::Ranks;
pub use signals::note as note_signals;

/// A case that was asked to stop gives up by itself at the deadline of that; so much later the watchdog does,
/// seconds.
const STOP_MARGIN_S: f64 = 2.0;

/// How long a rank tries to reach rank 0's port.
const KNOCK: Duration = Duration::from_secs(5);

/// A rank that misses rank 0 says so after this time, and its successor later by the other: when rank 0 has
/// ended the job, or is dead, the launcher ends the others meanwhile, and else one of them is enough.
const FIRST_TURN: Duration = Duration::from_secs(3);
const TURN: Duration = Duration::from_millis(500);

/// What is found so soon after this process was stopped for long is what the others have made of that.
const WAKING: Duration = Duration::from_secs(5);

/// What follows when rank 0 does not hear the others.
const UNHEARD: &str = "a rank that hangs is then noticed by its own deadlines only, and the one that is named may be \
                       waiting for it";

/// This rank's watchdog, and on rank 0 the ear for all of them.
pub struct Watch {
    client: Client,
    /// With the connections that only tried whether there is a way.
    server: Option<(Server, u64)>,
    known: Arc<Known>,
}

/// What the threads know of the run.
struct Known {
    ranks: Mutex<Ranks>,
    /// When this process went on after it was stopped for longer than a rank may be silent, and for how long that
    /// was, seconds.
    stopped: Mutex<Option<(Instant, f64)>>,
}

/// Since when things have been as they are.
struct Clock {
    began: Instant,
    /// When it was read last.
    read: Instant,
    position: Position,
    /// Since when the position has not changed, the task has not, the step has not.
    still: Instant,
    task: Instant,
    phase: Instant,
    stop: Option<Instant>,
}

impl Watch {
    /// Starts the watchdog of this process, before MPI is: that may hang too.
    ///
    /// # Errors
    /// Unfit when signals cannot be heard.
    pub fn start(deadlines: Deadlines, ranks: usize) -> Result<Self> {
        let known =
            Arc::new(Known { ranks: Mutex::new(Ranks::new(deadlines)), stopped: Mutex::new(None) });
        signals::listen(Arc::clone(&known))?;
        let options = ClientOptions {
            interval: Duration::from_secs_f64(deadlines.interval(ranks)),
            silence: Duration::from_secs_f64(deadlines.silence),
        };
        let clock = Mutex::new(Clock::new());
        let reader = Arc::clone(&known);
        let read = move || {
            let mut clock = clock.lock().unwrap_or_else(PoisonError::into_inner);
            let deadlines = reader.with_ranks(|ranks| ranks.deadlines);
            let gap = clock.read.elapsed();
            if gap.as_secs_f64() > deadlines.silence {
                reader.went_on_after(gap.as_secs_f64());
                clock.forgive(gap);
            }
            clock.read(&deadlines)
        };
        let hearer = Arc::clone(&known);
        let client = Client::start(options, read, move |order| obey(order, &hearer));
        Ok(Self { client, server: None, known })
    }

    /// Connects the watchdogs of all ranks. All of them call this.
    ///
    /// # Errors
    /// When the ranks cannot be told of the port.
    pub fn connect(&mut self, world: &World) -> Result<()> {
        self.known.with_ranks(|ranks| ranks.meet(world.members()));
        if world.size() == 1 {
            return Ok(());
        }
        let opened = world.is_root().then(|| open(world, &self.known)).transpose();
        let opened = opened.unwrap_or_else(|why| {
            tracing::warn!("{why}; {UNHEARD}");
            None
        });
        let (server, port) = opened.map_or((None, None), |(server, token)| {
            let port = Some((server.address(), token.bytes()));
            (Some(server), port)
        });
        let port: Option<(SocketAddr, [u8; 16])> =
            world.broadcast(world.is_root().then_some(port))?;
        let Some((address, token)) = port else { return Ok(()) };
        // A job whose nodes may not connect to each other as they like is well all the same.
        let knocked = TcpStream::connect_timeout(&address, KNOCK).is_ok();
        let turned_away = world.max(if knocked { -1 } else { world.rank() as i64 });
        if let Ok(rank) = usize::try_from(turned_away) {
            if let Some(server) = server {
                tracing::warn!(
                    "rank {rank} on {} cannot reach {address}, where rank 0 hears heartbeats; {UNHEARD}",
                    world.members()[rank].host
                );
                server.close();
            }
            return Ok(());
        }
        self.client.connect(address, Token::from_bytes(token));
        if fault::is_planted(fault::Fault::Stranger, Phase::Join) {
            fault::come_as_stranger(address);
        }
        self.server = server.map(|server| (server, world.size() as u64));
        Ok(())
    }

    /// What is run, and with it how long things may take.
    pub fn know(&self, plan: &Plan) {
        self.known.with_ranks(|ranks| ranks.plan(plan));
    }

    /// What the ranks drive.
    pub fn know_devices(&self, environment: &Environment) {
        self.known.with_ranks(|ranks| ranks.devices(environment));
    }

    /// Stops and starts the heartbeats, for measuring what they cost.
    pub fn pause(&self, paused: bool) {
        self.client.pause(paused);
    }

    /// Ends the watch, after MPI has been left.
    pub fn leave(self) {
        self.client.leave();
        if let Some((server, knocks)) = self.server {
            let strangers = server.strangers().saturating_sub(knocks);
            if strangers > 0 {
                tracing::warn!(
                    "the heartbeat port has refused connections of strangers: {strangers}"
                );
            }
            server.close();
        }
    }
}

impl Known {
    fn went_on_after(&self, seconds: f64) {
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        *stopped = Some((Instant::now(), seconds));
    }

    /// For how long this process was stopped until just now, seconds, if it was.
    fn was_stopped_for(&self) -> Option<f64> {
        let stopped = *self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        stopped.filter(|(since, _)| since.elapsed() < WAKING).map(|(_, seconds)| seconds)
    }

    fn with_ranks<T>(&self, act: impl FnOnce(&mut Ranks) -> T) -> T {
        act(&mut self.ranks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Clock {
    fn new() -> Self {
        let now = Instant::now();
        let position = progress::position();
        Self { began: now, read: now, position, still: now, task: now, phase: now, stop: None }
    }

    /// For so long this process has not run: that time was none of what is timed here.
    fn forgive(&mut self, gap: Duration) {
        let times = [&mut self.still, &mut self.task, &mut self.phase, &mut self.began];
        times.into_iter().chain(&mut self.stop).for_each(|since| *since += gap);
    }

    /// Where this rank is, for how long, and which deadline that breaks.
    fn read(&mut self, deadlines: &Deadlines) -> Heartbeat {
        let (now, position) = (Instant::now(), progress::position());
        self.read = now;
        if position.task != self.position.task {
            self.task = now;
        }
        if (position.task, position.phase) != (self.position.task, self.position.phase) {
            self.phase = now;
        }
        if position != self.position {
            self.still = now;
        }
        self.position = position;
        let stop = progress::is_asked_to_stop();
        if stop {
            self.stop.get_or_insert(now);
        }
        let overdue = self.overdue(now, deadlines);
        Heartbeat {
            rank: progress::rank().and_then(|rank| u32::try_from(rank).ok()).unwrap_or(0),
            task: position.task,
            stage: position.phase as u8,
            round: position.round,
            activity: position.activity,
            still_ms: u32::try_from((now - self.still).as_millis()).unwrap_or(u32::MAX),
            overdue: overdue.map(|limit| limit as u8),
            stop,
        }
    }

    fn overdue(&self, now: Instant, deadlines: &Deadlines) -> Option<DeadlineKind> {
        let Position { task, phase, activity, .. } = self.position;
        let beyond = |limit: DeadlineKind, since: Instant| {
            let most = deadlines.get(limit);
            ((now - since).as_secs_f64() > most).then_some(limit)
        };
        let on_the_way = matches!(phase, Phase::Gather | Phase::Write);
        let with_others = matches!(activity, Activity::Waiting | Activity::Together);
        let stopping = self
            .stop
            .is_some_and(|since| (now - since).as_secs_f64() > deadlines.stop + STOP_MARGIN_S);
        stopping
            .then_some(DeadlineKind::Stop)
            .or_else(|| (task == 0).then(|| beyond(DeadlineKind::Startup, self.began))?)
            .or_else(|| {
                (phase == Phase::Connect).then(|| beyond(DeadlineKind::Communicator, self.phase))?
            })
            .or_else(|| on_the_way.then(|| beyond(DeadlineKind::Gather, self.phase))?)
            .or_else(|| (task > 0 && !on_the_way).then(|| beyond(DeadlineKind::Case, self.task))?)
            .or_else(|| with_others.then(|| beyond(DeadlineKind::Barrier, self.still))?)
            .or_else(|| beyond(DeadlineKind::Run, self.began))
    }
}

/// Opens the port at which rank 0 hears the others.
fn open(world: &World, known: &Arc<Known>) -> Result<(Server, Token)> {
    let cannot = |why: std::io::Error| {
        Error::unfit(format!("rank 0 cannot open a port for heartbeats: {why}"))
    };
    let deadlines = known.with_ranks(|ranks| ranks.deadlines);
    let token = Token::random().map_err(cannot)?;
    let options = ServerOptions {
        address: address(world),
        ranks: world.size(),
        token,
        interval: Duration::from_secs_f64(deadlines.interval(world.size())),
        silence: Duration::from_secs_f64(deadlines.silence),
    };
    let known = Arc::clone(known);
    let server = Server::open(options, move |verdict| hear(&verdict, &known)).map_err(cannot)?;
    Ok((server, token))
}

/// The address of this node that the other ranks reach: the loopback device's where there is no other node,
/// else that of the interface through which packets to another rank's node would leave.
fn address(world: &World) -> IpAddr {
    let here = &world.members()[world.rank()].host;
    let other = world.members().iter().find(|member| member.host != *here);
    let Some(other) = other else { return Ipv4Addr::LOCALHOST.into() };
    let through = || {
        // Nothing is sent: connecting a datagram socket only chooses the way.
        let to = (other.host.as_str(), 9).to_socket_addrs().ok()?.next()?;
        let any: IpAddr =
            if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect(to).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    let own = || (here.as_str(), 9).to_socket_addrs().ok()?.next().map(|address| address.ip());
    through().or_else(own).unwrap_or(Ipv4Addr::LOCALHOST.into())
}

/// What rank 0 does when something is wrong with a rank.
fn hear(verdict: &Verdict, known: &Known) {
    // The others end the job when rank 0 does not answer.
    let stopped = known.was_stopped_for().filter(|_| verdict.kind == Cause::Gone);
    let (failure, message) = known.with_ranks(|ranks| match stopped {
        Some(seconds) => ranks.was_stopped(seconds),
        None => ranks.judge(verdict),
    });
    abort::abort_from_watchdog(&failure, &message)
}

/// What a rank does when its watchdog is told something, or finds it out.
fn obey(order: Order, known: &Known) {
    match order {
        Order::Explain => tracing::error!("{}", stack::explain()),
        Order::Stop => progress::ask_to_stop(),
        // Rank 0 leaves when all have done their work.
        Order::ServerLost if progress::position().phase == Phase::Leave => {}
        Order::ServerLost => {
            let rank = progress::rank().unwrap_or(0);
            let turns = u32::try_from(rank.saturating_sub(1).min(8)).unwrap_or(0);
            std::thread::sleep(FIRST_TURN + TURN * turns);
            let (failure, message) = known.with_ranks(|ranks| ranks.miss_root());
            abort::abort_from_watchdog(&failure, &message)
        }
        Order::Overdue(heartbeat) => {
            let (failure, message) = known.with_ranks(|ranks| ranks.overdue(&heartbeat));
            let message = format!("{message}\n{}", stack::explain());
            abort::abort_from_watchdog(&failure, &message)
        }
        Order::Orphaned => {
            let gone =
                "the process that started this rank is gone; it must have been killed".to_owned();
            let error = Error::new(Kind::RankDied, gone);
            abort::abort_from_watchdog(&abort::failure_here(&error), &error.message)
        }
    }
}
