//! `system-info`: this machine, its MPI and this build.

use clap::Args;

use super::Style;
use crate::environment;
use crate::error::{Error, Exit, Result};
use crate::report::say;
use crate::units::format_size;
use crate::world;

/// Arguments of `system-info`.
#[derive(Debug, Args)]
pub(super) struct InfoArgs {
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Style,
}

/// Runs the command.
pub(super) fn run(args: &InfoArgs) -> Result<Exit> {
    let node = environment::this_node();
    let mpi = world::mpi_library();
    let folder = world::mpi_programs_folder();
    if args.format == Style::Json {
        let facts = serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "build": environment::build(),
            "toolchain": environment::TOOLCHAIN,
            "node": node,
            "mpi": {"library": mpi, "programs": folder},
            "variables": environment::variables(),
        });
        let text = serde_json::to_string_pretty(&facts)
            .map_err(|why| Error::internal(format!("cannot print: {why}")))?;
        say(&text);
        return Ok(Exit::Ok);
    }
    let line = |name: &str, value: &str| say(&format!("{name:<10} {value}"));
    line(
        "program",
        &format!("tesserabench {}, build {}", env!("CARGO_PKG_VERSION"), environment::build()),
    );
    line("toolchain", environment::TOOLCHAIN);
    line("host", &node.host);
    line("system", &node.os);
    line("cpu", &format!("{} x {}", node.cores, node.cpu));
    let mib = node.memory_bytes >> 20 << 20;
    line("memory", &format_size(mib));
    line("MPI", mpi.as_deref().unwrap_or("none: this build runs one rank"));
    if let Some(folder) = folder {
        line("launchers", folder);
    }
    for (name, value) in environment::variables() {
        line("variable", &format!("{name}={value}"));
    }
    Ok(Exit::Ok)
}
