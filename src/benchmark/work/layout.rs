//! Where the data of an exchange lies: how long each rank's buffers are, and where each part of a result
//! comes from.

use super::{Blocks, Exchange, Pattern};

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

impl Exchange {
    /// Elements of the block that rank `from` has for rank `to`; of the whole buffer where there are no
    /// blocks.
    pub fn block(&self, ranks: usize, from: usize, to: usize) -> u64 {
        let all = self.elements();
        if !self.pattern.has_blocks() {
            return all;
        }
        let k = match self.pattern {
            Pattern::AllGatherV | Pattern::GatherV => from,
            Pattern::ScatterV => to,
            Pattern::AllToAllV => (from + to) % ranks,
            _ => return all / ranks as u64,
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

    /// Elements of rank `rank`'s input.
    pub fn input(&self, ranks: usize, rank: usize, root: usize) -> u64 {
        let at_root = |elements: u64| if rank == root { elements } else { 0 };
        let row = || (0..ranks).map(|to| self.block(ranks, rank, to)).sum::<u64>();
        match self.pattern {
            Pattern::Barrier | Pattern::CommInit | Pattern::MpiInit => 0,
            Pattern::AllReduce | Pattern::Reduce | Pattern::SendRecv => self.elements(),
            Pattern::Broadcast => at_root(self.elements()),
            Pattern::AllGather | Pattern::AllGatherV | Pattern::Gather | Pattern::GatherV => {
                self.block(ranks, rank, 0)
            }
            Pattern::Hypercube => self.block(ranks, rank, 0),
            Pattern::ReduceScatter | Pattern::AllToAll | Pattern::AllToAllV => row(),
            Pattern::Scatter | Pattern::ScatterV => at_root(row()),
            Pattern::Latency | Pattern::Bidirectional => {
                if self.partner(ranks, rank).is_some() {
                    self.elements()
                } else {
                    0
                }
            }
            Pattern::Bandwidth | Pattern::Put => {
                if self.partner(ranks, rank).is_some_and(|other| other > rank) {
                    self.elements()
                } else {
                    0
                }
            }
            Pattern::Get => {
                if self.partner(ranks, rank).is_some_and(|other| other < rank) {
                    self.elements()
                } else {
                    0
                }
            }
            Pattern::Incast => self.elements() - at_root(self.elements()),
            Pattern::Outcast => at_root(self.elements() * (ranks as u64 - 1)),
        }
    }

    /// Elements of rank `rank`'s result.
    pub fn output(&self, ranks: usize, rank: usize, root: usize) -> u64 {
        self.parts(ranks, rank, root).iter().map(|part| part.len).sum()
    }

    /// Where rank `rank`'s result comes from, in order.
    pub fn parts(&self, ranks: usize, rank: usize, root: usize) -> Vec<Part> {
        let all = self.elements();
        let reduced = |at: u64, len: u64| vec![Part { len, from: None, at }];
        let of = |from: usize, at: u64, len: u64| Part { len, from: Some(from), at };
        let at_root = |parts: Vec<Part>| if rank == root { parts } else { Vec::new() };
        let blocks = || (0..ranks).map(|from| of(from, 0, self.block(ranks, from, 0))).collect();
        let before = |from: usize| (0..rank).map(|to| self.block(ranks, from, to)).sum::<u64>();
        let from_partner = |receives: bool| match self.partner(ranks, rank) {
            Some(partner) if receives => vec![of(partner, 0, all)],
            _ => Vec::new(),
        };
        let second = || self.partner(ranks, rank).is_some_and(|partner| partner < rank);
        match self.pattern {
            Pattern::Barrier | Pattern::CommInit | Pattern::MpiInit => Vec::new(),
            Pattern::AllReduce => reduced(0, all),
            Pattern::Reduce => at_root(reduced(0, all)),
            Pattern::ReduceScatter => reduced(before(0), self.block(ranks, 0, rank)),
            Pattern::AllGather | Pattern::AllGatherV | Pattern::Hypercube => blocks(),
            Pattern::Gather | Pattern::GatherV => at_root(blocks()),
            Pattern::Scatter | Pattern::ScatterV => {
                vec![of(root, before(root), self.block(ranks, root, rank))]
            }
            Pattern::Broadcast if rank == root => Vec::new(),
            Pattern::Broadcast => vec![of(root, 0, all)],
            Pattern::AllToAll | Pattern::AllToAllV => (0..ranks)
                .map(|from| of(from, before(from), self.block(ranks, from, rank)))
                .collect(),
            Pattern::SendRecv => vec![of((rank + ranks - 1) % ranks, 0, all)],
            Pattern::Latency | Pattern::Bidirectional => from_partner(true),
            Pattern::Bandwidth | Pattern::Put => from_partner(second()),
            Pattern::Get => from_partner(!second()),
            Pattern::Incast => at_root(
                (0..ranks).filter(|&from| from != root).map(|from| of(from, 0, all)).collect(),
            ),
            Pattern::Outcast if rank == root => Vec::new(),
            Pattern::Outcast => {
                let place = if rank > root { rank - 1 } else { rank } as u64;
                vec![of(root, place * all, all)]
            }
        }
    }

    /// What rank `rank` sends, each with the rank that gets it, where nothing is reduced.
    pub fn sent(&self, ranks: usize, rank: usize, root: usize) -> Vec<(usize, Part)> {
        if matches!(self.pattern, Pattern::AllToAll | Pattern::AllToAllV) {
            // What follows would ask every rank for all that it gets: n³ blocks.
            let mut at = 0;
            let block = |to| {
                let len = self.block(ranks, rank, to);
                at += len;
                (to, Part { len, from: Some(rank), at: at - len })
            };
            return (0..ranks).map(block).collect();
        }
        let from_here = |to| {
            let parts = self.parts(ranks, to, root).into_iter();
            parts.filter(|part| part.from == Some(rank)).map(move |part| (to, part))
        };
        (0..ranks).flat_map(from_here).collect()
    }

    /// How many pairs act at once.
    pub fn pair_count(&self, ranks: usize) -> usize {
        let most = ranks / 2;
        if self.pattern.is_paired() {
            self.pairs.map_or(most, |pairs| (pairs as usize).min(most))
        } else {
            0
        }
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
    use crate::benchmark::work::Element;

    const ALL: [Pattern; 22] = [
        Pattern::AllReduce,
        Pattern::AllGather,
        Pattern::AllGatherV,
        Pattern::ReduceScatter,
        Pattern::Broadcast,
        Pattern::Reduce,
        Pattern::Gather,
        Pattern::GatherV,
        Pattern::Scatter,
        Pattern::ScatterV,
        Pattern::AllToAll,
        Pattern::AllToAllV,
        Pattern::SendRecv,
        Pattern::Hypercube,
        Pattern::Latency,
        Pattern::Bandwidth,
        Pattern::Bidirectional,
        Pattern::Put,
        Pattern::Get,
        Pattern::Incast,
        Pattern::Outcast,
        Pattern::Barrier,
    ];

    /// Every part of a result lies within the input that it comes from.
    #[test]
    fn results_come_from_inputs() {
        for pattern in ALL {
            for ranks in 2..9 {
                for blocks in [Blocks::Spread(0), Blocks::Spread(70)] {
                    let exchange =
                        Exchange { blocks, ..Exchange::plain(pattern, Element::U8, 1001) };
                    for (root, rank) in (0..ranks).flat_map(|a| (0..ranks).map(move |b| (a, b))) {
                        for part in exchange.parts(ranks, rank, root) {
                            let froms = part.from.map_or(0..ranks, |from| from..from + 1);
                            for from in froms {
                                let input = exchange.input(ranks, from, root);
                                assert!(
                                    part.at + part.len <= input,
                                    "{pattern:?} {ranks} {part:?}"
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
        for pattern in ALL {
            let blocks = Blocks::Spread(70);
            let exchange = Exchange { blocks, ..Exchange::plain(pattern, Element::U8, 1001) };
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
                    assert_eq!(got, parts, "{pattern:?} {ranks} {rank}");
                }
            }
        }
    }

    #[test]
    fn pairs_across_the_halves() {
        let partners = |pairs, ranks| -> Vec<Option<usize>> {
            let exchange = Exchange { pairs, ..Exchange::plain(Pattern::Latency, Element::U8, 8) };
            (0..ranks).map(|rank| exchange.partner(ranks, rank)).collect()
        };
        assert_eq!(partners(None, 2), [Some(1), Some(0)]);
        assert_eq!(partners(None, 5), [Some(3), Some(4), None, Some(0), Some(1)]);
        assert_eq!(partners(Some(1), 4), [Some(2), None, Some(0), None]);
    }
}
