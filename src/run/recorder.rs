//! What rank 0 keeps while cases finish, and writes when they have.

use std::path::Path;

use rustix::fs::statvfs;

use super::journal::{Entry, Journal, Recovered, difference, difference_from};
use super::keep::keep_earlier;
use super::results_folder::{make_folder, write_folder};
use super::sidecar::{self, INLINE_LIMIT, Sidecar};
use crate::analysis::{self, CaseOutcome, Limits};
use crate::base::caveat::Caveat;
use crate::base::error::{Error, Exit, Kind, Result};
use crate::base::failure::{CaseError, Failure};
use crate::base::units::{counted, format_ms, now};
use crate::machine::environment::{Environment, build};
use crate::plan::config::Config;
use crate::plan::{BackendSpec, Case, Plan};
use crate::render::{Format, Output, Outputs};
use crate::report::{self, Launch, Outcome, Report, Samples, TimingOverhead, Turn};
use crate::world::{Member, fault};

/// What a case takes on disk without its samples, in journal and report together: rather more than it does.
const CASE_BYTES: u64 = 32 << 10;

/// What a sample takes in the compressed file: `scripts/compare-with-peers gather`.
pub(super) const SAMPLE_BYTES: u64 = 13;

/// What to do with the results of an earlier run that did not finish.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnExisting {
    /// Refuse to overwrite finished cases that no complete report holds.
    #[default]
    Refuse,
    /// Overwrite them.
    Overwrite,
    /// Continue after them.
    Resume,
}

#[derive(Debug)]
pub(super) struct RootOutputs {
    pub(super) config: Config,
    pub(super) outputs: Outputs,
    pub(super) on_existing: OnExisting,
    /// Checked out in the working folder.
    pub(super) commit: Option<String>,
}

/// What became of a case.
pub(super) struct Recorded {
    pub(super) failed: bool,
    /// The case and how it ended; `None` for one that was skipped.
    pub(super) told: Option<String>,
}

pub(super) struct Recorder {
    report: Report,
    outputs: Outputs,
    journal: Journal,
    /// Cases finished, through all cycles.
    pub(super) done: usize,
    /// Where samples go that are too many for the report.
    pub(super) sidecar: Sidecar,
}

/// Refuses outputs that another run is writing, or that an unfinished one has left unless it is said what to do.
pub(super) fn refuse_unfinished(outputs: &[Output], on_existing: OnExisting) -> Result<()> {
    let Some(first) = outputs.first() else { return Ok(()) };
    Journal::refuse_busy(&first.path)?;
    if on_existing != OnExisting::Refuse {
        return Ok(());
    }
    let measured = Recovered::measured(&first.path)?;
    if measured == 0 {
        return Ok(());
    }
    Err(Error::usage(format!(
        "'{}' holds measured cases ({measured}) of an unfinished run; resume it with --resume, or overwrite \
         it with --force",
        Journal::path_for(&first.path).display()
    )))
}

/// The exit of the run that is to be resumed, where its report says that it has finished: outputs that are not there
/// are written from it. `None` where there is something to measure.
pub(super) fn finished(
    plan: &Plan,
    root: &RootOutputs,
    members: &[Member],
) -> Option<Result<Exit>> {
    let first = root.outputs.files.first().filter(|first| first.format == Format::Json)?;
    let is_left = first.path.exists() && !Journal::path_for(&first.path).exists();
    if root.on_existing != OnExisting::Resume || !is_left {
        return None;
    }
    let report = Report::load(&first.path).ok()?;
    let run = &report.run;
    let is_of_launches = run.launches.iter().any(|launch| launch.run.is_some());
    if run.incomplete || is_of_launches || run.imported_from.is_some() || run.build != build() {
        return None;
    }
    let environment = &report.environment;
    let hosts = environment.ranks.iter().map(|rank| Some(&environment.nodes.get(rank.node)?.host));
    let is_same = hosts.eq(members.iter().map(|member| Some(&member.host)));
    if !is_same || !matches!(difference_from(plan, &report), Ok(None)) {
        return None;
    }
    tracing::warn!("'{}' is complete: there is nothing to resume", first.path.display());
    let mut missing = root.outputs.files.iter().filter(|output| !output.path.exists());
    let written =
        missing.try_for_each(|output| output.write(&report, root.outputs.marker.as_ref()));
    let folder =
        || root.outputs.folder.iter().try_for_each(|folder| write_folder(folder, &report, &[]));
    Some(written.and_then(|()| folder()).and_then(|()| Exit::of(run.exit)))
}

