//! Copies in several streams, which begin together; what comes after them waits for all.

use std::sync::Arc;

use cudarc::driver::sys::CUstream;
use cudarc::driver::{CudaEvent, CudaStream};

use super::gpu::{Gpu, failed};
use crate::base::error::Result;

/// The GPU's stream, and others beside it.
pub(super) struct Fork {
    begun: CudaEvent,
    others: Vec<(Arc<CudaStream>, CudaEvent)>,
}

impl Fork {
    /// So many streams; the GPU's own is always one of them.
    pub(super) fn new(gpu: &Gpu, streams: usize) -> Result<Self> {
        let other = |_| {
            let stream = gpu.stream.context().new_stream();
            Ok((stream.map_err(failed("cannot create a stream"))?, gpu.event()?))
        };
        Ok(Self { begun: gpu.event()?, others: (1..streams).map(other).collect::<Result<_>>()? })
    }

    /// Entries that it takes in a stream's queue at most, besides what is queued.
    pub(super) fn entries(&self) -> u32 {
        if self.others.is_empty() { 0 } else { 1 + self.others.len() as u32 }
    }

    /// Has each stream's work queued, which gets the stream's number.
    pub(super) fn queue(
        &self,
        gpu: &Gpu,
        work: impl Fn(usize, CUstream) -> Result<()>,
    ) -> Result<()> {
        let waits = failed("cannot make a stream wait for another");
        if !self.others.is_empty() {
            gpu.record(&self.begun)?;
        }
        work(0, gpu.raw_stream())?;
        for (number, (stream, ended)) in (1..).zip(&self.others) {
            stream.wait(&self.begun).map_err(&waits)?;
            work(number, stream.cu_stream())?;
            ended.record(stream).map_err(failed("cannot record an event"))?;
            gpu.stream.wait(ended).map_err(&waits)?;
        }
        Ok(())
    }
}
