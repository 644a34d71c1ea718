//! Kernels on one core, with the widest vectors the CPU has.

use super::buffer::Buffer;
use super::{Accuracy, Operation, Window, gemm};
use crate::backend::reference::{Number, judge, no_such_type};
use crate::base::error::{Error, Result};
use crate::benchmark::kernel::{Host, HostOp, KernelRun, Tensor, View};
use crate::benchmark::work::Element;
use crate::world::progress::Phase;

/// Prepares a kernel.
///
/// # Errors
/// Unsupported for integers and 16-bit floats, and when memory is short.
pub(super) fn prepare(run: &KernelRun) -> Result<Box<dyn Operation>> {
    let (of_f32, of_f64): (HostOp<f32>, HostOp<f64>) = match run.kernel.host {
        Some(Host::Own { f32, f64 }) => (f32, f64),
        Some(Host::Gemm) => (gemm::product, gemm::product),
        None => {
            return Err(Error::unsupported(format!("{} has no form for CPUs", run.kernel.name)));
        }
    };
    match run.element {
        Element::F32 => Ok(Box::new(Kernel::new(run, of_f32)?)),
        Element::F64 => Ok(Box::new(Kernel::new(run, of_f64)?)),
        other => Err(no_such_type(&format!("{} on CPUs", run.kernel.name), other)),
    }
}

/// A kernel with its tensors.
struct Kernel<T> {
    run: KernelRun,
    operation: HostOp<T>,
    cpu: pulp::Arch,
    inputs: Vec<Buffer<T>>,
    output: Buffer<T>,
}

impl<T: Number> Kernel<T> {
    fn new(run: &KernelRun, operation: HostOp<T>) -> Result<Self> {
        // Touched by the fill, so that no page is mapped inside the timed window.
        let filled = |(tensor, shape): (&Tensor, &[usize])| {
            let mut buffer = Buffer::new(shape.iter().product(), 0, T::default())?;
            tensor.fill(run, &mut buffer);
            Ok(buffer)
        };
        Ok(Self {
            operation,
            cpu: pulp::Arch::new(),
            inputs: run.inputs().map(filled).collect::<Result<_>>()?,
            output: filled(run.output())?,
            run: run.clone(),
        })
    }

    /// What to call with which arguments.
    fn call(&mut self) -> impl FnMut() {
        let shapes = self.run.inputs().map(|(_, shape)| shape);
        let views = shapes.zip(&self.inputs).map(|(shape, data)| View { data, shape });
        let views: Vec<View<'_, T>> = views.collect();
        let (operation, cpu, output) = (self.operation, self.cpu, &mut self.output[..]);
        let scalars = &self.run.kernel.scalars;
        move || operation(cpu, &views, scalars, output)
    }

    fn judge(&mut self, phase: Phase) -> Accuracy {
        let inputs = self.inputs.iter().map(|input| &input[..]);
        judge(&self.run, inputs, &mut self.output, phase)
    }
}

impl<T: Number> Operation for Kernel<T> {
    fn run(&mut self) {
        self.call()();
    }

    fn timed(&mut self, window: &mut Window) {
        window.time(self.call());
    }

    fn verify(&mut self) -> Accuracy {
        self.run();
        let accuracy = self.judge(Phase::Verify);
        // A kernel that is timed and writes nothing must be found, too.
        self.run.output().0.fill(&self.run, &mut self.output);
        accuracy
    }

    fn check(&mut self) -> Accuracy {
        self.judge(Phase::Measure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::kernel::KERNELS;

    #[test]
    fn every_kernel_is_right_at_odd_sizes() {
        for kernel in KERNELS.iter() {
            for sizes in [[8, 1, 1], [24, 5, 7], [64, 70, 33], [136, 17, 257], [40_000, 3, 2]] {
                for element in Element::WIDE_FLOATS {
                    let problem = kernel.keys.iter().zip(sizes);
                    let problem =
                        problem.map(|(key, size): (_, u64)| (key.name.to_string(), size.into()));
                    let run = kernel.run(&problem.collect(), element).unwrap();
                    let mut prepared = prepare(&run).unwrap();
                    let accuracy = prepared.verify();
                    let len: usize = run.output().1.iter().product();
                    assert_eq!(
                        (accuracy.checked, accuracy.wrong),
                        (len as u64, 0),
                        "{run:?} {accuracy:?}"
                    );
                    assert_eq!(prepared.check().wrong, len as u64, "nothing has been timed");
                }
            }
            let problem = kernel.keys.iter().map(|key| (key.name.to_string(), 8.into())).collect();
            for element in [Element::I32, Element::Bf16] {
                assert!(prepare(&kernel.run(&problem, element).unwrap()).is_err());
            }
        }
    }
}
