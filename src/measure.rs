//! The timed loop, written once for all backends.
//!
//! It never sees MPI: ranks meet through [`World`].

mod floors;
mod start;
pub mod stop;
pub mod timing;
mod warmup;

use serde::{Deserialize, Serialize};

pub use floors::Floors;

use crate::backend::{Prepared, Sample};
use crate::clock::CommonTime;
use crate::config::Protocol;
use crate::error::Result;
use crate::plan::{Budget, ITERATION_LIMIT};
use crate::telemetry::Telemetry;
use crate::units::Nanos;
use crate::world::World;
use start::Starter;
use stop::rounds_missing;
use timing::{Definition, Gaps, OwnTimes, RankTimes, Round, Skew, Times, combine};
use warmup::Warmup;

/// A sample shorter than this many steps of its clock says more about the clock than about the work.
const STEPS_PER_SAMPLE: i64 = 20;

/// Operations in a sample when one is too short. One fixed number, so that runs of the same case seldom
/// differ in what a sample is.
const BATCH: u32 = 100;

/// Operations in a sample of the back-to-back protocol: nccl-tests' default number of iterations.
const BACK_TO_BACK: u32 = 20;

/// Most rounds between two meetings of the ranks.
const BLOCK_LIMIT: usize = 8192;

/// Longest time between them, seconds: clocks drift, and people wait.
const BLOCK_SECONDS: f64 = 5.0;

/// Give up on valid rounds when there have been this many times as many rounds.
const ROUNDS_FACTOR: usize = 4;

/// How a case is measured.
#[derive(Debug, Clone, Copy)]
pub struct Method<'a> {
    /// How rounds start.
    pub protocol: Protocol,
    /// How many there are.
    pub budget: &'a Budget,
    /// Whether the ranks exchange data.
    pub communicates: bool,
    /// How long this rank's device needs from rest to its usual speed, ns.
    pub settling: Nanos,
}

/// What the ranks of a case read together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// How the rounds were started in the end.
    pub protocol: Protocol,
    /// Bound of the error of differences between stamps of different ranks, ns.
    pub clock_error: Nanos,
    /// Operations in a sample.
    pub batch: u32,
    /// Untimed rounds before the first sample.
    pub warmup: usize,
    /// Time that warming up and measuring took, seconds.
    pub seconds: f64,
    /// The valid rounds' times.
    pub times: Times,
    /// How far apart the ranks were.
    pub skew: Skew,
    /// Each rank's own times, by rank of the case.
    pub per_rank: Vec<RankTimes>,
    /// What the ranks' GPUs said of themselves around it; empty without GPUs.
    pub telemetry: Vec<Telemetry>,
}

impl Recording {
    /// Bound of the clocks' error in the time of one operation, ns.
    pub fn error_per_operation(&self) -> f64 {
        self.clock_error as f64 / f64::from(self.batch)
    }

    /// The best definition that its times allow.
    pub fn definition(&self, communicates: bool) -> Definition {
        self.times.definition(communicates, self.protocol, self.error_per_operation())
    }
}

/// What one rank has when a case is measured.
#[derive(Debug)]
pub struct Taken {
    /// Its own samples in common time, those of invalid rounds included.
    pub samples: Vec<Sample>,
    /// What the case's first rank has computed from everybody's.
    pub recording: Option<Recording>,
}

