//! How the ranks of a case begin an iteration together.

use crate::backend::Start;
use crate::clock::Clock;
use crate::config::Protocol;
use crate::units::Nanos;
use crate::world::World;

/// The lead of a start time over the slowest broadcast seen, as in ReproMPI's ROUND-TIME.
const LEAD_FACTOR: Nanos = 3;

/// Least lead; below it a rank would be late because it read its clock.
const LEAD_FLOOR: Nanos = 2_000;

/// Most lead; a rank that is later than this was not late for want of lead.
const LEAD_CEILING: Nanos = 50_000_000;

/// Gives the start of each iteration.
pub(super) struct Starter<'a> {
    team: &'a World,
    clock: &'a dyn Clock,
    protocol: Protocol,
    lead: Nanos,
}

impl<'a> Starter<'a> {
    /// Every rank of the team makes one; the lead is three times the slowest of ten broadcasts.
    pub(super) fn new(team: &'a World, clock: &'a dyn Clock, protocol: Protocol) -> Self {
        let mut lead = LEAD_FLOOR;
        if protocol == Protocol::Synchronised {
            let slowest = (0..10).map(|_| {
                team.barrier();
                let sent = team.broadcast_nanos(clock.now());
                team.max(clock.now() - sent)
            });
            lead = (LEAD_FACTOR * slowest.max().unwrap_or(0)).clamp(LEAD_FLOOR, LEAD_CEILING);
        }
        Self { team, clock, protocol, lead }
    }

    /// When the next iteration begins; every rank of the team asks.
    pub(super) fn next(&mut self) -> Start {
        match self.protocol {
            // Nobody to start together with, so nothing to come late for.
            _ if self.team.size() == 1 => Start::Now,
            Protocol::Synchronised => {
                Start::At(self.team.broadcast_nanos(self.clock.now() + self.lead))
            }
            Protocol::Barrier => {
                self.team.barrier();
                Start::Now
            }
        }
    }

    /// How iterations are started now.
    pub(super) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Starts with barriers from here on; every rank of the team does so.
    pub(super) fn fall_back(&mut self) {
        self.protocol = Protocol::Barrier;
    }

    /// Doubles the lead when more than a tenth of a block's rounds had a late rank. Only the first
    /// rank's lead counts, and it alone sees every rank's flag.
    pub(super) fn allow_for(&mut self, late: usize, rounds: usize) {
        if late * 10 > rounds {
            self.lead = (self.lead * 2).min(LEAD_CEILING);
        }
    }
}
