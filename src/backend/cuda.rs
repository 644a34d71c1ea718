//! NVIDIA GPUs: kernels compiled for the device at hand, cuBLASLt, NCCL.
//!
//! Everything is queued on one stream behind a [`blocking`] kernel, so that the host chooses the moment at which
//! the device begins, and launch costs stay out of the times. Two times are read: stamps of the
//! host's clock, which ranks of a machine can compare, and events on the device.

mod blocking;
mod call;
mod copy;
mod creation;
mod cublaslt;
mod device_clock;
mod exchange;
mod fork;
mod gemm;
mod gpu;
mod graph;
mod host_memory;
mod kernel;
mod launch;
mod memory;
mod nccl;
mod reduction;
mod schedule;
mod timed;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::pace::Pace;
use super::program::{Launch, Program};
use super::tuner::Tuner;
use super::{Accuracy, Backend, Device, Library, Peers, Prepared, Remarks, Sample, Share, Start};
use crate::base::error::{Error, Kind, Result};
use crate::base::units::{Nanos, counted};
use crate::benchmark::collective::Nccl;
use crate::benchmark::kernel::Tuning;
use crate::benchmark::work::{Exchange, Work};
use crate::machine::kernel::Compilation;
use crate::machine::memory::DeviceMemory;
use crate::machine::nvidia;
use crate::plan::mesh::Group;
use crate::world::clock::{Clock, HostClock};
use crate::world::fault;
use crate::world::progress::{self, Phase};
use crate::world::{Wait, WaitPolicy};

use blocking::BlockingKernel;
use creation::Creation;
use gpu::Gpu;
use nccl::Comm;
use timed::Timed;

/// The GPU of this process.
pub(super) struct Cuda {
    /// The communicators of the groups this rank has been in, by world ranks. First, so that they go
    /// before what they use; in order, because the ranks of each end it together.
    comms: RefCell<BTreeMap<Vec<usize>, Rc<Comm>>>,
    /// Bytes of the GPU that went while they were made and first used.
    taken: Cell<u64>,
    /// Its number among the visible ones.
    ordinal: usize,
    launch: Launch,
    tuner: Tuner,
    /// What holds the stream back; none where rounds are not `queued`.
    blocking: Option<Rc<BlockingKernel>>,
    gpu: Gpu,
    clock: HostClock,
    world_rank: usize,
    /// How many cores this process may use, and whether it has been said that they are few.
    cores: usize,
    warned: Cell<bool>,
}

/// Cores that a rank needs for its own thread and NCCL's: one that posts operations, one that moves data.
const CORES: usize = 3;

/// How many devices of this backend the process sees.
///
/// # Errors
/// Unfit, in one sentence, where there is no driver, it is too old, or it sees no GPU.
pub fn devices() -> Result<usize> {
    nvidia::DRIVER.require()?;
    match gpu::count()? {
        0 => Err(Error::unfit(
            "NVIDIA's driver sees no GPU; see whether CUDA_VISIBLE_DEVICES hides them, or choose \
             --backend host",
        )),
        count => Ok(count),
    }
}

/// What each of them is.
///
/// # Errors
/// As [`devices`].
pub fn survey() -> Result<Vec<Device>> {
    (0..devices()?).map(gpu::facts).collect()
}