/// Warms up, then takes samples until the budget is met. Every rank of `team` calls it.
///
/// # Errors
/// When the device fails; the other ranks may then be waiting inside the work, so the job must end.
pub fn measure(
    team: &World,
    mut time: CommonTime<'_>,
    prepared: &mut dyn Prepared,
    method: Method<'_>,
) -> Result<Taken> {
    let Method { budget, .. } = method;
    let mut starter = Starter::new(team, &time, method.protocol);
    let began = time.now();
    let (warmup, batch) = warm_up(team, &time, prepared, method, &mut starter)?;
    let mut pace = (time.now() - began) as f64 / 1e9 / warmup as f64 * f64::from(batch);
    // The first block begins here.
    time.end_block();

    let mut samples: Vec<Sample> = Vec::new();
    let (mut times, mut gaps, mut own) = <(Times, Gaps, OwnTimes)>::default();
    let (mut clock_error, first) = (0, time.now());
    loop {
        let definition = || {
            let error = clock_error as f64 / f64::from(batch);
            times.definition(method.communicates, starter.protocol(), error)
        };
        let so_far = SoFar {
            nanos: times.by(definition()),
            rounds: samples.len(),
            seconds: (time.now() - first) as f64 / 1e9,
            pace,
        };
        let asked = team.is_root().then(|| so_far.rounds_wanted(budget) as u64);
        let asked = team.broadcast(asked)? as usize;
        if asked == 0 {
            break;
        }
        let mut block = fire(&starter, &time, prepared, batch, asked)?;
        let (line, error) = time.end_block();
        for sample in &mut block {
            sample.start = line.to_common(sample.start);
            sample.end = line.to_common(sample.end);
        }
        clock_error = clock_error.max(team.max(error));
        let rounds = meet(team, &mut starter, &block);
        if team.is_root() {
            times.add(&rounds, batch);
            gaps.add(&rounds, team.size());
        }
        own.add(&block, &rounds, team.rank(), batch);
        samples.append(&mut block);
        pace = (time.now() - first) as f64 / 1e9 / samples.len() as f64;
    }
    let per_rank = team.gather(own.summary(budget.confidence))?;
    let recording = per_rank.map(|per_rank| Recording {
        protocol: starter.protocol(),
        clock_error,
        batch,
        warmup,
        seconds: (time.now() - began) as f64 / 1e9,
        times,
        skew: gaps.medians(),
        per_rank,
        telemetry: Vec::new(),
    });
    Ok(Taken { samples, recording })
}

/// Runs untimed rounds until time is flat; how many there were, and how many operations a sample needs.
fn warm_up(
    team: &World,
    time: &CommonTime<'_>,
    prepared: &mut dyn Prepared,
    method: Method<'_>,
    starter: &mut Starter<'_>,
) -> Result<(usize, u32)> {
    let block = method.budget.warmup.max(1) as usize;
    let mut warmup = Warmup::new(team.max(method.settling) as f64 / 1e9);
    let (mut done, mut shortest, began) = (0, Nanos::MAX, time.now());
    loop {
        let samples = fire(starter, time, prepared, 1, block)?;
        shortest = samples.iter().map(Sample::duration).fold(shortest, Nanos::min);
        let rounds = meet(team, starter, &samples);
        done += block;
        let over = team.is_root().then(|| {
            let nanos: Vec<f64> = rounds.iter().map(|round| round.duration() as f64).collect();
            warmup.is_over(&nanos, (time.now() - began) as f64 / 1e9)
        });
        if team.broadcast(over)? {
            break;
        }
    }
    let too_short = shortest < STEPS_PER_SAMPLE * prepared.resolution();
    // One rank for which a sample is long enough decides: all must run the same number of operations.
    let too_short = team.max(i64::from(!too_short)) == 0;
    let batch = match (method.budget.batch, method.protocol) {
        (Some(batch), _) => batch,
        (None, _) if too_short => BATCH,
        (None, Protocol::BackToBack) => BACK_TO_BACK,
        (None, Protocol::Synchronised | Protocol::Barrier) => 1,
    };
    Ok((done, batch))
}

fn fire(
    starter: &Starter<'_>,
    time: &CommonTime<'_>,
    prepared: &mut dyn Prepared,
    batch: u32,
    rounds: usize,
) -> Result<Vec<Sample>> {
    let mut samples = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        prepared.arm(batch)?;
        let start = starter.next(time);
        samples.push(prepared.fire(start)?);
    }
    Ok(samples)
}

/// Puts the ranks' samples of a block together, and lets the next starts allow for late ranks.
fn meet(team: &World, starter: &mut Starter<'_>, samples: &[Sample]) -> Vec<Round> {
    let rounds = combine(samples, team.rank(), |numbers, fold| team.fold(numbers, fold));
    let late = rounds.iter().filter(|round| round.is_late()).count();
    starter.allow_for(late, rounds.len());
    rounds
}

