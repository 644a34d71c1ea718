//! One rank's life: for each case prepare, verify, measure, gather, record.
//!
//! Ranks that are not in a case sleep until it is over. All ranks make the same sequence of collective
//! calls, whatever happens on one of them.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::analysis::{CaseOutcome, Finding};
use crate::backend::{self, Backend, Peers, Prepared, Sample};
use crate::base::accuracy::Accuracy;
use crate::base::caveat::Caveat;
use crate::base::error::{Error, Exit, Kind, Result};
use crate::base::failure::CaseError;
use crate::base::units::Nanos;
use crate::machine::environment::Environment;
use crate::machine::memory::{self, RankMemory};
use crate::machine::telemetry::{Sensors, Telemetry};
use crate::measure::{self, Method, Recording, Taken, Team};
use crate::plan::config::Config;
use crate::plan::{BackendSpec, Case, Cycles, Plan};
use crate::render::Output;
use crate::report::Report;
use crate::run::environment;
use crate::run::gather;
use crate::run::recorder::{OnExisting, Recorder};
use crate::world::abort::{self, abort};
use crate::world::clock::{Clock, Clocks, CommonTime, HostClock};
use crate::world::fault;
use crate::world::progress::{self, Phase};
use crate::world::{World, mpi_yields};

/// What rank 0 needs beside the plan.
#[derive(Debug)]
pub struct RootOutputs {
    /// The configuration the plan was made from, for the report.
    pub config: Config,
    /// The files to write.
    pub outputs: Vec<Output>,
    /// What to do with what an earlier run has left there.
    pub on_existing: OnExisting,
}

/// Who hears how far a run is, on rank 0.
pub trait ProgressListener {
    /// So many cases of all cycles are done, and this one begins; the last time an empty one.
    fn on_case(&self, done: usize, id: &str);

    /// There is something to keep from now on if the run ends before its time.
    fn on_journal(&self, environment: &Environment);
}

/// What the ranks of a case tell rank 0.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct RankResult {
    finding: Finding,
    accuracy: Option<Accuracy>,
}

/// A device that has not worked for this long may have slowed down, ns.
const REST: Nanos = 1_000_000_000;

/// Runs the plan. Every rank calls it; rank 0 brings the root and gets the report.
///
/// # Errors
/// When the run as a whole cannot go on; finished cases are then in the journal.
pub fn run(
    world: &mut World,
    plan: &Plan,
    root: Option<RootOutputs>,
    listener: &impl ProgressListener,
) -> Result<(Exit, Option<Report>)> {
    let clocks = match plan.backend {
        BackendSpec::Simulated(_) => Clocks::one(world.size()),
        _ => Clocks::survey(world, &HostClock::new(world.wait().policy()))?,
    };
    let world = &*world;
    let backend = world.unanimous(backend::open(plan, world))?;
    progress::set_device(&backend.device().name);
    let floors = measure::timing_overhead(world, &*backend, &clocks)?;
    let sensors = Sensors::of(&backend.device());
    let environment = environment::gather(world, backend.device(), libraries(&*backend, &sensors))?;
    let recorder = root.zip(environment).map(|(root, environment)| {
        let files = (root.outputs, root.on_existing);
        let recorder = Recorder::start(plan, &root.config, files, environment.clone(), floors)?;
        listener.on_journal(&environment);
        Ok(recorder)
    });
    let mut recorder = world.unanimous(recorder.transpose())?;
    let done = world.broadcast(recorder.as_ref().map(Recorder::done))?;
    let mut tasks = 0;
    let mut teams = Teams { world, known: HashMap::new() };
    let mut rank = Rank { plan, backend: &*backend, clocks, sensors, worked: None };
    let began = rank.backend.clock().now();
    let mut case_loop = CaseLoop { world, plan, place: 0, failures: 0, began };
    let end = loop {
        let left = &plan.cases[case_loop.place % plan.cases.len()..];
        let set = left.chunk_by(Case::runs_with).next().unwrap_or(left);
        tasks += 1;
        // In a set whose ranks died in the middle of writing, some cases may be done.
        if case_loop.place + set.len() > done {
            let own = set.iter().find(|case| case.group.position(world.rank()).is_some());
            progress::enter_case(tasks, &own.unwrap_or(&set[0]).id);
            if world.is_root() {
                listener.on_case(case_loop.place, &set[0].id);
            }
            let (results, samples) = match own {
                Some(case) => {
                    fault::during(Phase::Connect, || {
                        progress::together(|| teams.enter(set, case))
                    })?;
                    rank.run(teams.team(set, case)?, set, case)
                }
                None => {
                    fault::enter(Phase::Parked);
                    (None, Some(Vec::new()))
                }
            };
            world.park();
            let results = world.gather(results)?;
            if world.max(samples.is_none().into()) == 1 {
                break Exit::Interrupted;
            }
            case_loop.write(set, (results, samples.unwrap_or_default()), &mut recorder)?;
        }
        case_loop.place += set.len();
        if let Some(end) = case_loop.ends(rank.backend.clock())? {
            break end;
        }
    };
    if world.is_root() {
        listener.on_case(case_loop.place, "");
    }
    fault::enter(Phase::Write);
    abort::stop_saving();
    let report = recorder.map(|recorder| recorder.finish(plan, end)).transpose();
    let report = world.unanimous(report)?;
    let exit = world.broadcast(report.as_ref().map(|report| report.run.exit))?;
    Ok((Exit::from_code(exit).unwrap_or(Exit::Internal), report))
}