/// The versions of the libraries, or why there is none; the driver's is the newest CUDA that it serves.
pub fn versions() -> [(&'static nvidia::Library, Result<String>); 4] {
    [
        (&nvidia::DRIVER, nvidia::DRIVER.require().and_then(|_| gpu::driver_version())),
        (&nvidia::NVRTC, crate::machine::kernel::compiler_version()),
        (&nvidia::CUBLASLT, cublaslt::version()),
        (&nvidia::NCCL, nccl::version()),
    ]
}

impl Cuda {
    /// Opens this rank's GPU: the one with the rank's number on its node. A launcher that shows
    /// each process its own GPU only shows one.
    ///
    /// # Errors
    /// Unfit where there is no GPU, or too few for the ranks of the node and they are not `emulated`; where rounds are to be
    /// `queued` and a launch waits for its kernel's end.
    pub(super) fn open(
        (world_rank, local): (usize, usize),
        policy: WaitPolicy,
        (emulated, queued, tunes): (bool, bool, bool),
        launch: Launch,
    ) -> Result<Self> {
        let count = devices()?;
        if local >= count && count > 1 && !emulated {
            return Err(Error::unfit(format!(
                "rank {world_rank} is number {local} on its node, which has {}; start one rank per GPU, or \
                 add --emulate-ranks to let ranks share one for a trial",
                counted(count, "GPU")
            )));
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let gpu = Gpu::open(local % count)?;
        let blocking = queued.then(|| BlockingKernel::build(&gpu).map(Rc::new)).transpose()?;
        let clock = HostClock::new(policy);
        let (comms, taken, warned) = (RefCell::default(), Cell::new(0), Cell::new(false));
        let ordinal = local % count;
        let tuner = Tuner::new(tunes, gpu.facts.name.clone());
        Ok(Self {
            comms,
            taken,
            ordinal,
            launch,
            tuner,
            blocking,
            gpu,
            clock,
            world_rank,
            cores,
            warned,
        })
    }

    /// This rank's number in a group, and how many ranks that has.
    fn place(&self, group: &Group) -> Result<(usize, usize)> {
        let place = group.ranks.iter().position(|&rank| rank == self.world_rank);
        let place = place.ok_or_else(|| {
            Error::internal(format!("rank {} is not in the group {group}", self.world_rank))
        })?;
        Ok((place, group.ranks.len()))
    }

    /// The communicator of a group; every rank of the group calls this.
    fn comm(&self, group: &Group, share: Share<'_>, wait: Wait) -> Result<Rc<Comm>> {
        let known = self.comms.borrow().get(&group.ranks).map(Rc::clone);
        if let Some(comm) = known.filter(|comm| !comm.is_aborted()) {
            return Ok(comm);
        }
        let place = self.place(group)?;
        let connect = || Comm::connect_agreed(place, share, wait, self.blocking.clone());
        let connect = || progress::in_collective(connect);
        let comm = self.watching(|| fault::during(Phase::Connect, connect)).map(Rc::new)?;
        self.comms.borrow_mut().insert(group.ranks.clone(), Rc::clone(&comm));
        Ok(comm)
    }

    /// Counts the memory that goes meanwhile as NCCL's.
    fn watching<T>(&self, step: impl FnOnce() -> T) -> T {
        let before = gpu::memory();
        let done = step();
        let went =
            before.zip(gpu::memory()).map(|((before, _), (after, _))| before.saturating_sub(after));
        self.taken.set(self.taken.get() + went.unwrap_or(0));
        done
    }

    /// How a rank waits while NCCL's threads work for it.
    fn wait_beside_nccl(&self, group: &Group, wait: Wait) -> Wait {
        if self.cores >= CORES {
            return wait;
        }
        if group.ranks.len() > 1 && !self.warned.replace(true) {
            tracing::warn!(
                "rank {} may use {}, which NCCL's threads share with it: exchanges may be slow; give each \
                 rank {CORES} or more (mpirun --bind-to none, srun --cpu-bind=none)",
                self.world_rank,
                counted(self.cores, "core")
            );
        }
        // Spinning would keep NCCL's threads from working.
        wait.yielding()
    }

    fn timed<'a>(
        &'a self,
        operation: Box<dyn Operation + 'a>,
        wait: Wait,
        runs: (u32, Option<u32>),
    ) -> Result<Box<dyn Prepared + 'a>> {
        Ok(Box::new(Timed::new(self, operation, wait, runs)?))
    }
}

impl Backend for Cuda {
    fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    fn device(&self) -> Device {
        self.gpu.facts.clone()
    }

    fn memory(&self) -> Option<DeviceMemory> {
        let (free, total) = gpu::memory()?;
        Some(DeviceMemory { total, used: total.saturating_sub(free), nccl: self.taken.get() })
    }

    /// A GPU at rest clocks down; it takes tenths of a second until it runs at its usual clocks.
    fn settling(&self) -> Nanos {
        500_000_000
    }

