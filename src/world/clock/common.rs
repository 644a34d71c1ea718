//! One time for the ranks of a case: that of its first rank.
//!
//! Ranks with one clock have nothing to do. Otherwise one rank of each clock measures how it stands to
//! the first rank's, over a tree, before and after each block of rounds; in between, clocks are
//! taken to drift linearly (Hunold and Carpen-Amarie, HCA3, 2018).

use super::exchange::{answer, ask};
use super::{Clock, Clocks};
use crate::base::units::Nanos;
use crate::world::World;

/// Two fixes this far apart tell the drift better than the survey's twenty within a second do, ns.
const LONG: Nanos = 2_000_000_000;

/// This rank's clock and the common time at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fix {
    /// What this rank's clock read.
    pub(super) own: Nanos,
    /// What the common clock read then.
    pub(super) common: Nanos,
    /// Bound of the difference between `common` and the truth, ns.
    pub(super) error: Nanos,
}

/// A clock that runs linearly beside the common one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClockFit {
    from: Fix,
    /// Nanoseconds of common time more than of its own, per nanosecond of its own.
    rate: f64,
}

impl ClockFit {
    /// Between both fixes: through both when they are far apart. Otherwise their small errors would bend
    /// it, and with it each rank's own times; it then has the rate that is known already.
    fn between(from: Fix, to: Fix, known_rate: f64) -> Self {
        let (own, common) = (to.own - from.own, to.common - from.common);
        let rate = if own > LONG { (common - own) as f64 / own as f64 } else { known_rate };
        let middle = Fix { own: from.own + own / 2, common: from.common + common / 2, error: 0 };
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

/// A rank's part in measuring how the clocks of its team stand to each other.
#[derive(Debug)]
struct Role {
    /// The first rank of each clock, the team's first rank first.
    firsts: Vec<usize>,
    /// Which of them reads the same clock as this rank.
    place: usize,
    /// The other ranks of this rank's clock, if it is the first of them.
    followers: Vec<usize>,
}

impl Role {
    fn of(team: &World) -> Self {
        let clock = |rank: usize| team.members()[rank].clock;
        let mut firsts: Vec<usize> = Vec::new();
        for rank in 0..team.size() {
            if !firsts.iter().any(|&first| clock(first) == clock(rank)) {
                firsts.push(rank);
            }
        }
        let own = clock(team.rank());
        let place = firsts.iter().position(|&first| clock(first) == own).unwrap_or(0);
        let follows = |&rank: &usize| rank != team.rank() && clock(rank) == own;
        let is_first = firsts[place] == team.rank();
        let followers = (0..team.size()).filter(follows).filter(|_| is_first).collect();
        Self { firsts, place, followers }
    }
}

/// The common time of a team's ranks.
pub struct CommonTime<'a> {
    team: &'a World,
    clock: &'a dyn Clock,
    /// Absent when all ranks read one clock.
    role: Option<Role>,
    line: ClockFit,
}

impl<'a> CommonTime<'a> {
    /// The common time of `team`, whose world ranks are `ranks`. All of them call it.
    pub fn of(team: &'a World, ranks: &[usize], clock: &'a dyn Clock, clocks: &Clocks) -> Self {
        let apart = !clock.is_global() && !team.shares_clock();
        let from = Fix { own: 0, common: 0, error: 0 };
        let rate = clocks.rate_between(ranks[team.rank()], ranks[0]);
        let role = apart.then(|| Role::of(team));
        let mut time = Self { team, clock, role, line: ClockFit { from, rate } };
        time.line.from = time.fix();
        time
    }

    /// Now.
    pub fn now(&self) -> Nanos {
        self.to_common(self.clock.now())
    }

    /// The common time at a time of this rank's clock, as far as is known yet.
    pub(super) fn to_common(&self, own: Nanos) -> Nanos {
        self.line.to_common(own)
    }

    /// The time of this rank's clock at a common time, as far as is known yet.
    pub fn to_own(&self, common: Nanos) -> Nanos {
        self.line.to_own(common)
    }

    /// Ends a block of rounds: how this rank's clock stood to the common one within it, and by how much
    /// a difference between stamps of this and another rank may be wrong, ns. All ranks of the team call it.
    pub fn end_block(&mut self) -> (ClockFit, Nanos) {
        let (from, to) = (self.line.from, self.fix());
        if self.role.is_none() {
            return (self.line, 0);
        }
        let surprise = (self.to_common(to.own) - to.common).abs();
        let block = ClockFit::between(from, to, self.line.rate);
        self.line = ClockFit { from: to, rate: block.rate };
        // Each of two stamps may be wrong by as much.
        (block, 2 * from.error.max(to.error).max(surprise / 2))
    }

    /// Measures anew how this rank's clock stands to the common one. All ranks of the team call it.
    pub(super) fn fix(&self) -> Fix {
        let now = self.clock.now();
        let mut fix = Fix { own: now, common: now, error: 0 };
        let Some(Role { firsts, place, followers }) = &self.role else {
            return Fix { own: 0, common: 0, error: 0 };
        };
        let (team, clock) = (self.team, self.clock);
        let tell =
            |rank, fix: Fix| [fix.own, fix.common, fix.error].map(|time| team.send(rank, time));
        let hear = |rank| {
            let [own, common, error] = [(); 3].map(|()| team.receive(rank));
            Fix { own, common, error }
        };
        if firsts[*place] != team.rank() {
            return hear(firsts[*place]);
        }
        // In each round those who know ask as many who do not.
        let mut know = 1;
        while know < firsts.len() {
            if *place < know
                && let Some(&other) = firsts.get(place + know)
            {
                let reading = ask(team, other, clock);
                let common = ClockFit { from: fix, rate: self.line.rate }.to_common(reading.here);
                let error = fix.error + reading.round_trip / 2 + clock.precision();
                tell(other, Fix { own: reading.there, common, error });
            } else if (know..2 * know).contains(place) {
                answer(team, firsts[place - know], clock);
                fix = hear(firsts[place - know]);
            }
            know *= 2;
        }
        for &follower in followers {
            tell(follower, fix);
        }
        fix
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
            let from = Fix { own, common: own - ahead, error: 0 };
            let to = Fix { own: own + took, common: own - ahead + took - gained, error: 0 };
            let line = ClockFit::between(from, to, -1e-6 * ppm as f64);
            prop_assert!((line.to_common(from.own) - from.common).abs() <= 2);
            prop_assert!((line.to_common(to.own) - to.common).abs() <= 2);
            let middle = own + took / 3;
            prop_assert!((line.to_own(line.to_common(middle)) - middle).abs() <= 1);
        }
    }
}
