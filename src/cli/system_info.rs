//! `system-info`: this machine, its MPI and this build.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Serialize, Serializer};
use serde_json::json;

use super::write;
use crate::backend;
use crate::base::error::{Exit, Result};
use crate::base::units::format_size;
use crate::machine::device::Device;
use crate::machine::environment::Node;
use crate::machine::{environment, nvidia};
use crate::render::{Document, Format, Render};
use crate::run::restart;
use crate::world;

#[derive(Serialize)]
pub(super) struct Info {
    version: &'static str,
    build: String,
    toolchain: &'static str,
    node: Node,
    mpi: Mpi,
    /// Why there are none is for people only.
    #[serde(serialize_with = "found")]
    gpus: Result<Vec<Device>>,
    #[serde(serialize_with = "by_key")]
    nvidia: Vec<Library>,
    variables: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Mpi {
    library: Option<String>,
    programs: Option<&'static str>,
}

/// One of NVIDIA's libraries on this machine by its key: its version and its file.
type Library = (&'static str, Result<(String, PathBuf)>);

pub(super) fn run(format: Format) -> Result<Exit> {
    restart::for_cuda(false)?;
    let find = |(library, version): (&nvidia::Library, Result<String>)| {
        (library.key, version.and_then(|version| Ok((version, library.require()?))))
    };
    let info = Info {
        version: env!("CARGO_PKG_VERSION"),
        build: environment::build(),
        toolchain: environment::TOOLCHAIN,
        node: environment::this_node(),
        mpi: Mpi { library: world::mpi_library(), programs: world::mpi_programs_folder() },
        gpus: backend::cuda_survey(),
        nvidia: backend::cuda_versions().into_iter().map(find).collect(),
        variables: environment::variables(),
    };
    write(&info, format, &[], false)?;
    Ok(Exit::Ok)
}

impl Render for Info {
    fn document(&self) -> Document {
        let mut facts = Vec::new();
        let mut line = |name: &str, value: &str| facts.push(format!("{name:<10} {value}"));
        let whole_mib = |bytes: Option<u64>| format_size(bytes.unwrap_or(0) >> 20 << 20);
        let node = &self.node;
        line("program", &format!("tesserabench {}, build {}", self.version, self.build));
        line("toolchain", self.toolchain);
        line("host", &node.host);
        line("system", node.os.as_deref().unwrap_or("unknown"));
        let cpu = node.cpu.as_deref().unwrap_or("unknown");
        line("cpu", &format!("{} x {cpu}", node.cores.unwrap_or(0)));
        line("memory", &whole_mib(node.memory_bytes));
        line("MPI", self.mpi.library.as_deref().unwrap_or("none: this build runs one rank"));
        if let Some(folder) = self.mpi.programs {
            line("launchers", folder);
        }
        for (number, gpu) in self.gpus.iter().flatten().enumerate() {
            let memory = whole_mib(gpu.memory_bytes);
            let capability = gpu.compute_capability.as_deref().unwrap_or("unknown");
            let name = &gpu.name;
            line("GPU", &format!("{number}: {name}, {memory}, compute capability {capability}"));
        }
        if let Err(why) = &self.gpus {
            line("GPU", &format!("none: {why}"));
        }
        // Without a GPU the one line above says enough.
        for (key, found) in self.nvidia.iter().filter(|_| self.gpus.is_ok()) {
            match found {
                Ok((version, file)) => line(key, &format!("{version}, {}", file.display())),
                Err(why) => line(key, &format!("none: {why}")),
            }
        }
        for (name, value) in &self.variables {
            line("variable", &format!("{name}={value}"));
        }
        Document { title: "This machine".to_owned(), facts, ..Document::default() }
    }
}

fn found<S: Serializer>(gpus: &Result<Vec<Device>>, to: S) -> std::result::Result<S::Ok, S::Error> {
    gpus.as_deref().unwrap_or_default().serialize(to)
}

fn by_key<S: Serializer>(all: &[Library], to: S) -> std::result::Result<S::Ok, S::Error> {
    to.collect_map(all.iter().map(|(key, found)| match found {
        Ok((version, file)) => (key, json!({"version": version, "file": file})),
        Err(why) => (key, json!({"missing": why.message})),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Error;
    use crate::render::snapshots::pages;

    #[test]
    fn as_pages() {
        let gpu = Device {
            kind: "cuda".to_owned(),
            name: "NVIDIA H100 80GB HBM3".to_owned(),
            uuid: None,
            pci: None,
            memory_bytes: Some(80 << 30),
            compute_capability: Some("9.0".to_owned()),
            multiprocessors: Some(132),
        };
        let node = Node {
            host: "node0".to_owned(),
            os: Some("Debian GNU/Linux 12 (bookworm)".to_owned()),
            cpu: Some("AMD EPYC".to_owned()),
            cores: Some(2),
            memory_bytes: Some(24 << 30),
        };
        let library = Some("Open MPI v4.1.4".to_owned());
        let found = Ok(("2.30.7".to_owned(), PathBuf::from("/usr/lib/libnccl.so.2")));
        let missing = Err(Error::unfit("cuBLASLt cannot be loaded"));
        let mut info = Info {
            version: "0.1.0",
            build: "0123456789abcdef".to_owned(),
            toolchain: "rustc 1.95.0",
            node,
            mpi: Mpi { library, programs: Some("/usr/bin") },
            gpus: Ok(vec![gpu]),
            nvidia: vec![("nccl", found), ("cublaslt", missing)],
            variables: [("NCCL_DEBUG".to_owned(), "INFO".to_owned())].into(),
        };
        pages("system-info", &info);
        info.gpus = Err(Error::unfit("there is no driver"));
        pages("system-info-without-gpu", &info);
    }
}
