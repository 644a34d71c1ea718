//! What measuring itself costs, found out once in a run.

use super::settling::{DeviceSpeed, Settling};
use super::timing::{Gaps, combine};
use crate::backend::{Backend, Peers, Sample, Start};
use crate::base::error::Result;
use crate::benchmark::work::Work;
use crate::plan::mesh::Group;
use crate::report::TimingOverhead;
use crate::stats;
use crate::world::World;
use crate::world::clock::{Clocks, CommonTime};

/// Rounds whose median counts.
const ROUNDS: usize = 100;

/// Measures them; every rank calls it.
///
/// # Errors
/// When the device fails at doing nothing.
pub fn timing_overhead(
    world: &World,
    backend: &dyn Backend,
    clocks: &Clocks,
    device: DeviceSpeed<'_>,
) -> Result<TimingOverhead> {
    let group = Group::alone(world.rank());
    let empty = backend.prepare(&Work::Nothing, &group, Peers::of(world));
    let mut empty = world.unanimous(empty)?;
    let mut sample = || {
        empty.arm(1)?;
        empty.fire(Start::Now)
    };
    let samples: Result<Vec<Sample>> = (|| {
        // A device at rest is slow, and work never meets it so. The CPU has been at work all along.
        if sample()?.device.is_some() {
            let (clock, mut settling) = (backend.clock(), Settling::new(device));
            let began = clock.now();
            while !settling.is_over((clock.now() - began) as f64 / 1e9) {
                sample()?;
            }
        }
        (0..ROUNDS).map(|_| sample()).collect()
    })();
    let samples = world.unanimous(samples)?;
    let nanos: Vec<f64> = samples.iter().map(|sample| (sample.end - sample.start) as f64).collect();
    let device: Option<Vec<f64>> =
        samples.iter().map(|sample| Some(sample.device? as f64)).collect();
    let worst = |nanos: &[f64]| world.max(stats::median(nanos).unwrap_or(0.0).ceil() as i64) as f64;
    let clock = backend.clock();
    Ok(TimingOverhead {
        clock_step_ns: world.max(clock.precision()),
        empty_sample_ns: worst(&nanos),
        empty_device_ns: device.map(|nanos| worst(&nanos)),
        barrier_exit_skew_ns: exit_skew(world, backend, clocks),
        clocks: clocks.count,
        clock_drift_ppm: clocks.largest_drift_ppm(),
    })
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
        Sample::by_host(at, at, false)
    };
    let mut gaps = Gaps::default();
    let rounds =
        combine(&left.map(stamp), world.rank(), |numbers, op| world.all_reduce(numbers, op));
    gaps.add(&rounds, world.size());
    gaps.exit_nanos()
}
