//! The thread with which a rank says how it is.

mod wire;

use std::collections::HashSet;
use std::mem::{Discriminant, discriminant};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, getppid};

use crate::client::wire::Wire;
use crate::frame::{Frame, Reply, Word};
use crate::heartbeat::Heartbeat;
use crate::token::Token;

/// How often to heartbeat.
#[derive(Debug, Clone, Copy)]
pub struct ClientOptions {
    /// Time between two heartbeats; more than zero.
    pub interval: Duration,
    /// After how long without an answer the server counts as lost; several intervals.
    pub silence: Duration,
}

/// What a rank is told by its client. Each but the first comes at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Say where you are, then go on.
    Explain,
    /// Some rank was asked to stop.
    Stop,
    /// The server has not answered for longer than the limit, or its connection broke.
    ServerLost,
    /// This rank is beyond a limit, and no server has ended the job meanwhile.
    Overdue(Heartbeat),
    /// The process that started this one is gone.
    Orphaned,
}

/// The beating of one rank. Dropped without [`Client::leave`] it ends without a good-bye.
#[derive(Debug)]
pub struct Client {
    commands: Sender<Command>,
    thread: JoinHandle<()>,
}

/// What the thread is told.
#[derive(Debug)]
enum Command {
    Connect(SocketAddr, Token),
    Pause(bool),
    Leave,
}

/// What the thread holds.
struct Heart<R, O> {
    options: ClientOptions,
    read: R,
    on_order: O,
    /// Orders that come once and have come.
    given: HashSet<Discriminant<Order>>,
    parent: Option<Pid>,
    wire: Option<Wire>,
    /// Since how long a limit is exceeded.
    overdue: Option<Duration>,
}

/// How long a server may take to end the job of a rank beyond a limit: it looks, looks again and lets ranks
/// explain themselves.
const PATIENCE: Duration = Duration::from_secs(5);

impl Client {
    /// Begins to heartbeat, in a thread of its own that calls `read` once an interval and `on_order` when
    /// there is something to be told. Neither may take long: meanwhile nothing is heard of this rank.
    ///
    /// # Panics
    /// When no thread can be started, as [`std::thread::spawn`] does.
    pub fn start(
        options: ClientOptions,
        read: impl Fn() -> Heartbeat + Send + 'static,
        on_order: impl FnMut(Order) + Send + 'static,
    ) -> Self {
        let (commands, receiver) = channel();
        let heart = Heart {
            options,
            read,
            on_order,
            given: HashSet::new(),
            parent: getppid(),
            wire: None,
            overdue: None,
        };
        let thread = thread::Builder::new().name("heartbeats".to_owned());
        let thread = thread.spawn(move || heart.live(&receiver)).expect("a thread can be started");
        Self { commands, thread }
    }

    /// From now on heartbeats go to this server. Until it has answered, or has not for the time that makes it
    /// lost, connecting is tried once an interval.
    pub fn connect(&self, server: SocketAddr, token: Token) {
        self.tell(Command::Connect(server, token));
    }

    /// Says good-bye to the server and ends the thread, which takes up to an interval and a second when
    /// the server does not answer. Not to be called by `read` or `on_order`.
    pub fn leave(self) {
        self.tell(Command::Leave);
        // A panic of `read` or `on_order` was printed when it happened.
        let _ = self.thread.join();
    }

    /// Stops and starts the beating without ending the thread, for measuring what it costs. A pause that
    /// is not much shorter than the server's limit makes this rank a silent one.
    pub fn pause(&self, paused: bool) {
        self.tell(Command::Pause(paused));
    }

    fn tell(&self, command: Command) {
        // A thread that is gone has panicked, which was printed when it happened.
        let _ = self.commands.send(command);
    }
}

impl<R: Fn() -> Heartbeat, O: FnMut(Order)> Heart<R, O> {
    /// Beats until it is told to leave, or nobody is there who could tell.
    fn live(mut self, commands: &Receiver<Command>) {
        let interval = self.options.interval;
        let mut paused = false;
        let mut last = Instant::now();
        self.heartbeat(Duration::ZERO);
        loop {
            let command = if paused {
                commands.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                commands.recv_timeout((last + interval).saturating_duration_since(Instant::now()))
            };
            // When this process did not run for a while, that was not the server's silence.
            let passed = last.elapsed().min(2 * interval);
            match command {
                Err(RecvTimeoutError::Timeout) => {
                    last = Instant::now();
                    self.heartbeat(passed);
                }
                Ok(Command::Connect(server, token)) => {
                    self.wire = Some(Wire::new(server, token));
                    last = Instant::now();
                    self.heartbeat(Duration::ZERO);
                }
                Ok(Command::Pause(yes)) => {
                    paused = yes;
                    last = Instant::now();
                    if !paused {
                        self.heartbeat(Duration::ZERO);
                    }
                }
                Ok(Command::Leave) => return self.leave(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// One heartbeat, so long after the one before.
    fn heartbeat(&mut self, passed: Duration) {
        if getppid() != self.parent {
            self.order_once(Order::Orphaned);
        }
        if let Some(wire) = &mut self.wire {
            wire.unanswered += passed;
        }
        // Replies are those to the frame before: to wait for this one's would be a second waking.
        let mut word = Word::Heartbeat;
        while let Some(reply) = self.wire.as_mut().and_then(Wire::reply) {
            match reply {
                Reply::Heard => {}
                Reply::Stop => self.order_once(Order::Stop),
                Reply::Explain => {
                    (self.on_order)(Order::Explain);
                    word = Word::Explained;
                }
            }
        }
        let heartbeat = (self.read)();
        if let Some(wire) = &mut self.wire {
            wire.send(&Frame { heartbeat, word }, self.options.interval);
            if wire.is_broken() || wire.unanswered > self.options.silence {
                self.wire = None;
                self.order_once(Order::ServerLost);
            }
        }
        self.mind_limit(heartbeat, passed);
    }

    /// Leaves a rank beyond a limit to the server, if there is one that hears it, and if it does something.
    fn mind_limit(&mut self, heartbeat: Heartbeat, passed: Duration) {
        let before = self.overdue.map(|since| since + passed);
        self.overdue = heartbeat.overdue.map(|_| before.unwrap_or_default());
        let is_heard = self.wire.as_ref().is_some_and(Wire::is_heard);
        let patience = if is_heard { 4 * self.options.interval + PATIENCE } else { Duration::ZERO };
        if self.overdue.is_some_and(|since| since >= patience) {
            self.order_once(Order::Overdue(heartbeat));
        }
    }

    fn order_once(&mut self, order: Order) {
        if self.given.insert(discriminant(&order)) {
            (self.on_order)(order);
        }
    }

    fn leave(self) {
        if let Some(wire) = self.wire {
            wire.leave(
                &Frame { heartbeat: (self.read)(), word: Word::Leave },
                self.options.interval,
            );
        }
    }
}
