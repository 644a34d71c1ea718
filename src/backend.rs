//! What interprets work: it prepares one, checks it, and runs it.

mod cuda;
mod host;
mod pace;
mod program;
mod reference;
mod simulated;
mod tuner;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use cuda::{devices as cuda_devices, survey as cuda_survey, versions as cuda_versions};

use crate::base::accuracy::Accuracy;
use crate::base::error::Result;
use crate::base::units::Nanos;
use crate::benchmark::kernel::Tuning;
use crate::benchmark::metric::Overlap;
use crate::benchmark::work::Work;
use crate::machine::capacity::Capacity;
use crate::machine::device::Device;
use crate::machine::kernel::Compilation;
use crate::machine::memory::DeviceMemory;
use crate::plan::config::BackendChoice;
use crate::plan::mesh::Group;
use crate::plan::{BackendSpec, Plan};
use crate::world::clock::Clock;
use crate::world::{Wait, World};
use program::Launch;

/// A library that was loaded at run time.
pub struct Library {
    /// Its version.
    pub version: String,
    /// Its file.
    pub file: String,
}

/// Prepares work on this rank's device.
pub trait Backend {
    /// The clock that stamps this backend's samples.
    fn clock(&self) -> &dyn Clock;

    /// What this rank drives.
    fn device(&self) -> Device;

    /// How long the device works at first until it runs at its usual speed, ns.
    fn settling(&self) -> Nanos;

    /// The libraries that do its work, by name.
    fn libraries(&self) -> BTreeMap<String, Library> {
        BTreeMap::new()
    }

    /// How much of the device's own memory is used; `None` where it has none, or does not tell.
    fn memory(&self) -> Option<DeviceMemory> {
        None
    }

    /// Connects, allocates and fills everything `work` needs. Every rank of the group calls it, and
    /// connects before anything that can fail on it alone.
    ///
    /// # Errors
    /// Unsupported when this backend cannot do the work; the case is then skipped.
    fn prepare<'a>(
        &'a self,
        work: &Work,
        group: &Group,
        peers: Peers<'a>,
    ) -> Result<Box<dyn Prepared + 'a>>;
}

/// What the ranks of a case tell each other; all of them make each call.
#[derive(Clone, Copy)]
struct Share<'a>(&'a World);

impl Share<'_> {
    /// What the first rank brings; the others bring nothing. Errors as of [`unanimous`](Self::unanimous).
    fn first(self, own: Result<Option<Vec<u8>>>) -> Result<Vec<u8>> {
        self.0.broadcast(self.0.unanimous(own)?)
    }

    /// One rank's error is everybody's, so that nobody connects to one that cannot.
    fn unanimous<T>(self, own: Result<T>) -> Result<T> {
        self.0.unanimous(own)
    }

    /// The largest number that a rank brings.
    fn most(self, own: usize) -> usize {
        self.0.max(own as i64) as usize
    }
}

/// The ranks of a case, as far as a backend needs them.
pub struct Peers<'a> {
    share: Share<'a>,
    /// How to wait for them.
    wait: Wait,
    /// Whether they read one clock.
    share_clock: bool,
}

impl<'a> Peers<'a> {
    /// The ranks of `team`.
    pub fn of(team: &'a World) -> Self {
        Self { share: Share(team), wait: team.wait(), share_clock: team.shares_clock() }
    }
}

/// One piece of work, ready to run.
pub trait Prepared {
    /// Runs once on known data and compares every element with its reference.
    ///
    /// # Errors
    /// When the work cannot run; a wrong element is not an error but a finding.
    fn verify(&mut self) -> Result<Accuracy>;

