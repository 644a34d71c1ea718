//! How a kernel came to be machine code, as it stands in a report.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Demand, Function, Level, Occupancy, StageTime};

/// How the kernel of a case came to be machine code for the first rank's GPU, and what it uses there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Compilation {
    /// Architecture, such as `sm_90a`.
    pub arch: String,
    /// The compiler, such as `NVRTC 13.0`; of ready code the driver, or none.
    pub compiler: String,
    /// How much the assembler optimised; null of ready code.
    pub level: Option<Level>,
    /// Whether the machine code was taken from the cache; the compiler's stages then are of when it was made.
    pub cached: bool,
    /// How long each stage took, in their order.
    pub stages: Vec<StageTime>,
    /// Registers of a thread.
    pub registers: u32,
    /// Bytes of shared memory of a block, those set at the launch included.
    pub shared_bytes: u32,
    /// Bytes of a thread's stack, in device memory.
    pub stack_bytes: u32,
    /// Bytes of a thread's registers that do not fit and go to memory, written and read; null of ready code, of which nobody
    /// tells.
    pub spill_bytes: Option<u32>,
    /// Threads of a block.
    pub threads: u32,
    /// How many blocks fit a multiprocessor, computed; null of ready code, and for an architecture whose limits are not
    /// known here.
    pub occupancy: Option<Occupancy>,
    /// Blocks that fit a multiprocessor by the driver's account; null where it does not tell.
    pub driver_blocks: Option<u32>,
}

impl Compilation {
    /// What a launch of the function with so many threads, and bytes of shared memory that are set at the launch, uses.
    #[must_use]
    pub fn launched(self, function: &Function, threads: u32, dynamic_bytes: u32) -> Self {
        let shared_bytes = function.shared_bytes.saturating_add(dynamic_bytes);
        let Function { registers, stack_bytes, spill_bytes, barriers, .. } = *function;
        let demand = Demand { threads, registers, shared_bytes, barriers };
        let is_reported = self.level.is_some();
        let occupancy = Occupancy::of(&self.arch, &demand).filter(|_| is_reported);
        let spill_bytes = is_reported.then_some(spill_bytes);
        Self { registers, shared_bytes, stack_bytes, spill_bytes, threads, occupancy, ..self }
    }
}
