//! Two ranks read their clocks at the same moment, as nearly as messages allow.

use super::Clock;
use crate::base::units::Nanos;
use crate::world::World;

/// Exchanges of which the quickest counts, as in SKaMPI.
const EXCHANGES: usize = 100;

/// Where messages are slow, fewer are enough:
const LEAST_EXCHANGES: usize = 10;

/// once this much time has passed, ns.
const PATIENCE: Nanos = 20_000_000;

/// Says that no exchange follows; no clock reads this.
const END: Nanos = Nanos::MIN;

/// Two clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// What the asking rank's clock read.
    pub(super) here: Nanos,
    /// What the other's clock read then, give or take half the round trip.
    pub(super) there: Nanos,
    /// How long the question and the answer took together, ns.
    pub(super) round_trip: Nanos,
}

/// Asks `other` for its time, which [answers](answer). Of all exchanges the one with the shortest round
/// trip counts: its two messages had the least room to take differently long.
pub(super) fn ask(world: &World, other: usize, clock: &dyn Clock) -> Reading {
    let began = clock.now();
    let mut best = Reading { here: 0, there: 0, round_trip: Nanos::MAX };
    for done in 0..EXCHANGES {
        let sent = clock.now();
        if done >= LEAST_EXCHANGES && sent - began > PATIENCE {
            break;
        }
        world.send(other, sent);
        let there = world.receive(other);
        let round_trip = clock.now() - sent;
        if round_trip < best.round_trip {
            best = Reading { here: sent + round_trip / 2, there, round_trip };
        }
    }
    world.send(other, END);
    best
}

/// Answers all that `other` [asks](ask).
pub(super) fn answer(world: &World, other: usize, clock: &dyn Clock) {
    while world.receive(other) != END {
        world.send(other, clock.now());
    }
}
