//! One rank's life: for each case prepare, verify, measure, gather, record.
//!
//! Ranks that are not in a case sleep until it is over. All ranks make the same sequence of collective
//! calls, whatever happens on one of them.

use std::collections::{BTreeMap, HashMap};

use super::case_progress::CaseProgress;
use super::recorder::{self, Recorded, Recorder, RootOutputs};
use super::{environment, launch, meter, sidecar};
use crate::analysis::CaseOutcome;
use crate::backend::{self, Backend, Peers, Prepared, Sample};
use crate::base::accuracy::{Accuracy, Checked};
use crate::base::caveat::Caveat;
use crate::base::error::{Error, Exit, Kind, Result};
use crate::base::failure::CaseError;
use crate::base::units::{Nanos, counted};
use crate::machine::energy::{Draw, Meter};
use crate::machine::memory::{self, DeviceMemory, RankMemory};
use crate::machine::nvtx;
use crate::machine::profiler::{Profiler, Window};
use crate::machine::telemetry::{Sensors, Telemetry, is_instance};
use crate::measure::{self, DeviceSpeed, Method, Recording, Repeats, Team};
use crate::plan::{BackendSpec, Case, Cycles, Plan};
use crate::report::Report;
use crate::watchdog::Watchdog;
use crate::world::abort::{self, abort};
use crate::world::clock::{Clocks, CommonTime, HostClock};
use crate::world::fault;
use crate::world::progress::{self, Phase};
use crate::world::supervision::{self, Note};
use crate::world::{World, mpi_yields};

/// A device that has not been used for this long may have slowed down, ns.
const IDLE_LIMIT: Nanos = 1_000_000_000;

/// Runs the plan. Every rank calls it; rank 0 passes its outputs and gets the report. When the run as a whole cannot
/// go on, finished cases are in the journal.
pub(super) fn run(
    world: &mut World,
    plan: &Plan,
    root: Option<RootOutputs>,
    watch: Option<&Watchdog>,
) -> Result<(Exit, Option<Report>)> {
    let clocks = match plan.backend {
        BackendSpec::Simulated(_) => Clocks::one(world.size()),
        _ => Clocks::survey(world, &HostClock::new(world.wait().policy()))?,
    };
    if matches!(plan.backend, BackendSpec::Simulated(_)) {
        world.sleep_while_waiting();
    }
    let world = &*world;
    let backend = world.unanimous(backend::open(plan, world))?;
    progress::set_device(&backend.device().name);
    let sensors = Sensors::of(&backend.device());
    let device = DeviceSpeed::of(&*backend, sensors.as_ref(), true);
    let floors = measure::timing_overhead(world, &*backend, &clocks, device)?;
    // It has brought a device with a clock of its own to its usual speed.
    let last_used = floors.empty_device_ns.map(|_| backend.clock().now());
    let found = backend.libraries().into_iter();
    let (mut libraries, files): (BTreeMap<String, String>, BTreeMap<String, String>) =
        found.map(|(name, it)| ((name.clone(), it.version), (name, it.file))).unzip();
    let driver = sensors.as_ref().and_then(Sensors::driver_version);
    libraries.extend(driver.map(|version| ("driver".to_owned(), version)));
    let board = sensors.as_ref().map(Sensors::board);
    let environment = environment::gather(world, backend.device(), (libraries, files), board)?;
    let ranks = environment.iter().flat_map(|environment| &environment.ranks);
    let instances = ranks.filter(|rank| is_instance(&rank.device)).map(|rank| rank.rank).collect();
    let recorder = root.zip(environment).map(|(root, environment)| {
        let outputs = root.outputs.clone();
        let recorder = Recorder::start(plan, root, environment.clone(), floors)?;
        // From now on there is something to keep if the run ends before its time.
        supervision::notify(&Note::Journal);
        if let Some(watch) = watch {
            watch.set_devices(&environment);
        }
        abort::save_report_with(move |failure| {
            if recorder::save_incomplete(&outputs, failure) {
                launch::tell_how_to_go_on(true);
            }
        });
        Ok(recorder)
    });
    let recorder = world.unanimous(recorder.transpose())?;
    let window = world.unanimous(Window::of_this_process())?;
    let meter = meter::of(world, &*backend, sensors.as_ref(), plan);
    let rank = Rank { plan, backend: &*backend, clocks, sensors, meter, last_used, window };
    let done = world.broadcast(recorder.as_ref().map(|recorder| recorder.done))?;
    let worlds = HashMap::new();
    let began = rank.backend.clock().now();
    let is_shown = world.is_root() && !supervision::is_supervised();
    let shown = is_shown.then(|| CaseProgress::new(plan.cases.len()));
    let mut case_loop = CaseLoop {
        world,
        plan,
        rank,
        worlds,
        recorder,
        instances,
        shown,
        done,
        place: 0,
        skipped: 0,
        failures: 0,
        began,
    };
    let end = case_loop.run()?;
    case_loop.finish(end)
}

