//! One rank's life: join the others, agree on the plan, run it, report, leave.

use std::path::Path;
use std::time::Duration;

use super::recorder::{self, OnExisting, RootOutputs};
use super::request::{Request, tell_of_missing_gpu, with_found_backend};
use super::{launch, panic, restart, session};
use crate::backend;
use crate::base::error::{Error, Exit, Kind, Result};
use crate::history::ask_for_commit;
use crate::plan::config::{BackendChoice, Config};
use crate::plan::{Deadlines, Plan, capacity, check_kernels};
use crate::render::{Outputs, publish_on_github, tell};
use crate::watchdog::{Watchdog, set_stop_flag_on_signals};
use crate::world::progress::Phase;
use crate::world::supervision::{self, Note};
use crate::world::{self, World, abort, fault};

/// Runs this process as a rank; the exit is that of the whole run. Its errors are reported here and become its exit.
pub(super) fn live(request: Request) -> Result<Exit> {
    if let Ok(config) = &request.config
        && matches!(config.backend.unwrap_or_default(), BackendChoice::Auto | BackendChoice::Cuda)
    {
        restart::for_cuda(config.emulate_ranks.unwrap_or(false))?;
    }
    panic::guard(|| {
        let mut watch = watch(&request.config)?;
        // Before MPI runs, under which no process may be started; answered while it starts.
        let commit = world::is_first_process().then(|| ask_for_commit(Path::new(".")));
        let rank = world::innermost_launch().and_then(|launch| launch.rank);
        supervision::notify(&Note::Start { pid: std::process::id(), rank });
        let mut world = join(&request.config);
        let ended = run(&mut world, &mut watch, request, commit);
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
        let exit = ended.unwrap_or_else(|why| why.kind.exit());
        if world.is_root() {
            supervision::notify(&Note::Exit(exit));
        }
        fault::enter(Phase::Leave);
        world.leave();
        if let Some(watch) = watch {
            watch.leave();
        }
        // The launcher would complain of any other code; the supervisor knows the exit.
        Ok(if supervision::is_supervised() { Exit::Ok } else { exit })
    })
}

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

fn join(config: &Result<Config>) -> World {
    let threads = config.as_ref().map_or(None, |config| config.thread_level);
    World::join(threads.unwrap_or_default()).unwrap_or_else(|why| {
        if world::is_first_process() {
            abort::abort(&why)
        }
        world::wait_for_first_process();
        world::abort_mpi(why.kind.exit())
    })
}

fn run(
    world: &mut World,
    watch: &mut Option<Watchdog>,
    request: Request,
    commit: Option<impl FnOnce() -> Option<String>>,
) -> Result<Exit> {
    let config = agree(world, request.config)?;
    // Either all ranks have a watchdog or none has.
    if world.max(watch.is_none().into()) == 1 {
        *watch = None;
    }
    if let Some(watch) = watch {
        watch.connect(world)?;
    }
    supervision::notify(&Note::Rank {
        rank: world.rank(),
        pid: std::process::id(),
        host: world.members()[world.rank()].host.clone(),
    });
    fault::enter(Phase::Join);
    let (plan, root) = agree_on_plan(world, config, request.on_existing, commit)?;
    let finished = root.as_ref().and_then(|root| recorder::finished(&plan, root, world.members()));
    let finished = world.unanimous(finished.transpose())?;
    if let Some(exit) = world.broadcast(world.is_root().then_some(finished))? {
        return Ok(exit);
    }
    match watch {
        Some(watch) => watch.set_plan(&plan),
        None => world
            .set_deadline(Duration::from_secs_f64(plan.deadlines.run), abort::abort_at_deadline),
    }
    let outputs = root.as_ref().map(|root| root.outputs.clone()).unwrap_or_default();
    let (exit, report) = session::run(world, &plan, root, watch.as_ref())?;
    if let Some(report) = report {
        supervision::notify(&Note::Reported);
        if !request.quiet_stdout {
            tell(&report, &outputs, request.nccl_tests_table, "");
        }
        if outputs.github {
            publish_on_github(&report, true)?;
        }
        if report.run.incomplete {
            launch::tell_how_to_go_on(request.quiet_stdout || request.nccl_tests_table);
        }
    }
    Ok(exit)
}

/// What this rank has, once every rank has it; an error names the rank and its node.
fn agree<T>(world: &World, own: Result<T>) -> Result<T> {
    world.unanimous(own.map_err(|why| match world.rank() {
        0 => why,
        rank => {
            let host = &world.members()[rank].host;
            Error { message: format!("rank {rank} on {host}: {}", why.message), ..why }
        }
    }))
}

/// The configuration of rank 0, with the backend that `auto` means there, and with what every rank may fill, where sizes
/// follow from that.
fn on_these_machines(world: &World, config: Config) -> Result<Config> {
    let config = if world.is_root() { with_found_backend(config) } else { config };
    let asked = || (config.backend, capacity::is_needed(&config));
    let (backend, is_needed) = world.broadcast(world.is_root().then(asked))?;
    if !is_needed {
        return Ok(config);
    }
    let own = backend::capacity(backend, (world.local_rank(), world.ranks_here()));
    let all = world.gather(agree(world, own)?)?.into_iter().flatten();
    let found = all.reduce(|one, other| one.least(&other)).unwrap_or_default();
    Ok(capacity::with_found(config, &found))
}

fn agree_on_plan(
    world: &World,
    config: Config,
    on_existing: OnExisting,
    commit: Option<impl FnOnce() -> Option<String>>,
) -> Result<(Plan, Option<RootOutputs>)> {
    let asked = config.backend;
    let config = on_these_machines(world, config)?;
    let prepared = world.is_root().then(|| {
        let plan = Plan::resolve(&config, &world.places())?;
        let outputs = Outputs::resolve(&config)?;
        recorder::refuse_unfinished(&outputs.files, on_existing)?;
        tell_of_missing_gpu(asked);
        let commit = commit.and_then(|answer| answer());
        Ok((plan, RootOutputs { config, outputs, on_existing, commit }))
    });
    let (plan, root) = world.unanimous(prepared.transpose())?.unzip();
    // The plan names kernels, so every rank must know the same ones.
    let kernels = world.broadcast(plan.as_ref().map(|plan: &Plan| plan.kernels.clone()))?;
    agree(world, check_kernels(&kernels))?;
    Ok((world.broadcast(plan)?, root))
}