    /// Compares every element that the last sample's last operation left with its reference. An operation
    /// that cannot be checked so compares nothing.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    fn check(&mut self) -> Result<Accuracy> {
        Ok(Accuracy::default())
    }

    /// What a reader should know of how it ran.
    fn remarks(&self) -> Remarks {
        Remarks::default()
    }

    /// How many operations make a sample that is long enough for its clock. The same in every run of a case.
    fn batch(&self) -> u32 {
        1
    }

    /// How many operations a sample may span at most.
    fn batch_limit(&self) -> u32 {
        u32::MAX
    }

    /// Before each [`fire`](Self::fire): sets how many operations the sample spans, and queues what
    /// must be in flight before the start.
    ///
    /// # Errors
    /// When the device refuses.
    fn arm(&mut self, batch: u32) -> Result<()>;

    /// Waits for the start, runs the armed operations back to back, and stamps both ends. Nothing
    /// else happens between the stamps.
    ///
    /// # Errors
    /// When the device fails.
    fn fire(&mut self, start: Start) -> Result<Sample>;
}

/// What a reader should know of how work ran.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Remarks {
    /// How more elements were moved than one call can count.
    pub split: Option<String>,
    /// Whether host memory may lie on another NUMA node than the device.
    pub numa_unknown: bool,
    /// What a form that computes meanwhile did, for one operation.
    pub overlap: Option<Overlap>,
    /// What of its kernel was chosen.
    pub tuning: Option<Tuning>,
    /// How its kernel came to be machine code.
    pub compilation: Option<Compilation>,
}

/// When to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At this time on the backend's clock.
    At(Nanos),
    /// At once.
    Now,
}

impl Start {
    /// Waits for it; whether it is over already.
    fn is_late(self, clock: &impl Clock) -> bool {
        match self {
            Self::At(at) => clock.wait_until(at),
            Self::Now => false,
        }
    }
}

/// What one rank read in one iteration. Never a quotient, never dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Clock just before the first operation.
    pub start: Nanos,
    /// Clock just after the last operation.
    pub end: Nanos,
    /// Bound of the error of both, where the device has stamped them by a clock of its own; else 0.
    pub error: Nanos,
    /// Time on the device itself, where the device tells.
    pub device: Option<Nanos>,
    /// Time by the host's clock, where the device has stamped start and end.
    pub host: Option<Nanos>,
    /// Whether the rank came too late for the start.
    pub late: bool,
}

impl Sample {
    /// Stamped by the host.
    pub fn by_host(start: Nanos, end: Nanos, late: bool) -> Self {
        Self { start, end, error: 0, device: None, host: None, late }
    }

    /// How long it took: on the device itself, where the device tells.
    pub fn duration(&self) -> Nanos {
        self.device.unwrap_or(self.end - self.start)
    }
}

/// What a rank may fill that is number `local` of `ranks` on this node; nothing is known of a model.
///
/// # Errors
/// Unfit where there is no GPU, and one is asked for.
pub fn capacity(
    backend: Option<BackendChoice>,
    (local, ranks): (usize, usize),
) -> Result<Capacity> {
    match backend.unwrap_or_default() {
        BackendChoice::Simulated => Ok(Capacity::default()),
        BackendChoice::Cuda => {
            let gpus = cuda_survey()?;
            let gpu = &gpus[local % gpus.len()];
            Ok(Capacity::of_host(ranks).with_gpu(gpu, ranks.div_ceil(gpus.len())))
        }
        BackendChoice::Auto | BackendChoice::Host => Ok(Capacity::of_host(ranks)),
    }
}

/// Opens the backend of the plan on this rank.
///
/// # Errors
/// When the machine lacks what the backend needs.
pub fn open(plan: &Plan, world: &World) -> Result<Box<dyn Backend>> {
    Ok(match &plan.backend {
        BackendSpec::Host => {
            Box::new(host::Host::open(world, Launch::of(plan, world), plan.autotune))
        }
        BackendSpec::Cuda { emulated, queued } => {
            let place = (world.rank(), world.local_rank());
            let launch = Launch::of(plan, world);
            Box::new(cuda::Cuda::open(
                place,
                world.wait().policy(),
                (*emulated, *queued, plan.autotune),
                launch,
            )?)
        }
        BackendSpec::Simulated(topology) => {
            Box::new(simulated::Simulated::open(topology, plan.seed, world.rank()))
        }
    })
}