impl Recorder {
    pub(super) fn start(
        plan: &Plan,
        root: RootOutputs,
        environment: Environment,
        floors: TimingOverhead,
    ) -> Result<Self> {
        let first =
            root.outputs.files.first().ok_or_else(|| Error::internal("no output to write"))?;
        refuse_shared_devices(plan, &environment)?;
        Limits::resolve(&root.config.limits)?;
        let mut report = report::empty(plan, &root.config, environment, floors);
        report.run.git = root.commit;
        let hosts = report.environment.nodes.iter().map(|node| node.host.clone()).collect();
        let started = report.run.started.clone();
        root.outputs.folder.iter().try_for_each(|folder| make_folder(folder))?;
        Journal::refuse_busy(&first.path)?;
        let recovered = match root.on_existing {
            OnExisting::Resume => Recovered::read(&first.path)?,
            OnExisting::Refuse | OnExisting::Overwrite => None,
        };
        if root.on_existing == OnExisting::Resume && recovered.is_none() {
            tracing::warn!(
                "there is nothing to resume: '{}' does not exist; starting anew",
                Journal::path_for(&first.path).display()
            );
        }
        let samples = first.beside(sidecar::ENDING);
        let done = recovered.as_ref().map_or(0, |recovered| recovered.done);
        require_space(plan, done, &first.path)?;
        let (mut journal, sidecar, report) = match recovered {
            Some(recovered) => {
                let journal = resume(&first.path, plan, &report, &recovered)?;
                let sidecar = Sidecar::resume(samples, recovered.samples_bytes)?;
                (journal, sidecar, recovered.report)
            }
            // What an earlier run left behind unfinished is lost from here on.
            None => {
                let journal = Journal::create(&first.path, plan, &report)?;
                if root.on_existing != OnExisting::Overwrite {
                    keep_earlier(&root.outputs)?;
                }
                (journal, Sidecar::at(samples), report)
            }
        };
        let mut report = Report { floors: Some(floors), ..report };
        let launch = Entry::Launch(Launch { started, done, hosts, replicate: 0, run: None });
        journal.append(&launch)?;
        launch.add_to(&mut report, plan.repeats());
        Ok(Self { report, outputs: root.outputs, journal, done, sidecar })
    }

    /// Adds the outcome of the `place`th of the cases that run one after another, with what its ranks shared and its
    /// samples; it is on disk when this returns.
    pub(super) fn record(
        &mut self,
        plan: &Plan,
        (place, case): (usize, &Case),
        outcome: CaseOutcome,
        found: (Option<Caveat>, Samples),
    ) -> Result<Recorded> {
        let floors = self.report.floors.unwrap_or_default();
        let mut result = analysis::analyse(plan, case, &floors, outcome, found);
        result.caveats.extend(fault::caveat());
        if let Some(error) = &mut result.error {
            self.locate(error);
            tracing::error!("case {} failed: {}", case.id, error.detail);
        }
        let failed = result.error.is_some();
        let median = result.measured.as_ref().map(|measured| format_ms(measured.latency.median));
        let how = if failed { Some("failed".to_owned()) } else { median };
        let told = how.map(|how| format!("{}: {how}", case.id));
        let (cycle, index) = (place / plan.cases.len(), place % plan.cases.len());
        let (time, samples_bytes) = (now(), self.sidecar.length);
        let entry = if cycle == 0 {
            Entry::Case { case: Box::new(result), time, samples_bytes }
        } else {
            let median_ms = result.measured.map(|measured| measured.latency.median);
            let turn = Turn { cycle, time, median_ms };
            Entry::Again { case: index, turn, error: result.error, samples_bytes }
        };
        self.journal.append(&entry)?;
        entry.add_to(&mut self.report, plan.repeats());
        Ok(Recorded { failed, told })
    }

    fn locate(&self, error: &mut CaseError) {
        let environment = &self.report.environment;
        let Some(rank) = error.rank.and_then(|rank| environment.ranks.get(rank)) else { return };
        error.node = environment.nodes.get(rank.node).map(|node| node.host.clone());
        error.device = Some(rank.device.name.clone());
    }

    /// Concludes the report and writes it; `exit` says whether the run finished. The journal of an unfinished run
    /// stays.
    pub(super) fn finish(mut self, plan: &Plan, exit: Exit) -> Result<Report> {
        conclude(plan, &mut self.report, exit);
        write(&self.outputs, &self.report)?;
        if !self.report.run.incomplete {
            self.journal.finish()?;
        }
        Ok(self.report)
    }
}

/// Writes the report of a run that ends before its time, if it has a journal, and logs where it is; true when it did.
pub(super) fn save_incomplete(outputs: &Outputs, failure: &Failure) -> bool {
    let saved = salvage(outputs, failure).unwrap_or_else(|why| {
        tracing::error!("the report cannot be written: {why}");
        false
    });
    if saved {
        tracing::error!(
            "{} holds what was measured, marked incomplete",
            outputs
                .files
                .first()
                .map_or_else(String::new, |output| output.path.display().to_string())
        );
    }
    saved
}

