//! The watchdog of a rank: a thread that sends heartbeats, and aborts the job when a deadline passes.
//!
//! Rank 0's process runs the heartbeat server, which decides which ranks are at fault
//! ([`tesserabench_launcher::diagnose`]). If that process is stopped or dead, the other ranks notice that the server
//! does not reply. These threads never call MPI: it is initialised with MPI_THREAD_SINGLE by default.

mod messages;
mod signals;
mod stack;

use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tesserabench_launcher::{
    Activity, Cause, Client, ClientEvent, ClientOptions, Diagnosis, Heartbeat, Server,
    ServerOptions, Token,
};

use crate::base::error::{Error, Kind, Result};
use crate::machine::environment::Environment;
use crate::plan::{Case, DeadlineKind, Deadlines, Plan};
use crate::world::World;
use crate::world::abort;
use crate::world::fault;
use crate::world::progress::{self, Phase, Position};
use messages::FaultMessages;
pub use signals::set_stop_flag_on_signals;

/// A case gives up by itself at the end of the grace period after a stop; the watchdog follows this much later.
const STOP_MARGIN: Duration = Duration::from_secs(2);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Delay after which rank 1 aborts the job if the server is lost; each further rank waits longer by [`STAGGER`]. In
/// the meantime the launcher usually ends the job because rank 0 has aborted it or died; otherwise one rank is enough.
const LOST_SERVER_DELAY: Duration = Duration::from_secs(3);
const STAGGER: Duration = Duration::from_millis(500);

/// The consequence of a missing heartbeat server.
const WITHOUT_SERVER: &str = "a hang is then detected by each rank's own deadlines only, and the rank that is named \
                              may be waiting for the one at fault";

/// The watchdog of this rank, with the heartbeat server on rank 0.
pub struct Watchdog {
    client: Client,
    server: Option<Server>,
    shared: Arc<Shared>,
}

struct Shared(Mutex<FaultMessages>);

/// When the state of this rank last changed.
struct Timers {
    began: Instant,
    read: Instant,
    position: Position,
    /// The last change of the position, of the task, and of the phase.
    unchanged: Instant,
    task: Instant,
    phase: Instant,
    stop: Option<Instant>,
}

impl Watchdog {
    /// Starts the watchdog of this process, before MPI is initialised, because that may hang too.
    ///
    /// # Errors
    /// Unfit if signal handlers cannot be installed.
    pub fn start(deadlines: Deadlines, ranks: usize) -> Result<Self> {
        let shared = Arc::new(Shared(Mutex::new(FaultMessages::new(deadlines))));
        signals::listen(Arc::clone(&shared))?;
        let options = ClientOptions {
            interval: Duration::from_secs_f64(deadlines.interval(ranks)),
            silence: Duration::from_secs_f64(deadlines.silence),
        };
        let mut timers = Timers::new();
        let (reader, listener) = (Arc::clone(&shared), Arc::clone(&shared));
        let read = move || timers.read(&mut reader.messages());
        let client = Client::start(options, read, move |event| on_event(event, &listener));
        Ok(Self { client, server: None, shared })
    }