struct CaseLoop<'a> {
    world: &'a World,
    plan: &'a Plan,
    rank: Rank<'a>,
    worlds: HashMap<Vec<usize>, World>,
    recorder: Option<Recorder>,
    /// The ranks that drive MIG instances, on rank 0.
    instances: Vec<usize>,
    shown: Option<CaseProgress>,
    /// Cases that the journal already holds, through all cycles.
    done: usize,
    /// Cases that are finished, through all cycles.
    place: usize,
    /// Cases that were skipped since something was last told of one.
    skipped: usize,
    failures: usize,
    began: Nanos,
}

impl CaseLoop<'_> {
    /// Runs set after set until the plan, a failure or a request to stop ends the run; how it ends.
    fn run(&mut self) -> Result<Exit> {
        let mut tasks = 0;
        let end = loop {
            let left = &self.plan.cases[self.place % self.plan.cases.len()..];
            let set = left.chunk_by(Case::runs_with).next().unwrap_or(left);
            tasks += 1;
            // In a set whose ranks died in the middle of writing, some cases may be done.
            let is_due = self.place + set.len() > self.done;
            if is_due && !self.run_set(tasks, set)? {
                break Exit::Interrupted;
            }
            self.place += set.len();
            if let Some(end) = self.ends()? {
                break end;
            }
        };
        self.show("");
        Ok(end)
    }

    /// Reports on rank 0 which case starts; an empty one after the last.
    fn show(&self, id: &str) {
        let total = self.plan.cases.len();
        // Each cycle of cases that run again begins at 0.
        let done = if id.is_empty() { total } else { self.place % total };
        if self.world.is_root() {
            supervision::notify(&Note::Case { done, total, id: id.to_owned() });
        }
        self.shown.iter().for_each(|shown| shown.starts(done, id));
    }

    /// Reports on rank 0 how the `place`th case ended: of those that are skipped one after another how many they are, of
    /// cases that run again only that a cycle is over.
    fn show_end(&mut self, place: usize, Recorded { told, .. }: Recorded) {
        let total = self.plan.cases.len();
        let (cycle, done) = (place / total, place % total + 1);
        if cycle > 0 {
            if done == total {
                self.tell(done, format!("cycle {} is over", cycle + 1));
            }
            return;
        }
        self.skipped += usize::from(told.is_none());
        let skipped = done - usize::from(told.is_some());
        if self.skipped > 0 && (told.is_some() || done == total) {
            self.tell(skipped, format!("{} skipped", counted(self.skipped, "case")));
            self.skipped = 0;
        }
        told.into_iter().for_each(|told| self.tell(done, told));
    }

    fn tell(&self, done: usize, told: String) {
        let total = self.plan.cases.len();
        self.shown.iter().for_each(|shown| shown.ends(done, total, &told));
        supervision::notify(&Note::Ended { done, total, told });
    }

    /// Runs the cases of a set at once and records them; false when a request to stop ended them.
    fn run_set(&mut self, task: usize, set: &[Case]) -> Result<bool> {
        let world = self.world;
        let own = set.iter().find(|case| case.group.position(world.rank()).is_some());
        progress::enter_case(task, &own.unwrap_or(&set[0]).id);
        self.show(&set[0].id);
        if world.is_root() {
            let (place, total) = (self.place + 1, self.plan.cases.len());
            set.iter()
                .for_each(|case| tracing::info!("case {place} of {total} begins: {}", case.id));
        }
        let (outcome, samples) = match own {
            Some(case) => {
                let team = fault::during(Phase::Connect, || {
                    progress::in_collective(|| team(world, &mut self.worlds, (set, case)))
                })?;
                memory::reset_peak();
                self.rank.run(team, set, case).unwrap_or_else(|outcome| {
                    (outcome.filter(|_| team.group.is_root()), Some(Vec::new()))
                })
            }
            None => {
                fault::enter(Phase::Parked);
                (None, Some(Vec::new()))
            }
        };
        world.park();
        let results = world.gather(outcome)?;
        if world.max(samples.is_none().into()) == 1 {
            return Ok(false);
        }
        self.write(set, results, samples.unwrap_or_default())?;
        Ok(true)
    }

    fn write(
        &mut self,
        set: &[Case],
        mut results: Option<Vec<Option<CaseOutcome>>>,
        own: Vec<Sample>,
    ) -> Result<()> {
        let Self { world, plan, .. } = *self;
        let cycle = self.place / plan.cases.len();
        let mut own = Some(own);
        for (i, case) in set.iter().enumerate() {
            fault::enter(Phase::Gather);
            let ranks = &case.group.ranks;
            let mine = own.take_if(|_| ranks.contains(&world.rank())).unwrap_or_default();
            let place = self.place + i;
            // What an earlier launch has finished is not added again.
            let mut recorder = self.recorder.as_mut().filter(|_| place >= self.done);
            let sidecar = recorder.as_mut().map(|recorder| &mut recorder.sidecar);
            let samples = sidecar::gather(world, (&case.id, cycle, ranks), mine, sidecar)?;
            fault::enter(Phase::Write);
            let results = results.as_mut().and_then(|results| results[ranks[0]].take());
            let recorded = match (recorder, results) {
                (Some(recorder), Some(outcome)) => samples.and_then(|samples| {
                    let instance = || ranks.iter().any(|rank| self.instances.contains(rank));
                    let shares = sharing(world, plan, set, case);
                    let shares = shares.or_else(|| instance().then_some(Caveat::Instance));
                    let found = (shares, samples);
                    recorder.record(plan, (place, case), outcome, found).map(Some)
                }),
                _ => Ok(None),
            };
            let recorded = world.unanimous(recorded)?;
            let failed = recorded.as_ref().is_some_and(|recorded| recorded.failed);
            let failed = world.max(failed.into()) == 1;
            recorded.into_iter().for_each(|recorded| self.show_end(place, recorded));
            self.failures += usize::from(failed);
        }
        Ok(())
    }

    /// How the run ends here, if it does; rank 0 decides.
    fn ends(&self) -> Result<Option<Exit>> {
        let Self { plan, place, failures, .. } = *self;
        let elapsed = || (self.rank.backend.clock().now() - self.began) as f64 / 1e9;
        let decide = || {
            let over = place.is_multiple_of(plan.cases.len())
                && match plan.cycles {
                    Cycles::Times(times) => place / plan.cases.len() >= times as usize,
                    Cycles::Seconds(seconds) => elapsed() >= seconds,
                };
            // A finished run was not interrupted.
            match (over, progress::stop_requested()) {
                (true, _) => Some(Exit::Ok),
                (false, true) => Some(Exit::Interrupted),
                (false, false) => (failures >= plan.max_failures).then_some(Exit::Ok),
            }
        };
        self.world.broadcast(self.world.is_root().then(decide))
    }

    /// Writes the report; its exit, and on rank 0 itself.
    fn finish(self, end: Exit) -> Result<(Exit, Option<Report>)> {
        fault::enter(Phase::Write);
        abort::stop_saving();
        let report = self.recorder.map(|recorder| recorder.finish(self.plan, end)).transpose();
        let report = self.world.unanimous(report)?;
        let exit = self.world.broadcast(report.as_ref().map(|report| report.run.exit))?;
        Ok((Exit::from_code(exit).unwrap_or(Exit::Internal), report))
    }
}

