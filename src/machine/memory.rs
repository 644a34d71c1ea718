//! The memory of this process.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::files::value_in;

/// The peak memory of a rank during a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RankMemory {
    /// World rank.
    pub rank: usize,
    /// Peak resident set size of its process, from preparation to the end of timing, bytes.
    pub host_peak_bytes: u64,
    /// The memory of its device; null where that has none of its own.
    #[serde(default)]
    pub device: Option<CaseDeviceMemory>,
}

/// Memory of a rank's device around a case, as its driver tells: used by this process and all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaseDeviceMemory {
    /// All of it, bytes.
    pub total_bytes: u64,
    /// Used before the case was prepared, bytes.
    pub used_before_bytes: u64,
    /// Used when the case had been timed, with its buffers and what NCCL took, bytes.
    pub used_bytes: u64,
    /// By how much the use has grown so far while this process made communicators and first used them, bytes: what they
    /// take, if nobody else took memory meanwhile.
    pub nccl_bytes: u64,
}

/// Memory of a device at one moment, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceMemory {
    /// All of it.
    pub total: u64,
    /// What of it is used.
    pub used: u64,
    /// What NCCL has taken of that.
    pub nccl: u64,
}

impl DeviceMemory {
    /// The same at the end of a case that began at `before`.
    pub fn since(self, before: Self) -> CaseDeviceMemory {
        CaseDeviceMemory {
            total_bytes: self.total,
            used_before_bytes: before.used,
            used_bytes: self.used,
            nccl_bytes: self.nccl,
        }
    }
}

/// Resets the peak resident set size. If the kernel does not support it, the next peak is that of the whole process
/// lifetime, an upper bound.
pub fn reset_peak() {
    // proc(5), clear_refs: 5 resets the peak resident set size.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The peak resident set size since [`reset_peak`], bytes; `None` if the system does not report it.
pub fn peak_bytes() -> Option<u64> {
    bytes_in("/proc/self/status", "VmHWM:")
}

/// The memory that the node and the control groups of this process let it have, bytes.
pub fn total_bytes() -> Option<u64> {
    let limits = control_groups().into_iter().map(|(limit, _)| limit);
    limits.chain(bytes_in("/proc/meminfo", "MemTotal:")).min()
}

/// What of it is free, or holds nothing but copies of files, bytes.
pub fn free_bytes() -> Option<u64> {
    let left = control_groups().into_iter().map(|(limit, used)| limit.saturating_sub(used));
    left.chain(bytes_in("/proc/meminfo", "MemAvailable:")).min()
}

/// Limit and use, without copies of files, of each control group that limits this process; cgroups(7).
fn control_groups() -> Vec<(u64, u64)> {
    const NEW: [&str; 4] = ["/sys/fs/cgroup", "max", "current", "inactive_file "];
    const OLD: [&str; 4] =
        ["/sys/fs/cgroup/memory", "limit_in_bytes", "usage_in_bytes", "total_inactive_file "];
    let text = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut groups = Vec::new();
    for line in text.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let [root, limit, used, files] = match parts.next() {
            Some("") => NEW,
            Some("memory") => OLD,
            _ => continue,
        };
        let path = parts.next().unwrap_or_default().trim_start_matches('/');
        for group in Path::new(path).ancestors() {
            let file = |name: &str| Path::new(root).join(group).join(format!("memory.{name}"));
            let number = |name: &str| -> Option<u64> {
                std::fs::read_to_string(file(name)).ok()?.trim().parse().ok()
            };
            let files = file("stat").to_str().and_then(|stat| value_in(stat, files));
            let files = files.and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
            let limits = number(limit).zip(number(used));
            groups.extend(limits.map(|(limit, used)| (limit, used.saturating_sub(files))));
        }
    }
    groups
}

/// The number of kibibytes behind `key` in a file of `/proc`, as bytes.
pub(super) fn bytes_in(path: &str, key: &str) -> Option<u64> {
    let kibibytes: u64 = value_in(path, key)?.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_free_is_part_of_all() {
        let (free, all) = (free_bytes().unwrap(), total_bytes().unwrap());
        assert!(0 < free && free <= all && all <= bytes_in("/proc/meminfo", "MemTotal:").unwrap());
    }

    #[test]
    fn a_large_block_shows_until_the_peak_is_reset() {
        const BLOCK: usize = 1 << 30;
        reset_peak();
        let before = peak_bytes().unwrap();
        let block = std::hint::black_box(vec![1u8; BLOCK]);
        let with = peak_bytes().unwrap();
        assert!(with >= before + BLOCK as u64 / 2, "{before} {with}");
        drop(block);
        // Kernels may be built without clear_refs.
        let reset = std::fs::write("/proc/self/clear_refs", "5").is_ok();
        assert!(!reset || peak_bytes().unwrap() < with);
    }
}
