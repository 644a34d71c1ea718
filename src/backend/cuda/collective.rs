//! Collectives by NCCL.

use std::rc::Rc;

use cudarc::nccl::sys::ncclDataType_t;

use super::gpu::{Buffer, Gpu};
use super::nccl::{Comm, data_type};
use super::{Accuracy, Operation};
use crate::backend::reference::{Number, Terms, no_such_type, with_number};
use crate::error::{Error, Result};
use crate::fault::{Fault, is_planted};
use crate::progress::Phase;
use crate::work::{Element, Exchange, Operator, Pattern, Placement};

/// Prepares the sum over all ranks.
///
/// # Errors
/// Unsupported for types that NCCL has not, and when memory is short.
pub(super) fn all_reduce<'a>(
    gpu: &'a Gpu,
    comm: Rc<Comm>,
    exchange: &Exchange,
) -> Result<Box<dyn Operation + 'a>> {
    let Exchange { element, bytes, placement, .. } = *exchange;
    let plain = Exchange { placement, ..Exchange::plain(Pattern::AllReduce, element, bytes) };
    if *exchange != plain {
        return Err(Error::unsupported("only the plain all_reduce is done by NCCL so far"));
    }
    let data_type = data_type(element).ok_or_else(|| no_such_type("a sum by NCCL", element))?;
    let output = gpu.allocate(bytes)?;
    let input = match placement {
        Placement::Out => Some(gpu.allocate(bytes)?),
        Placement::In => None,
    };
    let count = (bytes / element.bytes()) as usize;
    let sum = Sum { gpu, comm, element, data_type, count, input, output };
    Ok(Box::new(sum))
}

/// The sum over all ranks.
struct Sum<'a> {
    gpu: &'a Gpu,
    comm: Rc<Comm>,
    element: Element,
    data_type: ncclDataType_t,
    count: usize,
    /// Absent when in place.
    input: Option<Buffer>,
    output: Buffer,
}

fn upload_terms<T: Number>(sum: &Sum<'_>) -> Result<()> {
    let terms = Terms::of::<T>(Operator::Sum, sum.comm.size);
    let values: Vec<T> = (0..sum.count).map(|i| T::of(terms.term(sum.comm.rank, i))).collect();
    sum.gpu.upload(sum.input.as_ref().unwrap_or(&sum.output), &values)
}

fn compare_sums<T: Number>(sum: &Sum<'_>) -> Result<Accuracy> {
    let mut values = vec![T::default(); sum.count];
    sum.gpu.download(&mut values, &sum.output)?;
    if is_planted(Fault::Wrong, Phase::Verify) && sum.count > 0 {
        values[sum.count / 2] = T::of(111);
    }
    let terms = Terms::of::<T>(Operator::Sum, sum.comm.size);
    let pairs = values.iter().enumerate();
    Ok(Accuracy::compare(
        pairs.map(|(i, got)| (T::of(terms.result(i)).to_f64(), got.to_f64(), 0.0)),
    ))
}

impl Operation for Sum<'_> {
    fn load(&mut self) -> Result<()> {
        self.gpu.fill(&self.output, 0xff)?;
        with_number!(self.element, upload_terms(self))
    }

    fn enqueue(&mut self) -> Result<()> {
        let input = self.input.as_ref().unwrap_or(&self.output).pointer();
        let buffers = (input, self.output.pointer());
        let elements = (self.count, self.data_type);
        self.comm.all_reduce(buffers, elements, self.gpu.raw_stream())
    }

    fn compare(&mut self) -> Result<Accuracy> {
        let accuracy = with_number!(self.element, compare_sums(self))?;
        if self.input.is_none() {
            // The timed sums feed on themselves: only zero does not grow until it overflows.
            self.gpu.fill(&self.output, 0)?;
            self.gpu.synchronize()?;
        }
        Ok(accuracy)
    }

    fn between_ranks(&self) -> bool {
        true
    }

    fn check(&self) -> Result<()> {
        self.comm.check()
    }
}