/// The caveat of a case that runs under a profiler, or whose ranks share cores or a GPU.
fn sharing(world: &World, plan: &Plan, set: &[Case], case: &Case) -> Option<Caveat> {
    if let Some(by) = Profiler::of_this_run() {
        return Some(Caveat::Profiled { by: by.name().to_owned() });
    }
    if matches!(plan.backend, BackendSpec::Cuda { emulated: true, .. }) {
        return Some(Caveat::Emulated);
    }
    let ranks = all_ranks(set);
    let oversubscribed = world.oversubscription(&ranks);
    // Only the host backend's data goes through MPI.
    let by_mpi = plan.backend == BackendSpec::Host && case.work.communicates();
    let yields = by_mpi && ranks.len() > 1 && mpi_yields();
    oversubscribed
        .map(|(ranks, cores)| Caveat::Oversubscribed { ranks, cores })
        .or(yields.then_some(Caveat::Yielding))
}

fn all_ranks(set: &[Case]) -> Vec<usize> {
    let mut ranks: Vec<usize> = set.iter().flat_map(|case| case.group.ranks.clone()).collect();
    // A single group keeps its own order.
    if set.len() > 1 {
        ranks.sort_unstable();
    }
    ranks
}

/// The ranks that this rank measures a case with; their worlds are made the first time.
fn team<'a>(
    world: &World,
    known: &'a mut HashMap<Vec<usize>, World>,
    (set, case): (&[Case], &Case),
) -> Result<Team<'a>> {
    let all = all_ranks(set);
    for ranks in [&all, &case.group.ranks] {
        if !known.contains_key(ranks) {
            known.insert(ranks.clone(), world.subset(ranks)?);
        }
    }
    Ok(Team { all: &known[&all], group: &known[&case.group.ranks] })
}

