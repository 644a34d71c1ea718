//! The job of a launch: what is started as every rank, by which launcher, with which variables and how long to wait.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tesserabench_launcher::{Job, Launcher, Placement, arguments, find_launcher};

use crate::base::error::{Error, Result};
use crate::base::plain::quoted;
use crate::plan::{BackendSpec, Plan};
use crate::world;

/// What starts the ranks, as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LauncherChoice {
    /// The launcher of the MPI this binary was built with.
    Auto,
    /// Open MPI's.
    Mpirun,
    /// MPICH's.
    Mpiexec,
    /// Slurm's.
    Srun,
}

#[derive(Debug)]
pub(in crate::run) struct Command {
    pub(in crate::run) program: PathBuf,
    pub(in crate::run) arguments: Vec<OsString>,
    /// A program with its arguments that starts each rank, such as one that starts it under a profiler.
    pub(in crate::run) wrapper: Vec<OsString>,
    /// Variables of the ranks, beside those that this process has.
    pub(in crate::run) variables: Vec<(String, String)>,
    /// What starts them; one rank needs nothing.
    pub(in crate::run) launcher: Option<LauncherChoice>,
    pub(in crate::run) shows_output: bool,
    /// Whether it is one of several launches, which go on together.
    pub(in crate::run) of_series: bool,
}

impl Command {
    pub(in crate::run) fn line(&self) -> String {
        line(&self.variables, &self.program, &self.arguments)
    }
}

/// A command as a shell reads it.
pub(super) fn line(set: &[(String, String)], program: &Path, arguments: &[OsString]) -> String {
    let value =
        |value: &str| if value.is_empty() { String::new() } else { quoted(value).into_owned() };
    let set = set.iter().map(|(name, text)| format!("{name}={}", value(text)));
    let words = [program.as_os_str()].into_iter().chain(arguments.iter().map(OsString::as_os_str));
    set.chain(words.map(|word| quoted(&word.to_string_lossy()).into_owned()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// How much longer than the ranks' own deadlines the supervisor waits, seconds and heartbeats: they know more to
/// report, and take some of either to find it out.
const PATIENCE_S: f64 = 15.0;
const PATIENCE_BEATS: f64 = 6.0;

/// The job of the command, with `more` variables set in it beside the command's own.
pub(super) fn of(plan: &Plan, command: &Command, more: &[(String, String)]) -> Result<Job> {
    let set: Vec<(String, String)> = more.iter().chain(&command.variables).cloned().collect();
    let patience = PATIENCE_S + PATIENCE_BEATS * plan.deadlines.interval(plan.ranks);
    let mut startup = None;
    let rank = command.wrapper.iter().cloned().chain([OsString::from(&command.program)]);
    let rank: Vec<OsString> = rank.chain(command.arguments.iter().cloned()).collect();
    let (program, arguments) = match command.launcher {
        Some(choice) => {
            let forward: Vec<&str> = set.iter().map(|(name, _)| name.as_str()).collect();
            let (launcher, program) = launcher(choice)?;
            // A step of Slurm's may wait for its nodes.
            startup = (launcher != Launcher::Srun)
                .then(|| Duration::from_secs_f64(plan.deadlines.startup + patience));
            let arguments = arguments(launcher, placement(plan, &forward)).into_iter();
            (program, arguments.map(OsString::from).chain(rank).collect())
        }
        None => (PathBuf::from(&rank[0]), rank[1..].to_vec()),
    };
    Ok(Job {
        program,
        arguments,
        set,
        unset: outer_launch(),
        startup,
        timeout: Duration::from_secs_f64(plan.deadlines.run + patience),
        grace: Duration::from_secs_f64(plan.deadlines.stop + patience),
    })
}

fn launcher(choice: LauncherChoice) -> Result<(Launcher, PathBuf)> {
    let library = world::mpi_library().ok_or_else(|| {
        Error::unfit(
            "this binary was built without MPI and cannot run several ranks; build it with the `mpi` \
             feature, which is the default",
        )
    })?;
    let own = if library.contains("Open MPI") { Launcher::OpenMpi } else { Launcher::Hydra };
    let launcher = match choice {
        LauncherChoice::Auto => own,
        LauncherChoice::Mpirun => Launcher::OpenMpi,
        LauncherChoice::Mpiexec => Launcher::Hydra,
        LauncherChoice::Srun => Launcher::Srun,
    };
    if launcher != Launcher::Srun && launcher != own {
        return Err(Error::unfit(format!(
            "this binary was built with {library}, and the launcher of another MPI would start each \
             rank as a job of its own; use --launcher auto"
        )));
    }
    let folder = world::mpi_programs_folder().map(Path::new);
    let program = find_launcher(launcher, folder).ok_or_else(|| {
        Error::unfit(match launcher {
            Launcher::Srun => "no srun that works is on the PATH; use --launcher auto, or a machine \
                               with Slurm"
                .to_owned(),
            Launcher::OpenMpi | Launcher::Hydra => format!(
                "no launcher of {library} is on the PATH; install its mpirun or mpiexec, or start the \
                 ranks yourself"
            ),
        })
    })?;
    Ok((launcher, program))
}

fn placement<'a>(plan: &Plan, forward: &'a [&'a str]) -> Placement<'a> {
    let local = std::thread::available_parallelism().map_or(1, usize::from);
    let allocated = std::env::var("SLURM_NTASKS").ok().and_then(|text| text.parse().ok());
    let cores = local.max(allocated.unwrap_or(0));
    // Yielding would spoil the cases whose ranks have a core each.
    let any_fits = plan.cases.iter().any(|case| case.group.ranks.len() <= cores);
    Placement {
        ranks: plan.ranks,
        cores,
        // NCCL's, which move the data of every collective between machines.
        threaded: matches!(plan.backend, BackendSpec::Cuda { .. }),
        root: rustix::process::geteuid().is_root(),
        yielding: std::env::var_os("OMPI_MCA_mpi_yield_when_idle").is_some() || !any_fits,
        forward,
    }
}

/// Variables of a launch around this one. Open MPI refuses an mpirun inside an mpirun.
fn outer_launch() -> Vec<String> {
    if world::innermost_launch().is_none() {
        return Vec::new();
    }
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let outer = |name: &String| {
        ["OMPI_", "PMIX_", "PMI_"].iter().any(|prefix| name.starts_with(prefix))
            && !name.starts_with("OMPI_ALLOW_RUN_AS_ROOT")
    };
    names.filter(outer).collect()
}
