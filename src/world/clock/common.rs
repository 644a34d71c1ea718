//! The common time of the ranks of a case: the clock of its first rank.
//!
//! Ranks that share one clock need no synchronisation. Otherwise one rank of each clock measures its offset from the
//! first rank's clock, over a tree, before and after each block of rounds; in between, clocks are assumed to drift
//! linearly (Hunold and Carpen-Amarie, HCA3, 2018).

use std::collections::HashSet;

use super::offset::{measure_offset, serve_offset};
use super::{Clock, Clocks};
use crate::base::units::Nanos;
use crate::world::World;

/// Time between two synchronisations from which their drift is more precise than that of the survey, which takes
/// twenty within a second, ns.
const DRIFT_INTERVAL: Nanos = 2_000_000_000;

/// Simultaneous readings of this rank's clock and the common time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SyncPoint {
    pub(super) own: Nanos,
    pub(super) common: Nanos,
    /// Bound of the error of `common`, ns.
    pub(super) error: Nanos,
}

/// A linear fit of the common time to this rank's clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClockFit {
    from: SyncPoint,
    /// Drift of the common time against this rank's clock, ns per ns.
    rate: f64,
}

impl ClockFit {
    /// The line through both points if they are far apart. Otherwise their errors would dominate the slope, and the
    /// line through their middle has the known rate.
    fn between(from: SyncPoint, to: SyncPoint, known_rate: f64) -> Self {
        let (own, common) = (to.own - from.own, to.common - from.common);
        let rate =
            if own > DRIFT_INTERVAL { (common - own) as f64 / own as f64 } else { known_rate };
        let middle =
            SyncPoint { own: from.own + own / 2, common: from.common + common / 2, error: 0 };
        Self { from: middle, rate }
    }

    /// The common time at a time of this rank's clock.
    pub fn to_common(self, own: Nanos) -> Nanos {
        let passed = own - self.from.own;
        self.from.common + passed + (passed as f64 * self.rate).round() as Nanos
    }

    /// The time of this rank's clock at a common time.
    pub fn to_own(self, common: Nanos) -> Nanos {
        let passed = common - self.from.common;
        self.from.own + passed - (passed as f64 * self.rate / (1.0 + self.rate)).round() as Nanos
    }
}

/// The common time of a team's ranks.
pub struct CommonTime<'a> {
    team: &'a World,
    clock: &'a dyn Clock,
    /// The first rank of each clock, ascending; empty if all ranks share one.
    leaders: Vec<usize>,
    fit: ClockFit,
}

impl<'a> CommonTime<'a> {
    /// The common time of `team`, whose world ranks are `ranks`. All of them call it.
    pub fn of(team: &'a World, ranks: &[usize], clock: &'a dyn Clock, clocks: &Clocks) -> Self {
        let differ = clocks.count > 1 && !team.shares_clock();
        let mut known = HashSet::new();
        let is_first = |rank: &usize| known.insert(team.members()[*rank].clock);
        let leaders = (0..team.size()).filter(|_| differ).filter(is_first).collect();
        let rate = clocks.rate_between(ranks[team.rank()], ranks[0]);
        let fit = ClockFit { from: SyncPoint::default(), rate };
        let mut time = Self { team, clock, leaders, fit };
        time.fit.from = time.synchronise();
        time
    }

    /// The current common time.
    pub fn now(&self) -> Nanos {
        self.fit.to_common(self.clock.now())
    }

    /// This rank's clock.
    pub fn clock(&self) -> &dyn Clock {
        self.clock
    }

    /// Converts a common time to a time of this rank's clock, by the last synchronisation.
    pub fn to_own(&self, common: Nanos) -> Nanos {
        self.fit.to_own(common)
    }

    /// Ends a block of rounds; returns the fit of this rank's clock within the block, and the bound of the error of a
    /// difference between timestamps of this and another rank, ns. All ranks of the team call it.
    pub fn end_block(&mut self) -> (ClockFit, Nanos) {
        let (from, to) = (self.fit.from, self.synchronise());
        if self.leaders.is_empty() {
            return (self.fit, 0);
        }
        let residual = (self.fit.to_common(to.own) - to.common).abs();
        let block = ClockFit::between(from, to, self.fit.rate);
        self.fit = ClockFit { from: to, rate: block.rate };
        // Both timestamps have this error.
        (block, 2 * from.error.max(to.error).max(residual / 2))
    }

    /// Measures the offset of this rank's clock from the common time. All ranks of the team call it.
    pub(super) fn synchronise(&self) -> SyncPoint {
        let (team, clock, leaders) = (self.team, self.clock, &self.leaders);
        let now = clock.now();
        let mut point = SyncPoint { own: now, common: now, error: 0 };
        let is_own =
            |rank: &usize| team.members()[*rank].clock == team.members()[team.rank()].clock;
        let Some(index) = leaders.iter().position(is_own) else {
            return SyncPoint::default();
        };
        let send = |rank, point: SyncPoint| {
            [point.own, point.common, point.error].map(|time| team.send(rank, time))
        };
        let receive = |rank| {
            let [own, common, error] = [(); 3].map(|()| team.receive(rank));
            SyncPoint { own, common, error }
        };
        if leaders[index] != team.rank() {
            return receive(leaders[index]);
        }
        // Binomial tree: in each round every synchronised leader synchronises one more.
        let mut synchronised = 1;
        while synchronised < leaders.len() {
            if index < synchronised
                && let Some(&other) = leaders.get(index + synchronised)
            {
                let offset = measure_offset(team, other, clock);
                let common = ClockFit { from: point, rate: self.fit.rate }.to_common(offset.here);
                let error = point.error + offset.round_trip / 2 + clock.precision();
                send(other, SyncPoint { own: offset.there, common, error });
            } else if (synchronised..2 * synchronised).contains(&index) {
                serve_offset(team, leaders[index - synchronised], clock);
                point = receive(leaders[index - synchronised]);
            }
            synchronised *= 2;
        }
        for follower in (0..team.size()).filter(|rank| *rank != team.rank() && is_own(rank)) {
            send(follower, point);
        }
        point
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_line_goes_through_its_fixes_and_back(
            own in -1_000_000_000_000_000i64..1_000_000_000_000_000,
            ahead in -9_000_000_000_000_000i64..9_000_000_000_000_000,
            took in 1_000_000i64..100_000_000_000,
            ppm in -200i64..200,
        ) {
            let gained = (took as f64 * 1e-6 * ppm as f64).round() as i64;
            let from = SyncPoint { own, common: own - ahead, error: 0 };
            let to = SyncPoint { own: own + took, common: own - ahead + took - gained, error: 0 };
            let line = ClockFit::between(from, to, -1e-6 * ppm as f64);
            prop_assert!((line.to_common(from.own) - from.common).abs() <= 2);
            prop_assert!((line.to_common(to.own) - to.common).abs() <= 2);
            let middle = own + took / 3;
            prop_assert!((line.to_own(line.to_common(middle)) - middle).abs() <= 1);
        }
    }
}
