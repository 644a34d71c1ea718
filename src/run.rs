//! A run: starting the ranks, one rank's life, and what rank 0 keeps and writes.

mod case_progress;
mod dry_run;
mod environment;
pub mod journal;
mod keep;
mod launch;
mod meter;
mod panic;
mod profile;
mod rank;
mod recorder;
mod request;
pub mod restart;
mod results_folder;
mod series;
mod session;
pub mod sidecar;
mod trial;

pub use dry_run::show as show_plan;
pub use keep::{keep_earlier, keep_folder, keep_reports};
pub use launch::{LauncherChoice, with_parent};
pub use profile::{Profiling, REPORT, UnderProfiler, under_profiler};
pub use recorder::OnExisting;
pub use request::{Request, Variables, Variant, on_this_machine};
pub use results_folder::write_folder;
pub use trial::try_out;

use crate::analysis::Limits;
use crate::base::error::{Error, Exit, Result};
use crate::plan::place::Place;
use crate::plan::{Plan, unreached_sizes};
use crate::render::Outputs;
use crate::world::{self, fault, supervision};
use series::LaunchSeries;

/// Does what is asked for: as one of the ranks, or as the process that starts them once or several times.
///
/// # Errors
/// When nothing can be started, the run as a whole cannot go on, or its results cannot be kept.
pub fn run(request: Request) -> Result<Exit> {
    fault::plant()?;
    if supervision::is_supervised() {
        return rank::live(request);
    }
    if world::is_first_process() {
        supervision::warn_of_stray_variable();
        if let Ok(config) = &request.config {
            unreached_sizes(config).iter().for_each(|told| tracing::warn!("{told}"));
        }
    }
    let outer = world::innermost_launch();
    let processes = outer.as_ref().and_then(|launch| launch.size).unwrap_or(1);
    let launches = series::launches(&request)?;
    if let Some(outer) = outer.filter(|_| processes > 1) {
        let launcher = outer.name;
        if request.ranks.is_some() {
            return Err(Error::usage(format!(
                "--ranks starts ranks, but this process is already one of {processes} that {launcher} started; leave \
                 --ranks out, or start tesserabench by itself"
            )));
        }
        if let Some(launches) = launches {
            return Err(Error::usage(format!(
                "several launches start the ranks again each time, but this process is already one of {processes} \
                 that {launcher} started; use --ranks {processes} without {launcher}, or start this {launches} times \
                 with one launch and its own --output each, and give all files to `compare`"
            )));
        }
    }
    match launches {
        Some(launches) => LaunchSeries::new(request, launches)?.run(),
        None if request.ranks.is_none() && !request.dry_run => rank::live(request),
        None => launch_once(request, processes),
    }
}

/// Starts the ranks of one run, or shows what would be started; `processes` are this one and those beside it.
fn launch_once(request: Request, processes: usize) -> Result<Exit> {
    let config = request.config?;
    let asked = config.backend;
    let ranks = request.ranks.unwrap_or(processes);
    let config = on_this_machine(config, ranks)?;
    Limits::resolve(&config.limits)?;
    let plan = Plan::resolve(&config, &Place::on_one_node(ranks))?;
    let outputs = Outputs::resolve(&config)?;
    request::tell_of_missing_gpu(asked);
    if request.dry_run {
        dry_run::show(&plan);
        return Ok(plan.exit());
    }
    recorder::refuse_unfinished(&outputs.files, request.on_existing)?;
    let command = launch::Command {
        program: launch::this_program()?,
        arguments: request.arguments,
        wrapper: Vec::new(),
        variables: Vec::new(),
        launcher: Some(request.launcher),
        shows_output: !request.quiet_stdout,
        of_series: false,
    };
    if request.print_command {
        launch::print(&plan, &command)?;
        return Ok(Exit::Ok);
    }
    launch::run(&plan, &outputs, &command)
}
