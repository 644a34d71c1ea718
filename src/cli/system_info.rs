//! `system-info`: this machine, its MPI and this build.

use std::path::PathBuf;

use clap::Args;

use super::Style;
use crate::backend;
use crate::base::error::{Error, Exit, Result};
use crate::base::units::format_size;
use crate::machine::{environment, nvidia};
use crate::report::say;
use crate::run::restart;
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
    restart::for_cuda(false)?;
    let node = environment::this_node();
    let gpus = backend::cuda_survey();
    let libraries = libraries();
    let mpi = world::mpi_library();
    let folder = world::mpi_programs_folder();
    if args.format == Style::Json {
        let facts = serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"),
            "build": environment::build(),
            "toolchain": environment::TOOLCHAIN,
            "node": node,
            "mpi": {"library": mpi, "programs": folder},
            "gpus": gpus.as_deref().unwrap_or_default(),
            "nvidia": libraries.into_iter().map(Library::into_json).collect::<serde_json::Map<_, _>>(),
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
    line("system", node.os.as_deref().unwrap_or("unknown"));
    let cpu = node.cpu.as_deref().unwrap_or("unknown");
    line("cpu", &format!("{} x {cpu}", node.cores.unwrap_or(0)));
    let mib = node.memory_bytes.unwrap_or(0) >> 20 << 20;
    line("memory", &format_size(mib));
    line("MPI", mpi.as_deref().unwrap_or("none: this build runs one rank"));
    if let Some(folder) = folder {
        line("launchers", folder);
    }
    for (number, gpu) in gpus.iter().flatten().enumerate() {
        let memory = format_size(gpu.memory_bytes.unwrap_or(0) >> 20 << 20);
        let capability = gpu.compute_capability.as_deref().unwrap_or("unknown");
        let text = format!("{number}: {}, {memory}, compute capability {capability}", gpu.name);
        line("GPU", &text);
    }
    if let Err(why) = &gpus {
        line("GPU", &format!("none: {why}"));
    }
    // Without a GPU the one line above says enough.
    for library in libraries.iter().filter(|_| gpus.is_ok()) {
        match &library.found {
            Ok((version, file)) => line(library.key, &format!("{version}, {}", file.display())),
            Err(why) => line(library.key, &format!("none: {why}")),
        }
    }
    for (name, value) in environment::variables() {
        line("variable", &format!("{name}={value}"));
    }
    Ok(Exit::Ok)
}

/// One of NVIDIA's libraries on this machine.
struct Library {
    key: &'static str,
    /// Its version and its file.
    found: Result<(String, PathBuf)>,
}

fn libraries() -> Vec<Library> {
    let find = |(library, version): (&nvidia::Library, Result<String>)| Library {
        key: library.key,
        found: version.and_then(|version| Ok((version, library.require()?))),
    };
    backend::cuda_versions().into_iter().map(find).collect()
}

impl Library {
    fn into_json(self) -> (String, serde_json::Value) {
        let facts = match self.found {
            Ok((version, file)) => serde_json::json!({"version": version, "file": file}),
            Err(why) => serde_json::json!({"missing": why.message}),
        };
        (self.key.to_owned(), facts)
    }
}
