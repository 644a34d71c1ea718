//! How many blocks of a kernel a multiprocessor holds at once, computed without a GPU.
//!
//! A share of warps that *fit*. How busy they are is another thing, and a kernel may be the fastest at few.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a multiprocessor of an architecture has.
#[derive(Debug, Clone, Copy)]
struct Multiprocessor {
    /// Compute capability, such as `90`.
    capability: u32,
    /// Warps.
    warps: u32,
    /// Blocks.
    blocks: u32,
    /// Shared memory, KiB.
    shared_kib: u32,
    /// Barriers for each block that fits; 0 where nobody runs out of them, before Hopper.
    barriers: u32,
}

/// CUDA C++ Programming Guide 13, appendix "Compute Capabilities", table of technical specifications; barriers, and how
/// registers and shared memory are dealt out, by `cuda_occupancy.h` of CUDA 13.5.
const MULTIPROCESSORS: [Multiprocessor; 8] = [
    of(75, 32, 16, 64, 0),
    of(80, 64, 32, 164, 0),
    of(86, 48, 16, 100, 0),
    of(89, 48, 24, 100, 0),
    of(90, 64, 32, 228, 2),
    of(100, 64, 32, 228, 2),
    of(103, 64, 32, 228, 1),
    of(120, 48, 24, 100, 1),
];

const fn of(
    capability: u32,
    warps: u32,
    blocks: u32,
    shared_kib: u32,
    barriers: u32,
) -> Multiprocessor {
    Multiprocessor { capability, warps, blocks, shared_kib, barriers }
}

/// Threads of a warp.
const WARP: u32 = 32;

/// Most threads of a block.
const BLOCK: u32 = 1024;

/// Registers of a multiprocessor, the same in all of them.
const REGISTERS: u32 = 65536;

/// Parts of a multiprocessor, each with its own registers and warps.
const PARTS: u32 = 4;

/// What a launch asks of a multiprocessor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Demand {
    /// Threads of a block.
    pub threads: u32,
    /// Registers of a thread.
    pub registers: u32,
    /// Bytes of shared memory of a block, those set at the launch included.
    pub shared_bytes: u32,
    /// Barriers of a block.
    pub barriers: u32,
}

/// How many blocks fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Occupancy {
    /// Blocks on a multiprocessor at once.
    pub blocks: u32,
    /// Their warps.
    pub warps: u32,
    /// Their warps as percent of what a multiprocessor can hold.
    pub percent: f64,
    /// What keeps more from fitting: `warps`, `blocks`, `registers`, `shared memory` or `barriers`; the first where it is
    /// several.
    pub limited_by: String,
}

impl Occupancy {
    /// How many blocks of this demand fit a multiprocessor of `arch`, such as `sm_90a`; nothing for an architecture that
    /// is not in the table.
    pub fn of(arch: &str, demand: &Demand) -> Option<Self> {
        let number = arch.strip_prefix("sm_")?.trim_end_matches(['a', 'f']);
        let capability: u32 = number.parse().ok()?;
        let known = MULTIPROCESSORS.iter().find(|known| known.capability == capability)?;
        let warps = demand.threads.clamp(1, BLOCK).div_ceil(WARP);
        // All of it, where nothing is asked for.
        let share = |of: u32, each: u32| of.checked_div(each).unwrap_or(u32::MAX);
        // Since Ampere, 1 KiB of each block is the system's.
        let (granule, reserved) = if capability < 80 { (256, 0) } else { (128, 1024) };
        let shared = (demand.shared_bytes.saturating_add(reserved)).next_multiple_of(granule);
        // A warp's registers come in units of 256, from one of the parts.
        let registers = (demand.registers.saturating_mul(WARP)).next_multiple_of(256);
        let fitting = share(REGISTERS / PARTS, registers).saturating_mul(PARTS) / warps;
        let needed = if known.barriers == 0 { 0 } else { demand.barriers };
        // What a launch is refused for: the parts are filled evenly.
        let is_refused = demand.threads > BLOCK
            || demand.registers > 256
            || registers.saturating_mul(warps.next_multiple_of(PARTS)) > REGISTERS;
        let limits = [
            ("warps", known.warps / warps),
            ("blocks", known.blocks),
            ("registers", if is_refused { 0 } else { fitting }),
            ("shared memory", share(known.shared_kib * 1024, shared)),
            ("barriers", share(known.blocks * known.barriers, needed)),
        ];
        let (limited_by, blocks) = limits.into_iter().min_by_key(|(_, blocks)| *blocks)?;
        let percent = f64::from(blocks * warps) * 100.0 / f64::from(known.warps);
        Some(Self { blocks, warps: blocks * warps, percent, limited_by: limited_by.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What NVIDIA's own `cuda_occupancy.h` of CUDA 13.5 says: capability, threads, registers, bytes of shared memory,
    /// barriers, blocks.
    const GOLDEN: &str = include_str!("occupancy.golden");

    #[test]
    fn it_agrees_with_the_vendor() {
        let mut rows = 0;
        for line in GOLDEN.lines() {
            let numbers: Vec<u32> =
                line.split_whitespace().map(|word| word.parse().unwrap()).collect();
            let &[capability, threads, registers, shared_bytes, barriers, blocks] = &*numbers
            else {
                panic!("{line}");
            };
            let demand = Demand { threads, registers, shared_bytes, barriers };
            let found = Occupancy::of(&format!("sm_{capability}"), &demand).unwrap();
            assert_eq!(found.blocks, blocks, "{line}: {found:?}");
            rows += 1;
        }
        assert!(rows > 500);
    }

    #[test]
    fn the_first_limit_is_named() {
        let of = |demand| {
            let Occupancy { blocks, percent, limited_by, .. } =
                Occupancy::of("sm_90a", &demand).unwrap();
            (blocks, percent, limited_by)
        };
        let demand = Demand { threads: 256, registers: 32, shared_bytes: 0, barriers: 0 };
        assert_eq!(of(demand), (8, 100.0, "warps".to_owned()));
        assert_eq!(of(Demand { registers: 168, ..demand }), (1, 12.5, "registers".to_owned()));
        let most = Demand { shared_bytes: 227 * 1024, ..demand };
        assert_eq!(of(most), (1, 12.5, "shared memory".to_owned()));
        assert_eq!(of(Demand { shared_bytes: 228 * 1024, ..demand }).0, 0);
        assert_eq!(of(Demand { threads: 32, ..demand }), (32, 50.0, "blocks".to_owned()));
        assert_eq!(Occupancy::of("sm_1", &demand), None);
    }
}
