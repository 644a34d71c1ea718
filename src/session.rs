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
use crate::measure::{self, Floors, Method, Recording, Taken, Team};
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
    let mut done = 0;
    for set in plan.cases.chunk_by(Case::runs_with) {
        if failed && !plan.continue_on_error {
            break;
        }
        let own = set.iter().find(|case| case.group.position(world.rank()).is_some());
        progress::enter_case(&own.unwrap_or(&set[0]).id);
        if world.is_root() {
            on_case(done, &set[0].id);
        }
        let (told, samples) = match own {
            Some(case) => {
                teams.enter(set, case)?;
                rank.run(teams.team(set, case)?, set, case)
            }
            None => {
                progress::enter(Phase::Parked);
                (None, Vec::new())
            }
        };
        world.park();
        progress::enter(Phase::Gather);
        let mut told = world.gather(told)?;
        let mut samples = Some(samples);
        for case in set {
            let ranks = &case.group.ranks;
            let mine = own.filter(|own| own.id == case.id).and_then(|_| samples.take());
            let sidecar = recorder.as_mut().map(|recorder| &mut recorder.sidecar);
            let mine = mine.unwrap_or_default();
            let samples = gather::samples(world, (&case.id, ranks), mine, sidecar)?;
            progress::enter(Phase::Write);
            let told = told.as_mut().and_then(|told| told[ranks[0]].take());
            let recorded = match (&mut recorder, told) {
                (Some(recorder), Some(Told { finding, accuracy })) => samples.and_then(|samples| {
                    let crowding = crowding(world, plan, set, case);
                    recorder.record(plan, case, Found { finding, accuracy, crowding, samples })
                }),
                _ => Ok(false),
            };
            failed |= world.max(world.unanimous(recorded)?.into()) == 1;
        }
        done += set.len();
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
    /// One case on one of its ranks; the first of them gets the result, each has its own samples.
    fn run(&mut self, team: Team<'_>, set: &[Case], case: &Case) -> (Option<Told>, Vec<Sample>) {
        let Team { all, group } = team;
        let ended =
            |finding, accuracy| (group.is_root().then_some(Told { finding, accuracy }), Vec::new());

        // In these cases another rank may wait inside the work for one that fails.
        let exchanges = case.work.communicates() && group.size() > 1;

        progress::enter(Phase::Prepare);
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

        progress::enter(Phase::Verify);
        let verified = prepared.verify();
        if let Some(why) = verified.as_ref().err().filter(|_| exchanges) {
            give_up(why);
        }
        let verified = verified.and_then(|own| fault::check(Phase::Verify).map(|()| own));
        let accuracy = match agree(team, case, verified, Phase::Verify) {
            Ok(own) => group.gather(own).unwrap_or_else(|why| crate::world::end(&why)),
            Err(finding) => return ended(finding, None),
        };
        let accuracy = accuracy.map(|parts| Accuracy::combine(parts, &case.group.ranks));
        let wrong = accuracy.as_ref().is_some_and(|accuracy| accuracy.wrong > 0);
        if all.max(wrong.into()) == 1 {
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
        let Taken { samples, accuracy: own, recording } =
            self.measure(team, (set, case), &mut *prepared);
        let checked = group.gather(own).unwrap_or_else(|why| crate::world::end(&why));
        let checked = checked.map(|parts| Accuracy::combine(parts, &case.group.ranks));
        let wrong = checked.as_ref().is_some_and(|checked| checked.wrong > 0);
        let wrong = all.max(wrong.into()) == 1;
        let told = recording.zip(checked).map(|(recording, checked)| {
            let finding = match wrong {
                false => Finding::Measured(Box::new(recording)),
                true => wrong_result(&checked, Phase::Measure),
            };
            let accuracy = Some(accuracy.unwrap_or_default().and(checked));
            Told { finding, accuracy: accuracy.filter(|accuracy| accuracy.checked > 0) }
        });
        (told, samples)
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
        let telemetry = team.group.gather(telemetry).unwrap_or_else(|why| crate::world::end(&why));
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

/// Makes one rank's failure the case's, and that of all cases that run with it.
fn agree<T>(team: Team<'_>, case: &Case, result: Result<T>, phase: Phase) -> Result<T, Finding> {
    let rank = case.group.ranks[team.group.rank()];
    let named = result.map_err(|why| match why.kind {
        Kind::Unsupported => why,
        _ => Error { message: format!("rank {rank}: {}", why.message), ..why },
    });
    team.all.unanimous(named).map_err(|why| match why.kind {
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
    if accuracy.wrong == 0 {
        return Finding::Failed(CaseError {
            kind: kind_name(Kind::CaseFailed),
            rank: None,
            at: phase.name().to_owned(),
            detail: "not measured: a group that runs at once with it has wrong results".to_owned(),
        });
    }
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
