//! The timed loop, written once for all backends.
//!
//! It never sees MPI: ranks meet through [`World`].

mod overhead;
mod start;
pub mod stop;
pub mod timing;
mod warmup;

use serde::{Deserialize, Serialize};

pub use overhead::timing_overhead;

use crate::backend::{Prepared, Remarks, Sample};
use crate::base::accuracy::Accuracy;
use crate::base::error::Result;
use crate::base::plain::name_in_reports;
use crate::base::units::{Nanos, counted};
use crate::machine::memory::RankMemory;
use crate::machine::telemetry::Telemetry;
use crate::plan::config::Protocol;
use crate::plan::{Budget, ITERATION_LIMIT};
use crate::report::{Definition, RankTimes, Skew};
use crate::world::clock::CommonTime;
use crate::world::fault;
use crate::world::progress::{self, Activity};
use crate::world::{ReduceOp, World};
use start::Starter;
use stop::rounds_missing;
use timing::{Gaps, OwnTimes, Round, Times, combine};
use warmup::Warmup;

/// Operations in a sample when one is too short.
const BATCH: u32 = 100;

/// Operations between two barriers of the back-to-back protocol, and in its samples: nccl-tests' default
/// number of iterations. With `--batch 1` they are 20 samples, as the OSU benchmarks take between two ranks.
const BACK_TO_BACK: u32 = 20;

/// Most rounds between two meetings of the ranks.
const BLOCK_LIMIT: usize = 8192;

/// Rounds in the first block; later ones may have as many as there were before. The lead of the starts
/// may still have to grow.
const FIRST_BLOCK: usize = 50;

/// Rounds in a block when time is over and no round was valid.
const RETRY: usize = 10;

/// Longest time between them, seconds: clocks drift, and people wait.
const BLOCK_SECONDS: f64 = 5.0;

/// How a case is measured.
#[derive(Debug, Clone, Copy)]
pub struct Method<'a> {
    /// This rank's number in the world.
    pub rank: usize,
    /// How rounds start.
    pub protocol: Protocol,
    /// How many there are.
    pub budget: &'a Budget,
    /// Whether the ranks exchange data.
    pub communicates: bool,
    /// Equal operations that one run is made of.
    pub operations: u32,
    /// How often it can run.
    pub repeats: Repeats,
    /// How long this rank's device needs from rest to its usual speed, ns.
    pub settling: Nanos,
    /// For about so long it may go on after the run was asked to stop, seconds.
    pub stop_seconds: f64,
}

/// How often work can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeats {
    /// As often as wanted.
    Freely,
    /// Once in a process's life.
    Once,
    /// It has run: a program has measured itself, and its times are taken as they are.
    Reported,
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
    /// Time that warming up took, seconds.
    pub warmup_seconds: f64,
    /// Time that measuring took, seconds.
    pub measuring_seconds: f64,
    /// The valid rounds' times.
    pub times: Times,
    /// What a reader should know of how it ran.
    pub remarks: Remarks,
    /// How what the operations left compares with its reference.
    pub accuracy: Accuracy,
    /// How far apart the ranks were.
    pub skew: Skew,
    /// Each rank's own times, by rank of the case.
    pub per_rank: Vec<RankTimes>,
    /// What the ranks' GPUs said of themselves around it; empty without GPUs.
    pub telemetry: Vec<Telemetry>,
    /// Memory that ranks took at most.
    pub memory: Vec<RankMemory>,
}

impl Recording {
    /// Bound of the clocks' error in the time of one operation, ns.
    pub fn error_per_operation(&self) -> f64 {
        self.clock_error as f64 / f64::from(self.batch)
    }

    /// How it went, for people.
    pub fn told(&self) -> String {
        let started = name_in_reports(&self.protocol);
        format!(
            "{} in {:.3} s, {} in {:.3} s, {} of them invalid; start: {started}; operations \
             in a sample: {}",
            counted(self.warmup, "untimed round"),
            self.warmup_seconds,
            counted(self.times.global.len() + self.times.invalid, "timed one"),
            self.measuring_seconds,
            self.times.invalid,
            self.batch
        )
    }

    /// The best definition that its times allow.
    pub fn definition(&self, communicates: bool) -> Definition {
        self.times.definition(communicates, self.protocol, self.error_per_operation())
    }
}

/// The ranks that measure.
#[derive(Debug, Clone, Copy)]
pub struct Team<'a> {
    /// Those that start together.
    pub all: &'a World,
    /// Those of them that do this rank's work together, where several groups run at once; else all.
    pub group: &'a World,
}

