//! The buffers of one operation on this rank, with what belongs in them.

use super::Comm;
use super::place;
use crate::backend::Accuracy;
use crate::backend::host::buffer::Buffer;
use crate::backend::reference::{Answers, Data, Number};
use crate::error::Result;
use crate::fault::{Fault, is_planted};
use crate::progress::Phase;
use crate::work::{Exchange, Pattern, Placement, Root};

/// Input and result, in two buffers or in one.
#[derive(Debug)]
pub(super) struct Memory<T> {
    answers: Answers,
    /// Empty when in place.
    input: Buffer<T>,
    output: Buffer<T>,
    placement: Placement,
    /// Where the input begins in `input`, or in `output` when in place, and how long it is.
    input_at: (usize, usize),
    /// Where the result begins in `output`.
    output_at: usize,
}

impl<T: Number> Memory<T> {
    /// For the rank that calls it.
    ///
    /// # Errors
    /// Unsupported when memory is short.
    pub(super) fn new(comm: &Comm, exchange: &Exchange) -> Result<Self> {
        let (rank, ranks) = place(comm);
        let rotates = exchange.root == Root::Rotating;
        // Every rank may become the root.
        let root = match exchange.root {
            Root::Fixed(root) => root as usize,
            Root::Rotating => rank,
        };
        let other = (rank + 1) % ranks;
        let longest = |of: &dyn Fn(usize) -> u64| {
            let own = of(root);
            (if rotates { own.max(of(other)) } else { own }) as usize
        };
        let input = longest(&|root| exchange.input(ranks, rank, root));
        let output = longest(&|root| exchange.output(ranks, rank, root));
        let before: u64 = (0..rank)
            .map(|other| match exchange.pattern {
                Pattern::AllGather
                | Pattern::AllGatherV
                | Pattern::Gather
                | Pattern::GatherV
                | Pattern::Hypercube => exchange.block(ranks, other, 0),
                Pattern::Scatter | Pattern::ScatterV => exchange.block(ranks, 0, other),
                _ => 0,
            })
            .sum();
        let offset = (exchange.offset / exchange.element.bytes()) as usize;
        let buffer = |len: usize| Buffer::new(len, offset, T::default());
        let answers = Answers::new(exchange, ranks, rank);
        let placement = exchange.placement;
        if placement == Placement::Out {
            let (input, output) = (buffer(input)?, buffer(output)?);
            let input_at = (0, input.len());
            return Ok(Self { answers, input, output, placement, input_at, output_at: 0 });
        }
        // This rank's own block lies among all of them, where it holds all of them.
        let own_block = before as usize;
        let (at, output_at) = match (input, output) {
            (0, _) | (_, 0) => (0, 0),
            _ if input < output => (own_block, 0),
            _ => (0, own_block),
        };
        let output = buffer(input.max(output))?;
        let input_at = (at, input);
        Ok(Self { answers, input: buffer(0)?, output, placement, input_at, output_at })
    }

    /// Where the input begins.
    pub(super) fn input(&mut self) -> *mut T {
        match self.placement {
            Placement::Out => self.input.as_mut_ptr(),
            Placement::In => self.output[self.input_at.0..].as_mut_ptr(),
        }
    }

    /// Where the result goes.
    pub(super) fn output(&mut self) -> *mut T {
        self.output[self.output_at..].as_mut_ptr()
    }

    /// Where the one buffer begins, when in place.
    pub(super) fn whole(&mut self) -> *mut T {
        self.output.as_mut_ptr()
    }

    /// Puts data in, and something else where the result goes.
    pub(super) fn load(&mut self, data: Data) {
        let inputs = self.answers.inputs::<T>(data);
        let spoilt = if data == Data::FixedPoint { inputs(0) } else { T::of(-77) };
        self.output.fill(spoilt);
        let (at, len) = self.input_at;
        let buffer = match self.placement {
            Placement::Out => &mut self.input[..],
            Placement::In => &mut self.output[at..at + len],
        };
        buffer.iter_mut().enumerate().for_each(|(i, value)| *value = inputs(i));
    }

    /// Puts in what is timed.
    pub(super) fn load_timed(&mut self) {
        self.load(self.answers.timed_data());
    }

    /// Compares the result of an operation on known data.
    pub(super) fn compare(&mut self, root: usize) -> Accuracy {
        self.compare_with(Data::Known, root, Phase::Verify)
    }

    /// Compares the result that the last timed operation left.
    pub(super) fn compare_timed(&mut self, root: usize) -> Accuracy {
        self.compare_with(self.answers.timed_data(), root, Phase::Measure)
    }

    fn compare_with(&mut self, data: Data, root: usize, phase: Phase) -> Accuracy {
        let result = &mut self.output[self.output_at..];
        self.answers.compare(data, root, plant(result, self.answers.results(root), phase))
    }
}

/// Makes one element in the middle of a result wrong, if that is planted here.
pub(super) fn plant<T: Number>(result: &mut [T], len: usize, phase: Phase) -> &[T] {
    let middle = len / 2;
    if len > 0 && middle < result.len() && is_planted(Fault::Wrong, phase) {
        let right = result[middle].to_f64() as i64;
        result[middle] = T::of(if right > 0 { right - 1 } else { right + 1 });
    }
    result
}
