//! Which calls of NCCL make an exchange on one rank, and which of them begin together.

use cudarc::driver::sys::CUdeviceptr;

use super::call::{Act, Call};
use crate::benchmark::work::{Exchange, Pattern, Placement};

/// Calls that begin together, one such group after another.
pub(super) type Stages = Vec<Vec<Call>>;

/// Where the data of an operation lies on the GPU.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot {
    /// Address of the input, and of the result.
    pub(super) input: CUdeviceptr,
    pub(super) output: CUdeviceptr,
    /// Bytes of an element.
    pub(super) element: u64,
}

impl Spot {
    fn send(self, to: usize, at: u64, len: u64) -> Call {
        let input = self.input + at * self.element;
        Call { act: Act::Send(to), input, output: 0, count: len as usize }
    }

    fn receive(self, from: usize, at: u64, len: u64) -> Call {
        let output = self.output + at * self.element;
        Call { act: Act::Receive(from), input: 0, output, count: len as usize }
    }
}

/// What rank `rank` of `ranks` does in one operation with root `root`.
pub(super) fn stages(
    exchange: &Exchange,
    (rank, ranks): (usize, usize),
    root: usize,
    spot: Spot,
) -> Stages {
    let Spot { input, output, .. } = spot;
    let one = |act, count| vec![vec![Call { act, input, output, count: count as usize }]];
    let all = exchange.elements();
    let block = exchange.block(ranks, 0, 0);
    match exchange.pattern {
        Pattern::AllReduce => one(Act::AllReduce, all),
        Pattern::Reduce => one(Act::Reduce(root), all),
        Pattern::ReduceScatter => one(Act::ReduceScatter, block),
        Pattern::AllGather => one(Act::AllGather, block),
        // One buffer on each rank, as in MPI: the root gets no second copy, and the others read nothing.
        Pattern::Broadcast => {
            let at = if rank == root { input } else { output };
            vec![vec![Call {
                act: Act::Broadcast(root),
                input: at,
                output: at,
                count: all as usize,
            }]]
        }
        Pattern::Hypercube => hypercube(exchange, (rank, ranks), block, spot),
        Pattern::Latency => {
            let messages = messages(exchange, (rank, ranks), root, spot);
            let first = exchange.partner(ranks, rank).is_some_and(|partner| rank < partner);
            let is_first = |call: &&Call| matches!(call.act, Act::Send(_)) == first;
            let (before, after): (Vec<&Call>, Vec<&Call>) = messages.iter().partition(is_first);
            [before, after].map(|calls| calls.into_iter().copied().collect()).into()
        }
        _ => vec![messages(exchange, (rank, ranks), root, spot)],
    }
}

/// What is received and sent, all at once. No answer comes after a window, as one does by MPI: that the messages
/// have arrived shows in the receiver's times.
fn messages(
    exchange: &Exchange,
    (rank, ranks): (usize, usize),
    root: usize,
    spot: Spot,
) -> Vec<Call> {
    // In place, what a rank has for itself lies where it belongs.
    let stays = |other: usize| other == rank && exchange.placement == Placement::In;
    // An empty block among others is left out, as PyTorch does.
    let is_sent = |len: u64| len > 0 || exchange.bytes == 0;
    let mut at = 0;
    let mut calls = Vec::new();
    for part in exchange.parts(ranks, rank, root) {
        if let Some(from) = part.from.filter(|&from| !stays(from) && is_sent(part.len)) {
            calls.push(spot.receive(from, at, part.len));
        }
        at += part.len;
    }
    let sent = exchange.sent(ranks, rank, root).into_iter();
    let sent = sent.filter(|(to, part)| !stays(*to) && is_sent(part.len));
    calls.extend(sent.map(|(to, part)| spot.send(to, part.at, part.len)));
    calls
}

