//! a = b over arrays in memory, as in STREAM.

use super::*;

pub(super) fn array() -> Key {
    Key::sizes("array", "size of each array, bytes", ["1MiB", "64MiB", "256MiB"]).divided()
}

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
        cuda: Cuda::own(
            Source::new("copy", include_str!("../../../kernels/copy/kernel.cu")),
            ["copy"; 2],
            arguments(&["a", "b"], &["array"]),
            BLOCKS,
        ),
    }
}

fn host<T: Copy>(_: pulp::Arch, inputs: &[View<'_, T>], a: &mut [T]) {
    a.copy_from_slice(inputs[0].data);
}

fn expected(inputs: &[Values<'_>], at: usize, a: &mut [Expected]) {
    let b = inputs[0].read(at..at + a.len());
    a.iter_mut().zip(b).for_each(|(a, b)| *a = Expected::of(b));
}