/// How far the run is.
struct CaseLoop<'a> {
    world: &'a World,
    plan: &'a Plan,
    /// How many cases have run, through all cycles.
    place: usize,
    failures: usize,
    began: Nanos,
}

impl CaseLoop<'_> {
    /// Brings what a set of cases has given to rank 0 and to the disk.
    fn write(
        &mut self,
        set: &[Case],
        (mut results, own): (Option<Vec<Option<RankResult>>>, Vec<Sample>),
        recorder: &mut Option<Recorder>,
    ) -> Result<()> {
        let Self { world, plan, .. } = *self;
        let cycle = self.place / plan.cases.len();
        let mut own = Some(own);
        for (i, case) in set.iter().enumerate() {
            fault::enter(Phase::Gather);
            let ranks = &case.group.ranks;
            let mine = own.take_if(|_| ranks.contains(&world.rank())).unwrap_or_default();
            let place = self.place + i;
            let known = recorder.as_ref().is_some_and(|recorder| place < recorder.done());
            let sidecar =
                recorder.as_mut().filter(|_| !known).map(|recorder| &mut recorder.sidecar);
            let samples = gather::samples(world, (&case.id, cycle, ranks), mine, sidecar)?;
            fault::enter(Phase::Write);
            let results = results.as_mut().and_then(|results| results[ranks[0]].take());
            let recorded = match (&mut *recorder, results) {
                (Some(recorder), Some(RankResult { finding, accuracy })) => {
                    samples.and_then(|samples| {
                        let crowding = crowding(world, plan, set, case);
                        let found = CaseOutcome { finding, accuracy, crowding, samples };
                        recorder.record(plan, (place, case), found)
                    })
                }
                _ => Ok(false),
            };
            let failed = world.max(world.unanimous(recorded)?.into()) == 1;
            self.failures += usize::from(failed);
        }
        Ok(())
    }

    /// How the run ends here, if it does; rank 0 decides.
    fn ends(&self, clock: &dyn Clock) -> Result<Option<Exit>> {
        let Self { plan, place, failures, .. } = *self;
        let decide = || {
            let over = place.is_multiple_of(plan.cases.len())
                && match plan.cycles {
                    Cycles::Times(times) => place / plan.cases.len() >= times as usize,
                    Cycles::Seconds(seconds) => (clock.now() - self.began) as f64 / 1e9 >= seconds,
                };
            // What has come to its end was not interrupted.
            match (over, progress::is_asked_to_stop()) {
                (true, _) => Some(Exit::Ok),
                (false, true) => Some(Exit::Interrupted),
                (false, false) => (failures >= plan.max_failures).then_some(Exit::Ok),
            }
        };
        self.world.broadcast(self.world.is_root().then(decide))
    }
}

fn libraries(backend: &dyn Backend, sensors: &Option<Sensors>) -> BTreeMap<String, String> {
    let mut libraries = backend.libraries();
    let driver = sensors.as_ref().and_then(Sensors::driver_version);
    libraries.extend(driver.map(|version| ("driver".to_owned(), version)));
    libraries
}

/// How the ranks of a case share what each should have alone, if they do.
fn crowding(world: &World, plan: &Plan, set: &[Case], case: &Case) -> Option<Caveat> {
    if plan.backend == (BackendSpec::Cuda { emulated: true }) {
        return Some(Caveat::Emulated);
    }
    let ranks = everybody(set);
    let oversubscribed = world.oversubscription(&ranks);
    // Only the host backend's data goes through MPI.
    let by_mpi = plan.backend == BackendSpec::Host && case.work.communicates();
    let yields = by_mpi && ranks.len() > 1 && mpi_yields();
    oversubscribed
        .map(|(ranks, cores)| Caveat::Oversubscribed { ranks, cores })
        .or(yields.then_some(Caveat::Yielding))
}

