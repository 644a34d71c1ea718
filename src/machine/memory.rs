//! How much memory this process takes.

use std::fs;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much memory a rank took while a case ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RankMemory {
    /// World rank.
    pub rank: usize,
    /// Largest resident set of its process from the preparing of the case to the end of its timing, bytes: buffers,
    /// libraries and all.
    pub host_peak_bytes: u64,
}

/// Forgets the largest so far. Without it (an old kernel, another system) the next answer is of the whole life of the
/// process, which is no less.
pub fn reset_peak() {
    // proc(5), clear_refs: 5 resets the peak resident set size.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The largest resident set size since then, bytes; `None` where the system does not tell.
pub fn peak_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_block_shows_until_it_is_forgotten() {
        const BLOCK: usize = 1 << 30;
        reset_peak();
        let before = peak_bytes().unwrap();
        let block = std::hint::black_box(vec![1u8; BLOCK]);
        let with = peak_bytes().unwrap();
        assert!(with >= before + BLOCK as u64 / 2, "{before} {with}");
        drop(block);
        // Kernels may be built without it.
        let forgotten = fs::write("/proc/self/clear_refs", "5").is_ok();
        assert!(!forgotten || peak_bytes().unwrap() < with);
    }
}
