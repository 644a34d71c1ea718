//! What a rank may fill: its share of the memory and of each cache.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cache::{self, Cache, MemoryLevel};
use super::device::Device;
use super::environment::this_node;
use super::memory;

/// What a rank may fill, bytes; what is not known is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// Of the memory.
    pub memory: Option<u64>,
    /// Of each cache.
    pub caches: BTreeMap<MemoryLevel, u64>,
}

impl Capacity {
    /// That of each of so many ranks that CPUs of this node compute for. A quarter of the memory is left to the system
    /// and to what is no tensor. It follows from all memory, not from what happens to be free, so that it is the same
    /// in every run.
    pub fn of_host(ranks: usize) -> Self {
        let cores = this_node().cores.unwrap_or(1);
        let of_rank = |bytes: u64| bytes / 4 * 3 / ranks.max(1) as u64;
        let share = |cache: Cache| (cache.level, cache.share(ranks, cores));
        Self {
            memory: memory::total_bytes().map(of_rank),
            caches: cache::of_cpu().into_iter().map(share).collect(),
        }
    }

    /// That of a rank which drives this GPU with so many ranks. A tenth of its memory is left to the driver and to
    /// libraries. Results are checked on the host, so that they must fit there, too.
    pub fn with_gpu(&self, gpu: &Device, ranks: usize) -> Self {
        let of_gpu = gpu.memory_bytes.map(|bytes| bytes / 10 * 9 / ranks.max(1) as u64);
        let share = |cache: &Cache| (cache.level, cache.bytes / ranks.max(1) as u64);
        Self {
            memory: of_gpu.zip(self.memory).map(|(gpu, host)| gpu.min(host)),
            caches: gpu.caches.iter().map(share).collect(),
        }
    }

    /// What both have room for.
    pub fn least(self, other: &Self) -> Self {
        let both = |(level, bytes): (MemoryLevel, u64)| {
            Some((level, bytes.min(*other.caches.get(&level)?)))
        };
        Self {
            memory: self.memory.zip(other.memory).map(|(one, other)| one.min(other)),
            caches: self.caches.into_iter().filter_map(both).collect(),
        }
    }

    /// The smallest level that holds so many bytes; `None` where no cache is known.
    pub fn level_of(&self, bytes: u64) -> Option<MemoryLevel> {
        let fitting = self.caches.iter().find(|(_, room)| bytes <= **room);
        let known = !self.caches.is_empty();
        known.then(|| fitting.map_or(MemoryLevel::Memory, |(level, _)| *level))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capacity(memory: Option<u64>, caches: &[(MemoryLevel, u64)]) -> Capacity {
        Capacity { memory, caches: caches.iter().copied().collect() }
    }

    #[test]
    fn the_smallest_rank_decides_and_what_one_does_not_know_is_unknown() {
        use MemoryLevel::{L1, L2, L3};
        let one = capacity(Some(100), &[(L1, 8), (L2, 16), (L3, 64)]);
        let other = capacity(Some(80), &[(L1, 9), (L2, 12)]);
        assert_eq!(one.clone().least(&other), capacity(Some(80), &[(L1, 8), (L2, 12)]));
        assert_eq!(one.least(&Capacity::default()), Capacity::default());
    }

    #[test]
    fn tensors_lie_where_all_of_them_fit() {
        let of = capacity(None, &[(MemoryLevel::L1, 8), (MemoryLevel::L2, 16)]);
        let levels = [8, 9, 16, 17].map(|bytes| of.level_of(bytes).unwrap().name());
        assert_eq!(levels, ["l1", "l2", "l2", "memory"]);
        assert_eq!(Capacity::default().level_of(1), None);
    }

    #[test]
    fn ranks_of_a_node_share_it() {
        let [one, two] = [1, 2].map(Capacity::of_host);
        assert!(one.memory > Some(1 << 20), "{one:?}");
        assert_eq!(two.memory, one.memory.map(|bytes| bytes / 2));
        let cache = Cache { level: MemoryLevel::L2, bytes: 64, shared_by: None };
        let gpu = Device { memory_bytes: Some(1000), caches: vec![cache], ..Device::default() };
        assert_eq!(one.with_gpu(&gpu, 1), capacity(Some(900), &[(MemoryLevel::L2, 64)]));
        assert_eq!(one.with_gpu(&gpu, 2).memory, Some(450));
    }
}
