//! The check of what a kernel leaves.

use crate::base::accuracy::Accuracy;
use crate::base::random::fingerprint_after;
use crate::benchmark::kernel::{Expected, ExpectedOutput, KernelRun, Reference, Suspects, Values};
use crate::benchmark::{Element, Number, numbers_of_mut, with_number};
use crate::world::fault::{Fault, is_planted};
use crate::world::progress::Phase;

/// Elements that are compared at a time; of a matrix it is a row.
const PIECE: usize = 4096;

/// What no kernel leaves anywhere.
const WRONG: i64 = -12_345;

/// Compares every element that a kernel left in `phase` in its outputs with its reference. A wrong element is put in
/// first, if that is planted here. Inputs and outputs are as they lie in memory. `seen` is the fingerprint of what it left
/// on these inputs the first time, once that is known.
pub(in crate::backend) fn judge<'a>(
    run: &'a KernelRun,
    inputs: impl Iterator<Item = &'a [u8]>,
    outputs: impl Iterator<Item = &'a mut [u8]>,
    phase: Phase,
    seen: &mut Option<u64>,
) -> Accuracy {
    let mut bits = 0;
    let values = run.inputs().zip(inputs).map(|((tensor, shape), bytes)| {
        Values::of_bytes(tensor.element_in(run.element), bytes, shape)
    });
    let inputs: Vec<Values<'_>> = values.collect();
    let mut is_wrong = is_planted(Fault::Wrong, phase);
    let (reference, scalars) = (run.kernel.reference.as_ref(), run.scalars());
    let each = run.outputs().zip(outputs).enumerate().map(|(index, ((tensor, shape), bytes))| {
        let element = tensor.element_in(run.element);
        bits = fingerprint_after(bits, bytes);
        with_number!(element, T => {
            let got = numbers_of_mut::<T>(bytes);
            if std::mem::take(&mut is_wrong) {
                got[got.len() / 2] = T::of(WRONG);
            }
            let compared = reference.map(|reference| {
                let suspects = reference.check.suspects.filter(|_| index == 0);
                let expected = (reference.check.expected[index], suspects);
                compare(&inputs, &scalars, (got, shape, element), reference, expected)
            });
            compared.unwrap_or_default()
        })
    });
    let accuracy = Accuracy::sum(each);
    let deterministic = seen.map(|seen| seen == bits);
    seen.get_or_insert(bits);
    Accuracy { deterministic, ..accuracy }
}

/// Compares an output.
fn compare<T: Number>(
    inputs: &[Values<'_>],
    scalars: &[f64],
    (got, shape, element): (&[T], &[usize], Element),
    reference: &Reference,
    (expected, suspects): (ExpectedOutput, Option<Suspects>),
) -> Accuracy {
    let suspects = suspects.map(|suspects| suspects(inputs, scalars, &Values::new(got, shape)));
    let piece = if let [_, width] = shape { (*width).max(1) } else { PIECE };
    let room = reference.relative.max(reference.tolerance * element.computed_epsilon());
    let accuracy = Accuracy::sum(got.chunks(piece).enumerate().map(|(index, got)| {
        if suspects.as_ref().is_some_and(|suspects| suspects.binary_search(&index).is_err()) {
            return Accuracy { checked: got.len() as u64, ..Accuracy::default() };
        }
        let mut values = vec![Expected::default(); got.len()];
        expected(inputs, scalars, index * piece, &mut values);
        Accuracy::compare(values.iter().zip(got).map(|(expected, got)| {
            let Expected { value, scale } = *expected;
            let rounded = |value: f64| T::rounded(value).to_f64();
            // Whatever is as near to the truth may have been rounded once more, into its type.
            let off = room * scale;
            let (right, lowest, highest) =
                (rounded(value), rounded(value - off), rounded(value + off));
            (right, got.to_f64(), (highest - right).max(right - lowest))
        }))
    }));
    // Of a mean no element is the wrong one.
    let exceeds = reference.rmse.is_some_and(|most| accuracy.rmse > most);
    Accuracy { wrong: accuracy.wrong.max(exceeds.into()), ..accuracy }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::Numbers;
    use crate::benchmark::kernel::KERNELS;

    /// The kernel by its reference, rounded once; then with one wrong element.
    fn judged(run: &KernelRun) {
        let inputs: Vec<Numbers> = run.inputs().map(|of| run.filled(of).unwrap()).collect();
        let mut outputs: Vec<Numbers> = run.outputs().map(|of| run.filled(of).unwrap()).collect();
        let check = |outputs: &mut [Numbers]| {
            let outputs = outputs.iter_mut().map(Numbers::bytes_mut);
            judge(run, inputs.iter().map(Numbers::bytes), outputs, Phase::Verify, &mut None)
        };
        let len: usize = run.outputs().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        assert_eq!(check(&mut outputs).wrong, len as u64, "{run:?}: nothing was written");
        let values = run.inputs().zip(&inputs);
        let values = values.map(|((_, shape), of)| Values::of_bytes(of.element, of.bytes(), shape));
        let values: Vec<Values<'_>> = values.collect();
        let reference = run.kernel.reference.as_ref().unwrap();
        let expected = reference.check.expected;
        for (((_, shape), output), expected) in run.outputs().zip(&mut outputs).zip(expected) {
            with_number!(output.element, T => {
                let output = output.of_mut::<T>();
                let piece = if let [_, width] = shape { *width } else { output.len() };
                for (row, output) in output.chunks_mut(piece).enumerate() {
                    let mut values_of_row = vec![Expected::default(); output.len()];
                    expected(&values, &run.scalars(), row * piece, &mut values_of_row);
                    for (value, expected) in output.iter_mut().zip(values_of_row) {
                        *value = T::rounded(expected.value);
                    }
                }
            });
        }
        let right = check(&mut outputs);
        assert_eq!((right.checked, right.wrong), (len as u64, 0), "{run:?}: {right:?}");
        let mut before = 0;
        for index in 0..outputs.len() {
            let len = outputs[index].bytes().len() / outputs[index].element.bytes() as usize;
            with_number!(outputs[index].element, T => {
                for at in [0, len / 2, len - 1] {
                    let was = outputs[index].of::<T>()[at];
                    let other = was.to_f64() * (1.0 + 100.0 / T::EXACT as f64) + 1.0;
                    // Of narrow types the largest number stays itself.
                    let other = T::rounded(other);
                    outputs[index].of_mut::<T>()[at] = if other == was { T::of(0) } else { other };
                    let wrong = check(&mut outputs);
                    assert_eq!(wrong.wrong, 1, "{run:?}");
                    let first = wrong.first_wrong.map(|first| first.index);
                    assert_eq!(first, Some((before + at) as u64), "{run:?}");
                    outputs[index].of_mut::<T>()[at] = was;
                }
            });
            before += len;
        }
        outputs.iter_mut().for_each(|output| output.bytes_mut().fill(0));
        assert!(check(&mut outputs).wrong > 0 || len < 10, "{run:?}: zeros");
    }

    #[test]
    fn every_kernel_s_check_takes_what_is_right_and_names_what_is_not() {
        for kernel in KERNELS.iter().filter(|kernel| kernel.reference.is_some()) {
            for problem in kernel.trials() {
                for &element in &kernel.precisions {
                    judged(&kernel.run(&problem, element).unwrap());
                }
            }
        }
    }
}
