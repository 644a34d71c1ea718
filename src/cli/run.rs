//! `run`: measure, as the process that starts the ranks, or as one of them.

mod flags;
mod series;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::compare::RuleArgs;
use super::{dry_run, launch, panic, restart};
use crate::analysis::Limits;
use crate::backend;
use crate::base::error::{Error, Exit, Kind, Result};
use crate::base::failure::Failure;
use crate::machine::environment::Environment;
use crate::plan::config::{BackendChoice, Config};
use crate::plan::place::Place;
use crate::plan::{Deadlines, Plan};
use crate::render::{self, Output, Render as _};
use crate::report::Report;
use crate::run::recorder::{self, OnExisting};
use crate::run::session::{self, ProgressListener, RootOutputs};
use crate::watchdog::{Watch, note_signals};
use crate::world::abort;
use crate::world::fault;
use crate::world::progress::Phase;
use crate::world::supervision::{self, Note};
use crate::world::{self, World};
use series::LaunchSeries;

/// Arguments of `run`, as typed.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Benchmark to run; repeat for more, globs allowed [default: the usual ones of list-benchmarks]
    #[arg(long, short, value_name = "NAME")]
    benchmark: Vec<String>,
    /// Element type: f32, f64, f16, bf16, fp8e4m3, fp8e5m2, i8 to u64; repeat for more [default: f32]
    #[arg(long, short, value_name = "POLICY")]
    precision: Vec<String>,
    /// KEY=VALUES for benchmarks that have the key, JSON, or small, medium, large.
    /// Values: 64MiB or 8,16 or 8..64MiB*2 or 8MiB..64MiB+8MiB
    #[arg(long, value_name = "SIZE")]
    problem_size: Vec<String>,
    /// First look: 10 iterations, marked in the report
    #[arg(long)]
    quick: bool,
    /// Arrangement of the ranks, such as tp=2,dp=2,pp=1
    #[arg(long, value_name = "AXES")]
    mesh: Option<String>,
    /// Axes from fastest to slowest [default: tp-cp-ep-dp-pp]
    #[arg(long, value_name = "ORDER")]
    mesh_order: Option<String>,
    /// Axis whose groups are measured: tp, tp+dp, world; repeat for more
    #[arg(long, value_name = "AXIS")]
    axis: Vec<String>,
    /// Groups named by hand: 0-3,8-11 are two, 0-3+8-11 is one
    #[arg(long, value_name = "RANKS")]
    groups: Option<String>,
    /// Measure the groups of an axis all at once too, and what that costs each
    #[arg(long)]
    concurrent_groups: bool,
    /// Measure every pair of ranks with benchmarks between pairs: all (as many at once as can be), batch=K
    /// (at most K at once), topology (those of a socket, then of a node, then across the network)
    #[arg(long, value_name = "SCHEDULE")]
    pairs: Option<String>,
    /// Start this many ranks on this machine or allocation
    #[arg(long, value_name = "N")]
    ranks: Option<usize>,
    /// What starts the ranks: auto, mpirun (Open MPI), mpiexec (MPICH), srun
    #[arg(long, value_name = "NAME", default_value = "auto", requires = "ranks")]
    launcher: launch::Choice,
    /// Start all ranks so many times, one after another, and say what differs from start to start [default: 1, or
    /// 8 with --against]
    #[arg(long, value_name = "K")]
    launches: Option<u32>,
    /// Measure another program, or with another configuration file, in turns with this
    #[arg(long, value_name = "BINARY|CONFIG")]
    against: Option<PathBuf>,
    /// Measure with each of these values of a variable, each in launches of its own; repeat for combinations
    #[arg(long, value_name = "KEY=A,B")]
    env: Vec<String>,
    /// Print the command that would start the ranks, and stop
    #[arg(long, requires = "ranks")]
    print_command: bool,
    /// Scaling study within this launch: strong or weak
    #[arg(long, value_name = "KIND")]
    scaling: Option<String>,
    /// Numbers of ranks of the study [default: powers of two up to all]
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    scaling_ranks: Vec<usize>,
    /// What measures: auto, cuda, host, simulated
    #[arg(long, value_name = "NAME")]
    backend: Option<String>,
    /// Machine that is simulated: a name or a file
    #[arg(long, value_name = "NAME|FILE")]
    topology: Option<String>,
    /// Let several ranks share a GPU, to try things out; marked in the report
    #[arg(long)]
    emulate_ranks: bool,
    /// Untimed iterations first, at least; more until time is flat [default: 5]
    #[arg(long, value_name = "N")]
    warmup: Option<u32>,
    /// Timed iterations; at most these with --precision-target [default: 100]
    #[arg(long, value_name = "N")]
    iterations: Option<u32>,
    /// Operations in a sample, back to back [default: 1, or 100 where one is too short to time]
    #[arg(long, value_name = "N")]
    batch: Option<u32>,
    /// Measure until the interval of the median is this narrow: 1% means ± 1 %
    #[arg(long, value_name = "SHARE")]
    precision_target: Option<String>,
    /// Quantile whose interval must be as narrow too, such as 0.95; repeat for more
    #[arg(long, value_name = "Q")]
    precision_quantile: Vec<f64>,
    /// Measure each case at least this long: 10s, 500ms, or seconds
    #[arg(long, value_name = "TIME")]
    min_time: Option<String>,
    /// Measure each case at most this long [default: 10s with --precision-target]
    #[arg(long, value_name = "TIME")]
    max_time: Option<String>,
    /// Run the cases again and again for so long, and say what changes meanwhile: 8h
    #[arg(long, value_name = "TIME")]
    duration: Option<String>,
    /// Run the cases so many times, likewise
    #[arg(long, value_name = "N")]
    repeat: Option<u32>,
    /// Check results after so many iterations too, beside before the first and after the last (gemm on GPUs:
    /// before the first only)
    #[arg(long, value_name = "N")]
    check_every: Option<u32>,
    /// How ranks start together: synchronised, barrier (as the OSU benchmarks), back-to-back (as nccl-tests)
    #[arg(long, value_name = "NAME")]
    protocol: Option<String>,
    /// Deadline of the whole run, seconds [default: 3600, and the time asked for with other flags]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    timeout: Option<f64>,
    /// Other deadlines: startup=TIME, communicator=, case=, barrier= (one wait for others), gather=, silence= (of
    /// a rank), stop= (after a signal); repeat or part with commas [default: they grow with ranks and iterations]
    #[arg(long, value_name = "NAME=TIME", value_delimiter = ',')]
    deadline: Vec<String>,
    /// Deadline of each case: --deadline case=TIME
    #[arg(long, value_name = "TIME")]
    case_timeout: Option<String>,
    /// Whether ranks tell where they are, so that one that hangs is named: on, off (no threads beside MPI's)
    /// [default: on]
    #[arg(long, value_name = "on|off", value_parser = on_or_off)]
    heartbeats: Option<bool>,
    /// How many threads MPI is told of: single, funneled [default: single]
    #[arg(long, value_name = "LEVEL")]
    thread_level: Option<String>,
    /// Go on with the other cases after one fails
    #[arg(long)]
    continue_on_error: bool,
    /// Go on until so many cases have failed
    #[arg(long, value_name = "N")]
    max_failures: Option<u32>,
    /// Go on with a run that did not come to its end: only what it has not finished is measured
    #[arg(long)]
    resume: bool,
    /// Overwrite what a run that did not come to its end has finished
    #[arg(long, conflicts_with = "resume")]
    force: bool,
    /// Seed of all random numbers [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Measure against this baseline, in 8 launches unless --launches says otherwise: last-release, a pin or a
    /// commit of the history, or a report; exit 3 when something got worse
    #[arg(long, value_name = "WHAT")]
    compare_baseline: Option<String>,
    #[command(flatten)]
    rules: RuleArgs,
    /// File to write, .json, .csv or .md; repeat for more [default: results.json]
    #[arg(long, short, value_name = "FILE")]
    output: Vec<PathBuf>,
    /// Format of files whose ending says nothing: json, csv, markdown
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print nccl-tests' table, for what parses it; without a placement both are measured
    #[arg(long)]
    nccl_tests_table: bool,
    /// Print cases, groups and memory, and stop
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub(super) fn run(args: RunArgs, config: impl FnOnce() -> Result<Config>) -> Result<Exit> {
    fault::plant()?;
    let launched = world::innermost_launch();
    let config = config();
    if supervision::is_supervised() {
        return rank(&args, config);
    }
    let around = launched.as_ref().and_then(|launch| launch.size).unwrap_or(1);
    let launcher = launched.map_or("a launcher", |launch| launch.name);
    if args.ranks.is_some() && around > 1 {
        return Err(Error::usage(format!(
            "--ranks starts ranks, but this process is already one of {around} that {launcher} started; leave \
             --ranks out, or start tesserabench by itself"
        )));
    }
    let launches = config.as_ref().map_or(Ok(None), |config| series::launches(&args, config))?;
    if let Some(launches) = launches {
        if around > 1 {
            return Err(Error::usage(format!(
                "several launches start ranks anew, but this process is already one of {around} that {launcher} \
                 started; use --ranks {around} without {launcher}, or start this {launches} times with one \
                 launch and an --output each, and give all files to `compare`"
            )));
        }
        return LaunchSeries::new(&args, config?, launches)?.run();
    }
    if args.ranks.is_none() && !args.dry_run {
        return rank(&args, config);
    }
    let config = settled(args.apply(config?)?);
    Limits::resolve(&config.limits)?;
    let plan = Plan::resolve(&config, &Place::together(args.ranks.unwrap_or(around)))?;
    if args.dry_run {
        dry_run::show(&plan);
        return Ok(Exit::Ok);
    }
    let outputs = Output::resolve(&config)?;
    recorder::refuse_unfinished(&outputs, args.on_existing())?;
    let command = launch::Command::own(args.launcher)?;
    if args.print_command {
        launch::print(&plan, &command)?;
        return Ok(Exit::Ok);
    }
    launch::run(&plan, &outputs, &command)
}