struct Rank<'a> {
    plan: &'a Plan,
    backend: &'a dyn Backend,
    clocks: Clocks,
    sensors: Option<Sensors>,
    meter: Meter,
    last_used: Option<Nanos>,
    /// The profiler around this process, if there is one.
    window: Option<Window>,
}

/// What a rank has when a case ends: the outcome, on the first rank of the case, and the rank's own samples; no
/// samples when the case was given up because the run was asked to stop.
type CaseEnd = (Option<CaseOutcome>, Option<Vec<Sample>>);

impl Rank<'_> {
    /// Prepares, verifies and measures a case. `Err` when it ends before samples are taken: its outcome, on its first
    /// rank only.
    fn run(
        &mut self,
        team: Team<'_>,
        set: &[Case],
        case: &Case,
    ) -> Result<CaseEnd, Option<CaseOutcome>> {
        agree(team, case, self.require_memory(team, case), Phase::Prepare)?;
        let before = self.backend.memory();
        let mut prepared = prepare(self.backend, team, case)?;
        agree(team, case, self.require_batch(&*prepared), Phase::Prepare)?;
        let accuracy = verify(team, case, &mut *prepared)?;
        fault::enter(Phase::Measure);
        agree(team, case, fault::check(Phase::Measure), Phase::Measure)?;
        let Some((samples, recording)) = self.measure(team, (set, case), &mut *prepared, before)
        else {
            return Ok((None, None));
        };
        let wrong = recording.as_ref().is_some_and(|recording| recording.accuracy.wrong > 0);
        let wrong = team.all.max(wrong.into()) == 1;
        let outcome = recording.map(|mut recording| {
            recording.accuracy = accuracy.unwrap_or_default().and(recording.accuracy);
            match wrong {
                false => CaseOutcome::Measured(Box::new(recording)),
                true => wrong_result(recording.accuracy, Phase::Measure),
            }
        });
        Ok((outcome, Some(samples)))
    }

    /// Refuses a kernel for which the node has not enough memory, before any of its ranks takes some: a rank that takes
    /// more than there is would be killed.
    fn require_memory(&self, team: Team<'_>, case: &Case) -> Result<()> {
        // Ranks that exchange data do not all take as much; what a kernel leaves on a GPU is checked on the host.
        let is_model = matches!(self.plan.backend, BackendSpec::Simulated(_));
        let is_alike = !is_model && !case.work.communicates();
        let (asked, ranks) = (case.work.footprint(team.group.size()), team.all.ranks_here());
        let all = asked.saturating_mul(ranks as u64);
        match memory::free_bytes().filter(|free| is_alike && all > *free) {
            Some(free) => Err(Error::unsupported(format!(
                "the node has not enough free memory: {} would fill {all} bytes, and {free} are free; choose a smaller \
                 problem",
                counted(ranks, "rank"),
            ))),
            None => Ok(()),
        }
    }

    /// Refuses a sample of more operations than can be queued before it starts.
    fn require_batch(&self, prepared: &dyn Prepared) -> Result<()> {
        let most = prepared.batch_limit();
        match self.plan.budget.batch.filter(|batch| *batch > most) {
            Some(batch) => Err(Error::unsupported(format!(
                "a sample of {batch} operations does not fit the device's queue before it starts; use --batch {most} or \
                 less"
            ))),
            None => Ok(()),
        }
    }

    /// Takes the samples, and what the sensors read meanwhile. `None` as from [`measure::measure`].
    fn measure(
        &mut self,
        team: Team<'_>,
        (set, case): (&[Case], &Case),
        prepared: &mut dyn Prepared,
        memory_before: Option<DeviceMemory>,
    ) -> Option<(Vec<Sample>, Option<Recording>)> {
        let clock = self.backend.clock();
        let was_idle = self.last_used.is_none_or(|last_used| clock.now() - last_used > IDLE_LIMIT);
        let rank = case.group.ranks[team.group.rank()];
        let method = Method {
            case: &case.id,
            rank,
            protocol: self.plan.protocol,
            budget: &self.plan.budget,
            communicates: case.work.communicates(),
            operations: case.work.operations(),
            repeats: match &case.work {
                work if work.happens_once() => Repeats::Once,
                work if work.is_reported() => Repeats::Reported,
                _ => Repeats::Freely,
            },
            device: DeviceSpeed::of(self.backend, self.sensors.as_ref(), was_idle),
            stop_seconds: self.plan.deadlines.stop,
        };
        let time = CommonTime::of(team.all, &all_ranks(set), clock, &self.clocks);
        // A package's counter is of the node: the first of the case's ranks there reads it.
        let packages = self.meter.begin(team.group.local_rank() == 0);
        let (before, began) = (self.sensors.as_ref().map(Sensors::read), clock.now());
        let (samples, recording) =
            measure::measure(team, time, prepared, method, self.window.as_mut())
                .unwrap_or_else(|why| give_up(&why))?;
        let seconds = (clock.now() - began) as f64 / 1e9;
        let telemetry = self
            .sensors
            .as_ref()
            .zip(before)
            .map(|(sensors, before)| Telemetry::between(rank, before, sensors.read(), seconds));
        let others = team.all.ranks_here() > team.group.ranks_here();
        let shared = others.then_some("other groups ran on the node at the same time");
        let gpu = telemetry.as_ref().map(|telemetry| self.meter.of_gpu(telemetry));
        let draws: Vec<Draw> =
            gpu.into_iter().chain(self.meter.end(packages, rank, seconds, shared)).collect();
        self.last_used = Some(clock.now());
        // Meaningless for the simulated backend, whose reports are the same from run to run.
        let is_real = !matches!(self.plan.backend, BackendSpec::Simulated(_));
        let peak = memory::peak_bytes().filter(|_| is_real);
        let device =
            self.backend.memory().zip(memory_before).map(|(now, before)| now.since(before));
        let memory = peak.map(|host_peak_bytes| RankMemory { rank, host_peak_bytes, device });
        let results = team.group.gather((telemetry, memory, draws));
        let results = results.unwrap_or_else(|why| abort(&why)).unwrap_or_default();
        let (telemetry, memory, draws): (Vec<_>, Vec<_>, Vec<_>) = results.into_iter().collect();
        if let Some(how) = &recording {
            tracing::info!("{}", how.told());
        }
        let recording = recording.map(|recording| Recording {
            telemetry: telemetry.into_iter().flatten().collect(),
            memory: memory.into_iter().flatten().collect(),
            draws: draws.into_iter().flatten().collect(),
            ..recording
        });
        Some((samples, recording))
    }
}

