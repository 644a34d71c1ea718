//! The heartbeat client: a thread of a rank that reports the rank's state to the server.

mod connection;

use std::collections::HashSet;
use std::mem::{Discriminant, discriminant};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, getppid};

use crate::client::connection::ServerConnection;
use crate::frame::{Frame, FrameKind, Heartbeat, Reply};
use crate::token::Token;

/// The timing of the client.
#[derive(Debug, Clone, Copy)]
pub struct ClientOptions {
    /// Time between two heartbeats; more than zero.
    pub interval: Duration,
    /// Time without a reply after which the server counts as lost; several intervals.
    pub silence: Duration,
}

/// An event that the client passes to its rank. Each but the first occurs at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientEvent {
    /// The server requests a report of this rank's state.
    ReportState,
    /// A stop was requested at some rank.
    Stop,
    /// The server has not replied within the limit, or its connection broke.
    ServerLost,
    /// This rank exceeds a limit, and no server has ended the job.
    Overdue(Heartbeat),
    /// The parent process has exited.
    Orphaned,
}

/// The heartbeat client of one rank. Dropped without [`Client::leave`], it disconnects without notice.
#[derive(Debug)]
pub struct Client {
    commands: Sender<Command>,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
enum Command {
    Connect(SocketAddr, Token),
    Leave,
}

struct HeartbeatLoop<R, E> {
    options: ClientOptions,
    read: R,
    on_event: E,
    emitted: HashSet<Discriminant<ClientEvent>>,
    parent: Option<Pid>,
    connection: Option<ServerConnection>,
    /// For how long a limit has been exceeded.
    overdue: Option<Duration>,
}

/// Time that the server may take to end the job of a rank beyond a limit: two checks, and the ranks' reports.
const SERVER_RESPONSE: Duration = Duration::from_secs(5);

impl Client {
    /// Starts the thread, which calls `read` once per interval and `on_event` for every event. Both must be quick:
    /// no heartbeat is sent meanwhile.
    ///
    /// # Panics
    /// If no thread can be started, as [`std::thread::spawn`] does.
    pub fn start(
        options: ClientOptions,
        read: impl FnMut() -> Heartbeat + Send + 'static,
        on_event: impl FnMut(ClientEvent) + Send + 'static,
    ) -> Self {
        let (commands, receiver) = channel();
        let heartbeats = HeartbeatLoop {
            options,
            read,
            on_event,
            emitted: HashSet::new(),
            parent: getppid(),
            connection: None,
            overdue: None,
        };
        let thread = thread::Builder::new().name("heartbeats".to_owned());
        let thread =
            thread.spawn(move || heartbeats.run(&receiver)).expect("a thread can be started");
        Self { commands, thread }
    }

    /// Sends heartbeats to this server from now on. Retries to connect once per interval until the server replies or
    /// counts as lost.
    pub fn connect(&self, server: SocketAddr, token: Token) {
        self.send(Command::Connect(server, token));
    }

    /// Disconnects in order and ends the thread. Takes up to an interval and a second if the server does not reply.
    /// `read` and `on_event` must not call it.
    pub fn leave(self) {
        self.send(Command::Leave);
        // A panic of `read` or `on_event` has already been printed.
        let _ = self.thread.join();
    }

    fn send(&self, command: Command) {
        // It fails only after a panic of the thread, which has already been printed.
        let _ = self.commands.send(command);
    }
}

impl<R: FnMut() -> Heartbeat, E: FnMut(ClientEvent)> HeartbeatLoop<R, E> {
    /// Sends heartbeats until the client leaves or is dropped.
    fn run(mut self, commands: &Receiver<Command>) {
        let interval = self.options.interval;
        let mut last = Instant::now();
        self.heartbeat(Duration::ZERO);
        loop {
            let rest = (last + interval).saturating_duration_since(Instant::now());
            let passed = match commands.recv_timeout(rest) {
                // Time in which this process was stopped does not count as silence of the server.
                Err(RecvTimeoutError::Timeout) => last.elapsed().min(2 * interval),
                Ok(Command::Connect(server, token)) => {
                    self.connection = Some(ServerConnection::new(server, token));
                    Duration::ZERO
                }
                Ok(Command::Leave) => return self.leave(),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            last = Instant::now();
            self.heartbeat(passed);
        }
    }

    /// Sends one heartbeat, `passed` after the previous one.
    fn heartbeat(&mut self, passed: Duration) {
        if getppid() != self.parent {
            self.emit_once(ClientEvent::Orphaned);
        }
        if let Some(connection) = &mut self.connection {
            connection.unanswered += passed;
        }
        // These are the replies to the previous frame: waiting for the reply to this one would cost a second wake-up.
        let mut kind = FrameKind::Heartbeat;
        while let Some(reply) = self.connection.as_mut().and_then(ServerConnection::reply) {
            match reply {
                Reply::Ack => {}
                Reply::Stop => self.emit_once(ClientEvent::Stop),
                Reply::ReportState => {
                    (self.on_event)(ClientEvent::ReportState);
                    kind = FrameKind::StateReported;
                }
            }
        }
        let heartbeat = (self.read)();
        if let Some(connection) = &mut self.connection {
            connection.send(&Frame { heartbeat, kind }, self.options.interval);
            if connection.is_broken() || connection.unanswered > self.options.silence {
                self.connection = None;
                self.emit_once(ClientEvent::ServerLost);
            }
        }
        self.check_overdue(heartbeat, passed);
    }

    /// Handles a rank beyond a limit if no server is connected, or the connected one does not act.
    fn check_overdue(&mut self, heartbeat: Heartbeat, passed: Duration) {
        let before = self.overdue.map(|since| since + passed);
        self.overdue = heartbeat.overdue.map(|_| before.unwrap_or_default());
        let connected = self.connection.as_ref().is_some_and(ServerConnection::is_established);
        let server_time =
            if connected { 4 * self.options.interval + SERVER_RESPONSE } else { Duration::ZERO };
        if self.overdue.is_some_and(|since| since >= server_time) {
            self.emit_once(ClientEvent::Overdue(heartbeat));
        }
    }

    fn emit_once(&mut self, event: ClientEvent) {
        if self.emitted.insert(discriminant(&event)) {
            (self.on_event)(event);
        }
    }

    fn leave(mut self) {
        if let Some(connection) = self.connection {
            let frame = Frame { heartbeat: (self.read)(), kind: FrameKind::Leave };
            connection.leave(&frame, self.options.interval);
        }
    }
}
