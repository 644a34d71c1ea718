//! `--launches`, `--against`, `--env`: the same run in several launches of all ranks, one after another.
//!
//! What differs between launches (where memory lies, which connections are made) does not show within one,
//! however many iterations it has. Each launch is an ordinary run with its own output; those of a side are merged
//! into one report. Sides take turns, forward and then backward, so that a machine that drifts does so for all.

mod comparison;
mod folder;
mod side;

use std::fs::File;

use super::recorder::{self, OnExisting};
use super::request::{Request, Variant, tell_of_missing_gpu, with_found_backend};
use super::{dry_run, launch};
use crate::analysis::{self, Limits, Rules};
use crate::base::error::{Error, Exit, Result};
use crate::base::plain::plain;
use crate::history::{Baseline, FOLDER};
use crate::render::{self, remark, say};
use crate::report::Report;
use crate::watchdog::set_stop_flag_on_signals;
use crate::world::progress;
use side::Side;

/// Launches of a side where there is something to compare it with: the fewest with which an exact test can tell a
/// difference in one of some hundred cases.
const TO_COMPARE: u32 = 8;

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
    Ok((launches > 1 || compares || variable).then_some(launches))
}

pub(super) struct LaunchSeries {
    request: Request,
    sides: Vec<Side>,
    /// Of each side.
    launches: usize,
    baseline: Option<Baseline>,
}

/// Launches to make, each of a side and its place there.
type Due<'a> = Vec<(&'a Side, usize)>;

impl LaunchSeries {
    pub(super) fn new(request: Request, launches: u32) -> Result<Self> {
        let config = with_found_backend(request.config.clone()?);
        let folder = config.history.folder.clone().unwrap_or_else(|| FOLDER.into());
        let baseline = request.compare_baseline.as_deref();
        let baseline = baseline.map(|what| Baseline::find(&folder, what)).transpose()?;
        Limits::resolve(&config.limits)?;
        Rules::resolve(&config)?;
        let sides = side::all(&request, config)?;
        Ok(Self { request, sides, launches: launches as usize, baseline })
    }

    pub(super) fn run(&self) -> Result<Exit> {
        tell_of_missing_gpu(self.request.config.as_ref().ok().and_then(|config| config.backend));
        if self.request.dry_run {
            self.show()?;
            return Ok(Exit::Ok);
        }
        if self.request.print_command {
            for (side, launch) in self.due()? {
                launch::print(&side.plan, &side.command(launch))?;
            }
            return Ok(Exit::Ok);
        }
        self.check()?;
        let due = self.due()?;
        // They keep other series away from the files of this one.
        let _locks: Vec<File> = self
            .sides
            .iter()
            .map(|side| side.begin(self.request.on_existing))
            .collect::<Result<_>>()?;
        let ended = self.measure(due)?;
        self.conclude(ended)
    }

    fn show(&self) -> Result<()> {
        for (i, side) in self.sides.iter().enumerate() {
            // Variables change no plan.
            if i == 0 || side.plan != self.sides[0].plan {
                say(&format!("{}:", side.outputs[0].path.display()));
                dry_run::show(&side.plan);
            }
        }
        let seed = self.sides[0].plan.seed;
        say(&format!("every launch has seed {seed}, and so the same data; in this order:"));
        for (side, launch) in self.due()? {
            let command = side.command(launch).line();
            say(&format!("{}: {command}", self.title(side, launch)));
        }
        Ok(())
    }

    /// `launch 3 of 8 (against)`.
    fn title(&self, side: &Side, launch: usize) -> String {
        format!("launch {} of {}{}", launch + 1, self.launches, side.suffix())
    }

