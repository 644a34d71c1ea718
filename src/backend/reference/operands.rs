//! What each rank contributes to a reduction, and what the reduction then is.

use super::Number;
use crate::benchmark::work::Operator;

/// Contributions to a reduction over ranks. Whole numbers whose reduction is exact in the type, in whatever
/// order it is taken; sums of integers wrap alike. They depend on the index with a period that is
/// coprime to powers of two, so that shifted or swapped blocks show. Every rank's contribution to a sum matters
/// everywhere, where the type can hold that; else each one's at some index of as many as there are ranks.
#[derive(Debug, Clone, Copy)]
pub(in crate::backend) struct Operands {
    operator: Operator,
    ranks: usize,
    /// Whether every rank's term of a sum counts everywhere; else each index gets its term from one rank.
    all: bool,
    /// What the one rank's term of a mean may be at most.
    most: i64,
}

/// What [`Operator::MulSum`] multiplies by.
pub(in crate::backend) const FACTOR: i64 = 2;

impl Operands {
    /// For elements of type `T`.
    pub(in crate::backend) fn of<T: Number>(operator: Operator, ranks: usize) -> Self {
        let n = ranks as i64;
        let factor = if operator == Operator::MulSum { FACTOR } else { 1 };
        // A mean must not wrap on its way.
        let widest = [127, 32_767, 1 << 30][size_of::<T>().ilog2().min(2) as usize];
        let most = (T::EXACT.min(widest) / n.max(1)).min(7);
        Self { operator, ranks, all: 11 * n * factor <= T::EXACT, most }
    }

    /// After how many indices operands and results repeat.
    pub(in crate::backend) fn period(self) -> usize {
        7 * 4 * self.ranks
    }

    /// What rank `rank` contributes at index `i`.
    pub(in crate::backend) fn term(self, rank: usize, i: usize) -> i64 {
        let (n, step) = (self.ranks, (i % 7) as i64);
        let choose = |own, others| if i % n == rank { own } else { others };
        match self.operator {
            Operator::Sum | Operator::MulSum if self.all => 1 + step + (rank % 5) as i64,
            Operator::Sum | Operator::MulSum => choose(1 + step % 3, 0),
            Operator::Prod => choose(1 + step, 1),
            Operator::Max => (i % 4) as i64 + choose(4, 0),
            Operator::Min => (i % 4) as i64 + choose(0, 4),
            Operator::Avg => choose(n as i64 * self.mean(i), 0),
            // Odd indices: all but nobody; even ones: all but one.
            Operator::Land => (i % 2 == 1 || i / 2 % n != rank).into(),
            Operator::Lor => (i % 2 == 1 && i / 2 % n == rank).into(),
            Operator::Lxor => ((i + rank) % 2 == 1).into(),
            Operator::Band => 0x7f & !bit(i + rank),
            Operator::Bor | Operator::Bxor => bit(i + rank),
        }
    }

    /// The reduction of all ranks' operands at index `i`.
    pub(in crate::backend) fn result(self, i: usize) -> i64 {
        let step = (i % 7) as i64;
        match self.operator {
            Operator::Sum => self.sum(i),
            Operator::MulSum => FACTOR * self.sum(i),
            Operator::Prod => 1 + step,
            Operator::Max => (i % 4) as i64 + 4,
            Operator::Min => (i % 4) as i64,
            Operator::Avg => self.mean(i),
            Operator::Land | Operator::Lor => (i % 2) as i64,
            Operator::Lxor => ((self.ranks + i % 2) / 2 % 2) as i64,
            Operator::Band => (0..self.ranks.min(7)).fold(0x7f, |bits, k| bits & !bit(i + k)),
            Operator::Bor => (0..self.ranks.min(7)).fold(0, |bits, k| bits | bit(i + k)),
            // Seven ranks after one another set each bit once.
            Operator::Bxor => {
                let rounds = if self.ranks / 7 % 2 == 1 { 0x7f } else { 0 };
                (0..self.ranks % 7).fold(rounds, |bits, k| bits ^ bit(i + k))
            }
        }
    }

    fn sum(self, i: usize) -> i64 {
        let step = (i % 7) as i64;
        if !self.all {
            return 1 + step % 3;
        }
        let of_ranks: usize = (0..self.ranks % 5).sum::<usize>() + 10 * (self.ranks / 5);
        self.ranks as i64 * (1 + step) + of_ranks as i64
    }

    fn mean(self, i: usize) -> i64 {
        (i % 7) as i64 % (self.most + 1)
    }
}

fn bit(i: usize) -> i64 {
    1 << (i % 7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use float8::{F8E4M3, F8E5M2};
    use half::bf16;

    /// The reduction of the operands, one rank after another.
    fn reduced(operands: Operands, i: usize) -> i64 {
        let all: Vec<i64> = (0..operands.ranks).map(|rank| operands.term(rank, i)).collect();
        let n = all.len() as i64;
        let truth = |count: usize| (count > 0, count as i64 == n, count % 2 == 1);
        let (any, every, odd) = truth(all.iter().filter(|term| **term != 0).count());
        match operands.operator {
            Operator::Sum => all.iter().sum(),
            Operator::MulSum => all.iter().map(|term| FACTOR * term).sum(),
            Operator::Avg => {
                let sum: i64 = all.iter().sum();
                assert_eq!(sum % n, 0);
                sum / n
            }
            Operator::Prod => all.iter().product(),
            Operator::Max => all.into_iter().max().unwrap(),
            Operator::Min => all.into_iter().min().unwrap(),
            Operator::Land => every.into(),
            Operator::Lor => any.into(),
            Operator::Lxor => odd.into(),
            Operator::Band => all.into_iter().reduce(|a, b| a & b).unwrap(),
            Operator::Bor => all.into_iter().reduce(|a, b| a | b).unwrap(),
            Operator::Bxor => all.into_iter().reduce(|a, b| a ^ b).unwrap(),
        }
    }

    #[test]
    fn the_reduction_in_one_step_is_that_of_all_and_exact() {
        fn check<T: Number>(ranks: usize) {
            for (name, operator) in Operator::NAMES.into_iter().zip(Operator::ALL) {
                if operator.is_logical() && T::EXACT < 128 {
                    continue;
                }
                let operands = Operands::of::<T>(operator, ranks);
                let period = operands.period();
                assert_eq!(operands.result(5), operands.result(5 + period), "{name} {ranks}");
                assert_eq!(
                    operands.term(ranks - 1, 9),
                    operands.term(ranks - 1, 9 + period),
                    "{name}"
                );
                for i in 0..60 {
                    let result = reduced(operands, i);
                    assert_eq!(operands.result(i), result, "{name} {ranks} {i}");
                    assert_eq!(T::of(result).to_f64(), result as f64, "{name} {ranks} {i}");
                }
            }
        }
        for ranks in (1..40).chain([1000]) {
            check::<f32>(ranks);
            check::<bf16>(ranks);
            check::<F8E4M3>(ranks);
            check::<F8E5M2>(ranks);
            check::<i32>(ranks);
        }
    }
}
