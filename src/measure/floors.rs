//! What measuring itself costs, found out once in a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::timing::{Gaps, combine};
use crate::backend::{Backend, Peers, Sample, Start};
use crate::clock::{Clocks, CommonTime};
use crate::error::Result;
use crate::mesh::Group;
use crate::stats;
use crate::units::Nanos;
use crate::work::Work;
use crate::world::World;

/// Rounds whose median counts.
const ROUNDS: usize = 100;

/// The least times that can be told from nothing: those of the worst rank, ns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Floors {
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

impl Floors {
    /// Measures them; every rank calls it.
    ///
    /// # Errors
    /// When the device fails at doing nothing.
    pub fn measure(world: &World, backend: &dyn Backend, clocks: &Clocks) -> Result<Self> {
        let group = Group::alone(world.rank());
        let empty = backend.prepare(&Work::Nothing, &group, Peers::of(world));
        let mut empty = world.unanimous(empty)?;
        let samples = (0..ROUNDS).map(|_| {
            empty.arm(1)?;
            empty.fire(Start::Now)
        });
        let samples: Vec<Sample> = world.unanimous(samples.collect())?;
        let nanos: Vec<f64> =
            samples.iter().map(|sample| (sample.end - sample.start) as f64).collect();
        let device: Option<Vec<f64>> =
            samples.iter().map(|sample| Some(sample.device? as f64)).collect();
        let worst =
            |nanos: &[f64]| world.max(stats::median(nanos).unwrap_or(0.0).ceil() as i64) as f64;
        let clock = backend.clock();
        Ok(Self {
            clock_step_ns: world.max(clock.precision()),
            empty_sample_ns: worst(&nanos),
            empty_device_ns: device.map(|nanos| worst(&nanos)),
            barrier_exit_skew_ns: exit_skew(world, backend, clocks),
            clocks: clocks.count,
            clock_drift_ppm: clocks.largest_drift_ppm(),
        })
    }
}

/// How far apart the ranks leave a barrier.
fn exit_skew(world: &World, backend: &dyn Backend, clocks: &Clocks) -> f64 {
    let ranks: Vec<usize> = (0..world.size()).collect();
    let mut time = CommonTime::of(world, &ranks, backend.clock(), clocks);
    let mut left = [0; ROUNDS];
    for at in &mut left {
        world.barrier();
        *at = backend.clock().now();
    }
    let (line, _) = time.end_block();
    let stamp = |at| {
        let at = line.to_common(at);
        Sample { start: at, end: at, device: None, late: false }
    };
    let mut gaps = Gaps::default();
    let rounds = combine(&left.map(stamp), world.rank(), |numbers, fold| world.fold(numbers, fold));
    gaps.add(&rounds, world.size());
    gaps.medians().exit
}