/// All ranks that run cases of a set, in order.
fn everybody(set: &[Case]) -> Vec<usize> {
    let mut ranks: Vec<usize> = set.iter().flat_map(|case| case.group.ranks.clone()).collect();
    // A single group keeps its own order.
    if set.len() > 1 {
        ranks.sort_unstable();
    }
    ranks
}

/// The worlds of the groups that this rank has been in.
struct Teams<'a> {
    world: &'a World,
    known: HashMap<Vec<usize>, World>,
}

impl Teams<'_> {
    /// Makes the worlds of a set and of this rank's case in it, the first time.
    fn enter(&mut self, set: &[Case], case: &Case) -> Result<()> {
        for ranks in [&everybody(set), &case.group.ranks] {
            if !self.known.contains_key(ranks) {
                self.known.insert(ranks.clone(), self.world.subset(ranks)?);
            }
        }
        Ok(())
    }

    /// The ranks that this rank measures with.
    fn team(&self, set: &[Case], case: &Case) -> Result<Team<'_>> {
        let find = |ranks: &[usize]| {
            self.known.get(ranks).ok_or_else(|| Error::internal("a team that was not made"))
        };
        Ok(Team { all: find(&everybody(set))?, group: find(&case.group.ranks)? })
    }
}

/// One rank at work.
struct Rank<'a> {
    plan: &'a Plan,
    backend: &'a dyn Backend,
    clocks: Clocks,
    sensors: Option<Sensors>,
    /// When its device last did something.
    worked: Option<Nanos>,
}

impl Rank<'_> {
    /// One case on one of its ranks; the first of them gets the result, each has its own samples. No samples at
    /// all when the case was given up because the run was asked to stop.
    fn run(
        &mut self,
        team: Team<'_>,
        set: &[Case],
        case: &Case,
    ) -> (Option<RankResult>, Option<Vec<Sample>>) {
        let Team { all, group } = team;
        let ended = |finding, accuracy| {
            (group.is_root().then_some(RankResult { finding, accuracy }), Some(Vec::new()))
        };

        // In these cases another rank may wait inside the work for one that fails.
        let exchanges = case.work.communicates() && group.size() > 1;

        memory::reset_peak();
        fault::enter(Phase::Prepare);
        // Faults strike after the step: within it, another rank may wait for this one.
        let prepared = case
            .work
            .check(group.size())
            .and_then(|()| self.backend.prepare(&case.work, &case.group, Peers::of(group)));
        // What a rank cannot do, or has no memory for, it finds out while nobody waits for it: those
        // errors are agreed on below.
        let while_connecting = |why: &&Error| exchanges && why.kind == Kind::CaseFailed;
        if let Some(why) = prepared.as_ref().err().filter(while_connecting) {
            give_up(why);
        }
        // Kept until all agree: letting go of some work is a thing that all of its ranks do.
        let ready = prepared.as_ref().map(|_| ()).map_err(Clone::clone);
        let ready = ready.and_then(|()| fault::check(Phase::Prepare));
        let mut prepared = match (agree(team, case, ready, Phase::Prepare), prepared) {
            (Ok(()), Ok(prepared)) => prepared,
            (Err(finding), _) => return ended(finding, None),
            (Ok(()), Err(why)) => give_up(&why),
        };

        fault::enter(Phase::Verify);
        let verified = match exchanges {
            true => progress::together(|| prepared.verify()),
            false => prepared.verify(),
        };
        if let Some(why) = verified.as_ref().err().filter(|_| exchanges) {
            give_up(why);
        }
        let verified = verified.and_then(|own| fault::check(Phase::Verify).map(|()| own));
        let accuracy = match agree(team, case, verified, Phase::Verify) {
            Ok(own) => group.gather(own).unwrap_or_else(|why| abort(&why)),
            Err(finding) => return ended(finding, None),
        };
        let accuracy = accuracy.map(|parts| Accuracy::combine(parts, &case.group.ranks));
        let wrong = accuracy.as_ref().is_some_and(|accuracy| accuracy.wrong > 0);
        if all.max(wrong.into()) == 1 {
            let results = accuracy.map(|accuracy| RankResult {
                finding: wrong_result(&accuracy, Phase::Verify),
                accuracy: Some(accuracy),
            });
            return (results, Some(Vec::new()));
        }
        let accuracy = accuracy.filter(|accuracy| accuracy.checked > 0);

        fault::enter(Phase::Measure);
        if let Err(finding) = agree(team, case, fault::check(Phase::Measure), Phase::Measure) {
            return ended(finding, accuracy);
        }
        let Taken { samples, accuracy: own, recording, abandoned } =
            self.measure(team, (set, case), &mut *prepared);
        let checked = group.gather(own).unwrap_or_else(|why| abort(&why));
        let checked = checked.map(|parts| Accuracy::combine(parts, &case.group.ranks));
        let wrong = checked.as_ref().is_some_and(|checked| checked.wrong > 0);
        let wrong = all.max(wrong.into()) == 1;
        let results = recording.zip(checked).map(|(recording, checked)| {
            let finding = match wrong {
                false => Finding::Measured(Box::new(recording)),
                true => wrong_result(&checked, Phase::Measure),
            };
            let accuracy = Some(accuracy.unwrap_or_default().and(checked));
            RankResult { finding, accuracy: accuracy.filter(|accuracy| accuracy.checked > 0) }
        });
        (results, (!abandoned).then_some(samples))
    }

    /// Takes the samples, and what the device says of itself meanwhile.
    fn measure(
        &mut self,
        team: Team<'_>,
        (set, case): (&[Case], &Case),
        prepared: &mut dyn Prepared,
    ) -> Taken {
        let clock = self.backend.clock();
        let rested = self.worked.is_none_or(|worked| clock.now() - worked > REST);
        let method = Method {
            protocol: self.plan.protocol,
            budget: &self.plan.budget,
            communicates: case.work.communicates(),
            operations: case.work.operations(),
            once: case.work.happens_once(),
            settling: if rested { self.backend.settling() } else { 0 },
            stop_seconds: self.plan.deadlines.stop,
        };
        let time = CommonTime::of(team.all, &everybody(set), clock, &self.clocks);
        let (before, began) = (self.sensors.as_ref().map(Sensors::read), clock.now());
        let taken =
            measure::measure(team, time, prepared, method).unwrap_or_else(|why| give_up(&why));
        let seconds = (clock.now() - began) as f64 / 1e9;
        let rank = case.group.ranks[team.group.rank()];
        let telemetry = self
            .sensors
            .as_ref()
            .zip(before)
            .map(|(sensors, before)| Telemetry::between(rank, before, sensors.read(), seconds));
        self.worked = Some(clock.now());
        // Of a virtual machine it says nothing, and would differ from run to run.
        let is_real = !matches!(self.plan.backend, BackendSpec::Simulated(_));
        let peak = memory::peak_bytes().filter(|_| is_real);
        let memory = peak.map(|host_peak_bytes| RankMemory { rank, host_peak_bytes });
        let results = team.group.gather((telemetry, memory)).unwrap_or_else(|why| abort(&why));
        let (telemetry, memory): (Vec<_>, Vec<_>) = results.into_iter().flatten().unzip();
        let (telemetry, memory) =
            (telemetry.into_iter().flatten().collect(), memory.into_iter().flatten().collect());
        let recording =
            taken.recording.map(|recording| Recording { telemetry, memory, ..recording });
        Taken { recording, ..taken }
    }
}

