//! Inputs whose right answers are known exactly, and what those answers are: shared by the backends
//! that compute.

mod number;
mod product;

pub(super) use number::{Number, no_such_type, with_number};
pub(super) use product::{Product, fill as fill_product};

/// s of the triad.
pub(super) const SCALAR: i64 = 3;

/// The arrays of a pass over memory: small whole numbers, so that results are exact. Coprime periods:
/// no shift hides.
pub(super) fn b_at(i: usize) -> i64 {
    (i % 251) as i64
}

/// As [`b_at`].
pub(super) fn c_at(i: usize) -> i64 {
    (i % 127) as i64
}

/// What each rank contributes to a sum over ranks. Whole numbers whose sum over all ranks is exact in
/// the type, in whatever order it is taken; in integer types it wraps alike. They depend on the index
/// with a period that is coprime to powers of two, so that shifted or swapped blocks show.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    ranks: usize,
    /// Whether the sum of everybody's terms is exact; else each index gets its term from one rank.
    all: bool,
}

impl Terms {
    /// For elements of type `T`.
    pub(super) fn of<T: Number>(ranks: usize) -> Self {
        Self { ranks, all: 10 * ranks as i64 <= T::EXACT }
    }

    /// What rank `rank` contributes at index `i`.
    pub(super) fn term(self, rank: usize, i: usize) -> i64 {
        match self.all {
            true => (i % 7) as i64 + (rank % 5) as i64,
            false if i % self.ranks == rank => 1 + (i % 7) as i64,
            false => 0,
        }
    }

    /// The sum of all ranks' terms at index `i`.
    pub(super) fn sum(self, i: usize) -> i64 {
        if !self.all {
            return 1 + (i % 7) as i64;
        }
        let of_ranks: usize = (0..self.ranks % 5).sum::<usize>() + 10 * (self.ranks / 5);
        self.ranks as i64 * (i % 7) as i64 + of_ranks as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::bf16;

    #[test]
    fn the_sum_in_one_step_is_the_sum_of_all_and_exact() {
        fn check<T: Number>(ranks: usize) {
            let terms = Terms::of::<T>(ranks);
            for i in 0..20 {
                let sum: i64 = (0..ranks).map(|rank| terms.term(rank, i)).sum();
                assert_eq!(terms.sum(i), sum, "{ranks} {i}");
                assert_eq!(T::of(sum).to_f64(), sum as f64, "{ranks} {i}");
            }
        }
        for ranks in (1..40).chain([1000]) {
            check::<f32>(ranks);
            check::<bf16>(ranks);
            check::<i32>(ranks);
        }
    }
}
