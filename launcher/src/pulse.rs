//! The thread with which a rank says how it is.

use std::net::SocketAddr;
use std::time::Duration;

use crate::beat::Beat;
use crate::token::Token;

/// How often to beat.
#[derive(Debug, Clone, Copy)]
pub struct PulseOptions {
    /// Time between two beats.
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
pub struct Pulse;

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
        let _ = (options, read, on_order);
        Self
    }

    /// From now on beats go to this hub.
    pub fn connect(&self, hub: SocketAddr, token: Token) {
        let _ = (hub, token);
    }

    /// Says good-bye to the hub and ends the thread.
    pub fn leave(self) {}

    /// Stops and starts the beating without ending the thread, for measuring what it costs.
    pub fn pause(&self, paused: bool) {
        let _ = paused;
    }
}
