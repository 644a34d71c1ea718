//! How the ranks of a case begin an iteration together.

use std::cell::Cell;

use super::BACK_TO_BACK;
use crate::backend::{Sample, Start};
use crate::base::units::Nanos;
use crate::plan::config::Protocol;
use crate::world::clock::{Clock, CommonTime};
use crate::world::{ReduceOp, World};

/// The lead of a start time over the time in which ranks agree on it, as in ReproMPI's ROUND-TIME.
const LEAD_FACTOR: Nanos = 3;

/// How often that time is measured.
const AGREEMENTS: usize = 10;

/// Least lead, ns; below it a rank would be late because it read its clock.
const LEAD_FLOOR: Nanos = 2_000;

/// Blocks in which most rounds fail before common starts are given up.
const MOST_FAILURES: u32 = 3;

/// Most lead, ns; a rank that is later than this was not late for want of lead.
const LEAD_CEILING: Nanos = 50_000_000;

/// Gives the start of each iteration.
pub(super) struct Starter<'a> {
    team: &'a World,
    /// How iterations are started now.
    pub(super) protocol: Protocol,
    lead: Nanos,
    /// How often most rounds of a block had a late rank.
    failures: u32,
    /// Operations since the last barrier, where several follow one.
    since_barrier: Cell<u32>,
}

impl<'a> Starter<'a> {
    /// Every rank of the team makes one. The lead is three times the upper quartile of ten agreements
    /// on a time: ReproMPI takes the slowest, but one hiccup of the machine would then stay in every
    /// round, and a lead that is too short grows while the case warms up.
    pub(super) fn new(team: &'a World, time: &CommonTime<'_>, protocol: Protocol) -> Self {
        let mut lead = LEAD_FLOOR;
        let agrees = protocol == Protocol::Synchronised && !time.clock().is_virtual();
        if agrees && team.size() > 1 {
            let mut took = [(); AGREEMENTS].map(|()| {
                let asked = team.latest(time.now());
                team.max(time.now() - asked)
            });
            took.sort_unstable();
            lead = (LEAD_FACTOR * took[AGREEMENTS * 3 / 4]).clamp(LEAD_FLOOR, LEAD_CEILING);
        }
        Self { team, protocol, lead, failures: 0, since_barrier: Cell::new(0) }
    }

    /// When the next iteration of `runs` operations begins; every rank of the team asks, and none before all
    /// have.
    pub(super) fn next(&self, time: &CommonTime<'_>, runs: u32) -> Start {
        match self.protocol {
            // Nobody to start together with, so nothing to come late for.
            _ if self.team.size() == 1 || self.meets_afterwards(time.clock()) => Start::Now,
            // The rank that comes last decides.
            Protocol::Synchronised => {
                Start::At(time.to_own(self.team.latest(time.now() + self.lead)))
            }
            Protocol::Barrier => {
                self.team.barrier();
                Start::Now
            }
            Protocol::BackToBack => {
                let since = self.since_barrier.get();
                if since == 0 {
                    self.team.barrier();
                }
                self.since_barrier.set(if since + runs < BACK_TO_BACK { since + runs } else { 0 });
                Start::Now
            }
        }
    }

    /// Gives a block's samples of a virtual clock the starts that the ranks would have agreed on round by round: many
    /// ranks on few cores take seconds for that.
    pub(super) fn align(&self, clock: &dyn Clock, samples: &mut [Sample]) {
        if !self.meets_afterwards(clock) || samples.is_empty() {
            return;
        }
        let mut longest: Vec<Nanos> = samples.iter().map(Sample::duration).collect();
        self.team.all_reduce(&mut longest, ReduceOp::Max);
        let mut start = self.team.latest(samples[0].start + self.lead);
        for (sample, longest) in samples.iter_mut().zip(longest) {
            let end = start + sample.duration();
            *sample = Sample { start, end, ..*sample };
            start += longest + self.lead;
        }
        clock.wait_until(samples[samples.len() - 1].end);
    }

    fn meets_afterwards(&self, clock: &dyn Clock) -> bool {
        clock.is_virtual() && self.protocol == Protocol::Synchronised && self.team.size() > 1
    }

    /// Hears in how many rounds of a block a rank came late; all ranks hear the same. More than a
    /// tenth: the lead doubles. More than half: it grows eightfold, which finds a lead that is long enough
    /// within a few blocks of warming up; if it does not, barriers from here on.
    pub(super) fn allow_for(&mut self, late: usize, rounds: usize) {
        if self.protocol != Protocol::Synchronised || late * 10 <= rounds {
            return;
        }
        let most = late * 2 > rounds;
        self.failures += u32::from(most);
        if self.failures > MOST_FAILURES {
            self.protocol = Protocol::Barrier;
        }
        self.lead = (self.lead * if most { 8 } else { 2 }).min(LEAD_CEILING);
    }
}
