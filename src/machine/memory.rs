//! The memory of this process.

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

/// The number of kibibytes behind `key` in a file of `/proc`, as bytes.
pub(super) fn bytes_in(path: &str, key: &str) -> Option<u64> {
    let kibibytes: u64 = value_in(path, key)?.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

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
