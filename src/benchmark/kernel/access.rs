//! Arrays in another order than memory's.

use super::{Expected, Number, Values, View};

/// The elements of inputs of elements of one type.
pub(super) fn arrays<'a, T: Number, const N: usize>(inputs: &[View<'a>]) -> [&'a [T]; N] {
    std::array::from_fn(|input| inputs[input].of())
}

/// Every stride-th element, then every one beside these, and so on.
#[inline(always)]
pub(super) fn strided<T: Number, const N: usize>(
    inputs: [&[T]; N],
    stride: usize,
    a: &mut [T],
    of: impl Fn([T; N]) -> T,
) {
    for first in 0..stride.min(a.len()) {
        for at in (first..a.len()).step_by(stride) {
            a[at] = of(inputs.map(|input| input[at]));
        }
    }
}

/// A gather: each element of those in its place of `places`.
#[inline(always)]
pub(super) fn gathered<T: Number, const N: usize>(
    inputs: [&[T]; N],
    places: &[u32],
    a: &mut [T],
    of: impl Fn([T; N]) -> T,
) {
    for (a, place) in a.iter_mut().zip(places) {
        *a = of(inputs.map(|input| input[*place as usize]));
    }
}

/// What a gather of the first inputs by the last one must be.
pub(super) fn by_place<const N: usize>(
    inputs: &[Values<'_>],
    at: usize,
    a: &mut [Expected],
    of: impl Fn([f64; N]) -> f64,
) {
    let places = inputs[N].read(at..at + a.len());
    for (a, place) in a.iter_mut().zip(places) {
        let place = place as usize;
        let read = std::array::from_fn(|input| inputs[input].read(place..place + 1)[0]);
        *a = Expected::of(of(read));
    }
}
