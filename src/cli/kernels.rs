//! `--kernel-path`: kernels that do not come with the program.

use std::path::PathBuf;

use clap::Args;

use super::tell;
use crate::base::error::{Exit, Result};
use crate::base::plain::plain;
use crate::benchmark;
use crate::benchmark::kernel::Found;
use crate::world::supervision;

#[derive(Debug, Clone, Args)]
pub(super) struct KernelArgs {
    /// Folder with a kernel of your own, or with such folders; repeatable
    ///
    /// Kernels in kernels/ and some other folders are found without it, but programs are run only from a folder that is
    /// named so. TESSERABENCH_KERNEL_PATH names one, too.
    #[arg(
        long,
        value_name = "DIR",
        env = "TESSERABENCH_KERNEL_PATH",
        hide_env = true,
        hide_short_help = true
    )]
    pub(super) kernel_path: Vec<PathBuf>,
}

/// Looks for kernels, and says which cannot be used.
pub(super) fn discover(paths: &[PathBuf]) -> Result<&'static Found> {
    let found = benchmark::discover(paths)?;
    // The ranks of a job have nothing to add to what its first process has said.
    let refused = found.refused.iter().map(|refused| refused.why.message.clone());
    let unasked = found.kernels.iter().filter(|kernel| kernel.has_unasked_conditions());
    let unasked = unasked.map(|kernel| {
        format!("{}: 'check' in its skip_conditions is code, which is not run; it may run where it should be skipped", kernel.name)
    });
    let told: Vec<String> = refused.chain(unasked).collect();
    if !supervision::is_supervised() && !told.is_empty() {
        tell(|| told.iter().for_each(|told| tracing::warn!("{}", plain(told))));
    }
    Ok(found)
}

/// The exit of a command that did what could be done.
pub(super) fn exit(found: &Found) -> Exit {
    if found.refused.iter().any(|refused| refused.is_named) { Exit::Usage } else { Exit::Ok }
}