/// Warms up, then takes samples until the budget is met. Every rank of `team` calls it. Where several groups
/// run at once, the first one decides how long.
///
/// This rank's samples in common time, those of invalid rounds included; and on the first rank of the group what
/// follows from everybody's. `None` where the case was given up because the run was asked to stop.
///
/// # Errors
/// When the device fails; the other ranks may then be waiting inside the work, so the job must end.
pub fn measure(
    team: Team<'_>,
    mut time: CommonTime<'_>,
    prepared: &mut dyn Prepared,
    method: Method<'_>,
) -> Result<Option<(Vec<Sample>, Option<Recording>)>> {
    let once = Budget {
        iterations: 1,
        batch: Some(1),
        target: None,
        min_seconds: 0.0,
        max_seconds: None,
        ..method.budget.clone()
    };
    let reported = Budget {
        iterations: method.budget.reported(),
        batch: Some(1),
        min_seconds: 0.0,
        max_seconds: None,
        ..method.budget.clone()
    };
    let budget = match method.repeats {
        Repeats::Freely => method.budget,
        Repeats::Once => &once,
        Repeats::Reported => &reported,
    };
    // What has happened before had no common start.
    let protocol = match method.repeats {
        Repeats::Once => Protocol::Barrier,
        _ => method.protocol,
    };
    let all = team.all;
    let mut starter = Starter::new(all, &time, protocol);
    let began = time.now();
    let (warmup, runs) = match method.repeats != Repeats::Freely {
        true => (0, 1),
        false => warm_up(team, &time, prepared, method, &mut starter)?,
    };
    let batch = runs * method.operations;
    let pace = (time.now() - began) as f64 / 1e9 / warmup.max(1) as f64 * f64::from(runs);
    // The first block begins here.
    time.end_block();

    let first = time.now();
    let mut taken = Collected::default();
    let mut so_far =
        SoFar { valid: 0, look_at: 0, seconds: 0.0, pace, unchecked: 0, hopeless: false };
    let mut accuracy = Accuracy::default();
    loop {
        if let (true, Some(target)) = (taken.times.global.len() >= so_far.look_at, &budget.target) {
            let error = f64::from(batch).recip() * taken.clock_error as f64;
            let definition = taken.times.definition(method.communicates, starter.protocol, error);
            let missing = rounds_missing(taken.times.by(definition), target);
            so_far.look_at = taken.times.global.len() + missing;
        }
        let asked = match so_far.agree_on_rounds(all, budget, method.stop_seconds)? {
            None => return Ok(None),
            Some(0) => break,
            Some(asked) => asked as usize,
        };
        if asked > 1 && method.repeats == Repeats::Freely {
            // The ranks' meeting has left other things in the caches.
            fire(&starter, &time, prepared, (runs, 1), method.communicates)?;
        }
        let block = fire(&starter, &time, prepared, (runs, asked), method.communicates)?;
        let protocol = starter.protocol;
        let rounds = taken.add(team, block, batch, &mut time, &mut starter);
        if starter.protocol != protocol {
            taken.discard_rounds();
            so_far.look_at = 0;
        }
        so_far.seconds = (time.now() - first) as f64 / 1e9;
        so_far.pace = so_far.seconds / taken.samples.len() as f64;
        so_far.valid = taken.times.global.len();
        so_far.hopeless =
            protocol != Protocol::Synchronised && rounds.iter().all(|round| round.late);
        so_far.unchecked += asked;
        if budget.check_every.is_some_and(|every| so_far.unchecked >= every as usize) {
            so_far.unchecked = 0;
            accuracy = accuracy.and(prepared.check()?);
            if all.max(i64::from(accuracy.wrong > 0)) == 1 {
                break;
            }
        }
    }
    if so_far.unchecked > 0 {
        accuracy = accuracy.and(prepared.check()?);
    }
    let Collected { samples, times, gaps, own, clock_error } = taken;
    let own = (own.summary(method.rank, budget.confidence), accuracy);
    let recording = team.group.gather(own)?.map(|ranks| {
        let (per_rank, accuracy): (Vec<RankTimes>, Vec<Accuracy>) = ranks.into_iter().unzip();
        let world_ranks: Vec<usize> = per_rank.iter().map(|times| times.rank).collect();
        Recording {
            protocol: starter.protocol,
            clock_error,
            batch,
            warmup,
            warmup_seconds: (first - began) as f64 / 1e9,
            measuring_seconds: so_far.seconds,
            times,
            remarks: prepared.remarks(),
            accuracy: Accuracy::combine(accuracy, &world_ranks),
            skew: gaps.medians(clock_error),
            per_rank,
            telemetry: Vec::new(),
            memory: Vec::new(),
        }
    });
    Ok(Some((samples, recording)))
}

