//! Ranks under a profiler: how each is started, and the launches of a plan's cases, one after another.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::io::dup;

use super::launch::{self, LauncherChoice};
use super::request::{on_this_machine, tell_of_missing_gpu};
use crate::base::error::{Error, Exit, Result};
use crate::machine::profiler::{ANSWER, CONTROL, FILES, PROFILER, Profiler, file_of};
use crate::plan::config::Config;
use crate::plan::place::Place;
use crate::plan::{Case, Plan};
use crate::render::{Format, Output, Outputs};
use crate::world;

/// The report of a launch, in its folder.
pub const REPORT: &str = "results.json";

/// A run whose ranks are started under a profiler.
#[derive(Debug)]
pub struct Profiling {
    /// The profiler.
    pub profiler: Profiler,
    /// Its program.
    pub program: PathBuf,
    /// The ranks under it; the others run without.
    pub ranks: Vec<usize>,
    /// What `perf` counts.
    pub events: Vec<String>,
    /// How many ranks are started, by what; `None` for one rank without a launcher.
    pub launcher: Option<LauncherChoice>,
}

impl Profiling {
    /// The plan of a configuration on this machine.
    ///
    /// # Errors
    /// Usage error among the ranks of a launcher, and as of a run.
    pub fn plan(config: Config, ranks: Option<usize>) -> Result<Plan> {
        let outer = world::innermost_launch();
        if let Some(outer) = outer.filter(|outer| outer.size.unwrap_or(1) > 1) {
            return Err(Error::usage(format!(
                "profile starts the ranks itself, but this process is already one of those that {} started; start it \
                 by itself, with --ranks N",
                outer.name
            )));
        }
        let asked = config.backend;
        let ranks = ranks.unwrap_or(1);
        let config = on_this_machine(config, ranks)?;
        let plan = Plan::resolve(&config, &Place::on_one_node(ranks))?;
        tell_of_missing_gpu(asked);
        Ok(plan)
    }

    fn command(&self, arguments: Vec<OsString>, folder: &Path) -> Result<launch::Command> {
        let program = launch::this_program()?;
        let ranks: Vec<String> = self.ranks.iter().map(ToString::to_string).collect();
        let mut wrapper: Vec<OsString> = vec![program.clone().into(), "under-profiler".into()];
        wrapper.extend([self.profiler.name().into(), (&self.program).into(), folder.into()]);
        wrapper.extend([ranks.join(",").into(), self.events.join(",").into(), "--".into()]);
        Ok(launch::Command {
            program,
            arguments,
            wrapper,
            variables: vec![(PROFILER.to_owned(), self.profiler.name().to_owned())],
            launcher: self.launcher,
            shows_output: false,
            of_series: true,
        })
    }

    /// Starts the ranks with these arguments for some of the plan's cases; what the profiler writes goes to a folder.
    ///
    /// # Errors
    /// As of a launch.
    pub fn launch(
        &self,
        plan: &Plan,
        cases: &[Case],
        arguments: Vec<OsString>,
        folder: &Path,
    ) -> Result<Exit> {
        let plan = Plan { cases: cases.to_vec(), ..plan.clone() };
        let command = self.command(arguments, folder)?;
        let report = Output { path: folder.join(REPORT), format: Format::Json };
        let outputs = Outputs { files: vec![report], ..Outputs::default() };
        let ended = launch::run(&plan, &outputs, &command);
        for rank in &self.ranks {
            // Where the rank was not started there are none.
            let _ =
                [CONTROL, ANSWER].map(|ending| std::fs::remove_file(pipe(folder, *rank, ending)));
        }
        ended
    }

    /// Prints the command that would do so.
    ///
    /// # Errors
    /// As of a launch.
    pub fn print(&self, plan: &Plan, arguments: Vec<OsString>, folder: &Path) -> Result<()> {
        launch::print(plan, &self.command(arguments, folder)?)
    }
}

fn files(folder: &Path, rank: usize) -> PathBuf {
    folder.join(format!("rank-{rank}"))
}

fn pipe(folder: &Path, rank: usize, ending: &str) -> PathBuf {
    file_of(&files(folder, rank), ending)
}

/// How a rank is started: the profiler with its program, the folder for its files, the ranks under it, and what is
/// counted, both by commas.
#[derive(Debug)]
pub struct UnderProfiler<'a> {
    /// Its name.
    pub profiler: &'a str,
    /// Its program.
    pub program: &'a Path,
    /// The folder.
    pub folder: &'a Path,
    /// The ranks.
    pub ranks: &'a str,
    /// The events of `perf`.
    pub events: &'a str,
}

