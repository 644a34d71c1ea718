//! How far a case has come, and how many rounds follow.

use crate::base::error::Result;
use crate::plan::{Budget, ITERATION_LIMIT};
use crate::world::World;
use crate::world::progress;

/// Most rounds between two meetings of the ranks.
const BLOCK_LIMIT: usize = 8192;

/// Rounds in the first block; later ones may have as many as there were before. The lead of the starts
/// may still have to grow.
const FIRST_BLOCK: usize = 50;

/// Rounds in a block when time is over and no round was valid.
const RETRY: usize = 10;

/// Longest time between them, seconds: clocks drift, and people wait.
const BLOCK_SECONDS: f64 = 5.0;

/// What the case's first rank knows when it decides whether to go on.
#[derive(Debug, Clone, Copy)]
pub(super) struct SoFar {
    /// Valid rounds.
    pub(super) valid: usize,
    /// Valid rounds before the next look at the precision target; not more than there are when it is met.
    pub(super) look_at: usize,
    /// Time since the first round, seconds.
    pub(super) seconds: f64,
    /// Time that a round takes, seconds; a guess from warming up before the first.
    pub(super) pace: f64,
    /// Rounds since results were checked.
    pub(super) unchecked: usize,
    /// Whether rounds fail that only wait for a barrier.
    pub(super) hopeless: bool,
}

impl SoFar {
    /// How long the case goes on at this pace; with a precision target, at most.
    fn seconds_left(&self, budget: &Budget) -> f64 {
        let rounds = (budget.iterations as usize).saturating_sub(self.valid);
        let left = (rounds as f64 * self.pace).max(budget.min_seconds - self.seconds);
        budget.max_seconds.map_or(left, |most| left.min(most - self.seconds))
    }

    /// How many rounds come next, as the first rank decides: `Some(0)` when the budget is met, `None` to give the
    /// case up because the run was asked to stop.
    pub(super) fn agree_on_rounds(
        &self,
        all: &World,
        budget: &Budget,
        stop_seconds: f64,
    ) -> Result<Option<u64>> {
        // A run that is asked to stop finishes a block and what is left in half the time each.
        let soon = stop_seconds / 2.0;
        all.broadcast(all.is_root().then(|| match self.rounds_wanted(budget, soon) as u64 {
            1.. if progress::stop_requested() && self.seconds_left(budget) > soon => None,
            wanted => Some(wanted),
        }))
    }

