//! Passes over arrays in the GPU's memory, by our own kernels.
#![expect(unsafe_code, reason = "launching kernels with raw arguments")]

use cudarc::driver::{CudaFunction, LaunchConfig, PushKernelArg as _};

use super::gpu::{Buffer, Gpu, failed, function};
use super::{Accuracy, Operation};
use crate::backend::reference::{Number, SCALAR, b_at, c_at, judge_pass, no_such_type};
use crate::base::error::{Error, Result};
use crate::benchmark::work::{Element, Stream, StreamOp};
use crate::machine::kernel;
use crate::world::progress::Phase;

/// Threads of a block, as in kernels/stream/kernel.cu.
const THREADS: u32 = 256;

/// Bytes that a block moves of each array: for each thread `UNROLL` vectors of 16 bytes.
const BLOCK_BYTES: u64 = THREADS as u64 * 4 * 16;

/// Prepares a pass.
///
/// # Errors
/// Unsupported for types other than f32 and f64, and when memory is short.
pub(super) fn prepare<'a>(gpu: &'a Gpu, stream: &Stream) -> Result<Box<dyn Operation + 'a>> {
    let name = match (stream.op, stream.element) {
        (StreamOp::Copy, Element::F32 | Element::F64) => "copy",
        (StreamOp::Triad, Element::F32) => "triad_f32",
        (StreamOp::Triad, Element::F64) => "triad_f64",
        (_, other) => return Err(no_such_type("a pass over memory", other)),
    };
    let blocks = u32::try_from(stream.bytes.div_ceil(BLOCK_BYTES))
        .ok()
        .filter(|&blocks| blocks <= i32::MAX.cast_unsigned())
        .ok_or_else(|| Error::unsupported("the array has more blocks than a GPU can start"))?;
    let arrays = Arrays {
        gpu,
        stream: *stream,
        function: function(&gpu.load(&kernel::STREAM)?, name)?,
        launch: LaunchConfig {
            grid_dim: (blocks, 1, 1),
            block_dim: (THREADS, 1, 1),
            shared_mem_bytes: 0,
        },
        a: gpu.allocate(stream.bytes)?,
        b: gpu.allocate(stream.bytes)?,
        c: (stream.op == StreamOp::Triad).then(|| gpu.allocate(stream.bytes)).transpose()?,
    };
    Ok(match stream.element {
        Element::F64 => Box::new(Pass::<f64> { arrays, scalar: SCALAR as f64 }),
        _ => Box::new(Pass::<f32> { arrays, scalar: SCALAR as f32 }),
    })
}

/// The arrays of a pass; a copy has no `c`.
struct Arrays<'a> {
    gpu: &'a Gpu,
    stream: Stream,
    function: CudaFunction,
    launch: LaunchConfig,
    a: Buffer,
    b: Buffer,
    c: Option<Buffer>,
}

/// A pass over elements of type `T`.
struct Pass<'a, T> {
    arrays: Arrays<'a>,
    scalar: T,
}

impl<T: Number> Pass<'_, T> {
    fn compare(&self, phase: Phase) -> Result<Accuracy> {
        let Arrays { gpu, stream, a, .. } = &self.arrays;
        let mut values = vec![T::default(); (stream.bytes / stream.element.bytes()) as usize];
        gpu.download(&mut values, a)?;
        Ok(judge_pass(stream.op, phase, &mut values))
    }
}

impl<T: Number + cudarc::driver::DeviceRepr> Operation for Pass<'_, T> {
    fn load(&mut self) -> Result<()> {
        self.load_timed()?;
        let Arrays { gpu, stream, b, c, .. } = &self.arrays;
        let len = (stream.bytes / stream.element.bytes()) as usize;
        let values = |at: fn(usize) -> i64| (0..len).map(|i| T::of(at(i))).collect::<Vec<T>>();
        gpu.upload(b, &values(b_at))?;
        c.as_ref().map_or(Ok(()), |c| gpu.upload(c, &values(c_at)))
    }

    fn enqueue(&mut self) -> Result<()> {
        let Arrays { gpu, stream, function, launch, a, b, c } = &self.arrays;
        let (a, b) = (a.pointer(), b.pointer());
        let c = c.as_ref().map(Buffer::pointer);
        let size = if c.is_some() { stream.bytes / stream.element.bytes() } else { stream.bytes };
        let mut queue = gpu.stream().launch_builder(function);
        queue.arg(&a).arg(&b);
        if let Some(c) = &c {
            queue.arg(c).arg(&self.scalar);
        }
        queue.arg(&size);
        // SAFETY: the arguments are those of the function in kernels/stream/kernel.cu, which stays
        // within `size`, and the arrays live until the stream is done.
        unsafe { queue.launch(*launch) }.map(drop).map_err(failed("cannot queue a kernel"))
    }

    fn compare(&mut self) -> Result<Accuracy> {
        Self::compare(self, Phase::Verify)
    }

    /// The known data stays; the result is spoilt once more.
    fn load_timed(&mut self) -> Result<()> {
        self.arrays.gpu.fill(&self.arrays.a, 0xff)
    }

    fn compare_timed(&mut self) -> Result<Accuracy> {
        Self::compare(self, Phase::Measure)
    }
}
