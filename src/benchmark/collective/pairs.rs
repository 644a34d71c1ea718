//! Messages between the ranks of pairs, counted as the OSU micro-benchmarks do.

use super::nccl_call::messages;
use super::*;

pub(super) static LATENCY: Collective = Collective {
    name: "latency",
    aliases: &["p2p_latency", "multi_lat"],
    description: "one way of a message between two ranks: half a ping-pong",
    keys: &[keys::MESSAGE, keys::PAIRS, keys::MESSAGE_FORM, keys::OFFSET],
    roles: Roles::Pairs { messages: None, operations: 2 },
    bandwidth: Some(ONE_BUFFER),
    mpi: MpiCall::Messages(MpiMessages::PingPong),
    nccl: Nccl::Calls(there_and_back),
    osu: &[
        OsuTest::new("Latency", "osu_latency", OsuSize::Whole, OsuRanks::Two),
        OsuTest::new("Multi Latency", "osu_multi_lat", OsuSize::Whole, OsuRanks::All),
    ],
    ..BIDIRECTIONAL
};

pub(super) static BANDWIDTH: Collective = Collective {
    name: "bandwidth",
    aliases: &["p2p_bandwidth", "multi_pair", "message_rate", "mbw_mr"],
    description: "a window of messages from one rank of a pair to the other",
    keys: &[keys::MESSAGE, keys::WINDOW, keys::PAIRS, keys::WINDOW_FORM, keys::OFFSET],
    roles: Roles::Pairs { messages: Some(1), operations: 1 },
    ranks: RankCount::Several,
    input: |seat| seat.of_pair(|is_first| is_first),
    flow: Flow::Moves(|from, to| (from.is_paired_with(to) && from.rank < to).then(|| from.whole())),
    // One message of each pair, and what one pair moves.
    bandwidth: Some(Bandwidth {
        elements: |exchange, ranks| exchange.pair_count(ranks) as u64 * exchange.elements(),
        bus_factor: |exchange, ranks| 1.0 / exchange.pair_count(ranks).max(1) as f64,
    }),
    mpi: MpiCall::Messages(MpiMessages::Window { answered: true }),
    model: Some(Model::Pair { trips: 1.0 }),
    osu: &[
        OsuTest::new("Bandwidth", "osu_bw", OsuSize::Whole, OsuRanks::Two),
        OsuTest::new(
            "Multiple Bandwidth / Message Rate",
            "osu_mbw_mr",
            OsuSize::Whole,
            OsuRanks::Pairs,
        ),
    ],
    ..PLAIN
};

pub(super) static BIDIRECTIONAL: Collective = Collective {
    name: "bidirectional",
    aliases: &["p2p_bidirectional", "bisection"],
    description: "a window of messages both ways between ranks of a pair",
    roles: Roles::Pairs { messages: Some(2), operations: 1 },
    input: |seat| seat.of_pair(|_| true),
    flow: Flow::Moves(|from, to| from.is_paired_with(to).then(|| from.whole())),
    // What one pair moves in one direction.
    bandwidth: Some(Bandwidth {
        elements: |exchange, ranks| 2 * exchange.pair_count(ranks) as u64 * exchange.elements(),
        bus_factor: |exchange, ranks| 0.5 / exchange.pair_count(ranks).max(1) as f64,
    }),
    mpi: MpiCall::Messages(MpiMessages::Window { answered: false }),
    osu: &[OsuTest::new("Bi-Directional Bandwidth", "osu_bibw", OsuSize::Whole, OsuRanks::Two)],
    ..BANDWIDTH
};

pub(super) static PUT: Collective = Collective {
    name: "put",
    aliases: &[],
    description: "one-sided writes into memory of the other rank of a pair",
    keys: &[keys::MESSAGE, keys::ONE, keys::PAIRS, keys::OFFSET],
    mpi: MpiCall::Put,
    nccl: Nccl::Unsupported(
        "one-sided calls of NCCL, which need its newest versions, are not measured; bandwidth sends the same messages",
    ),
    osu: &[],
    ..BANDWIDTH
};

pub(super) static GET: Collective = Collective {
    name: "get",
    description: "one-sided reads from memory of the other rank of a pair",
    input: |seat| seat.of_pair(|is_first| !is_first),
    flow: Flow::Moves(|from, to| (from.is_paired_with(to) && from.rank > to).then(|| from.whole())),
    mpi: MpiCall::Get,
    // The request has to arrive first.
    model: Some(Model::Pair { trips: 2.0 }),
    ..PUT
};

/// The first rank of a pair sends and then receives, the second receives and then sends.
fn there_and_back(seat: Seat<'_>) -> Stages {
    let partner = seat.exchange.partner(seat.ranks, seat.rank);
    let is_first = partner.is_some_and(|partner| seat.rank < partner);
    let (before, after) = messages(seat)
        .into_iter()
        .flatten()
        .partition(|step| matches!(step.call, NcclCall::Send(_)) == is_first);
    vec![before, after]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::element::Element;

    #[test]
    fn a_ping_comes_before_its_pong() {
        let exchange = Exchange::plain(&LATENCY, Element::F32, 8);
        let of = |ranks, rank| there_and_back(Seat { exchange: &exchange, ranks, rank, root: 0 });
        let sent = |to| Step::send(to, Location::Input(0), 2);
        assert_eq!(of(2, 0), [[sent(1)], [Step::receive(1, 0, 2)]]);
        assert_eq!(of(2, 1), [[Step::receive(0, 0, 2)], [sent(0)]]);
        assert!(of(3, 1).iter().all(Vec::is_empty));
    }
}
