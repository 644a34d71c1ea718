//! What a rank drives.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a rank drives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Device {
    /// `cpu`, `cuda` or `simulated`.
    pub kind: String,
    /// Its maker's name for it.
    pub name: String,
    /// Its unique number, where it has one.
    pub uuid: Option<String>,
    /// Its place on the PCI bus.
    pub pci: Option<String>,
    /// Its own memory, bytes.
    pub memory_bytes: Option<u64>,
    /// CUDA's number for what it can do, such as `9.0`.
    pub compute_capability: Option<String>,
    /// How many multiprocessors it has.
    pub multiprocessors: Option<u32>,
}

impl Device {
    /// A device of which only kind and name are known.
    pub fn named(kind: &str, name: String) -> Self {
        Self {
            kind: kind.to_owned(),
            name,
            uuid: None,
            pci: None,
            memory_bytes: None,
            compute_capability: None,
            multiprocessors: None,
        }
    }
}
