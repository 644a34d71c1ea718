//! The device of a rank.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cache::Cache;

/// The device that a rank drives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Device {
    /// `cpu`, `cuda` or `simulated`.
    pub kind: String,
    /// Product name.
    pub name: String,
    /// UUID, if it has one.
    pub uuid: Option<String>,
    /// PCI bus id.
    pub pci: Option<String>,
    /// Device memory, bytes.
    pub memory_bytes: Option<u64>,
    /// CUDA compute capability, such as `9.0`.
    pub compute_capability: Option<String>,
    /// Number of streaming multiprocessors.
    pub multiprocessors: Option<u32>,
    /// Highest clock of the multiprocessors, MHz.
    #[serde(default)]
    pub clock_mhz: Option<u32>,
    /// Highest clock of the memory, MHz; it transfers twice in each.
    #[serde(default)]
    pub memory_clock_mhz: Option<u32>,
    /// Width of the memory's bus, bits.
    #[serde(default)]
    pub memory_bus_bits: Option<u32>,
    /// Its caches, the nearest first; empty where they are not known.
    #[serde(default)]
    pub caches: Vec<Cache>,
}

/// What NVML tells of the board of a GPU; what it does not tell is null.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Board {
    /// Serial number of the board.
    pub serial: Option<String>,
    /// Version of the VBIOS.
    pub firmware: Option<String>,
    /// The highest PCIe generation that GPU and slot both have; an idle link is slower.
    pub pcie_generation: Option<u32>,
    /// Lanes of the PCIe link.
    pub pcie_width: Option<u32>,
    /// NVLinks that are up.
    pub nvlinks: Option<u32>,
    /// Whether ECC is on.
    pub ecc: Option<bool>,
    /// The power limit in force, W.
    pub power_limit_watts: Option<f64>,
}

impl Device {
    /// A device with only kind and name.
    pub fn named(kind: &str, name: String) -> Self {
        Self { kind: kind.to_owned(), name, ..Self::default() }
    }
}