    fn libraries(&self) -> BTreeMap<String, Library> {
        let known = |(library, version): (&nvidia::Library, Result<String>)| {
            let file = library.require().ok()?.display().to_string();
            Some((library.key.to_owned(), Library { version: version.ok()?, file }))
        };
        versions().into_iter().filter_map(known).collect()
    }

    /// A library that is missing or too old makes work impossible here, as it would without a GPU.
    fn prepare<'a>(
        &'a self,
        work: &Work,
        group: &Group,
        peers: Peers<'a>,
    ) -> Result<Box<dyn Prepared + 'a>> {
        work.check_backend("cuda")?;
        let runs = (Pace::GPU.batch(work, group.ranks.len()), work.graph());
        let prepared = match work {
            Work::Nothing => self.timed(Box::new(Nothing), peers.wait, runs),
            Work::Exchange(exchange) => self.exchange(exchange, group, peers),
            Work::Copy(copy) => {
                copy::prepare(&self.gpu, copy).and_then(|copy| self.timed(copy, peers.wait, runs))
            }
            Work::Kernel(run) => match &run.kernel.command {
                Some(command) => {
                    let place = (self.ordinal.to_string(), &self.clock as &dyn Clock);
                    return Ok(Box::new(Program::new(run, command, &self.launch, place)));
                }
                None => kernel::prepare(&self.gpu, run, &self.tuner)
                    .and_then(|kernel| self.timed(kernel, peers.wait, runs)),
            },
        };
        prepared.map_err(|why| match why.kind {
            Kind::Unfit => Error::unsupported(why.message),
            _ => why,
        })
    }
}

impl Cuda {
    fn exchange<'a>(
        &'a self,
        exchange: &Exchange,
        group: &Group,
        Peers { share, wait, .. }: Peers<'a>,
    ) -> Result<Box<dyn Prepared + 'a>> {
        exchange::check(exchange)?;
        let wait = self.wait_beside_nccl(group, wait);
        if matches!(exchange.collective.nccl, Nccl::CommInit) {
            let place = self.place(group)?;
            let parent = || {
                share.unanimous(nccl::can_split())?;
                self.comm(group, share, wait)
            };
            let parent = exchange.splits.then(parent).transpose()?;
            return Ok(Box::new(Creation::new(self, place, share, wait, parent)));
        }
        let comm = self.comm(group, share, wait)?;
        // Operations after one another have no common start, and are not what one takes.
        let operation = exchange::prepare(&self.gpu, comm, exchange, share)?;
        self.timed(operation, wait, (1, exchange.graph))
    }
}

/// What the timed loop and its two events cost.
struct Nothing;

impl Operation for Nothing {
    fn enqueue(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Something to queue and to check, without a thought for time.
trait Operation {
    /// How many runs are not alike: as many as there are roots, where the root rotates.
    fn runs(&self) -> usize {
        1
    }

    /// On which data several runs leave what one leaves.
    fn repeats_on(&self) -> Phase {
        Phase::Verify
    }

    /// Puts in place what is to be verified, or timed, and spoils the place of the result.
    fn load(&mut self, _: Phase) -> Result<()> {
        Ok(())
    }

    /// Whether runs stand in the queue before the time begins, so that what queueing costs is not in it.
    fn is_queued(&self) -> bool {
        true
    }

    /// Whether other ranks take part in it.
    fn meets_others(&self) -> bool {
        false
    }

    /// Queues one run on the device's stream.
    fn enqueue(&mut self) -> Result<()>;

    /// Entries of the stream's queue that one run takes at most, or as large a share of another queue that fills up.
    fn entries(&self) -> u32 {
        1
    }

    /// Compares every element that the last run since `load` left with its reference, where that can be done.
    fn compare(&mut self, _: Phase) -> Result<Accuracy> {
        Ok(Accuracy::default())
    }

    /// Whether host memory that it uses lies on the GPU's NUMA node, as far as that matters.
    fn is_near(&self) -> bool {
        true
    }

    /// How its kernel came to be machine code, where this program has it compiled.
    fn compilation(&self) -> Option<Compilation> {
        None
    }

    /// What of it was chosen.
    fn tuning(&self) -> Option<Tuning> {
        None
    }

    /// Looks for an error that shows while a run is in flight.
    fn check(&self) -> Result<()> {
        Ok(())
    }
}
