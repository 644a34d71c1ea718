//! One rank's life: for each case prepare, verify, measure, gather, record.
//!
//! Ranks that are not in a case sleep until it is over. All ranks make the same sequence of collective
//! calls, whatever happens on one of them.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::analysis::{Finding, Found};
use crate::backend::{self, Accuracy, Backend, Peers, Prepared, Sample};
use crate::caveat::Caveat;
use crate::clock::{Clocks, CommonTime, HostClock};
use crate::config::Config;
use crate::environment;
use crate::error::{Error, Exit, Kind, Result};
use crate::fault;
use crate::gather;
use crate::measure::{self, Floors, Method, Recording, Taken};
use crate::plan::{BackendSpec, Case, Plan};
use crate::progress::{self, Phase};
use crate::recorder::Recorder;
use crate::report::{CaseError, Output, Report, kind_name};
use crate::telemetry::{Sensors, Telemetry};
use crate::units::Nanos;
use crate::world::{World, mpi_yields};

/// What rank 0 needs beside the plan.
#[derive(Debug)]
pub struct Desk {
    /// The configuration the plan was made from, for the report.
    pub config: Config,
    /// The files to write.
    pub outputs: Vec<Output>,
}

/// What the ranks of a case tell rank 0.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Told {
    finding: Finding,
    accuracy: Option<Accuracy>,
}

/// A device that has not worked for this long may have slowed down, ns.
const REST: Nanos = 1_000_000_000;

/// Runs the plan. Every rank calls it; rank 0 brings the desk and gets the report. `on_case` hears on
/// rank 0 how many cases are done and which begins.
///
/// # Errors
/// When the run as a whole cannot go on; finished cases are then in the journal.
pub fn run(
    world: &mut World,
    plan: &Plan,
    desk: Option<Desk>,
    on_case: impl Fn(usize, &str),
) -> Result<(Exit, Option<Report>)> {
    let clocks = match plan.backend {
        BackendSpec::Simulated(_) => Clocks::one(world.size()),
        _ => Clocks::survey(world, &HostClock::new(world.wait().manner()))?,
    };
    let world = &*world;
    let backend = world.unanimous(backend::open(plan, world))?;
    let floors = Floors::measure(world, &*backend, &clocks)?;
    let sensors = Sensors::of(&backend.device());
    let environment = environment::gather(world, backend.device(), libraries(&*backend, &sensors))?;
    let recorder = desk.zip(environment).map(|(desk, environment)| {
        Recorder::start(plan, &desk.config, desk.outputs, environment, floors)
    });
    let mut recorder = world.unanimous(recorder.transpose())?;
    let mut teams = Teams { world, known: HashMap::new() };
    let mut rank = Rank { plan, backend: &*backend, clocks, sensors, worked: None };
    let mut failed = false;
    for (done, case) in plan.cases.iter().enumerate() {
        if failed && !plan.continue_on_error {
            break;
        }
        progress::enter_case(&case.id);
        if world.is_root() {
            on_case(done, &case.id);
        }
        let ranks = &case.group.ranks;
        let (told, samples) = match teams.of(ranks)? {
            Some(team) => rank.run(team, case),
            None => {
                progress::enter(Phase::Parked);
                (None, Vec::new())
            }
        };
        world.park();
        progress::enter(Phase::Gather);
        let told = world.relay(ranks[0], told)?;
        let sidecar = recorder.as_mut().map(|recorder| &mut recorder.sidecar);
        let samples = gather::samples(world, (&case.id, ranks), samples, sidecar)?;
        progress::enter(Phase::Write);
        let recorded = match (&mut recorder, told) {
            (Some(recorder), Some(Told { finding, accuracy })) => samples.and_then(|samples| {
                let crowding = crowding(world, plan, case);
                recorder.record(plan, case, Found { finding, accuracy, crowding, samples })
            }),
            _ => Ok(false),
        };
        failed |= world.max(world.unanimous(recorded)?.into()) == 1;
    }
    if world.is_root() {
        on_case(plan.cases.len(), "");
    }
    let report = recorder.map(|recorder| recorder.finish(plan)).transpose();
    let report = world.unanimous(report)?;
    let exit = world.broadcast(report.as_ref().map(|report| report.run.exit))?;
    Ok((Exit::from_code(exit).unwrap_or(Exit::Internal), report))
}