/// This process's life as a rank.
fn rank(args: &RunArgs, config: Result<Config>) -> Result<Exit> {
    // What is wrong with it is said once the ranks have met.
    let config = config.and_then(|config| args.apply(config));
    if let Ok(config) = &config
        && matches!(config.backend.unwrap_or_default(), BackendChoice::Auto | BackendChoice::Cuda)
    {
        restart::for_cuda(config.emulate_ranks.unwrap_or(false))?;
    }
    panic::guard(|| {
        let threads = config.as_ref().map_or(None, |config| config.thread_level);
        let watch = watch(&config)?;
        let mut world = World::join(threads.unwrap_or_default()).unwrap_or_else(|why| {
            if super::speaks() {
                abort::abort(&why)
            }
            super::listen();
            world::abort_mpi(why.exit())
        });
        let mut rank = Rank { watch, as_nccl_tests: args.nccl_tests_table };
        let ended = rank.run(&mut world, config, args.on_existing());
        if let Err(why) = &ended {
            // Every other error is one that all ranks have agreed on.
            if why.kind == Kind::Internal {
                abort::abort(why);
            }
            if world.is_root() {
                tracing::error!("{why}");
                abort::save_report(&abort::failure_here(why));
            }
        }
        let exit = ended.unwrap_or_else(|why| why.exit());
        if world.is_root() {
            supervision::announce_exit(exit);
        }
        fault::enter(Phase::Leave);
        world.leave();
        if let Some(watch) = rank.watch {
            watch.leave();
        }
        // The launcher would complain of any other code; the supervisor has been told.
        Ok(if supervision::is_supervised() { Exit::Ok } else { exit })
    })
}