/// Whether a failure on one rank can leave others blocked in the operation.
fn exchanges(team: Team<'_>, case: &Case) -> bool {
    case.work.communicates() && team.group.size() > 1
}

fn prepare<'a>(
    backend: &'a dyn Backend,
    team: Team<'a>,
    case: &Case,
) -> Result<Box<dyn Prepared + 'a>, CaseOutcome> {
    fault::enter(Phase::Prepare);
    let _range = nvtx::range(|| format!("{}: {}", case.id, Phase::Prepare.name()));
    // Planted faults take effect after the step: within it, another rank may wait for this one.
    let prepared = case
        .work
        .check(team.group.size())
        .and_then(|()| backend.prepare(&case.work, &case.group, Peers::of(team.group)));
    // What a rank cannot do, or has no memory for, it finds out while nobody waits for it: those
    // errors are agreed on below.
    let while_connecting = |why: &&Error| exchanges(team, case) && why.kind == Kind::CaseFailed;
    if let Some(why) = prepared.as_ref().err().filter(while_connecting) {
        give_up(why);
    }
    // Kept until all agree: dropping some operations is itself collective.
    let ready = prepared.as_ref().map(|_| ()).map_err(Clone::clone);
    let ready = ready.and_then(|()| fault::check(Phase::Prepare));
    match (agree(team, case, ready, Phase::Prepare), prepared) {
        (Ok(()), Ok(prepared)) => Ok(prepared),
        (Err(outcome), _) => Err(outcome),
        (Ok(()), Err(why)) => give_up(&why),
    }
}

