//! The buffers of one operation on this rank, with what belongs in them.

use super::{Comm, place};
use crate::backend::host::buffer::Buffer;
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
    placement: Placement,
    /// Empty when in place.
    input: Buffer<T>,
    output: Buffer<T>,
}

impl<T: Number> Memory<T> {
    /// For the rank that calls it.
    pub(super) fn new(comm: &Comm, exchange: &Exchange) -> Result<Self> {
        let (rank, ranks) = place(comm);
        let sharing = exchange.collective.in_place.map_or(Sharing::Front, |in_place| in_place.mpi);
        let places = BufferLayout::new(exchange, (rank, ranks), sharing);
        let offset = (exchange.offset / exchange.element.bytes()) as usize;
        let buffer = |len: usize| Buffer::new(len, offset, T::default());
        let (input, output) = (buffer(places.input_buffer)?, buffer(places.output_buffer)?);
        let expected = ExpectedResults::new(exchange, ranks, rank);
        Ok(Self { expected, places, placement: exchange.placement, input, output })
    }

    /// Where the input begins.
    pub(super) fn input(&mut self) -> *mut T {
        match self.placement {
            Placement::Out => self.input.as_mut_ptr(),
            Placement::In => self.output[self.places.input.start..].as_mut_ptr(),
        }
    }

    /// Where the result goes.
    pub(super) fn output(&mut self) -> *mut T {
        self.output[self.places.output_at..].as_mut_ptr()
    }

    /// Where the one buffer begins, when in place.
    pub(super) fn whole(&mut self) -> *mut T {
        self.output.as_mut_ptr()
    }

    /// Puts in what is verified, or timed, and something else where the result goes.
    pub(super) fn load(&mut self, phase: Phase) {
        let data = self.expected.data(phase);
        self.output.fill(self.expected.spoilt(data));
        let buffer = match self.placement {
            Placement::Out => &mut self.input[..],
            Placement::In => &mut self.output[self.places.input.clone()],
        };
        self.expected.fill(data, buffer);
    }

    /// Compares the result of an operation with root `root`: on known data, or the last timed one.
    pub(super) fn compare(&mut self, root: usize, phase: Phase) -> Accuracy {
        self.expected.judge(phase, root, &mut self.output[self.places.output_at..])
    }
}