/// The watchdog of this process, unless it is to have no threads.
fn watch(config: &Result<Config>) -> Result<Option<Watch>> {
    let Some(config) = config.as_ref().ok().filter(|config| config.heartbeats.unwrap_or(true))
    else {
        note_signals()?;
        return Ok(None);
    };
    let ranks = world::innermost_launch().and_then(|launch| launch.size).unwrap_or(1);
    // What is wrong with deadlines is rank 0's to say.
    Deadlines::resolve(config, ranks, None).ok().map(|early| Watch::start(early, ranks)).transpose()
}

/// A rank while it is one.
struct Rank {
    watch: Option<Watch>,
    as_nccl_tests: bool,
}

impl Rank {
    fn run(
        &mut self,
        world: &mut World,
        config: Result<Config>,
        on_existing: OnExisting,
    ) -> Result<Exit> {
        // One rank may lack the file, or have another: all must do the same all the same.
        let config = config.map_err(|why| match world.rank() {
            0 => why,
            rank => {
                let host = &world.members()[rank].host;
                Error { message: format!("rank {rank} on {host}: {}", why.message), ..why }
            }
        });
        let config = world.unanimous(config)?;
        if world.max(self.watch.is_none().into()) == 1 {
            self.watch = None;
        }
        if let Some(watch) = &mut self.watch {
            watch.connect(world)?;
        }
        supervision::tell(&Note::Rank {
            rank: world.rank(),
            pid: std::process::id(),
            host: world.members()[world.rank()].host.clone(),
        });
        fault::enter(Phase::Join);
        let prepared = world.is_root().then(|| {
            let config = settled(config);
            let plan = Plan::resolve(&config, &world.places())?;
            let outputs = Output::resolve(&config)?;
            recorder::refuse_unfinished(&outputs, on_existing)?;
            Ok((plan, RootOutputs { config, outputs, on_existing }))
        });
        let (plan, root) = world.unanimous(prepared.transpose())?.unzip();
        let plan: Plan = world.broadcast(plan)?;
        match &self.watch {
            Some(watch) => watch.know(&plan),
            None => world
                .set_deadline(Duration::from_secs_f64(plan.deadlines.run), abort::abort_waiting),
        }
        let outputs: Vec<Output> = root.iter().flat_map(|root| root.outputs.clone()).collect();
        let shown = world.is_root() && !supervision::is_supervised();
        let bar = bar(plan.cases.len(), shown);
        let listener = RankListener { rank: self, plan: &plan, outputs: &outputs, bar: &bar };
        let (exit, report) = session::run(world, &plan, root, &listener)?;
        bar.finish_and_clear();
        if let Some(report) = report {
            supervision::tell(&Note::Reported);
            self.print(&report, &outputs);
        }
        Ok(exit)
    }