    /// The launches to make, in their order: those that are not complete when this resumes a series.
    fn due(&self) -> Result<Due<'_>> {
        let resumed = self.request.on_existing == OnExisting::Resume;
        let mut due = Vec::new();
        for (side, launch) in order(self.sides.len(), self.launches) {
            let side = &self.sides[side];
            if !(resumed && side.is_complete(launch)?) {
                due.push((side, launch));
            }
        }
        Ok(due)
    }

    /// Refuses what cannot be started, and what must not be overwritten.
    fn check(&self) -> Result<()> {
        let on_existing = self.request.on_existing;
        for side in &self.sides {
            recorder::refuse_unfinished(&side.outputs, on_existing)?;
            if on_existing == OnExisting::Refuse {
                side.refuse_unfinished()?;
            }
            launch::check(&side.plan, &side.command(0))?;
        }
        Ok(())
    }

    fn measure(&self, due: Due<'_>) -> Result<Exit> {
        // A signal that comes between two of them counts too.
        set_stop_flag_on_signals()?;
        let mut ended = Exit::Ok;
        for (side, launch) in due {
            if progress::stop_requested() {
                return Ok(ended.worst(Exit::Interrupted));
            }
            let title = self.title(side, launch);
            if tracing::enabled!(tracing::Level::WARN) {
                remark(&format!("tesserabench: {title}"));
            }
            let command = side.command(launch);
            let outputs = [side.output(launch)];
            let exit = launch::run(&side.plan, &outputs, &command).unwrap_or_else(|why| {
                tracing::error!("{title}: {}", plain(&why.message));
                why.kind.exit()
            });
            // Limits are checked against all launches together.
            if matches!(exit, Exit::Regression | Exit::Inconclusive) {
                continue;
            }
            ended = ended.worst(exit);
            let goes_on = side.config.continue_on_error.unwrap_or(false);
            let again = goes_on && ![Exit::Interrupted, Exit::Usage].contains(&exit);
            if exit != Exit::Ok && !again {
                tracing::error!("{title} ended with exit {} ({})", exit.code(), exit.meaning());
                return Ok(ended);
            }
        }
        Ok(ended)
    }

    /// Merges the reports of each side's launches, then writes, prints and compares them.
    fn conclude(&self, ended: Exit) -> Result<Exit> {
        let mut merged = Vec::new();
        for side in &self.sides {
            merged.extend(self.merged(side, ended)?.map(|report| (side, report)));
        }
        let (mut exit, table) = (ended, self.request.nccl_tests_table);
        for (side, report) in &merged {
            side.outputs.iter().try_for_each(|output| output.write(report))?;
            exit = exit.worst(Exit::from_code(report.run.exit).unwrap_or(Exit::Internal));
            let (name, mark) = (side.variant.name.as_str(), if table { "#" } else { "==" });
            if self.sides.len() > 1 {
                say(&format!("{mark} {}", if name.is_empty() { "as asked for" } else { name }));
            }
            let from = format!(" from the launches in {}", side.folder.display());
            if !self.request.quiet_stdout {
                render::tell(report, &side.outputs, table, &from);
            }
            if !report.run.incomplete {
                side.end()?;
            }
            if report.run.incomplete && merged.len() == 1 {
                launch::tell_how_to_go_on(self.request.quiet_stdout || table);
            }
        }
        let compared = self.compare(&merged).unwrap_or_else(|why| {
            tracing::error!("{}", plain(&why.message));
            why.kind.exit()
        });
        Ok(exit.worst(compared))
    }

    /// The one report of a side; none where no launch has left any.
    fn merged(&self, side: &Side, ended: Exit) -> Result<Option<Report>> {
        let mut reports = Vec::new();
        for launch in 0..self.launches {
            let Some(mut report) = side.report(launch)? else { continue };
            // A launch knows only what decides what it measures.
            report.run.config = side.config.clone();
            reports.push((launch, report));
        }
        if reports.is_empty() {
            return Ok(None);
        }
        let ended = match (reports.len() == self.launches, ended) {
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
        // Named by the user, so no secret.
        report.environment.variables.extend(side.variant.variables.iter().cloned());
        Ok(Some(report))
    }
}

/// The order of launches, each by its side and its number: A B B A A B for two sides, so that neither is
/// always first, nor later on average.
fn order(sides: usize, launches: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..launches).flat_map(move |launch| {
        let place = move |i| if launch % 2 == 0 { i } else { sides - 1 - i };
        (0..sides).map(move |i| (place(i), launch))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_take_turns_forward_and_backward() {
        let letters = |sides, launches| -> String {
            order(sides, launches).map(|(side, _)| ['A', 'B', 'C'][side]).collect()
        };
        assert_eq!(letters(2, 4), "ABBAABBA");
        assert_eq!(letters(3, 3), "ABCCBAABC");
        assert_eq!(letters(1, 3), "AAA");
        let numbers: Vec<usize> = order(2, 3).map(|(_, launch)| launch).collect();
        assert_eq!(numbers, [0, 0, 1, 1, 2, 2]);
    }
}
