//! Operations of the stream that were captured as one CUDA graph.

use cudarc::driver::CudaGraph;
use cudarc::driver::sys::{CUgraphInstantiate_flags as Flags, CUstreamCaptureMode as Mode};

use super::gpu::{Gpu, failed};
use crate::base::error::{Error, Result};

/// A graph, ready to be launched.
pub(super) struct Graph(CudaGraph);

impl Graph {
    /// Captures what `queue` queues on the GPU's stream, which does not run. What that uses must live as long as the
    /// graph.
    ///
    /// # Errors
    /// What `queue` fails of, and what the driver says of calls that cannot be captured.
    pub(super) fn capture(gpu: &Gpu, queue: impl FnOnce() -> Result<()>) -> Result<Self> {
        const DOING: &str = "cannot capture a CUDA graph";
        // As nccl-tests: threads of NCCL's own may call what this one must not meanwhile.
        let mode = Mode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        gpu.stream.begin_capture(mode).map_err(failed(DOING))?;
        let queued = queue();
        // It ends whatever became of that: until then nothing runs on the stream.
        let captured = gpu.stream.end_capture(Flags(0)).map_err(failed(DOING));
        queued?;
        captured?.map(Self).ok_or_else(|| Error::internal("a capture that is none"))
    }

    /// Queues one run of it.
    pub(super) fn launch(&self) -> Result<()> {
        self.0.launch().map_err(failed("cannot launch a CUDA graph"))
    }
}
