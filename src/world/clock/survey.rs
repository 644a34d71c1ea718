//! The survey of the ranks' clocks: which ranks share one, and how fast the others drift.

use std::collections::HashSet;
use std::time::Duration;

use super::offset::{measure_offset, serve_offset};
use super::{Clock, CommonTime};
use crate::base::error::Result;
use crate::stats;
use crate::world::World;

/// Synchronisations from which the drift is fitted.
const SYNC_POINTS: u32 = 20;

/// Time between two of them; all span a second.
const SYNC_INTERVAL: Duration = Duration::from_millis(50);

/// The clocks of all ranks.
#[derive(Debug, Clone, PartialEq)]
pub struct Clocks {
    /// Drift of rank 0's clock against each rank's, ns per ns; by world rank.
    rates: Vec<f64>,
    /// Number of different clocks.
    pub count: usize,
}

impl Clocks {
    /// One clock that all `ranks` ranks share, whatever node they are on.
    pub fn one(ranks: usize) -> Self {
        Self { rates: vec![0.0; ranks], count: 1 }
    }

    /// Verifies that the ranks of a node share a clock, and measures the drift of different clocks. All ranks call it,
    /// before they create subsets. Takes a second if there are several clocks.
    pub fn survey(world: &mut World, clock: &dyn Clock) -> Result<Self> {
        let one = Self::one(world.size());
        if world.size() == 1 {
            return Ok(one);
        }
        let deviating = world.gather(deviating_clocks(world, clock))?;
        let deviating: Vec<usize> = world.broadcast(deviating.map(|parts| parts.concat()))?;
        world.separate_clocks(&deviating);
        if world.shares_clock() {
            return Ok(one);
        }
        let ranks: Vec<usize> = (0..world.size()).collect();
        // Their drift is not known yet.
        let different = Self { count: world.size(), ..one };
        let time = CommonTime::of(world, &ranks, clock, &different);
        let first = time.synchronise();
        let later = (1..SYNC_POINTS).map(|_| {
            std::thread::sleep(SYNC_INTERVAL);
            time.synchronise()
        });
        // Relative to the first point, so that the numbers are small.
        let points: Vec<(f64, f64)> = later
            .map(|point| {
                let passed = point.own - first.own;
                (passed as f64, (point.common - first.common - passed) as f64)
            })
            .collect();
        let rates = world.broadcast(world.gather(stats::slope(&points))?)?;
        let clocks: HashSet<u64> = world.members().iter().map(|member| member.clock).collect();
        Ok(Self { rates, count: clocks.len() })
    }

    /// Drift of the clock of world rank `other` against that of `own`, ns per ns.
    pub(super) fn rate_between(&self, own: usize, other: usize) -> f64 {
        (1.0 + self.rates[own]) / (1.0 + self.rates[other]) - 1.0
    }

    /// The largest drift of a rank's clock against rank 0's, in parts per million.
    pub fn largest_drift_ppm(&self) -> f64 {
        1e6 * self.rates.iter().fold(0.0f64, |largest, rate| largest.max(rate.abs()))
    }
}

/// If this rank is the first of its clock domain: the ranks of the domain whose clock differs from its own. Empty on
/// other ranks.
fn deviating_clocks(world: &World, clock: &dyn Clock) -> Vec<usize> {
    let members = world.members();
    let same = |rank: &usize| members[*rank].clock == members[world.rank()].clock;
    let mut ranks = (0..world.size()).filter(same);
    let Some(first) = ranks.next() else { return Vec::new() };
    if first != world.rank() {
        serve_offset(world, first, clock);
        return Vec::new();
    }
    let deviates = |&other: &usize| {
        let offset = measure_offset(world, other, clock);
        let tolerance = offset.round_trip / 2 + 2 * clock.precision();
        (offset.there - offset.here).abs() > tolerance
    };
    ranks.filter(deviates).collect()
}
