//! The thread with which a rank says how it is.

mod wire;

use std::collections::HashSet;
use std::mem::{Discriminant, discriminant};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, getppid};

use crate::beat::Beat;
use crate::frame::{Frame, Reply, Word};
use crate::pulse::wire::Wire;
use crate::token::Token;

/// How often to beat.
#[derive(Debug, Clone, Copy)]
pub struct PulseOptions {
    /// Time between two beats; more than zero.
    pub interval: Duration,
    /// After how long without an answer the hub counts as lost; several intervals.
    pub silence: Duration,
}

/// What a rank is told by its pulse. Each but the first comes at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Say where you are, then go on.
    Explain,
    /// Some rank was asked to stop.
    Stop,
    /// The hub has not answered for longer than the limit, or its connection broke.
    HubLost,
    /// This rank is beyond a limit, and no hub has ended the job meanwhile.
    Overdue(Beat),
    /// The process that started this one is gone.
    Orphaned,
}

/// The beating of one rank. Dropped without [`Pulse::leave`] it ends without a good-bye.
#[derive(Debug)]
pub struct Pulse {
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
    options: PulseOptions,
    read: R,
    on_order: O,
    /// Orders that come once and have come.
    given: HashSet<Discriminant<Order>>,
    parent: Option<Pid>,
    wire: Option<Wire>,
    /// Since how long a limit is exceeded.
    overdue: Option<Duration>,
}

/// How long a hub may take to end the job of a rank beyond a limit: it looks, looks again and lets ranks
/// explain themselves.
const PATIENCE: Duration = Duration::from_secs(5);

impl Pulse {
    /// Begins to beat, in a thread of its own that calls `read` once an interval and `on_order` when
    /// there is something to be told. Neither may take long: meanwhile nothing is heard of this rank.
    ///
    /// # Panics
    /// When no thread can be started, as [`std::thread::spawn`] does.
    pub fn start(
        options: PulseOptions,
        read: impl Fn() -> Beat + Send + 'static,
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
        let thread = thread::Builder::new().name("pulse".to_owned());
        let thread = thread.spawn(move || heart.live(&receiver)).expect("a thread can be started");
        Self { commands, thread }
    }

    /// From now on beats go to this hub. Until it has answered, or has not for the time that makes it
    /// lost, connecting is tried once an interval.
    pub fn connect(&self, hub: SocketAddr, token: Token) {
        self.tell(Command::Connect(hub, token));
    }

    /// Says good-bye to the hub and ends the thread, which takes up to an interval and a second when
    /// the hub does not answer. Not to be called by `read` or `on_order`.
    pub fn leave(self) {
        self.tell(Command::Leave);
        // A panic of `read` or `on_order` was printed when it happened.
        let _ = self.thread.join();
    }

    /// Stops and starts the beating without ending the thread, for measuring what it costs. A pause that
    /// is not much shorter than the hub's limit makes this rank a silent one.
    pub fn pause(&self, paused: bool) {
        self.tell(Command::Pause(paused));
    }

    fn tell(&self, command: Command) {
        // A thread that is gone has panicked, which was printed when it happened.
        let _ = self.commands.send(command);
    }
}

impl<R: Fn() -> Beat, O: FnMut(Order)> Heart<R, O> {
    /// Beats until it is told to leave, or nobody is there who could tell.
    fn live(mut self, commands: &Receiver<Command>) {
        let interval = self.options.interval;
        let mut paused = false;
        let mut last = Instant::now();
        self.beat(Duration::ZERO);
        loop {
            let command = if paused {
                commands.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                commands.recv_timeout((last + interval).saturating_duration_since(Instant::now()))
            };
            // When this process did not run for a while, that was not the hub's silence.
            let passed = last.elapsed().min(2 * interval);
            match command {
                Err(RecvTimeoutError::Timeout) => {
                    last = Instant::now();
                    self.beat(passed);
                }
                Ok(Command::Connect(hub, token)) => {
                    self.wire = Some(Wire::new(hub, token));
                    last = Instant::now();
                    self.beat(Duration::ZERO);
                }
                Ok(Command::Pause(yes)) => {
                    paused = yes;
                    last = Instant::now();
                    if !paused {
                        self.beat(Duration::ZERO);
                    }
                }
                Ok(Command::Leave) => return self.leave(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// One beat, so long after the one before.
    fn beat(&mut self, passed: Duration) {
        if getppid() != self.parent {
            self.order_once(Order::Orphaned);
        }
        if let Some(wire) = &mut self.wire {
            wire.unanswered += passed;
        }
        // Replies are those to the frame before: to wait for this one's would be a second waking.
        let mut word = Word::Beat;
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
        let beat = (self.read)();
        if let Some(wire) = &mut self.wire {
            wire.send(&Frame { beat, word }, self.options.interval);
            if wire.is_broken() || wire.unanswered > self.options.silence {
                self.wire = None;
                self.order_once(Order::HubLost);
            }
        }
        self.mind_limit(beat, passed);
    }

    /// Leaves a rank beyond a limit to the hub, if there is one that hears it, and if it does something.
    fn mind_limit(&mut self, beat: Beat, passed: Duration) {
        let before = self.overdue.map(|since| since + passed);
        self.overdue = beat.overdue.map(|_| before.unwrap_or_default());
        let is_heard = self.wire.as_ref().is_some_and(Wire::is_heard);
        let patience = if is_heard { 4 * self.options.interval + PATIENCE } else { Duration::ZERO };
        if self.overdue.is_some_and(|since| since >= patience) {
            self.order_once(Order::Overdue(beat));
        }
    }

    fn order_once(&mut self, order: Order) {
        if self.given.insert(discriminant(&order)) {
            (self.on_order)(order);
        }
    }

    fn leave(self) {
        if let Some(wire) = self.wire {
            wire.leave(&Frame { beat: (self.read)(), word: Word::Leave }, self.options.interval);
        }
    }
}
