//! hypercube: an all_gather by exchanges between ranks whose numbers differ in one bit.

use super::*;

pub(super) static HYPERCUBE: Collective = Collective {
    name: "hypercube",
    aliases: &[],
    description: "all_gather by log2(n) exchanges of ranks one bit apart",
    keys: &[keys::BYTES, keys::OFFSET],
    ranks: RankCount::PowerOfTwo,
    bandwidth: Some(Bandwidth {
        elements: |exchange, ranks| exchange.blocks_before(ranks, ranks - 1),
        bus_factor: |_, _| 1.0,
    }),
    mpi: MpiCall::Collective(MpiCollective::SendrecvByBits),
    nccl: Nccl::Calls(stages),
    model: Some(Model::Doubling),
    osu: &[],
    ..all_gather::ALL_GATHER
};

/// In step k each rank has a cube of 2^k blocks, and exchanges it with its neighbour's. The first step also
/// copies a rank's own block to its place among all, unless it lies there.
fn stages(seat: Seat<'_>) -> Stages {
    let Seat { exchange, ranks, rank, .. } = seat;
    let Span { at, len: block } = seat.own_block();
    let copies = exchange.placement == Placement::Out;
    let mut stages = Stages::new();
    let mut own = Vec::new();
    if copies {
        let input = Location::Input(0);
        own.extend([Step::receive(rank, at, block), Step::send(rank, input, block)]);
    }
    for width in (0..ranks.ilog2()).map(|step| 1 << step) {
        let other = rank ^ width;
        let corner = |rank: usize| (rank & !(width - 1)) as u64 * block;
        let len = width as u64 * block;
        // Later, what was received is sent on.
        let sent =
            if width == 1 && copies { Location::Input(0) } else { Location::Output(corner(rank)) };
        let mut stage = std::mem::take(&mut own);
        stage.extend([Step::receive(other, corner(other), len), Step::send(other, sent, len)]);
        stages.push(stage);
    }
    if !own.is_empty() {
        stages.push(own);
    }
    stages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::element::Element;

    #[test]
    fn what_was_received_is_sent_on() {
        use Location::{Input, Output};
        let exchange = Exchange::plain(&HYPERCUBE, Element::F32, 16);
        let of = |ranks, rank| stages(Seat { exchange: &exchange, ranks, rank, root: 0 });
        let first = vec![
            Step::receive(2, 2, 1),
            Step::send(2, Input(0), 1),
            Step::receive(3, 3, 1),
            Step::send(3, Input(0), 1),
        ];
        let second = vec![Step::receive(0, 0, 2), Step::send(0, Output(2), 2)];
        assert_eq!(of(4, 2), [first, second]);
        assert_eq!(of(1, 0), [[Step::receive(0, 0, 4), Step::send(0, Input(0), 4)]]);
    }
}
