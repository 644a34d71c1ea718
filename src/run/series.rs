//! `--launches`, `--against`, `--env`, several backends: the same run in several launches of all ranks, one after another.
//!
//! What differs between launches (where memory lies, which connections are made) does not show within one,
//! however many iterations it has. Each launch is an ordinary run with its own output; those of a side are merged
//! into one report. Sides take turns, forward and then backward, so that a machine that drifts does so for all. What is
//! doubtful when they are compared is measured in more launches.

mod backends;
mod comparison;
mod folder;
mod round;
mod side;

use std::fs::File;
use std::path::Path;

use super::recorder::{self, OnExisting};
use super::request::{Request, Variant, tell_of_missing_gpu, with_found_backend};
use super::results_folder::write_folder;
use super::{dry_run, launch};
use crate::analysis::{self, Limits, Rules};
use crate::base::error::{Error, Exit, Result};
use crate::base::plain::plain;
use crate::history::{Baseline, FOLDER, ask_for_commit};
use crate::plan::config::Config;
use crate::render::{self, publish_on_github, remark, say};
use crate::report::Report;
use crate::watchdog::set_stop_flag_on_signals;
use crate::world::progress;
use comparison::Pairing;
use round::Round;
use side::Side;

/// Launches of a side where there is something to compare it with: enough to tell most cases, while those that stay
/// doubtful get more.
const TO_COMPARE: u32 = 5;

/// How many times as many launches the doubtful cases get at most.
const TO_CONFIRM: u32 = 3;

const LAUNCH_LIMIT: u32 = 10_000;

/// How many launches each side has; `None` when the request is for one launch and nothing else.
pub(super) fn launches(request: &Request) -> Result<Option<u32>> {
    let variable = request.sides.iter().any(|side| !side.variables.is_empty());
    let other = |side: &Variant| side.program.is_some() || side.config.is_some();
    let compares = request.sides.iter().any(other) || request.compare_baseline.is_some();
    let asked = request.config.as_ref().ok().and_then(|config| config.benchmarking.launches);
    let launches = asked.unwrap_or(if compares { TO_COMPARE } else { 1 });
    if !(1..=LAUNCH_LIMIT).contains(&launches) {
        return Err(Error::usage(format!(
            "{launches} launches are not possible; use --launches 1 to {LAUNCH_LIMIT}"
        )));
    }
    let several = request.sides.len() > 1;
    Ok((launches > 1 || compares || variable || several).then_some(launches))
}

pub(super) struct LaunchSeries {
    request: Request,
    sides: Vec<Side>,
    /// Of each side.
    launches: usize,
    /// Of each side, of cases that are doubtful.
    most_launches: usize,
    baseline: Option<Baseline>,
}

impl LaunchSeries {
    pub(super) fn new(request: Request, launches: u32) -> Result<Self> {
        let config = with_found_backend(request.config.clone()?);
        let folder = config.history.folder.clone().unwrap_or_else(|| FOLDER.into());
        let baseline = request.compare_baseline.as_deref();
        let baseline = baseline.map(|what| Baseline::find(&folder, what)).transpose()?;
        Limits::resolve(&config.limits)?;
        Rules::resolve(&config)?;
        let most = match (request.compares(), config.benchmarking.max_launches) {
            (true, Some(most)) => most,
            // One launch says nothing of how launches differ: nothing is to be shown.
            (true, None) if launches > 1 => (TO_CONFIRM * launches).min(LAUNCH_LIMIT),
            _ => launches,
        };
        if !(launches..=LAUNCH_LIMIT).contains(&most) {
            return Err(Error::usage(format!(
                "at most {most} launches are not possible with {launches} of each side; use --max-launches \
                 {launches} to {LAUNCH_LIMIT}"
            )));
        }
        let sides = side::all(&request, config)?;
        let (launches, most_launches) = (launches as usize, most as usize);
        Ok(Self { request, sides, launches, most_launches, baseline })
    }

