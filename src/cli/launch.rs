//! Starting the ranks, listening to what they tell, and saying how it ended.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use indicatif::ProgressBar;
use rustix::process::Signal;
use tesserabench_launcher::{
    End, Ended, Job, Launcher, OutputLine, Placement, arguments, die_with_parent, find_launcher,
    run as supervise,
};

use crate::base::error::{Error, Exit, Kind, Result};
use crate::base::failure::CaseError;
use crate::base::failure::Failure;
use crate::plan::{BackendSpec, Plan};
use crate::render::{Output, say};
use crate::world;
use crate::world::supervision::{self, Note};

/// What starts the ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Choice {
    /// The launcher of the MPI this binary was built with.
    Auto,
    /// Open MPI's.
    Mpirun,
    /// MPICH's.
    Mpiexec,
    /// Slurm's.
    Srun,
}

/// How much longer than the ranks' own deadlines the supervisor waits, seconds and heartbeats: they know more to
/// say, and take some of either to find it out.
const PATIENCE_S: f64 = 15.0;
const PATIENCE_BEATS: f64 = 6.0;

/// What is started as every rank.
#[derive(Debug)]
pub(super) struct Command {
    /// The program.
    pub(super) program: PathBuf,
    /// Its arguments.
    pub(super) words: Vec<OsString>,
    /// Variables of the ranks, beside those that this process has.
    pub(super) variables: Vec<(String, String)>,
    /// What starts them; one rank needs nothing.
    pub(super) by: Option<Choice>,
    /// Whether people see what they print.
    pub(super) shown: bool,
}

impl Command {
    /// This program as it was started itself.
    pub(super) fn own(by: Choice) -> Result<Self> {
        // A command that is printed is not printed when it is run.
        let words = std::env::args_os().skip(1).filter(|word| word != "--print-command").collect();
        Ok(Self {
            program: this_program()?,
            words,
            variables: Vec::new(),
            by: Some(by),
            shown: true,
        })
    }

    /// As a person would type it for one rank.
    pub(super) fn line(&self) -> String {
        let program = [self.program.as_os_str()];
        line(&self.variables, program.into_iter().chain(self.words.iter().map(OsString::as_os_str)))
    }
}

/// Starts the ranks of the plan, waits for them, and keeps what was measured if they cannot.
pub(super) fn run(plan: &Plan, outputs: &[Output], command: &Command) -> Result<Exit> {
    let job = job(plan, command, &[(supervision::VARIABLE.to_owned(), "1".to_owned())])?;
    let (job, launcher) = bound(job)?;
    let mut state = JobState { shown: command.shown, ..JobState::default() };
    let Ended { end, left } = supervise(&job, |line| state.hear(line))
        .map_err(|why| Error::unfit(format!("cannot start '{}': {why}", launcher.display())))?;
    state.bar.finish_and_clear();
    if left > 0 {
        tracing::info!("{left} processes that the launcher had left were killed");
    }
    let ended = state.conclude(end, plan.deadlines.run);
    if state.journal && !state.reported {
        let exit = ended.as_ref().map_or_else(Error::exit, |exit| *exit);
        let failure = state.failure.take().unwrap_or_else(|| unexplained(&state, &ended, exit));
        super::run::salvage(outputs, &failure);
    }
    ended
}

/// Refuses what could not be started, before anything is overwritten for it.
pub(super) fn check(plan: &Plan, command: &Command) -> Result<()> {
    job(plan, command, &[]).map(drop)
}

/// Why a job ended whose ranks did not say so.
fn unexplained(state: &JobState, ended: &Result<Exit>, exit: Exit) -> Failure {
    let (kind, why) = match ended {
        Err(why) => (why.kind, why.message.clone()),
        Ok(_) => (Kind::RankDied, format!("the ranks ended without a report ({})", exit.meaning())),
    };
    let (rank, node) = state.named.clone().unzip();
    let error = CaseError { rank, node, ..CaseError::now(kind, "unknown", why) };
    Failure { case: state.case.clone(), error }
}

