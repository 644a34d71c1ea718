//! The timed loop, written once for all backends.
//!
//! It never sees MPI: ranks meet through [`World`].

mod start;
pub mod timing;

use serde::{Deserialize, Serialize};

use crate::backend::{Prepared, Sample};
use crate::clock::Clock;
use crate::config::Protocol;
use crate::error::Result;
use crate::plan::Budget;
use crate::telemetry::Telemetry;
use crate::world::World;
use start::Starter;

/// A sample shorter than this many steps of its clock says more about the clock than about the work.
const STEPS_PER_SAMPLE: i64 = 20;

/// Operations in a sample when one is too short. One fixed number, so that runs of the same case do
/// not differ in what a sample is.
const BATCH: u32 = 100;

/// Most rounds between two meetings of the ranks.
const BLOCK_LIMIT: u32 = 1000;

/// Most samples of all ranks in one gathered block: 64 MiB as they are sent.
const BLOCK_SAMPLES: usize = 2 << 20;

/// Give up on valid rounds after this many times the rounds asked for.
const ROUNDS_FACTOR: u32 = 4;

/// What rank 0 of the case asks for instead of a number of rounds: start with barriers from here on.
const FALL_BACK: i64 = -1;

/// What the ranks of a case read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// How the rounds were started.
    pub protocol: Protocol,
    /// Whether stamps of different ranks can be compared.
    pub common_clock: bool,
    /// Operations in a sample.
    pub batch: u32,
    /// Samples by rank of the case, then by round; valid or not.
    pub samples: Vec<Vec<Sample>>,
    /// What the ranks' GPUs said of themselves around it; empty without GPUs.
    pub telemetry: Vec<Telemetry>,
}

/// Warms up, then takes samples until the budget is met. Every rank of `team` calls it; its first
/// rank gets the recording.
///
/// # Errors
/// When the device fails; the other ranks may then be waiting inside the work, so the job must end.
pub fn measure(
    team: &World,
    clock: &dyn Clock,
    prepared: &mut dyn Prepared,
    protocol: Protocol,
    budget: &Budget,
) -> Result<Option<Recording>> {
    let common_clock = clock.is_global() || team.shares_clock();
    let protocol = if common_clock { protocol } else { Protocol::Barrier };
    let mut starter = Starter::new(team, clock, protocol);

    let warmup = rounds(&mut starter, prepared, 1, budget.warmup.max(1))?;
    let shortest = warmup.iter().map(Sample::duration).min().unwrap_or(0);
    let too_short = shortest < STEPS_PER_SAMPLE * prepared.resolution();
    // One rank for which a sample is long enough decides: all must run the same number of operations.
    let batch = if team.max(i64::from(!too_short)) == 0 { BATCH } else { 1 };

    let mut samples: Vec<Vec<Sample>> = vec![Vec::new(); team.size()];
    let mut valid: u32 = 0;
    let mut hopeless = false;
    loop {
        let asked = match next_block(budget, valid, samples[0].len(), team.size()) {
            block if block > 0 && std::mem::take(&mut hopeless) => FALL_BACK,
            block => block.into(),
        };
        let asked = team.broadcast_nanos(asked);
        if asked == FALL_BACK {
            starter.fall_back();
            continue;
        }
        let Some(block) = u32::try_from(asked).ok().filter(|&block| block > 0) else { break };
        let own = rounds(&mut starter, prepared, batch, block)?;
        let Some(parts) = team.gather(own)? else { continue };
        let late = (0..block as usize).filter(|&i| parts.iter().any(|part| part[i].late)).count();
        valid += block - late as u32;
        // A longer lead is tried first.
        hopeless = !samples[0].is_empty() && late * 2 > block as usize;
        starter.allow_for(late, block as usize);
        for (all, part) in samples.iter_mut().zip(parts) {
            all.extend(part);
        }
    }
    let protocol = starter.protocol();
    Ok(team.is_root().then_some(Recording {
        protocol,
        common_clock,
        batch,
        samples,
        telemetry: Vec::new(),
    }))
}

/// How many rounds rank 0 of the case asks for next; 0 to stop.
fn next_block(budget: &Budget, valid: u32, rounds: usize, ranks: usize) -> u32 {
    let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
    if rounds >= budget.iterations.saturating_mul(ROUNDS_FACTOR) {
        return 0;
    }
    let fits = u32::try_from(BLOCK_SAMPLES / ranks).unwrap_or(u32::MAX).max(1);
    budget.iterations.saturating_sub(valid).min(BLOCK_LIMIT).min(fits)
}

fn rounds(
    starter: &mut Starter<'_>,
    prepared: &mut dyn Prepared,
    batch: u32,
    rounds: u32,
) -> Result<Vec<Sample>> {
    let mut samples = Vec::with_capacity(rounds as usize);
    for _ in 0..rounds {
        prepared.arm(batch)?;
        let start = starter.next();
        samples.push(prepared.fire(start)?);
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_fill_the_budget_and_end() {
        let budget = Budget { quick: false, warmup: 5, iterations: 2500, confidence: 0.95 };
        assert_eq!(next_block(&budget, 0, 0, 4), 1000);
        assert_eq!(next_block(&budget, 2400, 2500, 4), 100);
        assert_eq!(next_block(&budget, 2500, 2600, 4), 0);
        assert_eq!(next_block(&budget, 10, 10_000, 4), 0);
        assert_eq!(next_block(&budget, 0, 0, 1 << 20), 2);
    }
}
