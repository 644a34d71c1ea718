//! The offset between the clocks of two ranks, by ping-pong messages.

use super::Clock;
use crate::base::units::Nanos;
use crate::world::World;

/// Ping-pongs, of which the fastest counts, as in SKaMPI.
const PING_PONGS: usize = 100;

/// Fewest ping-pongs, if messages are slow.
const MIN_PING_PONGS: usize = 10;

/// Time after which the fewest are enough, ns.
const TIME_LIMIT: Nanos = 20_000_000;

/// Ends the ping-pongs; no clock reads this.
const END: Nanos = Nanos::MIN;

/// Readings of two clocks at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClockOffset {
    /// The clock of the measuring rank.
    pub(super) here: Nanos,
    /// The clock of the other rank, within half the round trip.
    pub(super) there: Nanos,
    /// Round-trip time of both messages, ns.
    pub(super) round_trip: Nanos,
}

/// Measures the offset of `other`'s clock, which calls [`serve_offset`]. The ping-pong with the shortest round trip
/// counts, because its two messages have the least room for asymmetry.
pub(super) fn measure_offset(world: &World, other: usize, clock: &dyn Clock) -> ClockOffset {
    let began = clock.now();
    let mut best = ClockOffset { here: 0, there: 0, round_trip: Nanos::MAX };
    for done in 0..PING_PONGS {
        let sent = clock.now();
        if done >= MIN_PING_PONGS && sent - began > TIME_LIMIT {
            break;
        }
        world.send(other, sent);
        let there = world.receive(other);
        let round_trip = clock.now() - sent;
        if round_trip < best.round_trip {
            best = ClockOffset { here: sent + round_trip / 2, there, round_trip };
        }
    }
    world.send(other, END);
    best
}

pub(super) fn serve_offset(world: &World, other: usize, clock: &dyn Clock) {
    while world.receive(other) != END {
        world.send(other, clock.now());
    }
}
