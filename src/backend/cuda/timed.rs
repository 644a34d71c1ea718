//! An operation behind a blocking kernel, between two events.

use cudarc::driver::CudaEvent;

use super::gpu::failed;
use super::{Accuracy, Clock as _, Cuda, HostClock, Operation, Prepared, Sample, Start, Wait};
use crate::base::error::Result;
use crate::world::progress::Phase;

/// Most unlike runs whose results are compared. All of them run, so that what is set up at the first time
/// (code that is loaded, ranks that connect) is not behind a closed blocking kernel.
const COMPARED: usize = 4;

/// How many looks at the end of a round there are for one at errors of the operation.
const LOOKS_PER_CHECK: u32 = 1000;

/// An operation, ready to be timed.
pub(super) struct Timed<'a> {
    cuda: &'a Cuda,
    clock: HostClock,
    wait: Wait,
    operation: Box<dyn Operation + 'a>,
    begin: CudaEvent,
    end: CudaEvent,
    is_too_short: bool,
    /// Whether a closed blocking kernel is in the stream.
    armed: bool,
}

impl<'a> Timed<'a> {
    pub(super) fn new(
        cuda: &'a Cuda,
        operation: Box<dyn Operation + 'a>,
        wait: Wait,
        is_too_short: bool,
    ) -> Result<Self> {
        let clock = cuda.clock.with_policy(wait.policy());
        let (begin, end) = (cuda.gpu.event()?, cuda.gpu.event()?);
        Ok(Self { cuda, clock, wait, operation, begin, end, is_too_short, armed: false })
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
            self.operation.enqueue()?;
            self.cuda.gpu.record(&self.end)?;
            self.finish()?;
            if compares {
                found.push(self.operation.compare(Phase::Verify)?);
            }
        }
        self.operation.load(Phase::Measure)?;
        Ok(Accuracy::sum(found))
    }

    fn check(&mut self) -> Result<Accuracy> {
        self.operation.compare(Phase::Measure)
    }

    fn is_too_short(&self) -> bool {
        self.is_too_short
    }

    fn arm(&mut self, batch: u32) -> Result<()> {
        self.cuda.blocking.close(&self.cuda.gpu)?;
        self.armed = true;
        self.cuda.gpu.record(&self.begin)?;
        for _ in 0..batch {
            self.operation.enqueue()?;
        }
        self.cuda.gpu.record(&self.end)?;
        self.until(|| self.cuda.blocking.is_reached().then_some(Ok(())))
    }

    fn fire(&mut self, start: Start) -> Result<Sample> {
        let late = start.is_late(&self.clock);
        let start = self.clock.now();
        self.cuda.blocking.open();
        self.finish()?;
        let end = self.clock.now();
        self.armed = false;
        let device = Some(self.cuda.gpu.between(&self.begin, &self.end)?);
        // The device did not wait for the common start: as bad as a rank that came late.
        let late = late || self.cuda.blocking.gave_up();
        Ok(Sample { start, end, device, late })
    }
}

impl Drop for Timed<'_> {
    /// Nothing that is still queued may use memory that is about to go.
    fn drop(&mut self) {
        if self.armed {
            self.cuda.blocking.open();
            if let Err(why) = self.cuda.gpu.synchronize() {
                tracing::debug!("while leaving a case: {why}");
            }
        }
    }
}