    /// Connects this rank to the heartbeat server. All ranks call it.
    pub fn connect(&mut self, world: &World) -> Result<()> {
        self.shared.messages().members = world.members().to_vec();
        if world.size() == 1 {
            return Ok(());
        }
        let opened = world.is_root().then(|| open_server(world, &self.shared)).transpose();
        let opened = opened.unwrap_or_else(|why| {
            tracing::warn!("{why}; {WITHOUT_SERVER}");
            None
        });
        let port = opened.as_ref().map(|(server, token)| (server.address(), token.bytes()));
        let port: Option<(SocketAddr, [u8; 16])> =
            world.broadcast(world.is_root().then_some(port))?;
        let Some((address, token)) = port else { return Ok(()) };
        // A firewall between the nodes must not fail the job.
        let reachable = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).is_ok();
        let unconnected = world.max(if reachable { -1 } else { world.rank() as i64 });
        if let Ok(rank) = usize::try_from(unconnected) {
            if let Some((server, _)) = opened {
                tracing::warn!(
                    "rank {rank} on {} cannot connect to the heartbeat server of rank 0 at {address}; \
                     {WITHOUT_SERVER}",
                    world.members()[rank].host
                );
                server.close();
            }
            return Ok(());
        }
        self.client.connect(address, Token::from_bytes(token));
        if fault::is_planted(fault::Fault::Stranger, Phase::Join) {
            fault::send_garbage(address);
        }
        self.server = opened.map(|(server, _)| server);
        Ok(())
    }

    /// Sets the plan, with its deadlines.
    pub fn set_plan(&self, plan: &Plan) {
        let name = |case: &Case| (case.group.ranks.clone(), case.id.clone());
        let sets = plan.cases.chunk_by(Case::runs_with);
        let mut messages = self.shared.messages();
        messages.deadlines = plan.deadlines;
        messages.tasks = sets.map(|set| set.iter().map(name).collect()).collect();
    }

    /// Sets the devices of the ranks.
    pub fn set_devices(&self, environment: &Environment) {
        let devices = environment.ranks.iter().map(|rank| rank.device.name.clone());
        self.shared.messages().devices = devices.collect();
    }

    /// Ends the watchdog, after MPI is finalized.
    pub fn leave(self) {
        self.client.leave();
        if let Some(server) = self.server {
            // Each rank made one connection only to test whether it can.
            let tests = self.shared.messages().members.len() as u64;
            let foreign = server.rejected().saturating_sub(tests);
            if foreign > 0 {
                tracing::warn!("the heartbeat server rejected foreign connections: {foreign}");
            }
            server.close();
        }
    }
}

impl Shared {
    fn messages(&self) -> MutexGuard<'_, FaultMessages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Timers {
    fn new() -> Self {
        let now = Instant::now();
        let position = progress::position();
        Self { began: now, read: now, position, unchanged: now, task: now, phase: now, stop: None }
    }

    /// The heartbeat: the position of this rank, and the deadline that it exceeds, if any.
    fn read(&mut self, messages: &mut FaultMessages) -> Heartbeat {
        let (now, position) = (Instant::now(), progress::position());
        let gap = now - mem::replace(&mut self.read, now);
        if gap.as_secs_f64() > messages.deadlines.silence {
            // This process was stopped; that time does not count.
            messages.stopped = Some((now, gap.as_secs_f64()));
            let times = [&mut self.unchanged, &mut self.task, &mut self.phase, &mut self.began];
            times.into_iter().chain(&mut self.stop).for_each(|since| *since += gap);
        }
        let before = mem::replace(&mut self.position, position);
        if position.task != before.task {
            self.task = now;
        }
        if (position.task, position.phase) != (before.task, before.phase) {
            self.phase = now;
        }
        if position != before {
            self.unchanged = now;
        }
        let stop = progress::stop_requested();
        if stop {
            self.stop.get_or_insert(now);
        }
        let overdue = self.overdue(now, &messages.deadlines);
        Heartbeat {
            rank: progress::rank().and_then(|rank| u32::try_from(rank).ok()).unwrap_or(0),
            task: position.task,
            stage: position.phase as u8,
            round: position.round,
            activity: position.activity,
            unchanged_ms: u32::try_from((now - self.unchanged).as_millis()).unwrap_or(u32::MAX),
            overdue: overdue.map(|deadline| deadline as u8),
            stop,
        }
    }

