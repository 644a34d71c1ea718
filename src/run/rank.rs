//! One rank's life: join the others, agree on the plan, run it, report, leave.

use std::time::Duration;

use indicatif::ProgressBar;

use super::recorder::{self, OnExisting};
use super::request::{Request, with_found_backend};
use super::session::{self, ProgressListener, RootOutputs};
use super::{panic, progress_bar, restart};
use crate::base::error::{Error, Exit, Kind, Result};
use crate::machine::environment::Environment;
use crate::plan::config::{BackendChoice, Config};
use crate::plan::{Deadlines, Plan};
use crate::render::{Output, tell};
use crate::watchdog::{Watchdog, set_stop_flag_on_signals};
use crate::world::progress::Phase;
use crate::world::supervision::{self, Note};
use crate::world::{self, World, abort, fault};

/// Runs this process as a rank; the exit is that of the whole run.
///
/// # Errors
/// When this process cannot become a rank. Errors of the run are reported here and become its exit.
pub(super) fn live(request: Request) -> Result<Exit> {
    let Request { config, on_existing, nccl_tests_table, .. } = request;
    if let Ok(config) = &config
        && matches!(config.backend.unwrap_or_default(), BackendChoice::Auto | BackendChoice::Cuda)
    {
        restart::for_cuda(config.emulate_ranks.unwrap_or(false))?;
    }
    panic::guard(|| {
        let watch = watch(&config)?;
        let mut world = join(&config);
        let mut rank = Rank { watch, nccl_tests_table };
        let ended = rank.run(&mut world, config, on_existing);
        if let Err(why) = &ended {
            report_failure(&world, why);
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
        // The launcher would complain of any other code; the supervisor knows the exit.
        Ok(if supervision::is_supervised() { Exit::Ok } else { exit })
    })
}

/// The watchdog of this process, unless it is to have no threads.
fn watch(config: &Result<Config>) -> Result<Option<Watchdog>> {
    let Some(config) = config.as_ref().ok().filter(|config| config.heartbeats.unwrap_or(true))
    else {
        set_stop_flag_on_signals()?;
        return Ok(None);
    };
    let ranks = world::innermost_launch().and_then(|launch| launch.size).unwrap_or(1);
    // Rank 0 reports what is wrong with deadlines.
    Deadlines::resolve(config, ranks, None)
        .ok()
        .map(|early| Watchdog::start(early, ranks))
        .transpose()
}

/// Joins the other ranks, or ends the job.
fn join(config: &Result<Config>) -> World {
    let threads = config.as_ref().map_or(None, |config| config.thread_level);
    World::join(threads.unwrap_or_default()).unwrap_or_else(|why| {
        if world::is_first_process() {
            abort::abort(&why)
        }
        world::wait_for_first_process();
        world::abort_mpi(why.exit())
    })
}

/// Reports an error that ended the run, and keeps what was measured.
fn report_failure(world: &World, why: &Error) {
    // Every other error is one that all ranks have agreed on.
    if why.kind == Kind::Internal {
        abort::abort(why);
    }
    if world.is_root() {
        tracing::error!("{why}");
        abort::save_report(&abort::failure_here(why));
    }
}

/// A rank that has joined the others.
struct Rank {
    watch: Option<Watchdog>,
    nccl_tests_table: bool,
}

impl Rank {
    /// Agrees on the plan with the other ranks and runs it.
    fn run(
        &mut self,
        world: &mut World,
        config: Result<Config>,
        on_existing: OnExisting,
    ) -> Result<Exit> {
        let config = agree_on_config(world, config)?;
        self.connect_watch(world)?;
        supervision::notify(&Note::Rank {
            rank: world.rank(),
            pid: std::process::id(),
            host: world.members()[world.rank()].host.clone(),
        });
        fault::enter(Phase::Join);
        let (plan, root) = agree_on_plan(world, config, on_existing)?;
        match &self.watch {
            Some(watch) => watch.set_plan(&plan),
            None => world.set_deadline(
                Duration::from_secs_f64(plan.deadlines.run),
                abort::abort_at_deadline,
            ),
        }
        let outputs: Vec<Output> = root.iter().flat_map(|root| root.outputs.clone()).collect();
        let shown = world.is_root() && !supervision::is_supervised();
        let bar = progress_bar::new(plan.cases.len(), shown);
        let watch = self.watch.as_ref();
        let listener = RankListener { watch, plan: &plan, outputs: &outputs, bar: &bar };
        let (exit, report) = session::run(world, &plan, root, &listener)?;
        bar.finish_and_clear();
        if let Some(report) = report {
            supervision::notify(&Note::Reported);
            tell(&report, &outputs, self.nccl_tests_table, "");
        }
        Ok(exit)
    }

    /// Connects the watchdogs of all ranks, unless one of them has none.
    fn connect_watch(&mut self, world: &World) -> Result<()> {
        if world.max(self.watch.is_none().into()) == 1 {
            self.watch = None;
        }
        self.watch.as_mut().map_or(Ok(()), |watch| watch.connect(world))
    }
}

/// This rank's configuration, once every rank has one; an error names the rank and its node.
fn agree_on_config(world: &World, config: Result<Config>) -> Result<Config> {
    world.unanimous(config.map_err(|why| match world.rank() {
        0 => why,
        rank => {
            let host = &world.members()[rank].host;
            Error { message: format!("rank {rank} on {host}: {}", why.message), ..why }
        }
    }))
}

/// Rank 0's plan on every rank, and what rank 0 keeps beside it.
fn agree_on_plan(
    world: &World,
    config: Config,
    on_existing: OnExisting,
) -> Result<(Plan, Option<RootOutputs>)> {
    let prepared = world.is_root().then(|| {
        let config = with_found_backend(config);
        let plan = Plan::resolve(&config, &world.places())?;
        let outputs = Output::resolve(&config)?;
        recorder::refuse_unfinished(&outputs, on_existing)?;
        Ok((plan, RootOutputs { config, outputs, on_existing }))
    });
    let (plan, root) = world.unanimous(prepared.transpose())?.unzip();
    Ok((world.broadcast(plan)?, root))
}

/// Tells the supervisor, the watchdog and the progress bar how far the run is.
struct RankListener<'a> {
    watch: Option<&'a Watchdog>,
    plan: &'a Plan,
    outputs: &'a [Output],
    bar: &'a ProgressBar,
}

impl ProgressListener for RankListener<'_> {
    fn on_case(&self, done: usize, id: &str) {
        let total = self.plan.cases.len();
        // The bar shows each cycle of cases that run again.
        let done = if id.is_empty() { total } else { done % total };
        supervision::notify(&Note::Case { done, total, id: id.to_owned() });
        self.bar.set_position(done as u64);
        self.bar.set_message(id.to_owned());
    }

    fn on_journal(&self, environment: &Environment) {
        supervision::notify(&Note::Journal);
        if let Some(watch) = self.watch {
            watch.set_devices(environment);
        }
        let outputs = self.outputs.to_vec();
        abort::save_report_with(move |failure| recorder::save_incomplete(&outputs, failure));
    }
}
