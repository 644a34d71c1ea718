//! a = b + s·c over arrays in memory, as in STREAM.

use super::copy::{BLOCKS, ELEMENTS, array};
use super::*;

const SCALAR: f64 = 3.0;

pub(super) fn kernel() -> Kernel {
    Kernel {
        name: "triad".into(),
        description: "a[i] = b[i] + s*c[i] over arrays in memory, on every rank".into(),
        keys: vec![array()],
        precisions: Element::WIDE_FLOATS.to_vec(),
        default: true,
        bound: Bound::Memory,
        // Small whole numbers, so that results are exact.
        inputs: vec![
            Tensor::input("b", ELEMENTS, Fill::Modulo(251)),
            Tensor::input("c", ELEMENTS, Fill::Modulo(127)),
        ],
        output: Tensor::output("a", ELEMENTS),
        reference: Reference { expected, tolerance: 0.0, suspects: None },
        host: Host::Own { f32: host, f64: host },
        cuda: Cuda::own(
            Source::new("triad", include_str!("../../../kernels/triad/kernel.cu")),
            ["triad_f32", "triad_f64"],
            [
                arguments(&["a", "b", "c"], &[]),
                vec![Argument::Scalar(SCALAR)],
                arguments(&[], ELEMENTS),
            ]
            .concat(),
            BLOCKS,
        ),
    }
}

fn host<T: Real>(cpu: pulp::Arch, inputs: &[View<'_, T>], a: &mut [T]) {
    let (b, c) = (inputs[0].data, inputs[1].data);
    cpu.dispatch(|| {
        let s = T::rounded(SCALAR);
        for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
            *a = *b + s * *c;
        }
    });
}

fn expected(inputs: &[Values<'_>], at: usize, a: &mut [Expected]) {
    let [b, c] = [&inputs[0], &inputs[1]].map(|input| input.read(at..at + a.len()));
    for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
        *a = Expected::of(b + SCALAR * c);
    }
}