/// Becomes a rank, under the profiler if it is one of those that are to be.
///
/// # Errors
/// Unfit when it cannot be started.
pub fn under_profiler(how: &UnderProfiler<'_>, rank_program: &[OsString]) -> Result<Exit> {
    let [program, arguments @ ..] = rank_program else {
        return Err(Error::usage("under-profiler needs a program"));
    };
    let rank = world::innermost_launch().and_then(|launch| launch.rank).unwrap_or(0);
    let is_chosen = how.ranks.split(',').any(|chosen| chosen.parse() == Ok(rank));
    let profiler = Profiler::ALL.into_iter().find(|profiler| profiler.name() == how.profiler);
    let mut command = match profiler.filter(|_| is_chosen) {
        Some(profiler) => {
            let files = files(how.folder, rank);
            let mut command = process::Command::new(how.program);
            command.args(words(profiler, &files, how.events)?).env(FILES, &files);
            apart(&mut command, &files)?;
            command.arg(program);
            command
        }
        None => process::Command::new(program),
    };
    let why = command.args(arguments).exec();
    let started = command.get_program().to_string_lossy();
    Err(Error::unfit(format!("cannot start '{started}': {why}")))
}

/// Sends what the profiler itself says on standard error to a file, and what the rank says there to where it went before.
fn apart(command: &mut process::Command, files: &Path) -> Result<()> {
    let log = file_of(files, "log");
    let file = File::create(&log).map_err(|why| Error::write(&log, &why))?;
    let kept =
        dup(std::io::stderr()).map_err(|why| Error::unfit(format!("no standard error: {why}")))?;
    let number = kept.as_raw_fd();
    // A shell names no more of them. What profilers say stands among what ranks say then.
    if number > 9 {
        return Ok(());
    }
    // It stays open in the profiler and in the rank's shell.
    std::mem::forget(kept);
    let script = format!("exec 2>&{number} {number}>&-; exec \"$@\"");
    command.args(["sh", "-c", &script, "sh"]).stderr(file);
    Ok(())
}

/// The profiler's arguments in front of a rank's program; makes the pipes where it needs some.
fn words(profiler: Profiler, files: &Path, events: &str) -> Result<Vec<OsString>> {
    let text = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
    let path = |ending: &str| file_of(files, ending).into_os_string();
    Ok(match profiler {
        Profiler::Nsys => {
            let mut words = text(&[
                "profile",
                "--trace=cuda,nvtx",
                "--sample=none",
                "--cpuctxsw=none",
                "--capture-range=cudaProfilerApi",
                "--capture-range-end=stop",
                "--force-overwrite=true",
                "--output",
            ]);
            words.push(files.into());
            words
        }
        Profiler::Ncu => {
            let mut words = text(&[
                "--profile-from-start=off",
                "--nvtx",
                "--target-processes=all",
                "--force-overwrite",
                "--export",
            ]);
            words.push(files.into());
            words
        }
        Profiler::Perf => {
            for ending in [CONTROL, ANSWER] {
                let pipe = file_of(files, ending);
                mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
                    .map_err(|why| Error::unfit(format!("no pipe at {}: {why}", pipe.display())))?;
            }
            let mut control = OsString::from("fifo:");
            control.push(path(CONTROL));
            control.push(",");
            control.push(path(ANSWER));
            let mut words = text(&["stat", "--field-separator=,", "--delay=-1", "--event", events]);
            words.extend([
                "--control".into(),
                control,
                "--output".into(),
                path("csv"),
                "--".into(),
            ]);
            words
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(profiler: Profiler, files: &Path) -> String {
        let words = words(profiler, files, "cycles,instructions").unwrap();
        words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_profiler_waits_until_it_is_told_to_count() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path(), 3);
        assert!(line(Profiler::Nsys, &files).contains("--capture-range=cudaProfilerApi"));
        assert!(line(Profiler::Ncu, &files).contains("--profile-from-start=off"));
        let perf = line(Profiler::Perf, &files);
        assert!(perf.contains("--delay=-1 --event cycles,instructions --control fifo:"), "{perf}");
        assert!(perf.ends_with("rank-3.csv --"), "{perf}");
        assert!(pipe(folder.path(), 3, CONTROL).exists());
    }
}
