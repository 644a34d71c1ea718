//! What a rank may fill, as it is configured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Values;
use crate::base::error::{Error, Result};
use crate::base::units::parse_size;
use crate::machine::cache::MemoryLevel;
use crate::machine::capacity::Capacity;

/// What a rank may fill, bytes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CapacityConfig {
    /// Of the memory of its device or node.
    #[schemars(example = &"64GiB")]
    pub memory: Option<Values>,
    /// Of the level 1 cache.
    #[schemars(example = &"32KiB")]
    pub l1: Option<Values>,
    /// Of the level 2 cache.
    #[schemars(example = &"1MiB")]
    pub l2: Option<Values>,
    /// Of the level 3 cache.
    #[schemars(example = &"32MiB")]
    pub l3: Option<Values>,
}

impl CapacityConfig {
    /// In bytes.
    ///
    /// # Errors
    /// Usage error for what is no size.
    pub(in crate::plan) fn resolve(&self) -> Result<Capacity> {
        let size = |key: &str, size: &Option<Values>| {
            let parsed = size.as_ref().map(|size| parse_size(&size.text())).transpose();
            parsed.map_err(|why| Error::usage(format!("capacity: {key}: {}", why.message)))
        };
        let CapacityConfig { memory, l1, l2, l3 } = self;
        let levels = [(MemoryLevel::L1, l1), (MemoryLevel::L2, l2), (MemoryLevel::L3, l3)];
        let caches = levels.into_iter().filter_map(|(level, of)| {
            size(level.name(), of).transpose().map(|bytes| Ok((level, bytes?)))
        });
        Ok(Capacity { memory: size("memory", memory)?, caches: caches.collect::<Result<_>>()? })
    }
}