/// The job begun by way of this program, so that it ends when this process does, however that happens; and
/// the program that is begun.
fn bound(job: Job) -> Result<(Job, PathBuf)> {
    let this = this_program()?;
    let words = ["with-parent".into(), std::process::id().to_string().into(), "--".into()];
    let own = [job.program.clone().into_os_string()];
    let arguments = words.into_iter().chain(own).chain(job.arguments).collect();
    Ok((Job { program: this, arguments, ..job }, job.program))
}

/// Becomes `program`, in a process that ends when `parent` does.
pub(super) fn with_parent(parent: u32, program: &[OsString]) -> Result<Exit> {
    use std::os::unix::process::CommandExt as _;
    let [program, arguments @ ..] = program else {
        return Err(Error::usage("with-parent needs a program"));
    };
    let cannot = |why| Error::unfit(format!("cannot start '{}': {why}", program.to_string_lossy()));
    die_with_parent(parent, Signal::TERM).map_err(cannot)?;
    Err(cannot(std::process::Command::new(program).args(arguments).exec()))
}

/// The path of this program.
pub(super) fn this_program() -> Result<PathBuf> {
    std::env::current_exe()
        .map_err(|why| Error::internal(format!("cannot tell this program's own path: {why}")))
}

/// The job of the command, with these variables set in it beside its own.
fn job(plan: &Plan, command: &Command, beside: &[(String, String)]) -> Result<Job> {
    let set: Vec<(String, String)> = beside.iter().chain(&command.variables).cloned().collect();
    let (program, mut arguments) = match command.by {
        Some(choice) => {
            let forward: Vec<&str> = set.iter().map(|(name, _)| name.as_str()).collect();
            let (launcher, words) = launched(plan, choice, &forward)?;
            (launcher, words.into_iter().chain([command.program.clone().into()]).collect())
        }
        None => (command.program.clone(), Vec::new()),
    };
    arguments.extend(command.words.iter().cloned());
    let patience = PATIENCE_S + PATIENCE_BEATS * plan.deadlines.interval(plan.ranks);
    Ok(Job {
        program,
        arguments,
        set,
        unset: outer_launch(),
        timeout: Duration::from_secs_f64(plan.deadlines.run + patience),
        grace: Duration::from_secs_f64(plan.deadlines.stop + patience),
    })
}