    pub(super) fn run(&self) -> Result<Exit> {
        tell_of_missing_gpu(self.request.config.as_ref().ok().and_then(|config| config.backend));
        if let Some(cannot) = self.cannot_show()? {
            tracing::warn!("{cannot}");
        }
        if self.request.dry_run {
            self.show()?;
            return Ok(Exit::Ok);
        }
        if self.request.print_command {
            let first = self.first_round();
            for (side, launch) in self.due(&first)? {
                let side = &self.sides[side];
                launch::print(&side.plan, &side.command(launch, None))?;
            }
            return Ok(Exit::Ok);
        }
        self.check()?;
        let mut rounds = vec![self.first_round()];
        let mut due = self.due(&rounds[0])?;
        // They keep other series away from the files of this one.
        let _locks: Vec<File> = self
            .sides
            .iter()
            .map(|side| side.begin(self.request.on_existing))
            .collect::<Result<_>>()?;
        // A signal that comes between two launches counts too.
        set_stop_flag_on_signals()?;
        let mut pairings = self.pairings()?;
        let mut ended = Exit::Ok;
        loop {
            ended = ended.worst(self.measure(&rounds[rounds.len() - 1], due)?);
            let merged: Vec<Option<Report>> = (0..self.sides.len())
                .map(|side| self.merged(side, &rounds, ended))
                .collect::<Result<_>>()?;
            let looked = self.look(&mut pairings, &merged);
            let made = rounds[rounds.len() - 1].end();
            let goes_on = looked.is_ok() && self.sides.iter().all(|side| side.goes_on(ended));
            let Some(round) = goes_on.then(|| self.again(&pairings, made)).flatten() else {
                return self.conclude(ended, &merged, &pairings, looked);
            };
            due = self.due(&round)?;
            rounds.push(round);
        }
    }

    fn show(&self) -> Result<()> {
        for (i, side) in self.sides.iter().enumerate() {
            // Variables change no plan.
            if i == 0 || side.plan != self.sides[0].plan {
                say(&format!("{}:", side.outputs.files[0].path.display()));
                dry_run::show(&side.plan);
            }
        }
        let seed = self.sides[0].plan.seed;
        say(&format!("every launch has seed {seed}, and so the same data; in this order:"));
        let first = self.first_round();
        for (side, launch) in self.due(&first)? {
            let side = &self.sides[side];
            let command = side.command(launch, None).line();
            say(&format!("{}: {command}", first.title(side, launch)));
        }
        if self.most_launches > self.launches {
            say(&format!(
                "then, of cases that are doubtful, up to {} launches",
                self.most_launches
            ));
        }
        Ok(())
    }

    /// Refuses what cannot be started, and what must not be overwritten.
    fn check(&self) -> Result<()> {
        let on_existing = self.request.on_existing;
        for side in &self.sides {
            recorder::refuse_unfinished(&side.outputs.files, on_existing)?;
            if on_existing == OnExisting::Refuse {
                side.refuse_unfinished()?;
            }
            launch::check(&side.plan, &side.command(0, None))?;
        }
        Ok(())
    }

    fn measure(&self, round: &Round, due: Vec<(usize, usize)>) -> Result<Exit> {
        let mut ended = Exit::Ok;
        for (number, launch) in due {
            if progress::stop_requested() {
                return Ok(ended.worst(Exit::Interrupted));
            }
            let (side, cases) = (&self.sides[number], round.cases(number));
            let title = round.title(side, launch);
            if tracing::enabled!(tracing::Level::WARN) {
                remark(&format!("tesserabench: {title}"));
            }
            let command = side.command(launch, cases);
            let outputs = side.output(launch).into();
            let exit = launch::run(&side.plan, &outputs, &command).unwrap_or_else(|why| {
                tracing::error!("{title}: {}", plain(&why.message));
                why.kind.exit()
            });
            // Limits are checked against all launches together.
            if matches!(exit, Exit::Regression | Exit::Inconclusive) {
                continue;
            }
            ended = ended.worst(exit);
            if !side.goes_on(exit) {
                tracing::error!("{title} ended with exit {} ({})", exit.code(), exit.meaning());
                return Ok(ended);
            }
        }
        Ok(ended)
    }

