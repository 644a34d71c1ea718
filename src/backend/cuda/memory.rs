//! The buffers of one operation on this rank's GPU, with what belongs in them.

use std::marker::PhantomData;

use super::gpu::{Buffer, Gpu};
use super::nccl::Comm;
use super::schedule::Spot;
use crate::backend::reference::{BufferLayout, ExpectedResults, Number};
use crate::base::accuracy::Accuracy;
use crate::base::error::Result;
use crate::benchmark::collective::Sharing;
use crate::benchmark::work::{Exchange, Placement};
use crate::world::progress::Phase;

/// Input and result, in two buffers or in one.
#[derive(Debug)]
pub(super) struct Memory<T> {
    expected: ExpectedResults,
    places: BufferLayout,
    /// Absent when in place.
    input: Option<Buffer>,
    output: Buffer,
    /// Bytes by which the data begins behind a page.
    offset: usize,
    element: PhantomData<T>,
}

impl<T: Number> Memory<T> {
    /// For the rank that calls it; in place, input and result share their buffer like this.
    pub(super) fn new(
        gpu: &Gpu,
        comm: &Comm,
        exchange: &Exchange,
        sharing: Sharing,
    ) -> Result<Self> {
        let (rank, ranks) = (comm.rank, comm.size);
        let in_place = exchange.placement == Placement::In;
        let places = BufferLayout::new(exchange, (rank, ranks), sharing);
        let buffer =
            |len: usize| gpu.allocate(exchange.offset + len as u64 * exchange.element.bytes());
        Ok(Self {
            expected: ExpectedResults::new(exchange, ranks, rank),
            input: (!in_place).then(|| buffer(places.input_buffer)).transpose()?,
            output: buffer(places.output_buffer)?,
            places,
            offset: exchange.offset as usize,
            element: PhantomData,
        })
    }

    /// How far behind the beginning of a buffer its element `at` lies, bytes.
    fn place(&self, at: usize) -> usize {
        self.offset + at * size_of::<T>()
    }

    /// Where NCCL finds the data.
    pub(super) fn spot(&self) -> Spot {
        let place = |buffer: &Buffer, at: usize| buffer.pointer + self.place(at) as u64;
        let input = self.input.as_ref().unwrap_or(&self.output);
        Spot {
            input: place(input, self.places.input.start),
            output: place(&self.output, self.places.output_at),
            element: size_of::<T>() as u64,
        }
    }

    /// Puts in what is verified, or timed, and something else where the result goes.
    pub(super) fn load(&self, gpu: &Gpu, phase: Phase) -> Result<()> {
        let data = self.expected.data(phase);
        let spoilt = self.expected.spoilt::<T>(data);
        let mut values = vec![spoilt; self.places.output_buffer];
        let own = self.places.input.clone();
        let Some(input) = &self.input else {
            self.expected.fill(data, &mut values[own]);
            return gpu.upload(&self.output, self.offset, &values);
        };
        gpu.upload(&self.output, self.offset, &values)?;
        let mut values = vec![T::default(); own.len()];
        self.expected.fill(data, &mut values);
        gpu.upload(input, self.offset, &values)
    }

    /// Compares the result of an operation with root `root`: on known data, or the last timed one.
    pub(super) fn compare(&self, gpu: &Gpu, root: usize, phase: Phase) -> Result<Accuracy> {
        let at = self.places.output_at;
        let mut result = vec![T::default(); self.places.output_buffer - at];
        gpu.download(&mut result, &self.output, self.place(at))?;
        Ok(self.expected.judge(phase, root, &mut result))
    }
}
