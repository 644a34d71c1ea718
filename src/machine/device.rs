//! The device of a rank.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
}

impl Device {
    /// A device with only kind and name.
    pub fn named(kind: &str, name: String) -> Self {
        Self { kind: kind.to_owned(), name, ..Self::default() }
    }
}