    fn overdue(&self, now: Instant, deadlines: &Deadlines) -> Option<DeadlineKind> {
        let Position { task, phase, activity, .. } = self.position;
        let gathers = matches!(phase, Phase::Gather | Phase::Write);
        let with_others = matches!(activity, Activity::Waiting | Activity::Joint);
        let stop = self.stop.map_or(now, |since| since + STOP_MARGIN);
        let checks = [
            (self.stop.is_some(), DeadlineKind::Stop, stop),
            (task == 0, DeadlineKind::Startup, self.began),
            (phase == Phase::Connect, DeadlineKind::Communicator, self.phase),
            (gathers, DeadlineKind::Gather, self.phase),
            (task > 0 && !gathers, DeadlineKind::Case, self.task),
            (with_others, DeadlineKind::Barrier, self.unchanged),
            (true, DeadlineKind::Run, self.began),
        ];
        let exceeded = checks.into_iter().find(|(applies, kind, since)| {
            let passed = now.saturating_duration_since(*since);
            *applies && passed.as_secs_f64() > deadlines.get(*kind)
        });
        exceeded.map(|(_, kind, _)| kind)
    }
}

fn open_server(world: &World, shared: &Arc<Shared>) -> Result<(Server, Token)> {
    let cannot = |why: std::io::Error| {
        Error::unfit(format!("rank 0 cannot open the port of the heartbeat server: {why}"))
    };
    let deadlines = shared.messages().deadlines;
    let token = Token::random().map_err(cannot)?;
    let options = ServerOptions {
        address: address(world),
        ranks: world.size(),
        token,
        interval: Duration::from_secs_f64(deadlines.interval(world.size())),
        silence: Duration::from_secs_f64(deadlines.silence),
    };
    let shared = Arc::clone(shared);
    let server = Server::open(options, move |found| on_fault(&found, &shared)).map_err(cannot)?;
    Ok((server, token))
}

/// The address of this node that the other ranks can reach: loopback on a single node, else the address of the
/// interface that routes to another rank's node.
fn address(world: &World) -> IpAddr {
    let here = &world.members()[world.rank()].host;
    let other = world.members().iter().find(|member| member.host != *here);
    let Some(other) = other else { return Ipv4Addr::LOCALHOST.into() };
    let routed = || {
        // Connecting a datagram socket only selects the route; nothing is sent.
        let to = (other.host.as_str(), 9).to_socket_addrs().ok()?.next()?;
        let any: IpAddr =
            if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect(to).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    let own = || (here.as_str(), 9).to_socket_addrs().ok()?.next().map(|address| address.ip());
    routed().or_else(own).unwrap_or(Ipv4Addr::LOCALHOST.into())
}

/// Aborts the job because of a fault that rank 0's server has found.
fn on_fault(diagnosis: &Diagnosis, shared: &Shared) {
    let (failure, others) = {
        let messages = shared.messages();
        // The others abort the job if rank 0 was stopped; their deaths follow from that.
        let own_stop = messages.of_own_stop().filter(|_| diagnosis.cause == Cause::Died);
        let own_stop = own_stop.map(|failure| (failure, String::new()));
        own_stop.unwrap_or_else(|| messages.of_diagnosis(diagnosis))
    };
    abort::abort_from_watchdog(&failure, &others)
}

fn on_event(event: ClientEvent, shared: &Shared) {
    match event {
        ClientEvent::ReportState => tracing::error!("{}", stack::report()),
        ClientEvent::Stop => progress::request_stop(),
        // Rank 0 closes the server after the last case.
        ClientEvent::ServerLost if progress::position().phase == Phase::Leave => {}
        ClientEvent::ServerLost => {
            let rank = progress::rank().unwrap_or(0);
            let before = u32::try_from(rank.saturating_sub(1).min(8)).unwrap_or(0);
            std::thread::sleep(LOST_SERVER_DELAY + STAGGER * before);
            let failure = shared.messages().of_lost_server();
            abort::abort_from_watchdog(&failure, "")
        }
        ClientEvent::Overdue(heartbeat) => {
            let failure = shared.messages().of_own_deadline(&heartbeat);
            abort::abort_from_watchdog(&failure, &format!("\n{}", stack::report()))
        }
        ClientEvent::Orphaned => {
            let message = "the parent process of this rank has exited; it was probably killed";
            let error = Error::new(Kind::RankDied, message);
            abort::abort_from_watchdog(&abort::failure_here(&error), "")
        }
    }
}