    /// How many rounds come next, in no more than this many seconds; 0 to stop.
    fn rounds_wanted(&self, budget: &Budget, seconds: f64) -> usize {
        if self.hopeless {
            return 0;
        }
        let valid = self.valid;
        let rounds_in = |seconds: f64| (seconds / self.pace).ceil() as usize;
        let left = (budget.iterations as usize).saturating_sub(valid);
        let mut missing = match &budget.target {
            Some(_) => left.min(self.look_at.saturating_sub(valid)),
            None => left,
        };
        if self.seconds < budget.min_seconds {
            let time = rounds_in(budget.min_seconds - self.seconds).max(1);
            missing = missing.max(time).min(ITERATION_LIMIT as usize - valid);
        }
        let begun = self.seconds > 0.0;
        if let Some(most) = budget.max_seconds {
            // One block there is in any case. Where ranks came late to all rounds, more follow, until a round was valid
            // or late ranks no longer matter.
            let least = match (begun, valid) {
                (false, _) => 1,
                (true, 0) => RETRY,
                (true, _) => 0,
            };
            missing = missing.min(rounds_in((most - self.seconds).max(0.0)).max(least));
        }
        let limit = if begun { valid.clamp(FIRST_BLOCK, BLOCK_LIMIT) } else { FIRST_BLOCK };
        let check = budget.check_every.unwrap_or(u32::MAX) as usize - self.unchecked;
        missing.min(limit).min(check).min(rounds_in(seconds.min(BLOCK_SECONDS)).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Target;

    fn budget() -> Budget {
        Budget {
            quick: false,
            warmup: 5,
            iterations: 20_000,
            batch: None,
            target: None,
            min_seconds: 0.0,
            max_seconds: None,
            confidence: 0.95,
            check_every: None,
        }
    }

    /// After `valid` rounds in `seconds`, all of them valid.
    fn wanted(budget: &Budget, valid: usize, seconds: f64) -> usize {
        let pace = if valid > 0 { seconds / valid as f64 } else { 0.01 };
        SoFar { valid, look_at: 0, seconds, pace, unchecked: 0, hopeless: false }
            .rounds_wanted(budget, BLOCK_SECONDS)
    }

    #[test]
    fn blocks_fill_the_iterations_and_end() {
        let budget = budget();
        assert_eq!(wanted(&budget, 0, 0.0), FIRST_BLOCK);
        assert_eq!(wanted(&budget, 80, 0.1), 80);
        assert_eq!(wanted(&budget, 9000, 1.0), BLOCK_LIMIT);
        assert_eq!(wanted(&budget, 19_900, 1.0), 100);
        assert_eq!(wanted(&budget, 20_000, 1.0), 0);
        // Not longer than some seconds.
        assert_eq!(wanted(&budget, 1000, 20.0), 250);
        assert_eq!(wanted(&budget, 1, 60.0), 1);
    }

    #[test]
    fn blocks_end_where_results_are_to_be_checked() {
        let budget = Budget { check_every: Some(60), ..budget() };
        let so_far = SoFar {
            valid: 50,
            look_at: 0,
            seconds: 0.1,
            pace: 0.001,
            unchecked: 50,
            hopeless: false,
        };
        assert_eq!(so_far.rounds_wanted(&budget, 1.0), 10);
    }

    #[test]
    fn rounds_that_fail_without_a_common_start_end_it() {
        let so_far =
            SoFar { valid: 0, look_at: 0, seconds: 1.0, pace: 0.01, unchecked: 0, hopeless: true };
        assert_eq!(so_far.rounds_wanted(&budget(), 1.0), 0);
        assert!(SoFar { hopeless: false, ..so_far }.rounds_wanted(&budget(), 1.0) > 0);
    }

    #[test]
    fn a_time_can_be_the_least_or_the_most() {
        let least = Budget { iterations: 10, min_seconds: 2.0, ..budget() };
        assert_eq!(wanted(&least, 0, 0.0), FIRST_BLOCK);
        assert_eq!(wanted(&least, 300, 1.5), 100);
        assert_eq!(wanted(&least, 400, 2.0), 0);
        assert_eq!(wanted(&least, ITERATION_LIMIT as usize, 1.0), 0);
        let most = Budget { max_seconds: Some(2.0), ..budget() };
        assert_eq!(wanted(&most, 0, 0.0), FIRST_BLOCK);
        assert_eq!(wanted(&most, 300, 1.5), 100);
        assert_eq!(wanted(&most, 400, 2.1), 0);
        assert_eq!(wanted(&Budget { max_seconds: Some(1e-9), ..budget() }, 0, 0.0), 1);
        // Not before a round was valid.
        assert_eq!(wanted(&most, 0, 2.1), RETRY);
    }

    #[test]
    fn what_is_left_follows_from_the_pace_and_the_times_asked_for() {
        let so_far = SoFar {
            valid: 100,
            look_at: 0,
            seconds: 1.0,
            pace: 0.01,
            unchecked: 0,
            hopeless: false,
        };
        let iterations = Budget { iterations: 300, ..budget() };
        assert_eq!(so_far.seconds_left(&iterations), 2.0);
        let least = Budget { min_seconds: 60.0, ..iterations.clone() };
        assert_eq!(so_far.seconds_left(&least), 59.0);
        let most = Budget { max_seconds: Some(1.5), ..least };
        assert_eq!(so_far.seconds_left(&most), 0.5);
        assert_eq!(so_far.rounds_wanted(&iterations, 0.25), 25);
    }

    #[test]
    fn a_target_ends_it_before_the_iterations_do() {
        let target = Target { half_width: 0.01, quantiles: Vec::new(), confidence: 0.95 };
        let budget = Budget { target: Some(target), ..budget() };
        let so_far = |valid, look_at| {
            SoFar { valid, look_at, seconds: 1.0, pace: 0.001, unchecked: 0, hopeless: false }
                .rounds_wanted(&budget, 1.0)
        };
        assert_eq!((so_far(0, 50), so_far(100, 130), so_far(100, 100)), (50, 30, 0));
    }
}
