//! An operation behind a blocking kernel, between two events; or one that is queued within the time.

use cudarc::driver::CudaEvent;

use super::blocking::BlockingKernel;
use super::gpu::failed;
use super::graph::Graph;
use super::{
    Accuracy, Clock as _, Cuda, HostClock, Operation, Prepared, Remarks, Sample, Start, Wait,
};
use crate::base::error::{Error, Kind, Result};
use crate::base::units::Nanos;
use crate::world::progress::Phase;

/// Most unlike runs whose results are compared. All of them run, so that what is set up at the first time
/// (code that is loaded, ranks that connect) is not behind a closed blocking kernel.
const COMPARED: usize = 4;

/// Entries that a stream's queue has room for besides the blocking kernel and two events. The driver's has 1,024, and a
/// launch into a full one waits until the device has taken an entry, which it does not behind a closed blocking kernel.
/// (NVIDIA does not document the number; nvbench's and others' experiments agree on it.)
pub(super) const ENTRIES: u32 = 1000;

/// How many looks at the end of a round there are for one at errors of the operation.
const LOOKS_PER_CHECK: u32 = 1000;

/// An operation, ready to be timed.
pub(super) struct Timed<'a> {
    cuda: &'a Cuda,
    clock: HostClock,
    wait: Wait,
    /// Runs that are one graph, where they are, and the graph once it is captured. It goes before what it uses.
    captured: Option<u32>,
    graph: Option<Graph>,
    operation: Box<dyn Operation + 'a>,
    /// What holds back runs that are queued before the time begins; none where they are queued within it.
    blocking: Option<&'a BlockingKernel>,
    begin: CudaEvent,
    end: CudaEvent,
    /// Operations that make a sample long enough.
    batch: u32,
    /// When the host saw the blocking kernel come.
    came: Nanos,
    /// Whether work may be in the stream, perhaps behind a closed blocking kernel.
    armed: bool,
    /// Runs that are queued within the time.
    runs: u32,
}

impl<'a> Timed<'a> {
    pub(super) fn new(
        cuda: &'a Cuda,
        operation: Box<dyn Operation + 'a>,
        wait: Wait,
        (batch, captured): (u32, Option<u32>),
    ) -> Result<Self> {
        let clock = cuda.clock.with_policy(wait.policy());
        let (begin, end) = (cuda.gpu.event()?, cuda.gpu.event()?);
        // Several that are queued within the time overlap.
        let blocking = cuda.blocking.as_deref().filter(|_| operation.is_queued());
        let batch = if blocking.is_some() { batch } else { 1 };
        let (armed, runs, came, graph) = (false, 1, 0, None);
        Ok(Self {
            cuda,
            clock,
            wait,
            captured,
            graph,
            operation,
            blocking,
            begin,
            end,
            batch,
            came,
            armed,
            runs,
        })
    }

    /// Queues one run, or the graph.
    fn enqueue(&mut self) -> Result<()> {
        match &self.graph {
            Some(graph) => graph.launch(),
            None => self.operation.enqueue(),
        }
    }

    /// Runs what was queued to its end.
    fn run(&mut self) -> Result<()> {
        self.enqueue()?;
        self.cuda.gpu.record(&self.end)?;
        self.finish()
    }

    /// Makes a graph of so many runs, and compares what it leaves. Each of them has run by itself before: what is set up
    /// at the first time cannot be captured.
    fn capture(&mut self, runs: u32) -> Result<Accuracy> {
        let operation = &mut self.operation;
        let phase = operation.repeats_on();
        // What is queued under the eyes of all ranks is verified alone, and nothing of it is captured.
        operation.load(Phase::Measure)?;
        let queue = || (0..runs).try_for_each(|_| operation.enqueue());
        self.graph = Some(Graph::capture(&self.cuda.gpu, queue)?);
        self.operation.load(phase)?;
        self.run()?;
        self.operation.compare(phase)
    }

    /// Queues the operation, and waits for its end, in the time of the host.
    fn fire_unqueued(&mut self, late: bool) -> Result<Sample> {
        self.armed = true;
        let start = self.clock.now();
        for _ in 0..self.runs {
            self.enqueue()?;
        }
        self.cuda.gpu.record(&self.end)?;
        self.finish()?;
        let end = self.clock.now();
        self.armed = false;
        Ok(Sample::by_host(start, end, late))
    }