/// Ends the job because of an error on this rank alone, while the others may wait inside the work for it.
fn give_up(why: &Error) -> ! {
    let message = format!("{}: {}", progress::sentence(), why.message);
    abort(&Error { message, ..why.clone() })
}

/// Makes one rank's failure the case's, and that of all cases that run with it.
fn agree<T>(team: Team<'_>, case: &Case, result: Result<T>, phase: Phase) -> Result<T, Finding> {
    let rank = case.group.ranks[team.group.rank()];
    let named = result.map_err(|why| match why.kind {
        Kind::Unsupported => why,
        _ => Error { message: format!("rank {rank}: {}", why.message), rank: Some(rank), ..why },
    });
    team.all.unanimous(named).map_err(|why| match why.kind {
        Kind::Unsupported => Finding::Skipped(why.message),
        kind => {
            let error = CaseError::now(kind, phase.name(), why.message);
            Finding::Failed(Box::new(CaseError { rank: why.rank, ..error }))
        }
    })
}

fn wrong_result(accuracy: &Accuracy, phase: Phase) -> Finding {
    if accuracy.wrong == 0 {
        let detail = "not measured: a group that runs at once with it has wrong results";
        let error = CaseError::now(Kind::CaseFailed, phase.name(), detail.to_owned());
        return Finding::Failed(Box::new(error));
    }
    let first = accuracy.first_wrong.as_ref();
    let place = first.map_or_else(String::new, |first| {
        format!(
            "; the first: rank {}, index {}, expected {}, got {}",
            first.rank, first.index, first.expected, first.got
        )
    });
    let detail = format!("{} of {} elements are wrong{place}", accuracy.wrong, accuracy.checked);
    Finding::Failed(Box::new(CaseError {
        rank: first.map(|first| first.rank),
        element: first.map(|first| first.index),
        ..CaseError::now(Kind::WrongResult, phase.name(), detail)
    }))
}
