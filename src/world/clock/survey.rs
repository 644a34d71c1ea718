//! Which ranks read one clock, and how fast the others drift; found out once in a run.

use std::time::Duration;

use super::exchange::{answer, ask};
use super::{Clock, CommonTime};
use crate::base::error::Result;
use crate::stats;
use crate::world::World;

/// Fixes by which the drift is judged.
const FIXES: u32 = 20;

/// The time between two of them: all span a second.
const PAUSE: Duration = Duration::from_millis(50);

/// What is known of the ranks' clocks.
#[derive(Debug, Clone, PartialEq)]
pub struct Clocks {
    /// Nanoseconds by which rank 0's clock gains on the rank's, per nanosecond; by world rank.
    rates: Vec<f64>,
    /// How many different clocks there are.
    pub count: usize,
}

impl Clocks {
    /// All `ranks` ranks read one clock.
    pub fn one(ranks: usize) -> Self {
        Self { rates: vec![0.0; ranks], count: 1 }
    }

    /// Checks that ranks which should read one clock do, and measures the drift of the others. All
    /// ranks call it, before there are subsets. Takes a second where there are several clocks.
    ///
    /// # Errors
    /// When ranks cannot be heard.
    pub fn survey(world: &mut World, clock: &dyn Clock) -> Result<Self> {
        let one = Self::one(world.size());
        if world.size() == 1 {
            return Ok(one);
        }
        let apart = world.gather(liars(world, clock))?;
        let apart: Vec<usize> = world.broadcast(apart.map(|parts| parts.concat()))?;
        world.tell_clocks_apart(&apart);
        if world.shares_clock() {
            return Ok(one);
        }
        let ranks: Vec<usize> = (0..world.size()).collect();
        let time = CommonTime::of(world, &ranks, clock, &one);
        let first = time.fix();
        let fixes = (1..FIXES).map(|_| {
            std::thread::sleep(PAUSE);
            time.fix()
        });
        // Relative to the first one, so that the numbers are small.
        let points: Vec<(f64, f64)> = fixes
            .map(|fix| {
                let passed = fix.own - first.own;
                (passed as f64, (fix.common - first.common - passed) as f64)
            })
            .collect();
        let rates = world.gather(stats::slope(&points))?;
        let rates = world.broadcast(rates)?;
        let mut clocks: Vec<u64> = world.members().iter().map(|member| member.clock).collect();
        clocks.sort_unstable();
        clocks.dedup();
        Ok(Self { rates, count: clocks.len() })
    }

    /// Nanoseconds by which the clock of world rank `other` gains on that of `own`, per nanosecond.
    pub(super) fn rate_between(&self, own: usize, other: usize) -> f64 {
        (1.0 + self.rates[own]) / (1.0 + self.rates[other]) - 1.0
    }

    /// The largest drift of a rank's clock against rank 0's, in parts per million.
    pub fn largest_drift_ppm(&self) -> f64 {
        1e6 * self.rates.iter().fold(0.0f64, |largest, rate| largest.max(rate.abs()))
    }
}

/// Those ranks of this rank's node whose clock is not what the node says, if this rank is the first
/// of its node; none elsewhere.
fn liars(world: &World, clock: &dyn Clock) -> Vec<usize> {
    let members = world.members();
    let same = |rank: &usize| members[*rank].clock == members[world.rank()].clock;
    let mut ranks = (0..world.size()).filter(same);
    let Some(first) = ranks.next() else { return Vec::new() };
    if first != world.rank() {
        answer(world, first, clock);
        return Vec::new();
    }
    let is_apart = |&other: &usize| {
        let reading = ask(world, other, clock);
        let room = reading.round_trip / 2 + 2 * clock.precision();
        (reading.there - reading.here).abs() > room
    };
    ranks.filter(is_apart).collect()
}
