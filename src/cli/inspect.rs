//! `inspect`: a kernel's machine code, without a GPU.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use super::kernels::{self, KernelArgs};
use super::{format, write};
use crate::base::error::{Error, Exit, Result};
use crate::base::plain::plain;
use crate::benchmark::kernel::KERNELS;
use crate::machine::kernel::{BLOCKING, Source, compile, compiler_version};
use crate::render::{Cell, Document, Format, Render, Section};

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// Architectures to compile for
    #[arg(long, value_name = "ARCH", value_delimiter = ',', default_values = ["sm_80", "sm_90a", "sm_100a"])]
    arch: Vec<String>,
    /// Also write the machine code there, as KERNEL.ARCH.cubin
    #[arg(long, value_name = "DIR")]
    dump: Option<PathBuf>,
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = format::<Inspection>())]
    format: Format,
    #[command(flatten)]
    kernels: KernelArgs,
}

#[derive(Serialize)]
struct Inspection {
    compiler: String,
    functions: Vec<Value>,
}

impl Render for Inspection {
    fn document(&self) -> Document {
        let word = |function: &Value, key: &str| function[key].as_str().unwrap_or_default().into();
        let count = |function: &Value, key: &str| {
            Cell::number(function[key].as_f64(), |count| count.to_string())
        };
        let table = Section::table(
            "",
            &self.functions,
            &[
                ("kernel", &|of| word(of, "kernel")),
                ("function", &|of| word(of, "function")),
                ("arch", &|of| word(of, "arch")),
                ("registers", &|of| count(of, "registers")),
                ("spilled bytes", &|of| count(of, "spill_bytes")),
                ("shared bytes", &|of| count(of, "shared_bytes")),
            ],
        );
        Document {
            title: "Kernels".to_owned(),
            sections: table.into_iter().collect(),
            verdict: format!("compiled by {}", self.compiler),
            ..Document::default()
        }
    }
}

pub(super) fn run(args: InspectArgs, config: Option<&Path>) -> Result<Exit> {
    let found = kernels::discover(&super::paths(config, args.kernels)?)?;
    let all = KERNELS.iter().chain(&found.kernels);
    let own = all.filter_map(|kernel| kernel.source().cloned());
    let sources: Vec<Source> = std::iter::once(BLOCKING).chain(own).collect();
    let (mut functions, mut exit) = (Vec::new(), kernels::exit(found));
    let is_own = |source: &Source| {
        !found
            .kernels
            .iter()
            .any(|kernel| kernel.source().is_some_and(|own| own.name == source.name))
    };
    for arch in &args.arch {
        for source in &sources {
            let binary = match compile(source, arch) {
                // The others are shown all the same.
                Err(why) if !is_own(source) => {
                    tracing::warn!("{}", plain(&why.message));
                    exit = exit.worst(Exit::Usage);
                    continue;
                }
                compiled => compiled?,
            };
            if let Some(folder) = &args.dump {
                let file = folder.join(format!("{}.{arch}.cubin", source.name));
                std::fs::create_dir_all(folder)
                    .and_then(|()| std::fs::write(&file, &binary.cubin))
                    .map_err(|why| Error::file("write", &file, why))?;
            }
            functions.extend(binary.functions.iter().map(|function| {
                json!({
                    "kernel": source.name,
                    "arch": arch,
                    "function": function.name,
                    "registers": function.registers,
                    "spill_bytes": function.spill_bytes,
                    "shared_bytes": function.shared_bytes,
                    "cubin_bytes": binary.cubin.len(),
                })
            }));
        }
    }
    let compiler = format!("NVRTC {}", compiler_version()?);
    write(&Inspection { compiler, functions }, args.format, &[], false)?;
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::snapshots::pages;

    #[test]
    fn as_pages() {
        let function = json!({"kernel": "copy", "arch": "sm_90a", "function": "copy_f32", "registers": 16,
            "spill_bytes": 0, "shared_bytes": 1024, "cubin_bytes": 5000});
        let compiler = "NVRTC 13.0".to_owned();
        pages("inspect", &Inspection { compiler, functions: vec![function] });
    }
}
