//! The environment of a run: machine, libraries, build, environment variables.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::error::{Error, Result};
use crate::base::files::value_in;
use crate::machine::device::{Board, Device};
use crate::machine::memory::bytes_in;

/// The environment of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// The MPI library that connects the ranks; null for a process without a launcher.
    pub mpi: Option<Mpi>,
    /// Compiler of the binary that measured; null if an imported file does not contain it.
    pub toolchain: Option<String>,
    /// Names and versions of the libraries that rank 0 measured with, besides MPI.
    pub libraries: BTreeMap<String, String>,
    /// The files that those of them were loaded from which are found at run time.
    #[serde(default)]
    pub library_files: BTreeMap<String, String>,
    /// The nodes, in the order of their first rank.
    pub nodes: Vec<Node>,
    /// The ranks, ascending.
    pub ranks: Vec<Rank>,
    /// Environment variables of rank 0 that affect the results, by allow-list.
    pub variables: BTreeMap<String, String>,
}

/// The MPI library.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Mpi {
    /// Name and version, as the library reports them.
    pub library: String,
    /// MPI thread level: `single`, `funneled`, `serialized`, `multiple`.
    pub thread_level: String,
}

/// One node. Fields that an imported file does not contain are null.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Node {
    /// Host name.
    pub host: String,
    /// Operating system and kernel.
    pub os: Option<String>,
    /// CPU model.
    pub cpu: Option<String>,
    /// Logical cores online.
    pub cores: Option<usize>,
    /// Installed memory, bytes.
    pub memory_bytes: Option<u64>,
    /// Libraries, and variables as `variable NAME`, that are otherwise here than with rank 0; null for what is not here.
    #[serde(default)]
    pub different: BTreeMap<String, Option<String>>,
    /// The boards of the GPUs that its ranks drive, by local rank; empty without GPUs.
    #[serde(default)]
    pub boards: Vec<Board>,
}

/// One rank: its node, device and cores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rank {
    /// World rank.
    pub rank: usize,
    /// Index of its node.
    pub node: usize,
    /// Rank on its node.
    pub local_rank: usize,
    /// The device it drives.
    pub device: Device,
    /// CPU affinity, such as `0-3,8`; null if an imported file does not contain it.
    pub cores: Option<String>,
}

/// Prefixes of variables that affect the results. The whole environment is never recorded: it holds secrets.
const VARIABLES: [&str; 15] = [
    "CUBLAS",
    "CUDA_",
    "FI_",
    "I_MPI_",
    "MPICH_",
    "NCCL_",
    "NVIDIA_TF32_OVERRIDE",
    "OMPI_MCA_",
    "OMP_NUM_THREADS",
    "SLURM_JOB_ID",
    "SLURM_JOB_NUM_NODES",
    "SLURM_STEP_NUM_TASKS",
    "TESSERABENCH_FAULT",
    "TESSERABENCH_POWERCAP",
    "UCX_",
];

/// Variables that name a job, not a setting.
pub const OF_THE_JOB: [&str; 3] = ["SLURM_JOB_ID", "SLURM_JOB_NUM_NODES", "SLURM_STEP_NUM_TASKS"];

/// Prefixes among these that a launcher sets for its own bookkeeping.
const BOOKKEEPING: [&str; 4] =
    ["OMPI_MCA_orte_", "OMPI_MCA_ess", "OMPI_MCA_pmix", "OMPI_MCA_initial_wdir"];

impl Environment {
    /// Refuses two ranks on one device, as unfit.
    pub fn refuse_shared_devices(&self) -> Result<()> {
        for (index, rank) in self.ranks.iter().enumerate() {
            let Some(uuid) = &rank.device.uuid else { continue };
            let same =
                |other: &&Rank| (other.node, &other.device.uuid) == (rank.node, &rank.device.uuid);
            if let Some(other) = self.ranks[..index].iter().find(same) {
                return Err(Error::unfit(format!(
                    "ranks {} and {} both drive {} ({uuid}) of {}; start one rank per GPU, or add \
                     --emulate-ranks to let ranks share one for a trial",
                    other.rank, rank.rank, rank.device.name, self.nodes[rank.node].host
                )));
            }
        }
        Ok(())
    }
}

/// The compiler of this binary.
pub const TOOLCHAIN: &str = env!("TESSERABENCH_RUSTC");

/// The environment variables of this process that affect the results.
pub fn variables() -> BTreeMap<String, String> {
    let all = std::env::vars_os();
    let text =
        all.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    text.filter(|(name, _)| is_recorded(name)).collect()
}

/// Whether the allow-list contains this variable.
pub fn is_recorded(name: &str) -> bool {
    VARIABLES.iter().any(|prefix| name.starts_with(prefix))
        && !BOOKKEEPING.iter().any(|prefix| name.starts_with(prefix))
}

/// The node this process runs on.
pub fn this_node() -> Node {
    let uname = rustix::system::uname();
    let distribution = value_in("/etc/os-release", "PRETTY_NAME=");
    let distribution = distribution.unwrap_or_else(|| "unknown".to_owned());
    let cores = std::fs::read_to_string("/proc/cpuinfo")
        .map_or(0, |text| text.lines().filter(|line| line.starts_with("processor")).count());
    Node {
        host: uname.nodename().to_string_lossy().into_owned(),
        os: Some(format!("{distribution}, Linux {}", uname.release().to_string_lossy())),
        cpu: Some(cpu_model()),
        cores: Some(cores.max(1)),
        memory_bytes: Some(bytes_in("/proc/meminfo", "MemTotal:").unwrap_or(0)),
        ..Node::default()
    }
}

/// The CPU model, from `/proc/cpuinfo`.
pub fn cpu_model() -> String {
    value_in("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown CPU".to_owned())
}

/// This build: its content hash, and the commit it was built from, if known.
pub fn build() -> String {
    let commit = env!("TESSERABENCH_COMMIT");
    let commit = if commit.is_empty() { "unknown" } else { commit };
    format!("{} (commit {commit})", env!("TESSERABENCH_BUILD"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_launcher_sets_for_itself_is_no_setting() {
        for own in ["OMPI_MCA_ess", "OMPI_MCA_ess_base_jobid", "PMIX_MCA_psec", "PMIX_MCA_gds"] {
            assert!(!is_recorded(own), "{own}");
        }
        assert!(is_recorded("OMPI_MCA_btl") && is_recorded("UCX_TLS"));
    }

    #[test]
    fn this_node_has_a_name_cores_and_memory() {
        let node = this_node();
        assert!(!node.host.is_empty() && node.cores > Some(0), "{node:?}");
        assert!(node.memory_bytes > Some(1 << 20), "{node:?}");
    }
}
