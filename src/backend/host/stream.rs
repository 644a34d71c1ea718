//! Passes over arrays, with the widest vectors the CPU has.

use super::buffer::Buffer;
use super::{Accuracy, Operation};
use crate::backend::reference::{Number, SCALAR, WRONG, b_at, c_at, judge_pass, no_such_type};
use crate::base::error::Result;
use crate::benchmark::work::{Element, Stream, StreamOp};
use crate::world::progress::Phase;

/// Prepares a pass.
///
/// # Errors
/// Unsupported for integers and 16-bit floats, and when memory is short.
pub(super) fn prepare(stream: &Stream) -> Result<Box<dyn Operation>> {
    match stream.element {
        Element::F32 => Ok(Box::new(Arrays::<f32>::new(stream)?)),
        Element::F64 => Ok(Box::new(Arrays::<f64>::new(stream)?)),
        other => Err(no_such_type("a pass over memory by CPUs", other)),
    }
}

/// The arrays of a pass; `c` is empty for a copy.
struct Arrays<T> {
    op: StreamOp,
    cpu: pulp::Arch,
    a: Buffer<T>,
    b: Buffer<T>,
    c: Buffer<T>,
}

impl<T: Number> Arrays<T> {
    fn new(stream: &Stream) -> Result<Self> {
        let len = (stream.bytes / stream.element.bytes()) as usize;
        let mut b = Buffer::new(len, 0, T::default())?;
        let mut c =
            Buffer::new(if stream.op == StreamOp::Triad { len } else { 0 }, 0, T::default())?;
        b.iter_mut().enumerate().for_each(|(i, b)| *b = T::of(b_at(i)));
        c.iter_mut().enumerate().for_each(|(i, c)| *c = T::of(c_at(i)));
        // Touched by the fill, so that no page is mapped inside the timed window.
        let a = Buffer::new(len, 0, T::of(WRONG))?;
        Ok(Self { op: stream.op, cpu: pulp::Arch::new(), a, b, c })
    }
}

impl<T> Operation for Arrays<T>
where
    T: Number + std::ops::Add<Output = T> + std::ops::Mul<Output = T>,
{
    fn run(&mut self) {
        let (a, b, c) = (&mut self.a[..], &self.b[..], &self.c[..]);
        match self.op {
            StreamOp::Copy => a.copy_from_slice(b),
            StreamOp::Triad => self.cpu.dispatch(|| {
                let s = T::of(SCALAR);
                for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
                    *a = *b + s * *c;
                }
            }),
        }
        // The next pass of a batch writes the same values; without this it could be left out.
        std::hint::black_box(a);
    }

    fn verify(&mut self) -> Accuracy {
        self.run();
        let accuracy = judge_pass(self.op, Phase::Verify, &mut self.a);
        // A pass that is timed and writes nothing must be found, too.
        self.a.fill(T::of(WRONG));
        accuracy
    }

    fn check(&mut self) -> Accuracy {
        judge_pass(self.op, Phase::Measure, &mut self.a)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_of_a_pass_is_checked() {
        for op in [StreamOp::Copy, StreamOp::Triad] {
            for element in Element::WIDE_FLOATS {
                let stream = Stream { op, bytes: 8 * 1001, element };
                let accuracy = prepare(&stream).unwrap().verify();
                assert_eq!(accuracy.checked, stream.bytes / element.bytes());
                assert_eq!((accuracy.wrong, accuracy.tolerance), (0, 0.0));
            }
        }
        assert!(prepare(&Stream { op: StreamOp::Copy, bytes: 8, element: Element::I8 }).is_err());
    }
}
