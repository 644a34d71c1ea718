//! a = b over arrays in memory, as in STREAM.

use super::{
    Argument, Bound, Cuda, CudaKernel, Expected, Fill, Host, Kernel, Reference, Tensor, Values,
    View,
};
use crate::benchmark::element::Element;
use crate::benchmark::{Key, Values as Setting};
use crate::machine::kernel::Source;

/// The size of an array; of this and of the triad.
pub(super) fn array() -> Key {
    let sizes = Setting::sizes(["1MiB", "64MiB", "256MiB"]);
    Key::new("array", "size of each array, bytes", sizes).divided()
}

/// Elements of an array.
pub(super) const ELEMENTS: &[&str] = &["array/element_bytes"];

/// Blocks of 256 threads that move 4 vectors of 16 bytes each.
pub(super) const BLOCKS: &str = "array/16384";

pub(super) fn kernel() -> Kernel {
    Kernel {
        name: "copy".into(),
        description: "a[i] = b[i] over arrays in memory, on every rank at once".into(),
        keys: vec![array()],
        precisions: Element::WIDE_FLOATS.to_vec(),
        default: true,
        bound: Bound::Memory,
        inputs: vec![Tensor::input("b", ELEMENTS, Fill::Modulo(251))],
        output: Tensor::output("a", ELEMENTS),
        reference: Reference { expected, tolerance: 0.0, suspects: None },
        host: Host::Own { f32: host, f64: host },
        cuda: Cuda::Own(CudaKernel {
            source: Source::new("copy", include_str!("../../../kernels/copy/kernel.cu")),
            entries: Element::WIDE_FLOATS.map(|element| (element, "copy".into())).to_vec(),
            arguments: vec![
                Argument::Tensor("a".into()),
                Argument::Tensor("b".into()),
                Argument::Count("array".into()),
            ],
            grid: BLOCKS.into(),
            block: 256,
        }),
    }
}

fn host<T: Copy>(_: pulp::Arch, inputs: &[View<'_, T>], a: &mut [T]) {
    a.copy_from_slice(inputs[0].data);
}

fn expected(inputs: &[Values<'_>], at: usize, a: &mut [Expected]) {
    let b = inputs[0].read(at..at + a.len());
    a.iter_mut().zip(b).for_each(|(a, b)| *a = Expected::of(b));
}
