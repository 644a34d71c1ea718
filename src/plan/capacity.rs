//! What a rank may fill, where the plan needs it.

use super::config::{CapacityConfig, Config, Values};
use super::sweep;
use crate::machine::cache::MemoryLevel;
use crate::machine::capacity::Capacity;

/// Whether sizes are said as words, which follow from the machine, and nothing is configured of it.
pub fn is_needed(config: &Config) -> bool {
    // What is wrong with the configuration is told when it is resolved.
    config.capacity == CapacityConfig::default()
        && sweep::all(config).is_ok_and(|sweeps| sweeps.iter().any(sweep::Sweep::has_words))
}

/// The configuration with what was found.
pub fn with_found(config: Config, found: &Capacity) -> Config {
    let cache = |level| found.caches.get(&level).copied().map(Values::Number);
    let capacity = CapacityConfig {
        memory: found.memory.map(Values::Number),
        l1: cache(MemoryLevel::L1),
        l2: cache(MemoryLevel::L2),
        l3: cache(MemoryLevel::L3),
    };
    Config { capacity, ..config }
}