fn libraries(backend: &dyn Backend, sensors: &Option<Sensors>) -> BTreeMap<String, String> {
    let mut libraries = backend.libraries();
    let driver = sensors.as_ref().and_then(Sensors::driver_version);
    libraries.extend(driver.map(|version| ("driver".to_owned(), version)));
    libraries
}

/// How the ranks of a case share what each should have alone, if they do.
fn crowding(world: &World, plan: &Plan, case: &Case) -> Option<Caveat> {
    if plan.backend == (BackendSpec::Cuda { emulated: true }) {
        return Some(Caveat::Emulated);
    }
    let ranks = &case.group.ranks;
    let oversubscribed = world.oversubscription(ranks);
    // Only the host backend's data goes through MPI.
    let by_mpi = plan.backend == BackendSpec::Host && case.work.communicates();
    let yields = by_mpi && ranks.len() > 1 && mpi_yields();
    oversubscribed
        .map(|(ranks, cores)| Caveat::Oversubscribed { ranks, cores })
        .or(yields.then_some(Caveat::Yielding))
}

/// The worlds of the groups that this rank has been in.
struct Teams<'a> {
    world: &'a World,
    known: HashMap<Vec<usize>, World>,
}

impl Teams<'_> {
    /// The world of `ranks`; `None` when this rank is not one of them.
    fn of(&mut self, ranks: &[usize]) -> Result<Option<&World>> {
        if !ranks.contains(&self.world.rank()) {
            return Ok(None);
        }
        if !self.known.contains_key(ranks) {
            self.known.insert(ranks.to_vec(), self.world.subset(ranks)?);
        }
        Ok(self.known.get(ranks))
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
    /// One case on one of its ranks; the first of them gets the result, each has its own samples.
    fn run(&mut self, team: &World, case: &Case) -> (Option<Told>, Vec<Sample>) {
        let ended =
            |finding, accuracy| (team.is_root().then_some(Told { finding, accuracy }), Vec::new());

        // In these cases another rank may wait inside the work for one that fails.
        let exchanges = case.work.communicates() && team.size() > 1;

        progress::enter(Phase::Prepare);
        // Faults strike after the step: within it, another rank may wait for this one.
        let prepared = case
            .work
            .check(team.size())
            .and_then(|()| self.backend.prepare(&case.work, &case.group, Peers::of(team)));
        // What a rank cannot do, or has no memory for, it finds out while nobody waits for it: those
        // errors are agreed on below.
        let while_connecting = |why: &&Error| exchanges && why.kind == Kind::CaseFailed;
        if let Some(why) = prepared.as_ref().err().filter(while_connecting) {
            give_up(why);
        }
        let prepared =
            prepared.and_then(|prepared| fault::check(Phase::Prepare).map(|()| prepared));
        let mut prepared = match agree(team, case, prepared, Phase::Prepare) {
            Ok(prepared) => prepared,
            Err(finding) => return ended(finding, None),
        };

        progress::enter(Phase::Verify);
        let verified = prepared.verify();
        if let Some(why) = verified.as_ref().err().filter(|_| exchanges) {
            give_up(why);
        }
        let verified = verified.and_then(|own| fault::check(Phase::Verify).map(|()| own));
        let accuracy = match agree(team, case, verified, Phase::Verify) {
            Ok(own) => team.gather(own).unwrap_or_else(|why| crate::world::end(&why)),
            Err(finding) => return ended(finding, None),
        };
        let accuracy = accuracy.map(|parts| Accuracy::combine(parts, &case.group.ranks));
        let wrong = accuracy.as_ref().is_some_and(|accuracy| accuracy.wrong > 0);
        if team.max(wrong.into()) == 1 {
            let told = accuracy.map(|accuracy| Told {
                finding: wrong_result(&accuracy, Phase::Verify),
                accuracy: Some(accuracy),
            });
            return (told, Vec::new());
        }
        let accuracy = accuracy.filter(|accuracy| accuracy.checked > 0);

        progress::enter(Phase::Measure);
        if let Err(finding) = agree(team, case, fault::check(Phase::Measure), Phase::Measure) {
            return ended(finding, accuracy);
        }
        let Taken { samples, accuracy: own, recording } = self.measure(team, case, &mut *prepared);
        let checked = team.gather(own).unwrap_or_else(|why| crate::world::end(&why));
        let told = recording.zip(checked).map(|(recording, parts)| {
            let checked = Accuracy::combine(parts, &case.group.ranks);
            let finding = match checked.wrong {
                0 => Finding::Measured(Box::new(recording)),
                _ => wrong_result(&checked, Phase::Measure),
            };
            let accuracy = Some(accuracy.unwrap_or_default().and(checked));
            Told { finding, accuracy: accuracy.filter(|accuracy| accuracy.checked > 0) }
        });
        (told, samples)
    }

    /// Takes the samples, and what the device says of itself meanwhile.
    fn measure(&mut self, team: &World, case: &Case, prepared: &mut dyn Prepared) -> Taken {
        let clock = self.backend.clock();
        let rested = self.worked.is_none_or(|worked| clock.now() - worked > REST);
        let method = Method {
            protocol: self.plan.protocol,
            budget: &self.plan.budget,
            communicates: case.work.communicates(),
            operations: case.work.operations(),
            once: case.work.happens_once(),
            settling: if rested { self.backend.settling() } else { 0 },
        };
        let time = CommonTime::of(team, &case.group.ranks, clock, &self.clocks);
        let (before, began) = (self.sensors.as_ref().map(Sensors::read), clock.now());
        let taken =
            measure::measure(team, time, prepared, method).unwrap_or_else(|why| give_up(&why));
        let seconds = (clock.now() - began) as f64 / 1e9;
        let rank = case.group.ranks[team.rank()];
        let telemetry = self
            .sensors
            .as_ref()
            .zip(before)
            .map(|(sensors, before)| Telemetry::between(rank, before, sensors.read(), seconds));
        self.worked = Some(clock.now());
        let telemetry = team.gather(telemetry).unwrap_or_else(|why| crate::world::end(&why));
        let telemetry = telemetry.into_iter().flatten().flatten().collect();
        let recording = taken.recording.map(|recording| Recording { telemetry, ..recording });
        Taken { recording, ..taken }
    }
}