/// Writes the report of a run that could not do so itself, from its journal; true when there is one.
pub(super) fn salvage(outputs: &Outputs, failure: &Failure) -> Result<bool> {
    let Some(first) = outputs.files.first() else { return Ok(false) };
    let Some(Recovered { plan, mut report, .. }) = Recovered::read(&first.path)? else {
        return Ok(false);
    };
    let error = failure.error.clone();
    let planned = plan.cases.iter().find(|case| case.id == failure.case);
    let known = report.cases.iter_mut().find(|case| case.id == failure.case);
    match (planned, known) {
        // A case that was stopped on purpose counts as one that has not begun.
        _ if error.kind == Kind::Interrupted => {}
        (_, Some(case)) if case.cycles.is_some() => {
            case.outcome = Outcome::Failed;
            case.error.get_or_insert(error);
        }
        (Some(case), None) => {
            let timed_out = error.kind == Kind::TimedOut;
            let outcome = CaseOutcome::Failed(Box::new(error), None);
            let floors = report.floors.unwrap_or_default();
            let found = (None, Samples::None);
            let mut result = analysis::analyse(&plan, case, &floors, outcome, found);
            result.caveats.extend(fault::caveat());
            if timed_out {
                result.outcome = Outcome::TimedOut;
            }
            report.cases.push(result);
        }
        _ => {}
    }
    conclude(&plan, &mut report, failure.error.kind.exit());
    write(outputs, &report)?;
    Ok(true)
}

fn write(outputs: &Outputs, report: &Report) -> Result<()> {
    outputs.write(report)?;
    outputs.folder.iter().try_for_each(|folder| write_folder(folder, report, &[]))
}

fn conclude(plan: &Plan, report: &mut Report, exit: Exit) {
    analysis::settle(plan, &report.floors.unwrap_or_default(), &mut report.cases);
    analysis::compare_with_alone(&mut report.cases);
    analysis::place_on_roofline(report);
    analysis::hold_against_the_possible(report);
    report.pair_matrices = analysis::matrices(plan, &report.cases);
    report.scaling = analysis::studies(plan, &report.cases);
    for cycles in report.cases.iter_mut().filter_map(|case| case.cycles.as_mut()) {
        cycles.conclude();
    }
    // That they make sense was settled before anything was measured.
    let limits = Limits::resolve(&report.run.config.limits).unwrap_or_default();
    report.limits = limits.check(report, &[]);
    report.run.finished = now();
    report.conclude(plan.cases.len(), exit.worst(plan.exit()));
}

fn resume(output: &Path, plan: &Plan, report: &Report, recovered: &Recovered) -> Result<Journal> {
    let left = (&recovered.plan, &recovered.report);
    if let Some(difference) = difference((plan, report), left)? {
        return Err(Error::usage(format!(
            "'{}' is the journal of another plan ({difference}); resume with the arguments it was started with, \
             or start anew with --force",
            Journal::path_for(output).display()
        )));
    }
    if recovered.torn > 0 {
        tracing::warn!(
            "'{}' ends with {} of an incomplete line, which are dropped: its case runs again",
            Journal::path_for(output).display(),
            counted(recovered.torn, "byte")
        );
    }
    tracing::warn!(
        "resuming after {}; left of this cycle: {}",
        counted(recovered.done, "finished case"),
        plan.cases.len() - recovered.done % plan.cases.len()
    );
    Journal::resume(output, recovered)
}

fn require_space(plan: &Plan, done: usize, output: &Path) -> Result<()> {
    let folder =
        output.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let Ok(disk) = statvfs(folder) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let rounds = u64::from(plan.budget.iterations);
    let samples = |case: &Case| {
        let samples = rounds.saturating_mul(case.group.ranks.len() as u64);
        if samples > INLINE_LIMIT as u64 { samples.saturating_mul(SAMPLE_BYTES) } else { 0 }
    };
    // With a precision target there may be far fewer iterations than the most there can be.
    let sure = plan.budget.target.is_none();
    let cases = plan.cases.iter().skip(done);
    let needed: u64 = cases.map(|case| CASE_BYTES + if sure { samples(case) } else { 0 }).sum();
    if free >= needed {
        return Ok(());
    }
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 * 1e-6);
    Err(Error::unfit(format!(
        "the disk of '{}' has {} left and the results need about {}; make room, or write them elsewhere with \
         --output",
        output.display(),
        megabytes(free),
        megabytes(needed)
    )))
}

fn refuse_shared_devices(plan: &Plan, environment: &Environment) -> Result<()> {
    if plan.backend != (BackendSpec::Cuda { emulated: true }) {
        return environment.refuse_shared_devices();
    }
    if environment.nodes.len() > 1 {
        return Err(Error::unfit(
            "emulated ranks talk through the loopback device, so all must be on one node; start them \
             there, or leave --emulate-ranks out",
        ));
    }
    Ok(())
}