    /// Writes and prints the sides' reports and what they say of each other.
    fn conclude(
        &self,
        ended: Exit,
        merged: &[Option<Report>],
        pairings: &[Pairing],
        looked: Result<()>,
    ) -> Result<Exit> {
        let (mut exit, table) = (ended, self.request.nccl_tests_table);
        let measured = self.sides.iter().zip(merged);
        for (side, report) in measured.filter_map(|(side, report)| Some((side, report.as_ref()?))) {
            side.outputs.write(report)?;
            exit = exit.worst(Exit::from_code(report.run.exit).unwrap_or(Exit::Internal));
            let (name, mark) = (side.variant.name.as_str(), if table { "#" } else { "==" });
            if self.sides.len() > 1 {
                say(&format!("{mark} {}", if name.is_empty() { "as asked for" } else { name }));
            }
            let from = format!(" from the launches in {}", side.folder.display());
            if !self.request.quiet_stdout {
                render::tell(report, &side.outputs, table, &from);
            }
            // Comparisons say what their sides would.
            if side.outputs.github && pairings.is_empty() {
                publish_on_github(report, true)?;
            }
            if !report.run.incomplete {
                side.end()?;
            }
            if report.run.incomplete && merged.iter().flatten().count() == 1 {
                launch::tell_how_to_go_on(self.request.quiet_stdout || table);
            }
        }
        for (number, (side, report)) in self.sides.iter().zip(merged).enumerate() {
            let (Some(report), Some(folder)) = (report, &side.outputs.folder) else { continue };
            let of_side = pairings.iter().filter(|pairing| pairing.candidate == number);
            let compared: Vec<_> =
                of_side.filter_map(|pairing| pairing.looks.comparison()).collect();
            write_folder(folder, report, &compared)?;
        }
        let compared = looked.and_then(|()| self.tell_backends(merged));
        let compared = compared.and_then(|()| self.tell(pairings, merged)).unwrap_or_else(|why| {
            tracing::error!("{}", plain(&why.message));
            why.kind.exit()
        });
        Ok(exit.worst(compared))
    }

    /// The one report of side `number` after these rounds; none where no launch has left any.
    fn merged(&self, number: usize, rounds: &[Round], ended: Exit) -> Result<Option<Report>> {
        let side = &self.sides[number];
        let planned: Vec<usize> = rounds.iter().flat_map(|round| round.launches(number)).collect();
        let mut reports = Vec::new();
        for &launch in &planned {
            let Some(mut report) = side.report(launch)? else { continue };
            // A launch knows only what decides what it measures.
            let cases = report.run.config.cases.take();
            report.run.config = Config { cases, ..side.config.clone() };
            reports.push((launch, report));
        }
        if reports.is_empty() {
            return Ok(None);
        }
        let ended = match (reports.len() == planned.len(), ended) {
            // Then the reports hold all that went wrong.
            (true, _) => Exit::Ok,
            // A launch that ended well and left no report has failed all the same.
            (false, Exit::Ok) => Exit::CaseFailed,
            (false, ended) => ended,
        };
        let mut report = analysis::merge(reports, ended)?;
        // Under the command and configuration that the user gave.
        let run = &mut report.run;
        run.id = format!("{}-x{}", run.id, self.launches);
        run.command = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
        run.config.benchmarking.launches = u32::try_from(self.launches).ok();
        // Another program is of the commit that it lies in, whatever is checked out here.
        if let Some(folder) = side.variant.program.as_deref().and_then(Path::parent) {
            run.git = ask_for_commit(folder)();
        }
        // Named by the user, so no secret.
        report.environment.variables.extend(side.variant.variables.iter().cloned());
        Ok(Some(report))
    }
}
