//! The timed loop, written once for all backends.
//!
//! It never sees MPI: ranks meet through [`World`].

mod overhead;
mod settling;
mod so_far;
mod start;
pub mod stop;
pub mod timing;
mod warmup;

use serde::{Deserialize, Serialize};

pub use overhead::timing_overhead;
pub use settling::DeviceSpeed;

use crate::backend::{Prepared, Remarks, Sample};
use crate::base::accuracy::Accuracy;
use crate::base::error::Result;
use crate::base::plain::name_in_reports;
use crate::base::units::{Nanos, counted};
use crate::machine::energy::Draw;
use crate::machine::memory::RankMemory;
use crate::machine::nvtx;
use crate::machine::profiler::Window;
use crate::machine::telemetry::Telemetry;
use crate::plan::Budget;
use crate::plan::config::Protocol;
use crate::report::{Definition, RankTimes, Skew};
use crate::world::clock::CommonTime;
use crate::world::fault;
use crate::world::progress::{self, Activity};
use crate::world::{ReduceOp, World};
use settling::Settling;
use so_far::SoFar;
use start::Starter;
use stop::rounds_missing;
use timing::{Gaps, OwnTimes, Round, Times, combine};
use warmup::Warmup;

/// Operations between two barriers of the back-to-back protocol, and in its samples: nccl-tests' default
/// number of iterations. With `--batch 1` they are 20 samples, as the OSU benchmarks take between two ranks.
const BACK_TO_BACK: u32 = 20;

/// How a case is measured.
#[derive(Debug, Clone, Copy)]
pub struct Method<'a> {
    /// The case, as profilers name it.
    pub case: &'a str,
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
    /// How this rank's device comes to its speed.
    pub device: DeviceSpeed<'a>,
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
    /// Operations since the first untimed round; 0 where they ran before.
    pub operations: u64,
    /// What energy counters said meanwhile; empty without any.
    pub draws: Vec<Draw>,
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
/// run at once, the first one decides how long. A profiler's `window` is open while the timed rounds run.
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
    mut window: Option<&mut Window>,
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
        false => {
            let _range = nvtx::range(|| format!("{}: warm-up", method.case));
            warm_up(team, &time, prepared, method, &mut starter)?
        }
    };
    let batch = runs * method.operations;
    let mut operations = warmup as u64 * u64::from(method.operations);
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
            operations += u64::from(batch);
        }
        window.as_deref_mut().map_or(Ok(()), Window::open)?;
        let block = {
            let _range = nvtx::range(|| format!("{}: timed", method.case));
            fire(&starter, &time, prepared, (runs, asked), method.communicates)?
        };
        window.as_deref_mut().map_or(Ok(()), Window::pause)?;
        if method.repeats == Repeats::Freely {
            operations += asked as u64 * u64::from(batch);
        }
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
    window.map_or(Ok(()), Window::end)?;
    if so_far.unchecked > 0 {
        accuracy = accuracy.and(prepared.check()?);
    }
    let Collected { samples, times, gaps, own, clock_error } = taken;
    let remarks = prepared.remarks();
    let own = (own.summary(method.rank, budget.confidence), accuracy, remarks.numa_unknown);
    let recording = team.group.gather(own)?.map(|ranks| {
        let numa_unknown = ranks.iter().any(|(.., unknown)| *unknown);
        let of_each = ranks.into_iter().map(|(times, accuracy, _)| (times, accuracy));
        let (per_rank, accuracy): (Vec<RankTimes>, Vec<Accuracy>) = of_each.unzip();
        let world_ranks: Vec<usize> = per_rank.iter().map(|times| times.rank).collect();
        Recording {
            protocol: starter.protocol,
            clock_error,
            batch,
            warmup,
            warmup_seconds: (first - began) as f64 / 1e9,
            measuring_seconds: so_far.seconds,
            times,
            remarks: Remarks { numa_unknown, ..remarks },
            accuracy: Accuracy::combine(accuracy, &world_ranks),
            skew: gaps.medians(clock_error),
            per_rank,
            operations,
            draws: Vec::new(),
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
    let mut warmup = Warmup::default();
    let mut settling = Settling::new(method.device);
    let mut is_settled = all.max(i64::from(method.device.may_change())) == 0;
    let (mut done, began) = (0, time.now());
    loop {
        let samples = fire(starter, time, prepared, (1, block), method.communicates)?;
        let rounds = meet(team, starter, &samples);
        done += block;
        let seconds = (time.now() - began) as f64 / 1e9;
        is_settled = is_settled || all.max(i64::from(!settling.is_over(seconds))) == 0;
        let over = all.is_root().then(|| {
            let nanos: Vec<f64> = rounds.iter().map(|round| round.duration() as f64).collect();
            let late = rounds.iter().any(|round| round.late);
            warmup.is_over(&nanos, late, seconds) && is_settled
        });
        if all.broadcast(over)? {
            break;
        }
    }
    // Ranks that take turns on a core take longer than any clock's step matters. Groups that run at once may be of
    // different sizes, and all must run the same number of operations: that of the one that needs fewest.
    let ranks: Vec<usize> = (0..all.size()).collect();
    let own = if all.oversubscription(&ranks).is_some() { 1 } else { prepared.batch() };
    let own = match method.protocol {
        Protocol::BackToBack if own == 1 => BACK_TO_BACK,
        _ => own,
    };
    let fewest = -all.max(-i64::from(own.min(prepared.batch_limit()))) as u32;
    let batch = method.budget.batch.unwrap_or(fewest);
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
        [sample.device, sample.host] =
            [sample.device, sample.host].map(|told| Some(told? + longer));
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
        // What is off on both ends of one rank's sample is in no difference.
        let compares = group.size() > 1;
        let of_devices = block.iter().map(|sample| sample.error).filter(|_| compares).max();
        self.clock_error = self.clock_error.max(all.max(error + of_devices.unwrap_or(0)));
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
