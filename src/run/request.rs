//! What a user asks of `run`, as one value.

use std::ffi::OsString;
use std::path::PathBuf;

use super::launch::LauncherChoice;
use super::recorder::OnExisting;
use crate::backend;
use crate::base::error::Result;
use crate::plan::capacity;
use crate::plan::config::{BackendChoice, Config};
use crate::world::supervision;

/// Environment variables with their values, in the order in which they are set.
pub type Variables = Vec<(String, String)>;

/// Everything that arguments and the configuration file ask for.
#[derive(Debug)]
pub struct Request {
    /// The configuration with the flags over it. One rank may lack the file or have another one, so ranks agree on
    /// an error in it once they have met.
    pub config: Result<Config>,
    /// How many ranks to start; `None` runs this process as a rank.
    pub ranks: Option<usize>,
    /// What starts them.
    pub launcher: LauncherChoice,
    /// What each side of a series measures; one side, unless flags ask for more.
    pub sides: Vec<Variant>,
    /// The baseline to compare with, by its name in the history or its file.
    pub compare_baseline: Option<String>,
    /// What to do with what an earlier run has left.
    pub on_existing: OnExisting,
    /// Whether to print the command that would start the ranks, and stop.
    pub print_command: bool,
    /// Whether to print what would be run, and stop.
    pub dry_run: bool,
    /// Whether to print the results in the form of nccl-tests.
    pub nccl_tests_table: bool,
    /// Whether the tables are not printed: standard output is kept for something else.
    pub quiet_stdout: bool,
    /// Arguments of each rank of a single launch.
    pub arguments: Vec<OsString>,
}

impl Request {
    /// Whether one side is held against another, or against a baseline.
    pub(super) fn compares(&self) -> bool {
        let of_backends = self.sides.iter().any(|side| side.backend.is_some());
        self.compare_baseline.is_some() || self.sides.len() > 1 && !of_backends
    }
}

/// What one side of a series measures.
#[derive(Debug, Clone, Default)]
pub struct Variant {
    /// What it is called: `against`, `KEY=a`; empty for what is measured when nothing else is.
    pub name: String,
    /// Another program than this one.
    pub program: Option<PathBuf>,
    /// Another configuration than the request's, with the same flags over it.
    pub config: Option<Config>,
    /// Another backend than the request's.
    pub backend: Option<BackendChoice>,
    /// Arguments of each of its ranks, but for the file to write.
    pub arguments: Vec<OsString>,
    /// The variables that it sets.
    pub variables: Variables,
}

/// The configuration with the backend that `auto` means on this machine.
pub(super) fn with_found_backend(config: Config) -> Config {
    let choice = match config.backend.unwrap_or_default() {
        BackendChoice::Auto if backend::cuda_devices().is_ok() => BackendChoice::Cuda,
        BackendChoice::Auto => BackendChoice::Host,
        chosen => chosen,
    };
    Config { backend: Some(choice), ..config }
}

/// The configuration of so many ranks on this machine: with the backend that `auto` means, and with what each may fill,
/// where sizes follow from that.
///
/// # Errors
/// Unfit where they do, and there is no GPU to ask.
pub fn on_this_machine(config: Config, ranks: usize) -> Result<Config> {
    let config = with_found_backend(config);
    if !capacity::is_needed(&config) {
        return Ok(config);
    }
    let found = backend::capacity(config.backend, (0, ranks))?;
    Ok(capacity::with_found(config, &found))
}

/// Says that CPUs are measured because there is no GPU, where the choice was left to the program. Of the processes of
/// a run, the one that a user has started says it.
pub(super) fn tell_of_missing_gpu(asked: Option<BackendChoice>) {
    if asked.unwrap_or_default() == BackendChoice::Auto
        && !supervision::is_supervised()
        && let Err(why) = backend::cuda_devices()
    {
        tracing::warn!("no GPU: {}; measuring CPUs", why.reason());
    }
}
