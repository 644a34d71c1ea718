//! The hardware as a configuration may name it: it is found out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Values;

/// The hardware. Every key is `auto`: the machine is asked. A machine to simulate or to hold limits against is described by
/// a topology.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HardwareConfig {
    /// The GPUs' architecture.
    #[schemars(example = &"auto")]
    pub gpu_arch: Option<Found>,
    /// How many GPUs there are; each rank drives one.
    #[schemars(example = &"auto")]
    pub gpu_count: Option<Found>,
    /// Their memory.
    #[schemars(example = &"auto")]
    pub memory_size_gb: Option<Found>,
    /// Its bandwidth, which `copy` and `triad` measure.
    #[schemars(example = &"auto")]
    pub memory_bandwidth_gbps: Option<Found>,
}

/// `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", try_from = "Values")]
pub enum Found {
    /// Found out.
    Auto,
}

impl TryFrom<Values> for Found {
    type Error = String;

    fn try_from(values: Values) -> Result<Self, String> {
        match values.text() {
            auto if auto == "auto" => Ok(Self::Auto),
            other => Err(format!(
                "'{other}' is not known: hardware is found out, so write auto or leave it out; another machine is \
                 described by a topology"
            )),
        }
    }
}
