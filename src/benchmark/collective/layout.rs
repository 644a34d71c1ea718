//! Where the data of an exchange lies: how long each rank's buffers are, and where each part of a result
//! comes from.

use super::{Blocks, Exchange};

/// A stretch of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Elements.
    pub len: u64,
    /// The rank whose input it is; all ranks', reduced, when absent.
    pub from: Option<usize>,
    /// Where it begins in that input.
    pub at: u64,
}

/// A stretch of an input, in elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Where it begins.
    pub at: u64,
    /// How long it is.
    pub len: u64,
}

/// How a rank's buffer is cut into blocks, and whose number [`Blocks`] goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockSizes {
    /// It is not.
    Whole,
    /// All are equal.
    Equal,
    /// That of the rank that has it.
    BySender,
    /// That of the rank that gets it.
    ByReceiver,
    /// The sum of both.
    ByBoth,
}

/// Where the results of an operation come from.
#[derive(Clone, Copy)]
pub enum Flow {
    /// There are none.
    Nothing,
    /// What one rank's input has for another rank's result.
    Moves(fn(Seat<'_>, usize) -> Option<Span>),
    /// Which stretch of the reduction over all ranks' inputs a rank gets.
    Reduces(fn(Seat<'_>) -> Option<Span>),
}

/// How input and result share one buffer, in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InPlace {
    /// By MPI.
    pub mpi: Sharing,
    /// By NCCL; or why it cannot be, in a sentence with a remedy.
    pub nccl: Result<Sharing, &'static str>,
}

/// Where the smaller of input and result lies in the larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// At its beginning.
    Front,
    /// Where the rank's own block is among those of all ranks.
    OwnBlock,
}

impl InPlace {
    /// The same by MPI and NCCL.
    pub(super) const fn both(sharing: Sharing) -> Option<Self> {
        Some(Self { mpi: sharing, nccl: Ok(sharing) })
    }
}

/// A rank in an exchange.
#[derive(Debug, Clone, Copy)]
pub struct Seat<'a> {
    /// The exchange.
    pub exchange: &'a Exchange,
    /// How many ranks there are.
    pub ranks: usize,
    /// Which of them it is.
    pub rank: usize,
    /// Which one is the root, where there is one.
    pub root: usize,
}

impl Seat<'_> {
    pub(super) fn is_root(self) -> bool {
        self.rank == self.root
    }

    /// Elements where the rank is the root, else none.
    pub(super) fn at_root(self, elements: u64) -> u64 {
        if self.is_root() { elements } else { 0 }
    }

    pub(super) fn elements(self) -> u64 {
        self.exchange.elements()
    }

    /// The whole of a buffer that is not cut.
    pub(super) fn whole(self) -> Span {
        Span { at: 0, len: self.elements() }
    }

    /// The rank's own block among those of all ranks.
    pub(super) fn own_block(self) -> Span {
        let Self { exchange, ranks, rank, .. } = self;
        Span { at: exchange.blocks_before(ranks, rank), len: exchange.block(ranks, rank, rank) }
    }

    /// The block for rank `to` of an input that is one block.
    pub(super) fn only_block(self, to: usize) -> Span {
        Span { at: 0, len: self.exchange.block(self.ranks, self.rank, to) }
    }

    /// The block for rank `to` of an input that has one for each rank.
    pub(super) fn block_among_all(self, to: usize) -> Span {
        let block = |to| self.exchange.block(self.ranks, self.rank, to);
        Span { at: (0..to).map(block).sum(), len: block(to) }
    }

    pub(super) fn is_paired_with(self, other: usize) -> bool {
        self.exchange.partner(self.ranks, self.rank) == Some(other)
    }

    /// Elements of the blocks that the rank has for all ranks.
    pub(super) fn row(self) -> u64 {
        (0..self.ranks).map(|to| self.exchange.block(self.ranks, self.rank, to)).sum()
    }

    /// Elements where the rank has a partner and `acts`, given whether it is the pair's first rank.
    pub(super) fn of_pair(self, acts: impl Fn(bool) -> bool) -> u64 {
        let partner = self.exchange.partner(self.ranks, self.rank);
        if partner.is_some_and(|partner| acts(self.rank < partner)) { self.elements() } else { 0 }
    }
}

impl Exchange {
    /// Elements of the block that rank `from` has for rank `to`; of the whole buffer where there are no
    /// blocks.
    pub fn block(&self, ranks: usize, from: usize, to: usize) -> u64 {
        let all = self.elements();
        let k = match self.collective.blocks {
            BlockSizes::Whole => return all,
            BlockSizes::Equal => return all / ranks as u64,
            BlockSizes::BySender => from,
            BlockSizes::ByReceiver => to,
            BlockSizes::ByBoth => (from + to) % ranks,
        };
        match &self.blocks {
            Blocks::Spread(percent) => {
                let place =
                    if ranks > 1 { 2.0 * k as f64 / (ranks as f64 - 1.0) - 1.0 } else { 0.0 };
                let share = 1.0 + f64::from(*percent) / 100.0 * place;
                ((all / ranks as u64) as f64 * share) as u64
            }
            Blocks::Matrix { rows, most } => {
                // 128 bits: both factors may be large.
                (u128::from(all) * u128::from(rows[from][to]) / u128::from(*most)) as u64
            }
        }
    }