/// Ends the job because of an error on this rank alone, while the others may wait inside the work for it.
fn give_up(why: &Error) -> ! {
    let message = format!("{}: {}", progress::position(), why.message);
    crate::world::end(&Error { message, kind: why.kind })
}

/// Makes one rank's failure the case's.
fn agree<T>(team: &World, case: &Case, result: Result<T>, phase: Phase) -> Result<T, Finding> {
    let rank = case.group.ranks[team.rank()];
    let named = result.map_err(|why| match why.kind {
        Kind::Unsupported => why,
        _ => Error { message: format!("rank {rank}: {}", why.message), ..why },
    });
    team.unanimous(named).map_err(|why| match why.kind {
        Kind::Unsupported => Finding::Skipped(why.message),
        kind => Finding::Failed(CaseError {
            kind: kind_name(kind),
            rank: None,
            at: phase.name().to_owned(),
            detail: why.message,
        }),
    })
}

fn wrong_result(accuracy: &Accuracy, phase: Phase) -> Finding {
    let first = accuracy.first_wrong.as_ref();
    let place = first.map_or_else(String::new, |first| {
        format!(
            "; the first: rank {}, index {}, expected {}, got {}",
            first.rank, first.index, first.expected, first.got
        )
    });
    Finding::Failed(CaseError {
        kind: kind_name(Kind::WrongResult),
        rank: first.map(|first| first.rank),
        at: phase.name().to_owned(),
        detail: format!("{} of {} elements are wrong{place}", accuracy.wrong, accuracy.checked),
    })
}
