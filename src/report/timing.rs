//! Which time a figure is, and what measuring it costs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::units::Nanos;

/// Which time of an iteration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Definition {
    /// Last end minus first start over the ranks.
    #[default]
    LastEndMinusFirstStart,
    /// The slowest rank's own end minus start.
    SlowestRank,
    /// The slowest device's own time between two events: without launching, and without noticing the end.
    SlowestDevice,
    /// What another tool gives: the mean over the iterations of a loop, averaged over the ranks.
    MeanOfRanksAndIterations,
    /// What another tool gives, in the sense that the case's caveat tells.
    ByTheTool,
}

/// The least times that can be told from nothing: those of the worst rank, ns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimingOverhead {
    /// The smallest step between two readings of the clock.
    pub clock_step_ns: Nanos,
    /// An empty sample: what the loop itself adds to each. Median.
    pub empty_sample_ns: f64,
    /// The same by the device's own clock; null where devices do not tell.
    pub empty_device_ns: Option<f64>,
    /// Last minus first rank to leave a barrier of all ranks, by the machine's clocks. Median.
    pub barrier_exit_skew_ns: f64,
    /// Different clocks among the ranks.
    pub clocks: usize,
    /// Largest drift of a rank's clock against rank 0's, parts per million.
    pub clock_drift_ppm: f64,
}