/// Runs untimed rounds until time is flat; how many there were, and how many operations a sample needs.
fn warm_up(
    team: Team<'_>,
    time: &CommonTime<'_>,
    prepared: &mut dyn Prepared,
    method: Method<'_>,
    starter: &mut Starter<'_>,
) -> Result<(usize, u32)> {
    let block = method.budget.warmup.max(1) as usize;
    let all = team.all;
    let mut warmup = Warmup::new(all.max(method.settling) as f64 / 1e9);
    let (mut done, began) = (0, time.now());
    loop {
        let samples = fire(starter, time, prepared, (1, block), method.communicates)?;
        let rounds = meet(team, starter, &samples);
        done += block;
        let over = all.is_root().then(|| {
            let nanos: Vec<f64> = rounds.iter().map(|round| round.duration() as f64).collect();
            let late = rounds.iter().any(|round| round.late);
            let seconds = (time.now() - began) as f64 / 1e9;
            warmup.is_over(&nanos, late, seconds)
        });
        if all.broadcast(over)? {
            break;
        }
    }
    // Ranks that take turns on a core take longer than any clock's step matters. Groups that run at once may be of
    // different sizes, and all must run the same number of operations.
    let ranks: Vec<usize> = (0..all.size()).collect();
    let long_enough = !prepared.is_too_short() || all.oversubscription(&ranks).is_some();
    let too_short = all.max(long_enough.into()) == 0;
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
    (batch, rounds): (u32, usize),
    communicates: bool,
) -> Result<Vec<Sample>> {
    let mut samples = Vec::with_capacity(rounds);
    let activity = if communicates { Activity::Joint } else { Activity::Working };
    for _ in 0..rounds {
        progress::next_round();
        fault::strike_operation();
        prepared.arm(batch)?;
        let start = starter.next(time, batch);
        progress::set_activity(activity);
        let mut sample = prepared.fire(start)?;
        let longer = fault::slow_down(sample.duration());
        sample.end += longer;
        sample.device = sample.device.map(|device| device + longer);
        progress::set_activity(Activity::Working);
        samples.push(sample);
    }
    starter.align(time.clock(), &mut samples);
    Ok(samples)
}

/// Puts the ranks' samples of a block together, and lets the next starts allow for late ranks. A rank of
/// any group that comes late makes the round invalid for all: they were not at work at once.
fn meet(team: Team<'_>, starter: &mut Starter<'_>, samples: &[Sample]) -> Vec<Round> {
    let Team { all, group } = team;
    let mut rounds = combine(samples, group.rank(), |numbers, op| group.all_reduce(numbers, op));
    if all.size() > group.size() {
        let mut late: Vec<i64> = rounds.iter().map(|round| round.late.into()).collect();
        all.all_reduce(&mut late, ReduceOp::Max);
        rounds.iter_mut().zip(late).for_each(|(round, late)| round.late = late > 0);
    }
    let late = rounds.iter().filter(|round| round.late).count();
    starter.allow_for(late, rounds.len());
    rounds
}

/// What a rank has of a case's rounds so far.
#[derive(Default)]
struct Collected {
    /// Its samples in common time.
    samples: Vec<Sample>,
    /// Of all ranks; these two on the first ranks alone.
    times: Times,
    gaps: Gaps,
    /// The rank's own times.
    own: OwnTimes,
    /// Largest bound of the clocks' error, ns.
    clock_error: Nanos,
}

impl Collected {
    /// Adds a block of samples, and what all ranks' samples of it say together.
    fn add(
        &mut self,
        team: Team<'_>,
        mut block: Vec<Sample>,
        batch: u32,
        time: &mut CommonTime<'_>,
        starter: &mut Starter<'_>,
    ) -> Vec<Round> {
        let Team { all, group } = team;
        let (line, error) = time.end_block();
        for sample in &mut block {
            sample.start = line.to_common(sample.start);
            sample.end = line.to_common(sample.end);
        }
        self.clock_error = self.clock_error.max(all.max(error));
        let rounds = meet(team, starter, &block);
        // The first rank of all decides with its own group's times, wherever it stands in that.
        if group.is_root() || all.is_root() {
            self.times.add(&rounds, batch);
            self.gaps.add(&rounds, group.size());
        }
        self.own.add(&block, &rounds, group.rank(), batch);
        self.samples.append(&mut block);
        rounds
    }

    /// Counts all rounds so far as invalid: rounds of two kinds do not mix. Their samples stay.
    fn discard_rounds(&mut self) {
        let invalid = self.times.invalid + self.times.global.len();
        self.times = Times { invalid, ..Times::default() };
        (self.gaps, self.own) = Default::default();
    }
}

/// What the case's first rank knows when it decides whether to go on.
#[derive(Debug, Clone, Copy)]
struct SoFar {
    /// Valid rounds.
    valid: usize,
    /// Valid rounds before the next look at the precision target; not more than there are when it is met.
    look_at: usize,
    /// Time since the first round, seconds.
    seconds: f64,
    /// Time that a round takes, seconds; a guess from warming up before the first.
    pace: f64,
    /// Rounds since results were checked.
    unchecked: usize,
    /// Whether rounds fail that only wait for a barrier.
    hopeless: bool,
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
    fn agree_on_rounds(
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
