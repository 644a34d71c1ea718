//! Kernels on one core, with the widest vectors the CPU has.

use super::buffer::Buffer;
use super::{Accuracy, Operation, Remarks, Window};
use crate::backend::reference::{judge, no_such_type};
use crate::backend::tuner::{Tunable, Tuner};
use crate::base::error::{Error, Result};
use crate::base::units::Nanos;
use crate::benchmark::kernel::{Choice, Host, HostOp, KernelRun, Tensor, Tuning, View, ViewMut};
use crate::benchmark::{numbers_of_mut, with_number};
use crate::world::clock::{Clock as _, HostClock};
use crate::world::progress::Phase;

/// Prepares a kernel.
///
/// # Errors
/// Unsupported for types that it has no function for, and when memory is short.
pub(super) fn prepare(run: &KernelRun, tuner: &Tuner) -> Result<Box<dyn Operation>> {
    let operation = match run.kernel.host {
        Some(Host::Computes(operation) | Host::Moves(operation)) => operation(run.element),
        None => {
            return Err(Error::unsupported(format!("{} has no form for CPUs", run.kernel.name)));
        }
    };
    let is_defined = run.kernel.precisions.contains(&run.element);
    let operation = operation.filter(|_| is_defined);
    let told = || no_such_type(&format!("{} on CPUs", run.kernel.name), run.element);
    let mut kernel = Kernel::new(run, operation.ok_or_else(told)?)?;
    kernel.tuning = tuner.tune(run, &run.kernel.host_axes, &mut kernel)?;
    // What it has left is no result.
    kernel.spoil();
    Ok(Box::new(kernel))
}

/// A kernel with its tensors, each as bytes.
struct Kernel {
    run: KernelRun,
    operation: HostOp,
    cpu: pulp::Arch,
    /// Its scalars, then what is chosen.
    constants: Vec<f64>,
    tuning: Option<Tuning>,
    inputs: Vec<Buffer<u8>>,
    outputs: Vec<Buffer<u8>>,
    /// The fingerprint of the first outputs.
    seen: Option<u64>,
}

/// Puts into a tensor what belongs there.
fn fill(run: &KernelRun, tensor: &Tensor, bytes: &mut [u8]) {
    with_number!(tensor.element_in(run.element), T => tensor.fill(run, numbers_of_mut::<T>(bytes)));
}

impl Kernel {
    fn new(run: &KernelRun, operation: HostOp) -> Result<Self> {
        // Touched by the fill, so that no page is mapped inside the timed window.
        let filled = |(tensor, shape): (&Tensor, &[usize])| {
            let mut buffer = Buffer::new(run.bytes_of(tensor, shape) as usize, 0, 0)?;
            fill(run, tensor, &mut buffer);
            Ok(buffer)
        };
        Ok(Self {
            operation,
            cpu: pulp::Arch::new(),
            constants: run.scalars(),
            tuning: None,
            inputs: run.inputs().map(filled).collect::<Result<_>>()?,
            outputs: run.outputs().map(filled).collect::<Result<_>>()?,
            run: run.clone(),
            seen: None,
        })
    }

    /// What to call with which arguments.
    fn call(&mut self) -> impl FnMut() {
        let Self { run, operation, cpu, constants, inputs, outputs, .. } = self;
        let element = |tensor: &Tensor| tensor.element_in(run.element);
        let inputs: Vec<View<'_>> = (run.inputs().zip(inputs))
            .map(|((tensor, shape), bytes)| View::new(element(tensor), bytes, shape))
            .collect();
        let mut outputs: Vec<ViewMut<'_>> = (run.outputs().zip(outputs))
            .map(|((tensor, shape), bytes)| ViewMut::new(element(tensor), bytes, shape))
            .collect();
        move || operation(*cpu, &inputs, constants, &mut outputs)
    }

    fn spoil(&mut self) {
        for ((tensor, _), output) in self.run.outputs().zip(&mut self.outputs) {
            fill(&self.run, tensor, output);
        }
    }

    fn judge(&mut self, phase: Phase) -> Accuracy {
        let Self { run, inputs, outputs, seen, .. } = self;
        let inputs = inputs.iter().map(|input| &input[..]);
        judge(run, inputs, outputs.iter_mut().map(|output| &mut output[..]), phase, seen)
    }
}

impl Operation for Kernel {
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
        self.spoil();
        accuracy
    }

    fn check(&mut self) -> Accuracy {
        self.judge(Phase::Measure)
    }

    fn remarks(&self) -> Remarks {
        Remarks { tuning: self.tuning.clone(), ..Remarks::default() }
    }
}

impl Tunable for Kernel {
    fn choose(&mut self, choice: &Choice) -> Result<()> {
        self.constants.truncate(self.run.kernel.scalars.len());
        self.constants.extend(choice.0.iter().map(|(_, value)| *value as f64));
        Ok(())
    }

    fn time(&mut self, clock: &HostClock) -> Result<Nanos> {
        let mut call = self.call();
        let began = clock.now();
        call();
        Ok(clock.now() - began)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::Element;
    use crate::benchmark::kernel::KERNELS;

    fn untuned() -> Tuner {
        Tuner::new(false, String::new())
    }

    #[test]
    fn every_form_is_right_at_odd_sizes() {
        for kernel in KERNELS.iter().filter(|kernel| !kernel.host_axes.is_empty()) {
            let Some(Host::Computes(operation) | Host::Moves(operation)) = kernel.host else {
                continue;
            };
            let element = kernel.precisions[0];
            for problem in kernel.trials() {
                let run = kernel.run(&problem, element).unwrap();
                let mut prepared = Kernel::new(&run, operation(element).unwrap()).unwrap();
                for choice in Choice::all(&kernel.host_axes) {
                    prepared.choose(&choice).unwrap();
                    prepared.spoil();
                    assert_eq!(prepared.verify().wrong, 0, "{run:?} {choice}");
                }
            }
        }
    }

    #[test]
    fn every_kernel_is_right_at_odd_sizes() {
        for kernel in KERNELS.iter().filter(|kernel| kernel.host.is_some()) {
            for problem in kernel.trials() {
                for &element in &kernel.precisions {
                    // Of GPUs' tensor cores.
                    if [Element::Tf32, Element::I8].contains(&element) {
                        continue;
                    }
                    let run = kernel.run(&problem, element).unwrap();
                    let mut prepared = prepare(&run, &untuned()).unwrap();
                    let accuracy = prepared.verify();
                    let len: usize =
                        run.outputs().map(|(_, shape)| shape.iter().product::<usize>()).sum();
                    assert_eq!(
                        (accuracy.checked, accuracy.wrong),
                        (len as u64, 0),
                        "{run:?} {accuracy:?}"
                    );
                    assert_eq!(prepared.check().wrong, len as u64, "nothing has been timed");
                }
            }
            let problem = kernel.trials().next().unwrap();
            let other = Element::ALL.into_iter().find(|known| !kernel.precisions.contains(known));
            if let Some(element) = other {
                assert!(prepare(&kernel.run(&problem, element).unwrap(), &untuned()).is_err());
            }
        }
    }
}
