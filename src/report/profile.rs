//! What a profiler saw of a run, as data. The schema is `tesserabench.profile/1`; `tesserabench schema profile` prints
//! it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::machine::profiler::Profiler;

/// Names the format and its version.
pub const PROFILE_SCHEMA: &str = "tesserabench.profile/1";

/// What a profiler saw of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Profile {
    /// `tesserabench.profile/1`.
    pub schema: String,
    /// The version of the program that measured.
    pub version: String,
    /// When it began, UTC.
    pub started: String,
    /// What was typed.
    pub command: Vec<String>,
    /// The profiler.
    pub profiler: Profiler,
    /// What its program says of its version; null where it says nothing.
    pub profiler_version: Option<String>,
    /// The backend of the run.
    pub backend: String,
    /// How many ranks there were.
    pub ranks: usize,
    /// What was started together, in the order in which it ran.
    pub cases: Vec<ProfiledCase>,
    /// What could not be counted or read, and why.
    pub remarks: Vec<String>,
    /// The exit code of all of it.
    pub exit: u8,
}

/// A case, or cases that ran at once, in a launch of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProfiledCase {
    /// The ids of the cases.
    pub cases: Vec<String>,
    /// The folder with their files, beside this one.
    pub folder: String,
    /// The report of the launch in that folder, whose times hold what the profiler cost; null where there is none.
    pub report: Option<String>,
    /// The exit code of the launch.
    pub exit: u8,
    /// What was seen of each rank under the profiler.
    pub ranks: Vec<ProfiledRank>,
}

/// What was seen of a rank.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProfiledRank {
    /// The world rank.
    pub rank: usize,
    /// The profiler's files, in the folder of the case.
    pub files: Vec<String>,
    /// For how long it counted, seconds; null where that is not known.
    pub seconds: Option<f64>,
    /// What the CPUs counted; null unless `perf` counted.
    pub counters: Option<CpuCounters>,
    /// The kernels on the GPU, the longest in sum first; null unless `nsys` or `ncu` saw them.
    pub kernels: Option<Vec<GpuKernel>>,
}

/// What CPUs counted of a process and its threads. What was not counted is null.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CpuCounters {
    /// Time on CPUs of all threads, seconds.
    pub cpu_seconds: Option<f64>,
    /// Instructions.
    pub instructions: Option<f64>,
    /// Clock cycles.
    pub cycles: Option<f64>,
    /// Instructions in a cycle.
    pub instructions_per_cycle: Option<f64>,
    /// Floating-point instructions by their width.
    pub simd: SimdShare,
    /// Caches by their level.
    pub caches: CacheHits,
    /// Bytes that came from memory to the cores, prefetched ones too; not what was written to it.
    pub memory_read_bytes: Option<f64>,
    /// The same in the time of counting, GB/s.
    pub memory_read_gbps: Option<f64>,
    /// The least share of the time in which one of these was counted, percent; the rest is extrapolated.
    pub counted_percent: Option<f64>,
}

/// Shares of the floating-point instructions by their width, percent; on AMD of their operations within the core.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SimdShare {
    /// One element.
    pub scalar_percent: Option<f64>,
    /// 128 bit.
    pub bits_128_percent: Option<f64>,
    /// 256 bit.
    pub bits_256_percent: Option<f64>,
    /// 512 bit.
    pub bits_512_percent: Option<f64>,
}

/// How often a level had what it was asked for, percent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CacheHits {
    /// Loads that the first level's data cache had.
    pub l1_percent: Option<f64>,
    /// Requests of the first level that the second had.
    pub l2_percent: Option<f64>,
    /// Loads that came to the last level and that it had.
    pub last_percent: Option<f64>,
}

/// What ran on a GPU under one name. What was not measured is null.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GpuKernel {
    /// The kernel.
    pub name: String,
    /// How often it ran.
    pub launches: u64,
    /// All of these times together, ms.
    pub total_ms: f64,
    /// Their share of the times of all kernels, percent.
    pub share_percent: f64,
    /// How busy the multiprocessors were, of what they can do, percent; the mean of the launches.
    pub sm_percent: Option<f64>,
    /// How busy the busiest part of the memory system was, percent; the mean of the launches.
    pub memory_percent: Option<f64>,
    /// Warps at work, of all that a multiprocessor can hold, percent; the mean of the launches.
    pub occupancy_percent: Option<f64>,
}

impl CpuCounters {
    /// Whether hardware counted anything.
    pub fn has_counted(&self) -> bool {
        self.instructions.or(self.cycles).is_some()
            || self.simd != SimdShare::default()
            || self.caches != CacheHits::default()
            || self.memory_read_bytes.is_some()
    }
}