    fn print(&self, report: &Report, outputs: &[Output]) {
        let files: Vec<String> =
            outputs.iter().map(|output| output.path.display().to_string()).collect();
        let wrote = format!("wrote {}", files.join(", "));
        if self.as_nccl_tests {
            render::say(render::nccl_tests_table(report).trim_end_matches('\n'));
            render::say(&format!("# {wrote}"));
        } else {
            render::print(&report.document());
            render::say(&wrote);
        }
    }
}

/// What rank 0 makes of the news.
struct RankListener<'a> {
    rank: &'a Rank,
    plan: &'a Plan,
    outputs: &'a [Output],
    bar: &'a ProgressBar,
}

impl ProgressListener for RankListener<'_> {
    fn on_case(&self, done: usize, id: &str) {
        let total = self.plan.cases.len();
        // Of those that run again, the bar shows each cycle.
        let done = if id.is_empty() { total } else { done % total };
        supervision::tell(&Note::Case { done, total, id: id.to_owned() });
        self.bar.set_position(done as u64);
        self.bar.set_message(id.to_owned());
    }

    fn on_journal(&self, environment: &Environment) {
        supervision::tell(&Note::Journal);
        if let Some(watch) = &self.rank.watch {
            watch.know_devices(environment);
        }
        let outputs = self.outputs.to_vec();
        abort::save_report_with(move |failure| salvage(&outputs, failure));
    }
}

/// Writes the report of a run that ends before its time.
pub(super) fn salvage(outputs: &[Output], failure: &Failure) {
    match recorder::salvage(outputs, failure) {
        Ok(true) => tracing::error!(
            "what was measured stands in {}, marked incomplete; go on with --resume",
            outputs.first().map_or_else(String::new, |output| output.path.display().to_string())
        ),
        Ok(false) => {}
        Err(why) => tracing::error!("the report cannot be written: {why}"),
    }
}

fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("write on or off".to_owned()),
    }
}

/// The configuration with the backend that `auto` means on this machine.
fn settled(config: Config) -> Config {
    match config.backend.unwrap_or_default() {
        BackendChoice::Auto => {
            let found = backend::cuda_devices();
            let choice = if found.is_ok() { BackendChoice::Cuda } else { BackendChoice::Host };
            tracing::debug!("backend auto is {choice:?}: {found:?}");
            Config { backend: Some(choice), ..config }
        }
        _ => config,
    }
}

/// A progress bar when a person watches, else nothing.
pub(super) fn bar(total: usize, shown: bool) -> ProgressBar {
    if !shown || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}");
    ProgressBar::new(total as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

impl RunArgs {
    /// What to do with what an earlier run has left.
    fn on_existing(&self) -> OnExisting {
        match (self.resume, self.force) {
            (true, _) => OnExisting::Resume,
            (_, true) => OnExisting::Overwrite,
            _ => OnExisting::Refuse,
        }
    }
}
