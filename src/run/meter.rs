//! The energy counters of a run.

use crate::backend::Backend;
use crate::machine::energy::{self, Meter};
use crate::machine::telemetry::Sensors;
use crate::plan::{BackendSpec, Plan};
use crate::world::World;

/// The energy counters, and what they show while all ranks sleep; nobody sleeps where nobody has one.
pub(super) fn of(
    world: &World,
    backend: &dyn Backend,
    gpu: Option<&Sensors>,
    plan: &Plan,
) -> Meter {
    let is_real = !matches!(plan.backend, BackendSpec::Simulated(_));
    let mut meter = if is_real { Meter::new() } else { Meter::default() };
    if world.max(meter.counts(gpu).into()) == 1 {
        let clock = backend.clock();
        meter.learn_idle(gpu, || {
            let began = clock.now();
            std::thread::sleep(energy::IDLE);
            (clock.now() - began) as f64 / 1e9
        });
    }
    meter
}
