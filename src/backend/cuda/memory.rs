//! The buffers of one operation on this rank's GPU, with what belongs in them.

use std::marker::PhantomData;
use std::rc::Rc;

use super::Share;
use super::gpu::{Buffer, Gpu};
use super::nccl::{Comm, Registered};
use super::schedule::Spot;
use crate::backend::reference::{BufferLayout, ExpectedResults, Number};
use crate::base::accuracy::Accuracy;
use crate::base::error::Result;
use crate::benchmark::collective::Sharing;
use crate::benchmark::work::{Exchange, Placement, Registration};
use crate::world::progress::Phase;

/// Where buffers come from; all ranks of the communicator ask for them in the same order.
#[derive(Clone, Copy)]
pub(super) struct Buffers<'a> {
    pub(super) gpu: &'a Gpu,
    pub(super) comm: &'a Rc<Comm>,
    pub(super) registration: Option<Registration>,
    pub(super) share: Share<'a>,
}

impl Buffers<'_> {
    fn allocate(self, bytes: u64) -> Result<Buffer> {
        let Some(how) = self.registration else { return self.gpu.allocate(bytes) };
        // NCCL registers nothing as little as the driver allocates it.
        let size = usize::try_from(bytes.max(1)).unwrap_or(usize::MAX);
        Registered::allocate(self.comm, how, size, self.share).map(Buffer::registered)
    }
}

/// Input and results, in two buffers or in one.
#[derive(Debug)]
pub(super) struct Memory<T> {
    expected: ExpectedResults,
    places: BufferLayout,
    /// Absent when in place.
    input: Option<Buffer>,
    /// As many results one behind the other as are in flight.
    output: Buffer,
    results: usize,
    /// Bytes by which the data begins behind a page.
    offset: usize,
    element: PhantomData<T>,
}

impl<T: Number> Memory<T> {
    /// For the rank that calls it, with room for so many results, which is 1 when in place: input and result then
    /// share their buffer like this.
    pub(super) fn new(
        buffers: Buffers<'_>,
        exchange: &Exchange,
        sharing: Sharing,
        results: usize,
    ) -> Result<Self> {
        let (rank, ranks) = (buffers.comm.rank, buffers.comm.size);
        let in_place = exchange.placement == Placement::In;
        let places = BufferLayout::new(exchange, (rank, ranks), sharing);
        let buffer =
            |len: usize| buffers.allocate(exchange.offset + len as u64 * exchange.element.bytes());
        let all = places.output_buffer.saturating_mul(results);
        Ok(Self {
            expected: ExpectedResults::new(exchange, ranks, rank),
            input: (!in_place).then(|| buffer(places.input_buffer)).transpose()?,
            output: buffer(all)?,
            results,
            places,
            offset: exchange.offset as usize,
            element: PhantomData,
        })
    }

    /// How far behind the beginning of a buffer its element `at` lies, bytes.
    fn place(&self, at: usize) -> usize {
        self.offset + at * size_of::<T>()
    }

    /// Where NCCL finds the data of each result.
    pub(super) fn spots(&self) -> impl Iterator<Item = Spot> {
        let place = |buffer: &Buffer, at: usize| buffer.pointer + self.place(at) as u64;
        let input = self.input.as_ref().unwrap_or(&self.output);
        (0..self.results).map(move |result| Spot {
            input: place(input, self.places.input.start),
            output: place(&self.output, self.result_at(result)),
            element: size_of::<T>() as u64,
        })
    }

    /// Where this one of the results goes, in elements of the buffer.
    fn result_at(&self, result: usize) -> usize {
        result * self.places.output_buffer + self.places.output_at
    }

    /// Puts in what is verified, or timed, and something else where the results go.
    pub(super) fn load(&self, gpu: &Gpu, phase: Phase) -> Result<()> {
        let data = self.expected.data(phase);
        let spoilt = self.expected.spoilt::<T>(data);
        let mut values = vec![spoilt; self.places.output_buffer * self.results];
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

    /// Compares the results of an operation with root `root`: on known data, or the last timed one.
    pub(super) fn compare(&self, gpu: &Gpu, root: usize, phase: Phase) -> Result<Accuracy> {
        let mut values = vec![T::default(); self.places.output_buffer - self.places.output_at];
        let judged = (0..self.results).map(|result| {
            gpu.download(&mut values, &self.output, self.place(self.result_at(result)))?;
            Ok(self.expected.judge(phase, root, &mut values))
        });
        Ok(Accuracy::sum(judged.collect::<Result<Vec<Accuracy>>>()?))
    }
}
