//! Starting the ranks of one launch: from a plan and a command to the exit of the job.

mod job;
mod job_state;

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;

use rustix::process::Signal;
use tesserabench_launcher::{Ended, Job, die_with_parent, run as supervise};

use super::recorder;
use crate::base::error::{Error, Exit, Result};
use crate::base::plain::plain;
use crate::base::units::counted;
use crate::plan::Plan;
use crate::render::{Outputs, remark, say, terminal_width};
use crate::world;
use crate::world::supervision::{self, Token};
pub(super) use job::Command;
pub use job::LauncherChoice;
use job_state::JobState;

/// Starts the ranks of the plan, waits for them, and keeps what was measured if they cannot.
pub(super) fn run(plan: &Plan, outputs: &Outputs, command: &Command) -> Result<Exit> {
    // A rank prints to a pipe, and cannot see the terminal behind it.
    let width = terminal_width().map(|width| ("COLUMNS".to_owned(), width.to_string()));
    let token = Token::random()?;
    let more: Vec<_> = width.into_iter().chain([token.variable(&command.arguments)]).collect();
    let job = job::of(plan, command, &more)?;
    let launcher = job.program.clone();
    tracing::info!("starting: {}", job::line(&command.variables, &job.program, &job.arguments));
    // Started through this program, the job ends when this process does, however that happens.
    let words: Vec<OsString> =
        vec!["with-parent".into(), std::process::id().to_string().into(), "--".into()];
    let arguments = words.into_iter().chain([job.program.into()]).chain(job.arguments).collect();
    let job = Job { program: this_program()?, arguments, ..job };
    let mut state = JobState::default();
    let Ended { end, left } =
        supervise(&job, |line| state.hear(line, &token, command.shows_output))
            .map_err(|why| Error::unfit(format!("cannot start '{}': {why}", launcher.display())))?;
    if left > 0 {
        tracing::info!("killed what the launcher had left: {}", counted(left, "process"));
    }
    let ended = state.conclude(end, &plan.deadlines);
    let kept = state
        .unreported(&ended)
        .is_some_and(|failure| recorder::save_incomplete(outputs, &failure));
    if !kept || command.of_series {
        return ended;
    }
    let exit = ended.unwrap_or_else(|why| {
        tracing::error!("{}", plain(&why.message));
        why.kind.exit()
    });
    tell_how_to_go_on(true);
    Ok(exit)
}

/// Refuses what could not be started, before anything is overwritten for it.
pub(super) fn check(plan: &Plan, command: &Command) -> Result<()> {
    job::of(plan, command, &[]).map(drop)
}

/// Prints the command that would start the ranks. People run it by hand, so it asks for no marked lines.
pub(super) fn print(plan: &Plan, command: &Command) -> Result<()> {
    let job = job::of(plan, command, &[])?;
    say(&job::line(&job.set, &job.program, &job.arguments));
    Ok(())
}

/// Says how to go on with a run that has not finished: on standard error where it failed, and where standard output is
/// for programs.
pub(super) fn tell_how_to_go_on(on_stderr: bool) {
    let words = std::env::args_os().filter(|word| word != "--resume" && word != "--force");
    let words: Vec<OsString> = words.chain(["--resume".into()]).collect();
    let started_by_others = world::innermost_launch().is_some() && !supervision::is_supervised();
    let told = match (&words[..], started_by_others) {
        ([program, arguments @ ..], false) => {
            format!("go on with: {}", job::line(&[], program.as_ref(), arguments))
        }
        _ => "go on with the same command and --resume".to_owned(),
    };
    if on_stderr { remark(&told) } else { say(&told) }
}

/// Becomes `program`, in a process that ends when `parent` does.
///
/// # Errors
/// Unfit when it cannot be started.
pub fn with_parent(parent: u32, program: &[OsString]) -> Result<Exit> {
    let [program, arguments @ ..] = program else {
        return Err(Error::usage("with-parent needs a program"));
    };
    let cannot = |why| Error::unfit(format!("cannot start '{}': {why}", program.to_string_lossy()));
    die_with_parent(parent, Signal::TERM).map_err(cannot)?;
    Err(cannot(std::process::Command::new(program).args(arguments).exec()))
}

pub(super) fn this_program() -> Result<PathBuf> {
    std::env::current_exe()
        .map_err(|why| Error::internal(format!("cannot tell this program's own path: {why}")))
}
