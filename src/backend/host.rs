//! Real work on CPUs: MPI collectives as the data plane, CPU kernels as compute.

mod buffer;
mod kernel;
// The second of two places that know whether there is MPI; `world` is the first.
#[cfg_attr(not(feature = "mpi"), path = "host/no_transport.rs")]
mod transport;

use super::pace::Pace;
use super::program::{Launch, Program};
use super::tuner::Tuner;
use super::{Accuracy, Backend, Device, Peers, Prepared, Remarks, Sample, Start};
use crate::base::error::{Error, Result};
use crate::base::units::Nanos;
use crate::benchmark::work::Work;
use crate::plan::mesh::Group;
use crate::world::clock::{Clock, HostClock};
use crate::world::{WaitPolicy, World};

/// The CPU cores and the MPI of this process.
pub(super) struct Host {
    clock: HostClock,
    transport: Option<transport::Transport>,
    launch: Launch,
    tuner: Tuner,
}

impl Host {
    pub(super) fn open(world: &World, launch: Launch, tunes: bool) -> Self {
        let transport = world.mpi_init_time().map(transport::Transport::new);
        let tuner = Tuner::new(tunes, crate::machine::environment::cpu_model());
        Self { clock: HostClock::new(world.wait().policy()), transport, launch, tuner }
    }

    /// The ranks of the case wait as their own number demands, not that of all ranks: those that
    /// are parked leave their cores free.
    fn timed<'a>(
        &self,
        operation: Box<dyn Operation + 'a>,
        policy: WaitPolicy,
        batch: u32,
    ) -> Box<dyn Prepared + 'a> {
        let clock = self.clock.with_policy(policy);
        let sample = Sample::by_host(0, 0, false);
        let window = Window { clock, start: Start::Now, batch: 1, sample };
        Box::new(Timed { operation, window, batch })
    }
}

impl Backend for Host {
    fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    fn device(&self) -> Device {
        let caches = crate::machine::cache::of_cpu();
        Device { caches, ..Device::named("cpu", crate::machine::environment::cpu_model()) }
    }

    /// Frequency governors look every few milliseconds.
    fn settling(&self) -> Nanos {
        20_000_000
    }

    fn prepare<'a>(
        &'a self,
        work: &Work,
        group: &Group,
        peers: Peers<'a>,
    ) -> Result<Box<dyn Prepared + 'a>> {
        work.check_backend("host")?;
        let policy = peers.wait.policy();
        // Between nodes a message takes longer than any clock's step matters.
        let batch = if peers.share_clock { Pace::CORES.batch(work, group.ranks.len()) } else { 1 };
        Ok(match work {
            Work::Nothing => self.timed(Box::new(Nothing), policy, batch),
            Work::Exchange(exchange) => {
                let transport = self.transport.as_ref().ok_or_else(|| {
                    Error::unsupported("exchanging data needs 2 ranks or more: --ranks 2")
                })?;
                // For a check that compares stamps of several ranks.
                let common = peers.share_clock.then_some(&self.clock);
                let operation = transport.prepare(exchange, group, (&self.clock, common))?;
                self.timed(operation, policy, batch)
            }
            Work::Copy(_) => {
                return Err(Error::unsupported(
                    "the host backend has no GPU's memory to copy to or from; use --backend cuda, or -b copy for a \
                     copy within the host's memory",
                ));
            }
            Work::Kernel(run) => match &run.kernel.command {
                Some(command) => {
                    let place = ("cpu".to_owned(), &self.clock as &dyn Clock);
                    Box::new(Program::new(run, command, &self.launch, place))
                }
                None => self.timed(kernel::prepare(run, &self.tuner)?, policy, batch),
            },
        })
    }
}

/// Something to run and to check, without a thought for time.
trait Operation {
    /// Comes before each sample, outside its time.
    fn ready(&mut self) {}

    /// Runs once.
    fn run(&mut self);

    /// Runs while the window times it. What is so short that it matters finds out before the window opens what
    /// to call with which arguments, as a loop that a user writes does.
    fn timed(&mut self, window: &mut Window) {
        window.time(|| self.run());
    }

    /// Runs once on known data and checks every element.
    fn verify(&mut self) -> Accuracy;

    /// Checks every element that the last run left.
    fn check(&mut self) -> Accuracy {
        Accuracy::default()
    }

    /// What a reader should know of how it ran.
    fn remarks(&self) -> Remarks {
        Remarks::default()
    }
}

/// One sample after another.
struct Window {
    clock: HostClock,
    start: Start,
    /// How many runs a sample spans.
    batch: u32,
    /// The last one.
    sample: Sample,
}

impl Window {
    /// Waits for the start, and stamps both ends of the runs. Nothing else happens in between.
    fn time(&mut self, mut run: impl FnMut()) {
        let late = self.start.is_late(&self.clock);
        let start = self.clock.now();
        for _ in 0..self.batch {
            run();
        }
        let end = self.clock.now();
        self.sample = Sample::by_host(start, end, late);
    }
}

/// What the timed loop itself costs.
struct Nothing;

impl Operation for Nothing {
    fn run(&mut self) {}

    fn verify(&mut self) -> Accuracy {
        Accuracy::default()
    }
}

/// An operation between two stamps of the machine's clock.
struct Timed<'a> {
    operation: Box<dyn Operation + 'a>,
    window: Window,
    batch: u32,
}

impl Prepared for Timed<'_> {
    fn verify(&mut self) -> Result<Accuracy> {
        Ok(self.operation.verify())
    }

    fn check(&mut self) -> Result<Accuracy> {
        Ok(self.operation.check())
    }

    fn remarks(&self) -> Remarks {
        self.operation.remarks()
    }

    fn batch(&self) -> u32 {
        self.batch
    }

    fn arm(&mut self, batch: u32) -> Result<()> {
        self.window.batch = batch;
        self.operation.ready();
        Ok(())
    }

    fn fire(&mut self, start: Start) -> Result<Sample> {
        self.window.start = start;
        self.operation.timed(&mut self.window);
        Ok(self.window.sample)
    }
}
