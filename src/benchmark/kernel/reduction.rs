//! One number of many.

use super::Stored;
use crate::benchmark::Number as _;

/// Elements that are summed in their own type before the partial sum is added to an f64, so that long rows lose
/// nothing.
pub(super) const PIECE: usize = 1024;

/// Independent partial results: two of the widest vectors.
const LANES: usize = 32;

/// The sum of the terms that the elements of a row give.
#[inline(always)]
pub(super) fn sum<T: Stored>(row: &[T], term: impl Fn(T::Wide) -> T::Wide) -> f64 {
    sum_of_pairs(row, row, |value, _| term(value))
}

/// The sum of the terms that the elements of two rows give.
#[inline(always)]
pub(super) fn sum_of_pairs<T: Stored>(
    a: &[T],
    b: &[T],
    term: impl Fn(T::Wide, T::Wide) -> T::Wide,
) -> f64 {
    let mut whole = 0.0;
    for (a, b) in a.chunks(PIECE).zip(b.chunks(PIECE)) {
        let mut sums = [T::Wide::of(0); LANES];
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        for (a, b) in a.iter().zip(b) {
            sums = std::array::from_fn(|lane| sums[lane] + term(a[lane].wide(), b[lane].wide()));
        }
        for (sum, (a, b)) in sums.iter_mut().zip(a_rest.iter().zip(b_rest)) {
            *sum = *sum + term(a.wide(), b.wide());
        }
        for sum in sums {
            whole += sum.to_f64();
        }
    }
    whole
}

/// The largest element of a row.
#[inline(always)]
pub(super) fn largest<T: Stored>(row: &[T]) -> T::Wide {
    let larger = |a: T::Wide, b: T::Wide| if b > a { b } else { a };
    let first = row[0].wide();
    let mut most = [first; LANES];
    let (vectors, rest) = row.as_chunks::<LANES>();
    for vector in vectors {
        most = std::array::from_fn(|lane| larger(most[lane], vector[lane].wide()));
    }
    most.into_iter().chain(rest.iter().map(|value| value.wide())).fold(first, larger)
}

/// A sum with the error of one rounding (Neumaier, 1974), for references.
pub(super) fn exact_sum(terms: impl IntoIterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0f64, 0.0);
    for term in terms {
        let next = sum + term;
        let (large, small) = if sum.abs() >= term.abs() { (sum, term) } else { (term, sum) };
        lost += (large - next) + small;
        sum = next;
    }
    sum + lost
}
