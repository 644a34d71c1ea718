//! Calls of NCCL that make an exchange on one rank, as data.

use super::{Placement, Seat};

/// What NCCL does.
#[derive(Clone, Copy)]
pub enum Nccl {
    /// Nothing, and why, in a sentence with a remedy.
    Unsupported(&'static str),
    /// `ncclCommInitRankConfig`.
    CommInit,
    /// Calls of one rank in one operation.
    Calls(fn(Seat<'_>) -> Stages),
}

/// Calls that begin together (`ncclGroupStart`), one such group after another.
pub type Stages = Vec<Vec<Step>>;

/// One call on one rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Which call.
    pub call: NcclCall,
    /// Where it reads; of no meaning for what only receives.
    pub read: Location,
    /// Where it writes; of no meaning for what only sends.
    pub write: Location,
    /// Elements, as NCCL counts them for this call.
    pub count: u64,
}

/// A function of NCCL, with the other rank where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NcclCall {
    /// `ncclAllReduce`.
    AllReduce,
    /// `ncclAllGather`.
    AllGather,
    /// `ncclReduceScatter`.
    ReduceScatter,
    /// `ncclBroadcast` from this root.
    Broadcast(usize),
    /// `ncclReduce` to this root.
    Reduce(usize),
    /// `ncclSend` to this rank.
    Send(usize),
    /// `ncclRecv` from this rank.
    Receive(usize),
}

/// So many elements behind the beginning of a rank's input or result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// In the input.
    Input(u64),
    /// In the result.
    Output(u64),
}

impl Step {
    pub(super) fn send(to: usize, at: Location, count: u64) -> Self {
        Self { call: NcclCall::Send(to), read: at, write: at, count }
    }

    pub(super) fn receive(from: usize, at: u64, count: u64) -> Self {
        let at = Location::Output(at);
        Self { call: NcclCall::Receive(from), read: at, write: at, count }
    }
}

/// One call from the beginning of the input to the beginning of the result.
pub(super) fn one(call: NcclCall, count: u64) -> Stages {
    vec![vec![Step { call, read: Location::Input(0), write: Location::Output(0), count }]]
}

/// Every part of a result as a message, all at once. No answer comes after a window, as one does by MPI: that the
/// messages have arrived shows in the receiver's times.
pub(super) fn messages(seat: Seat<'_>) -> Stages {
    let Seat { exchange, ranks, rank, root } = seat;
    // In place, what a rank has for itself lies where it belongs.
    let stays = |other: usize| other == rank && exchange.placement == Placement::In;
    // An empty block among others is left out, as PyTorch does.
    let is_sent = |len: u64| len > 0 || exchange.bytes == 0;
    let mut at = 0;
    let mut steps = Vec::new();
    for part in exchange.parts(ranks, rank, root) {
        if let Some(from) = part.from.filter(|&from| !stays(from) && is_sent(part.len)) {
            steps.push(Step::receive(from, at, part.len));
        }
        at += part.len;
    }
    let sent = exchange.sent(ranks, rank, root).into_iter();
    let sent = sent.filter(|(to, part)| !stays(*to) && is_sent(part.len));
    steps.extend(sent.map(|(to, part)| Step::send(to, Location::Input(part.at), part.len)));
    vec![steps]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::collective::{Blocks, Exchange, all_to_all, pairs};
    use crate::benchmark::element::Element;

    #[test]
    fn empty_blocks_are_left_out_and_empty_messages_are_not() {
        let of = |exchange: &Exchange, rank| messages(Seat { exchange, ranks: 2, rank, root: 0 });
        let blocks = Blocks::parse_matrix("0 1\n0 0").unwrap();
        let plain = Exchange::plain(&all_to_all::ALLTOALLV, Element::F32, 8);
        let uneven = Exchange { blocks, ..plain };
        assert_eq!(of(&uneven, 0), [[Step::send(1, Location::Input(0), 2)]]);
        let empty = Exchange::plain(&pairs::BANDWIDTH, Element::F32, 0);
        assert_eq!(of(&empty, 1), [[Step::receive(0, 0, 0)]]);
    }
}
