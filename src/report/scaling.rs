//! Scaling studies, as data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::benchmark::Problem;
use crate::benchmark::work::{Element, Placement};
use crate::plan::config::ScalingKind;

/// A scaling study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Scaling {
    /// Name of the benchmark.
    pub benchmark: String,
    /// `strong`: the whole problem stays. `weak`: each rank's problem stays.
    pub kind: ScalingKind,
    /// The problem that stays.
    pub problem: Problem,
    /// Element type.
    pub precision: Option<Element>,
    /// In place or out of place.
    pub placement: Option<Placement>,
    /// How the efficiency is defined, in words.
    pub definition: String,
    /// The separate measurement that efficiencies refer to; null when none qualifies.
    pub base: Option<Base>,
    /// The points, by number of ranks.
    pub points: Vec<Point>,
    /// Amdahl's serial fraction, a share of the time on one rank, over all points that qualify, of which none needs to be
    /// one rank; strong scaling only.
    pub amdahl_serial_fraction: Option<f64>,
}

/// The measurement that efficiencies refer to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Base {
    /// Number of ranks.
    pub ranks: usize,
    /// The case it was measured in.
    pub case: String,
}

/// One number of ranks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// Number of ranks.
    pub ranks: usize,
    /// The case it was measured in.
    pub case: String,
    /// Median time, ms.
    pub median_ms: f64,
    /// How much faster than the base (strong), or how much more work in the same time (weak).
    pub speedup: Option<f64>,
    /// Achieved share of the ideal.
    pub efficiency: Option<f64>,
    /// Interval of the efficiency over the iterations of this launch; launches differ by more.
    pub ci: Option<[f64; 2]>,
    /// Karp–Flatt serial fraction, a share of the time on one rank whatever the base; strong scaling only.
    pub karp_flatt: Option<f64>,
    /// The efficiency in each launch of `--launches`, in their order; empty where there was one.
    #[serde(default)]
    pub efficiencies: Vec<f64>,
    /// A caveat of the case (more ranks than cores) keeps the point out of efficiencies and fits.
    pub left_out: bool,
}