/// Runs the work once and checks its results; the accuracy on the first rank, or its result when some are wrong.
fn verify(
    team: Team<'_>,
    case: &Case,
    prepared: &mut dyn Prepared,
) -> Result<Option<Accuracy>, Option<CaseOutcome>> {
    fault::enter(Phase::Verify);
    let _range = nvtx::range(|| format!("{}: {}", case.id, Phase::Verify.name()));
    let exchanges = exchanges(team, case);
    let verified = match exchanges {
        true => progress::in_collective(|| prepared.verify()),
        false => prepared.verify(),
    };
    // For lack of memory the ranks give a case up together.
    let ends_the_job = |why: &&Error| exchanges && why.kind != Kind::Unsupported;
    if let Some(why) = verified.as_ref().err().filter(ends_the_job) {
        give_up(why);
    }
    let verified = verified.and_then(|own| fault::check(Phase::Verify).map(|()| own));
    let own = agree(team, case, verified, Phase::Verify)?;
    let parts = team.group.gather(own).unwrap_or_else(|why| abort(&why));
    let accuracy = parts.map(|parts| Accuracy::combine(parts, &case.group.ranks));
    let wrong = accuracy.as_ref().is_some_and(|accuracy| accuracy.wrong > 0);
    if team.all.max(wrong.into()) == 1 {
        return Err(accuracy.map(|accuracy| wrong_result(accuracy, Phase::Verify)));
    }
    Ok(accuracy)
}

/// Aborts the job because of an error on this rank alone, while the others may be blocked in the operation.
fn give_up(why: &Error) -> ! {
    let message = format!("{}: {}", progress::describe(), why.message);
    abort(&Error { message, ..why.clone() })
}

/// If one rank fails, the case fails on all ranks, and so do all cases of the set.
fn agree<T>(
    team: Team<'_>,
    case: &Case,
    result: Result<T>,
    phase: Phase,
) -> Result<T, CaseOutcome> {
    let rank = case.group.ranks[team.group.rank()];
    let named = result.map_err(|why| match why.kind {
        Kind::Unsupported => why,
        _ => Error { message: format!("rank {rank}: {}", why.message), rank: Some(rank), ..why },
    });
    team.all.unanimous(named).map_err(|why| match why.kind {
        Kind::Unsupported => CaseOutcome::Skipped(why.message),
        kind => {
            let error = CaseError::now(kind, phase.name(), why.message);
            CaseOutcome::Failed(Box::new(CaseError { rank: why.rank, ..error }), None)
        }
    })
}

/// The outcome of a case with wrong results, or that ran at once with one.
fn wrong_result(found: Accuracy, phase: Phase) -> CaseOutcome {
    if found.wrong == 0 {
        let detail = "not measured: a group that runs at once with it has wrong results";
        let error = CaseError::now(Kind::CaseFailed, phase.name(), detail.to_owned());
        return CaseOutcome::Failed(Box::new(error), Some(found));
    }
    let first = found.first_wrong.as_ref();
    let rank = first.map_or_else(String::new, |first| format!("rank {}", first.rank));
    let place = first.map_or_else(String::new, |first| {
        format!(
            "; the first: rank {}, index {}, expected {}, got {}",
            first.rank, first.index, first.expected, first.got
        )
    });
    let detail = match found.of {
        Checked::Data => {
            format!("{} wrong of {}{place}", found.wrong, counted(found.checked, "element"))
        }
        Checked::Order => format!("{rank} left {} ns before the last one came", found.max_abs),
        Checked::Members => {
            format!("{rank} has a new communicator with other ranks than the old one")
        }
    };
    let error = CaseError {
        rank: first.map(|first| first.rank),
        element: first.map(|first| first.index),
        ..CaseError::now(Kind::WrongResult, phase.name(), detail)
    };
    CaseOutcome::Failed(Box::new(error), Some(found))
}