    /// Queues the operations behind a closed blocking kernel, and waits until the device stands before that.
    fn queue(&mut self, blocking: &BlockingKernel, batch: u32) -> Result<()> {
        let stalled = || {
            let why = format!(
                "the GPU did not take {batch} operations of a sample into its queue within {} s; use a smaller --batch, \
                 and see whether something else keeps the GPU busy",
                BlockingKernel::SECONDS
            );
            Error::new(Kind::CaseFailed, why)
        };
        blocking.close(&self.cuda.gpu)?;
        self.armed = true;
        self.cuda.gpu.record(&self.begin)?;
        for _ in 0..batch {
            if blocking.gave_up() {
                return Err(stalled());
            }
            self.enqueue()?;
        }
        self.cuda.gpu.record(&self.end)?;
        self.until(|| blocking.is_reached().then_some(Ok(())))
    }

    /// Waits until the last event has passed.
    fn finish(&self) -> Result<()> {
        self.until(|| self.has_ended().map(|ended| ended.then_some(())).transpose())
    }

    fn has_ended(&self) -> Result<bool> {
        self.end.try_is_complete().map_err(failed("work on the GPU failed"))
    }

    /// Waits for the device. It looks rather than sleeps, because sleeping costs microseconds and cannot
    /// see errors of the operation.
    fn until(&self, mut done: impl FnMut() -> Option<Result<()>>) -> Result<()> {
        let mut looks: u32 = 0;
        self.wait.until(|| {
            looks = looks.wrapping_add(1);
            let check = looks.is_multiple_of(LOOKS_PER_CHECK);
            done().or_else(|| {
                // An error of the device shows at the event even when it never gets there.
                let failed =
                    || self.operation.check().and_then(|()| self.has_ended().map(drop)).err();
                check.then(failed).flatten().map(Err)
            })
        })
    }
}

impl Prepared for Timed<'_> {
    fn verify(&mut self) -> Result<Accuracy> {
        let mut found = Vec::new();
        for run in 0..self.operation.runs() {
            let compares = run < COMPARED;
            if compares {
                self.operation.load(Phase::Verify)?;
            }
            match self.operation.meets_others() {
                // Ranks connect further when an operation first needs it.
                true => self.cuda.watching(|| self.run())?,
                false => self.run()?,
            }
            if compares {
                found.push(self.operation.compare(Phase::Verify)?);
            }
        }
        if let Some(runs) = self.captured {
            found.push(self.capture(runs)?);
        }
        self.operation.load(Phase::Measure)?;
        Ok(Accuracy::sum(found))
    }

    fn check(&mut self) -> Result<Accuracy> {
        self.operation.compare(Phase::Measure)
    }

    fn remarks(&self) -> Remarks {
        let Self { operation, .. } = self;
        let (compilation, tuning) = (operation.compilation(), operation.tuning());
        let numa_unknown = !operation.is_near();
        Remarks { compilation, tuning, numa_unknown, ..Remarks::default() }
    }

    fn batch(&self) -> u32 {
        self.batch
    }

    fn batch_limit(&self) -> u32 {
        // What a graph takes is not documented: at most as much as its runs by themselves.
        let entries = self.operation.entries().saturating_mul(self.captured.unwrap_or(1));
        if self.blocking.is_some() { (ENTRIES / entries.max(1)).max(1) } else { u32::MAX }
    }

    fn arm(&mut self, batch: u32) -> Result<()> {
        let Some(blocking) = self.blocking else {
            self.runs = batch;
            return Ok(());
        };
        // What fails, or waits for room, must not wait for the blocking kernel to give up.
        self.queue(blocking, batch).inspect_err(|_| blocking.open())?;
        self.came = self.clock.now();
        Ok(())
    }

    fn fire(&mut self, start: Start) -> Result<Sample> {
        let late = start.is_late(&self.clock);
        let Some(blocking) = self.blocking else {
            return self.fire_unqueued(late);
        };
        let start = self.clock.now();
        blocking.open();
        self.finish()?;
        let end = self.clock.now();
        self.armed = false;
        let device = self.cuda.gpu.between(&self.begin, &self.end)?;
        // The device did not wait for the common start: as bad as a rank that came late.
        let gave_up = blocking.gave_up();
        let by_host = Sample::by_host(start, end, late || gave_up);
        let by_host = Sample { device: Some(device), ..by_host };
        // Ranks that exchange data are held against each other, by stamps that leave out what opening the stream and
        // noticing the end take.
        let is_stamped = self.operation.meets_others() && !gave_up;
        let passed = is_stamped.then(|| blocking.passed(self.came, start));
        Ok(match passed.flatten() {
            None => by_host,
            Some((passed, error)) => {
                let host = Some(end - start);
                Sample { start: passed, end: passed + device, error, host, ..by_host }
            }
        })
    }
}

impl Drop for Timed<'_> {
    /// Nothing that is still queued may use memory that is about to go.
    fn drop(&mut self) {
        if self.armed {
            self.blocking.iter().for_each(|blocking| blocking.open());
            if let Err(why) = self.cuda.gpu.synchronize() {
                tracing::debug!("while leaving a case: {why}");
            }
        }
    }
}
