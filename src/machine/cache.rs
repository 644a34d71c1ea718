//! The levels of memory: caches of a CPU or a GPU, and what lies behind them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A level of memory, the nearest first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum MemoryLevel {
    /// Data cache of level 1.
    L1,
    /// Cache of level 2; a GPU's last one.
    L2,
    /// Cache of level 3.
    L3,
    /// Behind all caches.
    Memory,
}

impl MemoryLevel {
    /// Its name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::L1 => "l1",
            Self::L2 => "l2",
            Self::L3 => "l3",
            Self::Memory => "memory",
        }
    }
}

/// A cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cache {
    /// Its level.
    pub level: MemoryLevel,
    /// Its size, bytes.
    pub bytes: u64,
    /// Logical cores that share it; null of a GPU, which has it for itself.
    pub shared_by: Option<usize>,
}

impl Cache {
    /// What each of so many ranks on a node with so many logical cores has of it, if they lie evenly, bytes.
    pub fn share(&self, ranks: usize, cores: usize) -> u64 {
        let shared_by = self.shared_by.unwrap_or(0);
        let sharing = (ranks * shared_by).div_ceil(cores.max(1)).clamp(1, ranks.max(1));
        self.bytes / sharing as u64
    }
}

/// The data caches of the first core; none where the system does not tell.
pub fn of_cpu() -> Vec<Cache> {
    let cache = |index: usize| {
        let read = |what: &str| {
            let path = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/{what}");
            std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
        };
        let level = match (read("type")?.as_str(), read("level")?.as_str()) {
            ("Instruction", _) => return None,
            (_, "1") => MemoryLevel::L1,
            (_, "2") => MemoryLevel::L2,
            (_, "3") => MemoryLevel::L3,
            _ => return None,
        };
        let kibibytes: u64 = read("size")?.strip_suffix('K')?.parse().ok()?;
        let sharing = read("shared_cpu_map").map(|mask| count_ones(&mask));
        Some(Cache { level, bytes: kibibytes << 10, shared_by: sharing.filter(|of| *of > 0) })
    };
    (0..8).filter_map(cache).collect()
}

/// The bits of a mask in hexadecimal digits and commas.
fn count_ones(mask: &str) -> usize {
    mask.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit.count_ones() as usize).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_share_what_their_cores_share() {
        assert_eq!(count_ones("000000ff,00000003"), 10);
        let l3 = Cache { level: MemoryLevel::L3, bytes: 32 << 20, shared_by: Some(8) };
        // Two sockets of 8 cores.
        assert_eq!([1, 2, 4, 16].map(|ranks| l3.share(ranks, 16) >> 20), [32, 32, 16, 4]);
        let l2 = Cache { level: MemoryLevel::L2, bytes: 1 << 20, shared_by: Some(1) };
        assert_eq!([1, 16].map(|ranks| l2.share(ranks, 16) >> 20), [1, 1]);
        let of_gpu = Cache { shared_by: None, ..l2 };
        assert_eq!(of_gpu.share(1, 0), 1 << 20);
    }

    #[test]
    fn caches_of_this_machine_grow_with_their_level() {
        let caches = of_cpu();
        assert!(caches.is_sorted_by(|a, b| a.level < b.level && a.bytes <= b.bytes), "{caches:?}");
    }
}
