//! The check of what a kernel leaves.

use super::Number;
use crate::base::accuracy::Accuracy;
use crate::benchmark::kernel::{Expected, KernelRun, Reference, Values};
use crate::world::fault::{Fault, is_planted};
use crate::world::progress::Phase;

/// Elements of a vector that are compared at a time; of a matrix it is a row.
const PIECE: usize = 4096;

/// What no kernel leaves anywhere.
const WRONG: i64 = -12_345;

/// Compares every element that a kernel left in `phase` with its reference. A wrong element is put in first, if that
/// is planted here.
pub(in crate::backend) fn judge<'a, T: Number>(
    run: &'a KernelRun,
    inputs: impl Iterator<Item = &'a [T]>,
    output: &mut [T],
    phase: Phase,
) -> Accuracy {
    if is_planted(Fault::Wrong, phase) {
        output[output.len() / 2] = T::of(WRONG);
    }
    let inputs: Vec<Values<'_>> =
        run.inputs().zip(inputs).map(|((_, shape), values)| Values::new(values, shape)).collect();
    let shape = run.output().1;
    let Some(Reference { check, tolerance, relative, rmse, .. }) = &run.kernel.reference else {
        return Accuracy::default();
    };
    let suspects = check.suspects.map(|suspects| suspects(&inputs, &Values::new(output, shape)));
    let piece = if let [_, width] = shape { *width } else { PIECE };
    // The distance between 1 and the next number.
    let epsilon = 2.0 / T::EXACT as f64;
    let accuracy = Accuracy::sum(output.chunks(piece).enumerate().map(|(index, got)| {
        if suspects.as_ref().is_some_and(|suspects| suspects.binary_search(&index).is_err()) {
            return Accuracy { checked: got.len() as u64, ..Accuracy::default() };
        }
        let mut expected = vec![Expected::default(); got.len()];
        (check.expected)(&inputs, &run.kernel.scalars, index * piece, &mut expected);
        Accuracy::compare(expected.iter().zip(got).map(|(expected, got)| {
            let tolerance = relative.max(tolerance * epsilon) * expected.scale;
            (T::rounded(expected.value).to_f64(), got.to_f64(), tolerance)
        }))
    }));
    // Of a mean no element is the wrong one.
    let exceeds = rmse.is_some_and(|most| accuracy.rmse > most);
    Accuracy { wrong: accuracy.wrong.max(exceeds.into()), ..accuracy }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::kernel::KERNELS;
    use crate::benchmark::{Setting, with_number};

    /// The kernel by its reference, rounded once; then with one wrong element.
    fn judged<T: Number>(run: &KernelRun) {
        let filled = |tensor: &crate::benchmark::kernel::Tensor, shape: &[usize]| {
            let mut values = vec![T::default(); shape.iter().product()];
            tensor.fill(run, &mut values);
            values
        };
        let inputs: Vec<Vec<T>> =
            run.inputs().map(|(tensor, shape)| filled(tensor, shape)).collect();
        let (tensor, shape) = run.output();
        let mut output = filled(tensor, shape);
        let len = output.len() as u64;
        let check =
            |output: &mut [T]| judge(run, inputs.iter().map(Vec::as_slice), output, Phase::Verify);
        assert_eq!(check(&mut output).wrong, len, "{run:?}: nothing was written");
        let values: Vec<Values<'_>> = run
            .inputs()
            .zip(&inputs)
            .map(|((_, shape), input)| Values::new(input, shape))
            .collect();
        let piece = if let [_, width] = shape { *width } else { output.len() };
        for (row, output) in output.chunks_mut(piece).enumerate() {
            let mut expected = vec![Expected::default(); output.len()];
            let reference = run.kernel.reference.as_ref().unwrap();
            (reference.check.expected)(&values, &run.kernel.scalars, row * piece, &mut expected);
            for (value, expected) in output.iter_mut().zip(expected) {
                *value = T::rounded(expected.value);
            }
        }
        let right = check(&mut output);
        assert_eq!((right.checked, right.wrong), (len, 0), "{run:?}: {right:?}");
        for at in [0, output.len() / 2, output.len() - 1] {
            let was = output[at];
            output[at] = T::rounded(was.to_f64() * (1.0 + 100.0 / T::EXACT as f64) + 1.0);
            let wrong = check(&mut output);
            assert_eq!(wrong.wrong, 1, "{run:?}");
            assert_eq!(wrong.first_wrong.map(|first| first.index), Some(at as u64), "{run:?}");
            output[at] = was;
        }
        output.fill(T::default());
        assert!(check(&mut output).wrong > 0 || len < 10, "{run:?}: zeros");
    }

    #[test]
    fn every_kernel_s_check_takes_what_is_right_and_names_what_is_not() {
        for kernel in KERNELS.iter() {
            for sizes in [[8, 1, 1], [24, 5, 7], [40, 30, 100], [1 << 14, 2, 3]] {
                for &element in &kernel.precisions {
                    let problem = kernel.keys.iter().zip(sizes);
                    let problem = problem
                        .map(|(key, size)| (key.name.to_string(), Setting::Number(size)))
                        .collect();
                    let run = kernel.run(&problem, element).unwrap();
                    with_number!(element, T => judged::<T>(&run));
                }
            }
        }
    }
}
