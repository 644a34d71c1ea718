//! The buffers of one operation on this rank, with what belongs in them.

use super::{Comm, place};
use crate::backend::host::buffer::Buffer;
use crate::backend::reference::{BufferLayout, ExpectedResults, Number};
use crate::base::accuracy::Accuracy;
use crate::base::error::Result;
use crate::benchmark::collective::Sharing;
use crate::benchmark::work::{Exchange, Placement};
use crate::world::progress::Phase;

/// Input and results, in two buffers or in one.
#[derive(Debug)]
pub(super) struct Memory<T> {
    expected: ExpectedResults,
    places: BufferLayout,
    placement: Placement,
    /// Empty when in place.
    input: Buffer<T>,
    /// As many results one behind the other as are in flight: MPI forbids that two are received into the same memory.
    output: Buffer<T>,
    results: usize,
}

impl<T: Number> Memory<T> {
    /// For the rank that calls it, with room for so many results, which is 1 when in place.
    pub(super) fn new(comm: &Comm, exchange: &Exchange, results: u32) -> Result<Self> {
        let (rank, ranks) = place(comm);
        let sharing = exchange.collective.in_place.map_or(Sharing::Front, |in_place| in_place.mpi);
        let places = BufferLayout::new(exchange, (rank, ranks), sharing);
        let offset = (exchange.offset / exchange.element.bytes()) as usize;
        let buffer = |len: usize| Buffer::new(len, offset, T::default());
        let results = results as usize;
        let input = buffer(places.input_buffer)?;
        let output = buffer(places.output_buffer.saturating_mul(results))?;
        let expected = ExpectedResults::new(exchange, ranks, rank);
        Ok(Self { expected, places, placement: exchange.placement, input, output, results })
    }

    /// Where the input begins.
    pub(super) fn input(&self) -> *mut T {
        match self.placement {
            Placement::Out => self.input.pointer(),
            Placement::In => self.whole().wrapping_add(self.places.input.start),
        }
    }

    /// Where this one of the results goes.
    pub(super) fn output(&self, result: usize) -> *mut T {
        self.whole().wrapping_add(result * self.places.output_buffer + self.places.output_at)
    }

    /// Where the one buffer begins, when in place.
    pub(super) fn whole(&self) -> *mut T {
        self.output.pointer()
    }

    /// Puts in what is verified, or timed, and something else where the results go.
    pub(super) fn load(&mut self, phase: Phase) {
        let data = self.expected.data(phase);
        self.output.fill(self.expected.spoilt(data));
        let buffer = match self.placement {
            Placement::Out => &mut self.input[..],
            Placement::In => &mut self.output[self.places.input.clone()],
        };
        self.expected.fill(data, buffer);
    }

    /// Compares the results of an operation with root `root`: on known data, or the last timed one.
    pub(super) fn compare(&mut self, root: usize, phase: Phase) -> Accuracy {
        let Self { expected, places, output, results, .. } = self;
        Accuracy::sum((0..*results).map(|result| {
            let own = &mut output[result * places.output_buffer..][..places.output_buffer];
            expected.judge(phase, root, &mut own[places.output_at..])
        }))
    }
}