/// The launcher, and its arguments up to the program it starts.
fn launched(plan: &Plan, choice: Choice, forward: &[&str]) -> Result<(PathBuf, Vec<OsString>)> {
    let library = world::mpi_library().ok_or_else(|| {
        Error::unfit(
            "this binary was built without MPI and cannot run several ranks; build it with the `mpi` \
             feature, which is the default",
        )
    })?;
    let own = if library.contains("Open MPI") { Launcher::OpenMpi } else { Launcher::Hydra };
    let launcher = match choice {
        Choice::Auto => own,
        Choice::Mpirun => Launcher::OpenMpi,
        Choice::Mpiexec => Launcher::Hydra,
        Choice::Srun => Launcher::Srun,
    };
    if launcher != Launcher::Srun && launcher != own {
        return Err(Error::unfit(format!(
            "this binary was built with {library}, whose ranks another MPI's launcher would start as \
             strangers; use --launcher auto"
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
    let local = std::thread::available_parallelism().map_or(1, usize::from);
    let allocated = std::env::var("SLURM_NTASKS").ok().and_then(|text| text.parse().ok());
    let cores = local.max(allocated.unwrap_or(0));
    // Yielding would spoil the cases whose ranks have a core each.
    let any_fits = plan.cases.iter().any(|case| case.group.ranks.len() <= cores);
    let placement = Placement {
        ranks: plan.ranks,
        cores,
        // NCCL's, which move the data of every collective between machines.
        threaded: matches!(plan.backend, BackendSpec::Cuda { .. }),
        root: rustix::process::geteuid().is_root(),
        yielding: std::env::var_os("OMPI_MCA_mpi_yield_when_idle").is_some() || !any_fits,
        forward,
    };
    Ok((program, arguments(launcher, placement).into_iter().map(OsString::from).collect()))
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

/// Prints the command that would start the ranks. It is run by hand, where nobody reads marked lines.
pub(super) fn print(plan: &Plan, command: &Command) -> Result<()> {
    let job = job(plan, command, &[])?;
    let words = job.arguments.iter().map(OsString::as_os_str);
    say(&line(&job.set, [job.program.as_os_str()].into_iter().chain(words)));
    Ok(())
}

/// A command as a shell reads it.
fn line<'a>(set: &[(String, String)], words: impl Iterator<Item = &'a OsStr>) -> String {
    let quoted = |word: &str| {
        let plain = |c: char| c.is_alphanumeric() || "-_=./,:+".contains(c);
        if word.chars().all(plain) && !word.is_empty() {
            word.to_owned()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    let value = |value: &str| if value.is_empty() { String::new() } else { quoted(value) };
    let set = set.iter().map(|(name, text)| format!("{name}={}", value(text)));
    set.chain(words.map(|word| quoted(&word.to_string_lossy()))).collect::<Vec<_>>().join(" ")
}

/// What the ranks and their launcher have said.
struct JobState {
    /// Ranks by process number.
    ranks: HashMap<u32, (usize, String)>,
    case: String,
    exit: Option<Exit>,
    /// Whether there is a journal of this run, and whether it has become a report.
    journal: bool,
    reported: bool,
    /// Why the job ends before its time.
    failure: Option<Failure>,
    /// What the launcher says about the end; shown when nothing better explains it.
    held: Vec<String>,
    /// Whether standard output and standard error have come to the launcher's farewell.
    farewell: [bool; 2],
    /// The rank whose process the launcher names.
    named: Option<(usize, String)>,
    bar: ProgressBar,
    /// Whether people see what the ranks print.
    shown: bool,
}

impl Default for JobState {
    fn default() -> Self {
        Self {
            ranks: HashMap::new(),
            case: String::new(),
            exit: None,
            journal: false,
            reported: false,
            failure: None,
            held: Vec::new(),
            farewell: [false; 2],
            named: None,
            bar: ProgressBar::hidden(),
            shown: true,
        }
    }
}

impl JobState {
    fn hear(&mut self, line: OutputLine<'_>) {
        match line {
            // Hydra says on standard output how a job ended.
            OutputLine::Out(line) if self.is_held(0, is_rule(line)) => self.hold(line),
            OutputLine::Out(line) if self.shown => self.bar.suspend(|| say(line)),
            OutputLine::Out(_) => {}
            OutputLine::Err(line) => match Note::parse(line) {
                Some(note) => self.note(note),
                None if line.starts_with("tesserabench") => self.show(line),
                None if self.is_held(1, is_rule(line) || is_opening(line)) => self.hold(line),
                None => self.show(line),
            },
        }
    }

    fn note(&mut self, note: Note) {
        match note {
            Note::Rank { rank, pid, host } => {
                self.ranks.insert(pid, (rank, host));
            }
            Note::Case { done, total, id } => {
                // The job goes on, so that was no farewell.
                self.farewell = [false; 2];
                self.show_held();
                if self.bar.is_hidden() {
                    self.bar = super::run::bar(total, true);
                }
                self.bar.set_position(done as u64);
                self.bar.set_message(id.clone());
                if done == total {
                    self.bar.finish_and_clear();
                }
                self.case = id;
            }
            Note::Journal => self.journal = true,
            Note::Reported => self.reported = true,
            // The first knows what happened. Others may follow from it, as ranks that were asked to stop then.
            Note::Failure(failure) => match &self.failure {
                Some(known) if known.exit() != Exit::Interrupted => {}
                _ => self.failure = Some(*failure),
            },
            Note::Exit(exit) => self.exit = Some(self.exit.map_or(exit, |known| known.worst(exit))),
        }
    }

    /// Whether a stream is at its farewell, once it has begun.
    fn is_held(&mut self, stream: usize, begins: bool) -> bool {
        self.farewell[stream] |= begins;
        self.farewell[stream]
    }

    fn hold(&mut self, line: &str) {
        self.named = self.named.take().or_else(|| self.rank_in(line));
        self.held.push(line.to_owned());
    }

    fn show(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    fn show_held(&mut self) {
        std::mem::take(&mut self.held).iter().for_each(|line| self.show(line));
    }

    /// The rank that a launcher's line is about. Open MPI names the rank; MPICH a process, which of several may
    /// be one that it has killed itself.
    fn rank_in(&self, line: &str) -> Option<(usize, String)> {
        let numbers = line.split(|c: char| !c.is_ascii_digit());
        let mut pids = numbers.filter_map(|number| number.parse().ok());
        let by_pid = pids.find_map(|pid: u32| self.ranks.get(&pid));
        let by_pid = by_pid.filter(|_| self.ranks.len() == 1);
        let after = line.split_once("process rank ").map(|(_, rest)| rest.split(' ').next());
        let rank: Option<usize> = after.flatten().and_then(|word| word.parse().ok());
        let by_rank = self.ranks.values().find(|(known, _)| Some(*known) == rank);
        by_pid.or(by_rank).cloned()
    }

    /// Whether the launcher speaks of a process that was killed.
    fn saw_a_death(&self) -> bool {
        let words = ["on signal", "BAD TERMINATION"];
        self.held.iter().any(|line| words.iter().any(|word| line.contains(word)))
    }

    fn conclude(&mut self, end: End, timeout_s: f64) -> Result<Exit> {
        if end == End::Code(0) || tracing::enabled!(tracing::Level::INFO) {
            self.show_held();
        }
        let during = if self.case.is_empty() {
            "between cases".to_owned()
        } else {
            format!("during case {}", self.case)
        };
        // A launcher asks its ranks to stop when one of them dies; that is not why.
        let named = self.named.is_some();
        self.failure = self.failure.take().filter(|failure| {
            failure.exit() != Exit::Interrupted || end == End::Interrupted || !named
        });
        let state = self.failure.as_ref().filter(|_| !self.reported).map(Failure::exit);
        // Ranks that are state to end because their time is over take that for a request.
        let late = |exit: &Exit| end == End::TimedOut && *exit == Exit::Interrupted;
        match (state.or(self.exit).filter(|exit| !late(exit)), end) {
            // What has come to its end all the same was not interrupted.
            (Some(exit), End::TimedOut | End::Interrupted) if exit != Exit::Ok || self.reported => {
                Ok(exit)
            }
            (_, End::TimedOut) => Err(Error::new(
                Kind::TimedOut,
                format!(
                    "the run took longer than its {timeout_s} s, {during}, and was ended; give more time \
                     with --timeout, or measure less"
                ),
            )),
            (_, End::Interrupted) => {
                Err(Error::new(Kind::Interrupted, format!("interrupted {during}")))
            }
            (Some(exit), _) => Ok(exit),
            (None, End::Code(_)) if self.ranks.is_empty() && !self.saw_a_death() => {
                self.show_held();
                Err(Error::unfit("the launcher could not start the ranks; it says why above"))
            }
            (None, end) => {
                let died = match (&self.named, end) {
                    (Some((rank, host)), _) => {
                        format!("rank {rank} on {host} died without a word {during}")
                    }
                    (None, End::Code(code)) => {
                        self.show_held();
                        format!(
                            "a rank died without a word {during}, and the launcher ended with code {code}"
                        )
                    }
                    (None, _) => format!("the launcher was killed {during}"),
                };
                Err(Error::new(Kind::RankDied, died))
            }
        }
    }
}

/// Whether a line is a rule: launchers put what they say about the end between two of them.
fn is_rule(line: &str) -> bool {
    line.len() >= 40 && (line.bytes().all(|b| b == b'-') || line.bytes().all(|b| b == b'='))
}

/// Whether a launcher begins to say how the job ended, without a rule.
fn is_opening(line: &str) -> bool {
    let openings = ["mpirun", "prterun", "mpiexec", "[mpiexec@", "[proxy:", "Abort(", "srun:"];
    openings.iter().any(|opening| line.starts_with(opening)) || line.contains("MPI_Abort")
}
