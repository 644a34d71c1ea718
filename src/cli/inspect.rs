//! `inspect`: a kernel's machine code, without a GPU.

use std::path::PathBuf;

use clap::Args;

use super::Style;
use crate::base::error::{Error, Exit, Result};
use crate::benchmark::kernel::{Cuda, KERNELS};
use crate::machine::kernel::{self, BLOCKING, Source};
use crate::report::{print_table, say};

/// Arguments of `inspect`.
#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// Architectures to compile for
    #[arg(long, value_name = "ARCH", value_delimiter = ',', default_values = ["sm_80", "sm_90a", "sm_100a"])]
    arch: Vec<String>,
    /// Also write the machine code there, as KERNEL.ARCH.cubin
    #[arg(long, value_name = "DIR")]
    dump: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Style,
}

/// Runs the command.
pub(super) fn run(args: &InspectArgs) -> Result<Exit> {
    let own = KERNELS.iter().filter_map(|kernel| match &kernel.cuda {
        Cuda::Own(own) => Some(own.source.clone()),
        Cuda::CublasLt => None,
    });
    let sources: Vec<Source> = std::iter::once(BLOCKING).chain(own).collect();
    let mut rows = Vec::new();
    let mut facts = Vec::new();
    for arch in &args.arch {
        for source in &sources {
            let binary = kernel::compile(source, arch)?;
            if let Some(folder) = &args.dump {
                let file = folder.join(format!("{}.{arch}.cubin", source.name));
                std::fs::create_dir_all(folder)
                    .and_then(|()| std::fs::write(&file, &binary.cubin))
                    .map_err(|why| Error::file("write", &file, why))?;
            }
            for function in binary.functions {
                facts.push(serde_json::json!({
                    "kernel": source.name,
                    "arch": arch,
                    "function": function.name,
                    "registers": function.registers,
                    "spill_bytes": function.spill_bytes,
                    "shared_bytes": function.shared_bytes,
                    "cubin_bytes": binary.cubin.len(),
                }));
                rows.push(vec![
                    source.name.to_string(),
                    function.name,
                    arch.clone(),
                    function.registers.to_string(),
                    function.spill_bytes.to_string(),
                    function.shared_bytes.to_string(),
                ]);
            }
        }
    }
    let compiler = kernel::compiler_version()?;
    if args.format == Style::Json {
        let all = serde_json::json!({"compiler": format!("NVRTC {compiler}"), "functions": facts});
        let text = serde_json::to_string_pretty(&all)
            .map_err(|why| Error::internal(format!("cannot print: {why}")))?;
        say(&text);
        return Ok(Exit::Ok);
    }
    let header = vec!["kernel", "function", "arch", "registers", "spilled bytes", "shared bytes"];
    print_table(header, rows, 3..6);
    say(&format!("compiled by NVRTC {compiler}"));
    Ok(Exit::Ok)
}