    /// Elements of the blocks of the ranks before `rank`, where each rank has one.
    pub fn blocks_before(&self, ranks: usize, rank: usize) -> u64 {
        (0..rank).map(|other| self.block(ranks, other, other)).sum()
    }

    /// Elements of rank `rank`'s input.
    pub fn input(&self, ranks: usize, rank: usize, root: usize) -> u64 {
        (self.collective.input)(Seat { exchange: self, ranks, rank, root })
    }

    /// Elements of rank `rank`'s result.
    pub fn output(&self, ranks: usize, rank: usize, root: usize) -> u64 {
        self.parts(ranks, rank, root).iter().map(|part| part.len).sum()
    }

    /// Where rank `rank`'s result comes from, in order.
    pub fn parts(&self, ranks: usize, rank: usize, root: usize) -> Vec<Part> {
        if let Flow::Reduces(span) = self.collective.flow {
            let span = span(Seat { exchange: self, ranks, rank, root });
            return span.map(|Span { at, len }| Part { len, from: None, at }).into_iter().collect();
        }
        (0..ranks).filter_map(|from| self.moved(ranks, root, from, rank)).collect()
    }

    /// What rank `rank` sends, each with the rank that gets it, where nothing is reduced.
    pub fn sent(&self, ranks: usize, rank: usize, root: usize) -> Vec<(usize, Part)> {
        (0..ranks).filter_map(|to| Some((to, self.moved(ranks, root, rank, to)?))).collect()
    }

    fn moved(&self, ranks: usize, root: usize, from: usize, to: usize) -> Option<Part> {
        let Flow::Moves(span) = self.collective.flow else { return None };
        let Span { at, len } = span(Seat { exchange: self, ranks, rank: from, root }, to)?;
        Some(Part { len, from: Some(from), at })
    }

    /// How many pairs act at once.
    pub fn pair_count(&self, ranks: usize) -> usize {
        let most = if self.collective.is_paired() { ranks / 2 } else { 0 };
        self.pairs.map_or(most, |pairs| (pairs as usize).min(most))
    }

    /// The other rank of `rank`'s pair: ranks of the first half with those of the second half, as in the OSU
    /// benchmarks; the middle one of an odd number has none.
    pub fn partner(&self, ranks: usize, rank: usize) -> Option<usize> {
        let (pairs, second_half) = (self.pair_count(ranks), ranks - ranks / 2);
        if rank < pairs {
            Some(rank + second_half)
        } else {
            (second_half..second_half + pairs).contains(&rank).then(|| rank - second_half)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::collective::{COLLECTIVES, pairs};
    use crate::benchmark::element::Element;

    /// Every part of a result lies within the input that it comes from.
    #[test]
    fn results_come_from_inputs() {
        for collective in COLLECTIVES {
            for ranks in 2..9 {
                for blocks in [Blocks::Spread(0), Blocks::Spread(70)] {
                    let exchange =
                        Exchange { blocks, ..Exchange::plain(collective, Element::U8, 1001) };
                    for (root, rank) in (0..ranks).flat_map(|a| (0..ranks).map(move |b| (a, b))) {
                        for part in exchange.parts(ranks, rank, root) {
                            let froms = part.from.map_or(0..ranks, |from| from..from + 1);
                            for from in froms {
                                let input = exchange.input(ranks, from, root);
                                assert!(
                                    part.at + part.len <= input,
                                    "{collective:?} {ranks} {part:?}"
                                );
                            }
                        }
                    }
                }
            }
        }
    }

    /// What is sent to a rank is what makes its result.
    #[test]
    fn parts_of_results_are_sent() {
        for collective in COLLECTIVES {
            let blocks = Blocks::Spread(70);
            let exchange = Exchange { blocks, ..Exchange::plain(collective, Element::U8, 1001) };
            for (ranks, root) in [(2, 0), (5, 3), (8, 7)] {
                let sent: Vec<Vec<(usize, Part)>> =
                    (0..ranks).map(|rank| exchange.sent(ranks, rank, root)).collect();
                for rank in 0..ranks {
                    let to_it = |from: usize| sent[from].iter().filter(move |(to, _)| *to == rank);
                    let mut got: Vec<Part> =
                        (0..ranks).flat_map(to_it).map(|(_, part)| *part).collect();
                    let mut parts = exchange.parts(ranks, rank, root);
                    parts.retain(|part| part.from.is_some());
                    parts.sort_by_key(|part| part.from);
                    got.sort_by_key(|part| part.from);
                    assert_eq!(got, parts, "{collective:?} {ranks} {rank}");
                }
            }
        }
    }

    #[test]
    fn pairs_across_the_halves() {
        let partners = |pairs, ranks| -> Vec<Option<usize>> {
            let exchange = Exchange { pairs, ..Exchange::plain(&pairs::LATENCY, Element::U8, 8) };
            (0..ranks).map(|rank| exchange.partner(ranks, rank)).collect()
        };
        assert_eq!(partners(None, 2), [Some(1), Some(0)]);
        assert_eq!(partners(None, 5), [Some(3), Some(4), None, Some(0), Some(1)]);
        assert_eq!(partners(Some(1), 4), [Some(2), None, Some(0), None]);
    }
}