/// What the case's first rank knows when it decides whether to go on.
struct SoFar<'a> {
    /// The valid times so far.
    nanos: &'a [f64],
    /// Rounds so far, valid or not.
    rounds: usize,
    /// Time that they took, seconds.
    seconds: f64,
    /// Time that a round takes, seconds; a guess from warming up before the first.
    pace: f64,
}

impl SoFar<'_> {
    /// How many rounds come next; 0 to stop.
    fn rounds_wanted(&self, budget: &Budget) -> usize {
        let (most, valid) = (budget.iterations as usize, self.nanos.len());
        if self.rounds >= most.max(valid).saturating_mul(ROUNDS_FACTOR) {
            return 0;
        }
        let rounds_in = |seconds: f64| (seconds / self.pace).ceil() as usize;
        let left = most.saturating_sub(valid);
        let mut missing = match &budget.target {
            Some(target) => left.min(rounds_missing(self.nanos, target)),
            None => left,
        };
        if self.seconds < budget.min_seconds {
            let time = rounds_in(budget.min_seconds - self.seconds).max(1);
            missing = missing.max(time).min(ITERATION_LIMIT as usize - valid);
        }
        if let Some(most) = budget.max_seconds {
            // One block there is in any case.
            let time = rounds_in((most - self.seconds).max(0.0));
            missing = missing.min(if self.rounds == 0 { time.max(1) } else { time });
        }
        missing.min(BLOCK_LIMIT).min(rounds_in(BLOCK_SECONDS).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::stop::Target;
    use super::*;

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
        }
    }

    fn wanted(budget: &Budget, nanos: &[f64], rounds: usize, seconds: f64) -> usize {
        let pace = if rounds > 0 { seconds / rounds as f64 } else { 0.01 };
        SoFar { nanos, rounds, seconds, pace }.rounds_wanted(budget)
    }

    #[test]
    fn blocks_fill_the_iterations_and_end() {
        let budget = budget();
        assert_eq!(wanted(&budget, &[], 0, 0.0), 500);
        assert_eq!(wanted(&budget, &[1.0; 5000], 5000, 1.0), BLOCK_LIMIT);
        assert_eq!(wanted(&budget, &[1.0; 19_900], 19_950, 1.0), 100);
        assert_eq!(wanted(&budget, &[1.0; 20_000], 20_000, 1.0), 0);
        // An operation of a minute.
        assert_eq!(wanted(&budget, &[1.0], 1, 60.0), 1);
        // Nearly every round is late.
        assert_eq!(wanted(&budget, &[1.0; 10], 80_000, 1.0), 0);
    }

    #[test]
    fn a_time_can_be_the_least_or_the_most() {
        let least = Budget { iterations: 10, min_seconds: 2.0, ..budget() };
        assert_eq!(wanted(&least, &[], 0, 0.0), 200);
        assert_eq!(wanted(&least, &[1.0; 100], 100, 0.5), 300);
        assert_eq!(wanted(&least, &[1.0; 400], 400, 2.0), 0);
        let most = Budget { max_seconds: Some(2.0), ..budget() };
        assert_eq!(wanted(&most, &[], 0, 0.0), 200);
        assert_eq!(wanted(&most, &[1.0; 100], 100, 0.5), 300);
        assert_eq!(wanted(&most, &[1.0; 400], 400, 2.1), 0);
        assert_eq!(wanted(&Budget { max_seconds: Some(1e-9), ..budget() }, &[], 0, 0.0), 1);
    }

    #[test]
    fn a_target_ends_it_before_the_iterations_do() {
        let target = Target { half_width: 0.01, quantiles: Vec::new(), confidence: 0.95 };
        let budget = Budget { target: Some(target), ..budget() };
        assert!(wanted(&budget, &[], 0, 0.0) > 0);
        assert_eq!(wanted(&budget, &[100.0; 1000], 1000, 1.0), 0);
        let noisy: Vec<f64> = (0..100).map(|i| f64::from(i * 37 % 100)).collect();
        assert!(wanted(&budget, &noisy, 100, 1.0) > 0);
    }
}
