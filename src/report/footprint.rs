//! How much memory the work of a case takes, where that lies, and what bounds it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::benchmark::Asked;
use crate::machine::cache::MemoryLevel;
use crate::plan;

/// The memory of a case's work.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Footprint {
    /// Bytes of all tensors or buffers of the rank with the most.
    pub bytes: u64,
    /// The keys of the problem whose numbers follow from the machine, with the word that stood for each: `max`, `l2`.
    pub asked: Asked,
    /// The nearest level whose share of a rank holds them all; null where caches are not known.
    pub fits: Option<MemoryLevel>,
    /// What bounds a kernel on the roofline of this run; null where the run does not tell.
    pub bound: Option<Roof>,
}

/// A side of a roofline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Roof {
    /// Arithmetic.
    Compute,
    /// The bandwidth of the memory level where its tensors lie.
    Memory,
}

impl Roof {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::Memory => "memory",
        }
    }
}

impl Footprint {
    /// That of a planned case; `None` for work that takes no memory.
    pub fn of(case: &plan::Case) -> Option<Self> {
        let bytes = case.work.footprint(case.group.ranks.len());
        (bytes > 0).then(|| Self { bytes, asked: case.asked.clone(), ..Self::default() })
    }
}