/// In step k each rank has a cube of 2^k blocks, and exchanges it with its neighbour's. The first step also
/// copies a rank's own block to its place among all, unless it lies there.
fn hypercube(exchange: &Exchange, (rank, ranks): (usize, usize), block: u64, spot: Spot) -> Stages {
    // What was received is what is sent on.
    let relayed = Spot { input: spot.output, ..spot };
    let mut stages = Stages::new();
    let mut own = Vec::new();
    if exchange.placement == Placement::Out {
        own.extend([spot.receive(rank, rank as u64 * block, block), spot.send(rank, 0, block)]);
    }
    for width in (0..ranks.ilog2()).map(|step| 1 << step) {
        let other = rank ^ width;
        let corner = |rank: usize| (rank & !(width - 1)) as u64 * block;
        let len = width as u64 * block;
        let sent = if width == 1 && exchange.placement == Placement::Out {
            spot.send(other, 0, len)
        } else {
            relayed.send(other, corner(rank), len)
        };
        let mut stage = std::mem::take(&mut own);
        stage.extend([relayed.receive(other, corner(other), len), sent]);
        stages.push(stage);
    }
    if !own.is_empty() {
        stages.push(own);
    }
    stages
}

/// The calls of several operations that run at once: each stage of all of them begins together.
pub(super) fn together(operations: impl Iterator<Item = Stages>) -> Stages {
    let mut together = Stages::new();
    for stages in operations {
        together.resize_with(together.len().max(stages.len()), Vec::new);
        together.iter_mut().zip(stages).for_each(|(all, stage)| all.extend(stage));
    }
    together
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::work::{Blocks, Element};

    const SPOT: Spot = Spot { input: 1000, output: 5000, element: 4 };

    fn calls(exchange: &Exchange, place: (usize, usize)) -> Vec<Vec<(Act, u64, u64, usize)>> {
        let shown = |call: Call| (call.act, call.input, call.output, call.count);
        let stages = stages(exchange, place, 0, SPOT).into_iter();
        stages.map(|stage| stage.into_iter().map(shown).collect()).collect()
    }

    #[test]
    fn a_ping_comes_before_its_pong() {
        let exchange = Exchange::plain(Pattern::Latency, Element::F32, 8);
        let (ping, pong) = ((Act::Send(1), 1000, 0, 2), (Act::Receive(1), 0, 5000, 2));
        assert_eq!(calls(&exchange, (0, 2)), [[ping], [pong]]);
        let (ping, pong) = ((Act::Receive(0), 0, 5000, 2), (Act::Send(0), 1000, 0, 2));
        assert_eq!(calls(&exchange, (1, 2)), [[ping], [pong]]);
        assert!(calls(&exchange, (1, 3)).iter().all(Vec::is_empty));
    }

    #[test]
    fn a_hypercube_relays_what_it_got() {
        let exchange = Exchange::plain(Pattern::Hypercube, Element::F32, 16);
        let first = vec![
            (Act::Receive(2), 0, 5008, 1),
            (Act::Send(2), 1000, 0, 1),
            (Act::Receive(3), 0, 5012, 1),
            (Act::Send(3), 1000, 0, 1),
        ];
        let second = vec![(Act::Receive(0), 0, 5000, 2), (Act::Send(0), 5008, 0, 2)];
        assert_eq!(calls(&exchange, (2, 4)), [first, second]);
        let alone = vec![(Act::Receive(0), 0, 5000, 4), (Act::Send(0), 1000, 0, 4)];
        assert_eq!(calls(&exchange, (0, 1)), [alone]);
    }

    #[test]
    fn empty_blocks_are_left_out_and_empty_messages_are_not() {
        let blocks = Blocks::parse_matrix("0 1\n0 0").unwrap();
        let uneven = Exchange { blocks, ..Exchange::plain(Pattern::AllToAllV, Element::F32, 8) };
        assert_eq!(calls(&uneven, (0, 2)), [[(Act::Send(1), 1000, 0, 2)]]);
        let empty = Exchange::plain(Pattern::Bandwidth, Element::F32, 0);
        assert_eq!(calls(&empty, (1, 2)), [[(Act::Receive(0), 0, 5000, 0)]]);
    }

    #[test]
    fn operations_begin_together_stage_by_stage() {
        let exchange = Exchange::plain(Pattern::Latency, Element::F32, 8);
        let both = together((0..2).map(|_| stages(&exchange, (0, 2), 1, SPOT)));
        let acts: Vec<Vec<Act>> =
            both.iter().map(|stage| stage.iter().map(|call| call.act).collect()).collect();
        assert_eq!(acts, [[Act::Send(1); 2], [Act::Receive(1); 2]]);
    }
}
