//! `system-info`: this machine, its MPI and this build.

mod checks;
mod paths;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};
use serde_json::json;

use super::write;
use crate::backend;
use crate::base::error::{Exit, Result};
use crate::base::units::format_size;
use crate::machine::cache::Cache;
use crate::machine::device::{Board, Device};
use crate::machine::energy::Packages;
use crate::machine::environment::Node;
use crate::machine::numa::NumaNode;
use crate::machine::telemetry::Sensors;
use crate::machine::{cache, environment, numa, nvidia, topology};
use crate::render::{Document, Format, Render, Section};
use crate::world;
use checks::Check;
use paths::Place;

#[derive(Serialize)]
pub(super) struct Info {
    version: &'static str,
    build: String,
    toolchain: &'static str,
    node: Node,
    caches: Vec<Cache>,
    numa: Vec<NumaNode>,
    /// What decides the clock of the first core, where the system tells.
    governor: Option<String>,
    mpi: Mpi,
    /// Why there are none is for people only.
    #[serde(serialize_with = "found")]
    gpus: Result<Vec<Device>>,
    /// What NVML tells of each GPU's board and links.
    boards: Vec<Option<Board>>,
    driver: Option<String>,
    /// The machines whose peaks are described.
    topologies: Vec<&'static str>,
    /// The CPU packages whose energy can be read; why there are none is for people only.
    #[serde(serialize_with = "counted")]
    energy_counters: Result<Vec<String>>,
    /// The numbers of those that the driver does not keep ready.
    asleep: Vec<usize>,
    #[serde(serialize_with = "by_key")]
    nvidia: Vec<Library>,
    variables: BTreeMap<String, String>,
    paths: Vec<Place>,
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct Mpi {
    library: Option<String>,
    programs: Option<&'static str>,
}

/// One of NVIDIA's libraries on this machine by its key: its version and its file.
type Library = (&'static str, Result<(String, PathBuf)>);

pub(super) fn run(format: Format, config: Option<&Path>) -> Result<Exit> {
    let find = |(library, version): (&nvidia::Library, Result<String>)| {
        (library.key, version.and_then(|version| Ok((version, library.require()?))))
    };
    let gpus = backend::cuda_survey();
    let sensors: Vec<Option<Sensors>> = gpus.iter().flatten().map(Sensors::of).collect();
    let sleeps = |sensors: &Option<Sensors>| sensors.as_ref()?.is_persistent();
    let asleep = sensors.iter().enumerate().filter(|(_, it)| sleeps(it) == Some(false));
    let asleep = asleep.map(|(number, _)| number).collect();
    const GOVERNOR: &str = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
    let mut info = Info {
        version: env!("CARGO_PKG_VERSION"),
        build: environment::build(),
        toolchain: environment::TOOLCHAIN,
        node: environment::this_node(),
        mpi: Mpi { library: world::mpi_library(), programs: world::mpi_programs_folder() },
        caches: cache::of_cpu(),
        numa: numa::nodes(),
        governor: std::fs::read_to_string(GOVERNOR).ok().map(|text| text.trim().to_owned()),
        boards: sensors.iter().map(|sensors| sensors.as_ref().map(Sensors::board)).collect(),
        driver: sensors.iter().flatten().find_map(Sensors::driver_version),
        topologies: topology::names().collect(),
        paths: paths::all(config),
        checks: Vec::new(),
        gpus,
        asleep,
        nvidia: backend::cuda_versions().into_iter().map(find).collect(),
        energy_counters: Packages::find().map(|all| all.names().map(str::to_owned).collect()),
        variables: environment::variables(),
    };
    info.checks = checks::all(&info);
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
        let caches = self.caches.iter().map(|cache| {
            let size = format_size(cache.bytes);
            let shared = cache.shared_by.filter(|cores| *cores > 1);
            let shared = shared.map(|cores| format!(" for {cores}")).unwrap_or_default();
            format!("{} {size}{shared}", cache.level.name())
        });
        let caches = caches.collect::<Vec<_>>().join(", ");
        line("caches", if caches.is_empty() { "unknown" } else { &caches });
        for node in &self.numa {
            let memory = whole_mib(node.memory_bytes);
            line("NUMA", &format!("{}: cores {}, {memory}", node.number, node.cores));
        }
        if let Some(governor) = &self.governor {
            line("governor", governor);
        }
        line("memory", &whole_mib(node.memory_bytes));
        line("MPI", self.mpi.library.as_deref().unwrap_or("none: this build runs one rank"));
        if let Some(folder) = self.mpi.programs {
            line("launchers", folder);
        }
        match &self.energy_counters {
            Ok(packages) => line("energy", &format!("{} by RAPL", packages.join(", "))),
            Err(why) => line("energy", &format!("none of CPUs: {why}")),
        }
        for (number, gpu) in self.gpus.iter().flatten().enumerate() {
            let memory = whole_mib(gpu.memory_bytes);
            let capability = gpu.compute_capability.as_deref().unwrap_or("unknown");
            let name = &gpu.name;
            line("GPU", &format!("{number}: {name}, {memory}, compute capability {capability}"));
        }
        for (number, board) in self.boards.iter().enumerate() {
            line("links", &format!("{number}: {}", links(board.as_ref())));
        }
        if let Some(driver) = &self.driver {
            line("driver", driver);
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
        let described = self.topologies.join(", ");
        line("peaks", &format!("of described machines, which --topology names: {described}"));
        for (name, value) in &self.variables {
            line("variable", &format!("{name}={value}"));
        }
        let places = self.paths.iter().map(|place| {
            let free = place.free_bytes.map(|bytes| whole_mib(Some(bytes)));
            let free = free.map(|free| format!(", {free} free")).unwrap_or_default();
            let there = if place.exists { "" } else { ", not there yet" };
            let writes = if place.writable { "" } else { ", not writable" };
            format!("{:<13} {}{there}{free}{writes}", place.what, place.path.display())
        });
        let checks = self.checks.iter().map(|it| format!("{:<7} {}", it.level.name(), it.says));
        let checks: Vec<String> = checks.collect();
        let checks = if checks.is_empty() { vec!["nothing to look at".to_owned()] } else { checks };
        let sections = [Section::notes("paths", places), Section::notes("validation", checks)];
        Document {
            title: "This machine".to_owned(),
            facts,
            sections: sections.into_iter().flatten().collect(),
            ..Document::default()
        }
    }
}

/// What is known of a GPU's links.
fn links(board: Option<&Board>) -> String {
    let Some(board) = board else {
        return "unknown, because NVML does not know this GPU".to_owned();
    };
    let pcie = board.pcie_generation.zip(board.pcie_width);
    let known = [
        board.nvlinks.map(|links| format!("{links} NVLinks up")),
        pcie.map(|(generation, width)| format!("PCIe {generation} x{width}")),
        board.power_limit_watts.map(|watts| format!("power limit {watts} W")),
        board.ecc.map(|ecc| format!("ECC {}", if ecc { "on" } else { "off" })),
    ];
    let known: Vec<String> = known.into_iter().flatten().collect();
    if known.is_empty() { "unknown".to_owned() } else { known.join(", ") }
}

fn found<S: Serializer>(gpus: &Result<Vec<Device>>, to: S) -> std::result::Result<S::Ok, S::Error> {
    gpus.as_deref().unwrap_or_default().serialize(to)
}

fn counted<S: Serializer>(
    all: &Result<Vec<String>>,
    to: S,
) -> std::result::Result<S::Ok, S::Error> {
    all.as_deref().unwrap_or_default().serialize(to)
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
    use crate::machine::cache::MemoryLevel;
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
            ..Device::default()
        };
        let node = Node {
            host: "node0".to_owned(),
            os: Some("Debian GNU/Linux 12 (bookworm)".to_owned()),
            cpu: Some("AMD EPYC".to_owned()),
            cores: Some(2),
            memory_bytes: Some(24 << 30),
            ..Node::default()
        };
        let library = Some("Open MPI v4.1.4".to_owned());
        let found = Ok(("2.30.7".to_owned(), PathBuf::from("/usr/lib/libnccl.so.2")));
        let missing = Err(Error::unfit("cuBLASLt cannot be loaded"));
        let mut info = Info {
            version: "0.1.0",
            build: "0123456789abcdef".to_owned(),
            toolchain: "rustc 1.95.0",
            node,
            caches: vec![Cache { level: MemoryLevel::L3, bytes: 32 << 20, shared_by: Some(2) }],
            numa: vec![NumaNode {
                number: 0,
                cores: "0-1".to_owned(),
                memory_bytes: Some(24 << 30),
            }],
            governor: Some("powersave".to_owned()),
            mpi: Mpi { library, programs: Some("/usr/bin") },
            boards: vec![Some(Board {
                nvlinks: Some(18),
                pcie_generation: Some(5),
                pcie_width: Some(16),
                ..Board::default()
            })],
            driver: Some("570.1".to_owned()),
            topologies: vec!["dgx-h100"],
            paths: vec![Place {
                what: "results",
                path: "/home/x".into(),
                exists: true,
                free_bytes: Some(1 << 20),
                disk_bytes: Some(1 << 40),
                writable: false,
            }],
            checks: Vec::new(),
            gpus: Ok(vec![gpu]),
            energy_counters: Ok(vec!["package-0".to_owned()]),
            asleep: vec![0],
            nvidia: vec![("nccl", found), ("cublaslt", missing)],
            variables: [("NCCL_DEBUG".to_owned(), "INFO".to_owned())].into(),
        };
        info.checks = checks::all(&info);
        assert!(info.checks[0].level < info.checks[1].level, "{:?}", info.checks);
        pages("system-info", &info);
        (info.gpus, info.asleep) = (Err(Error::unfit("there is no driver")), Vec::new());
        (info.boards, info.driver) = Default::default();
        info.checks = Vec::new();
        info.energy_counters =
            Err(Error::unfit("/sys/class/powercap has no energy counter of a CPU package"));
        pages("system-info-without-gpu", &info);
    }
}
