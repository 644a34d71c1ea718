//! What each rank sends and receives at once: a block to every rank, or the whole to the next rank of a ring.

use super::*;

const IN_PLACE: InPlace = InPlace {
    mpi: Sharing::Front,
    nccl: Err(
        "NCCL sends and receives at once, so what is received cannot replace what is sent; choose placement=out",
    ),
};

pub(super) static ALLTOALL: Collective = Collective {
    name: "alltoall",
    aliases: &["all_to_all"],
    description: "each rank ends with the block that every rank has for it",
    keys: keys::MOVES,
    in_place: Some(IN_PLACE),
    blocks: BlockSizes::Equal,
    input: |seat| seat.row(),
    flow: Flow::Moves(|from, to| Some(from.block_among_all(to))),
    bandwidth: Some(ALL_BLOCKS),
    mpi: MpiCall::Collective(MpiCollective::Alltoall),
    model: Some(Model::Port),
    nccl_tests: true,
    osu: &[OsuTest::new(
        "All-to-All Personalized Exchange Latency",
        "osu_alltoall",
        OsuSize::Block,
        OsuRanks::All,
    )],
    ..PLAIN
};

pub(super) static ALLTOALLV: Collective = Collective {
    name: "alltoallv",
    aliases: &["all_to_allv"],
    description: "alltoall with blocks of different sizes",
    keys: &[keys::BYTES, keys::SPREAD, keys::MATRIX, keys::FORM, keys::AGGREGATE, keys::OFFSET],
    blocks: BlockSizes::ByBoth,
    bandwidth: Some(Bandwidth { elements: most_of_a_rank, ..ALL_BLOCKS }),
    mpi: MpiCall::Collective(MpiCollective::Alltoallv),
    osu: &[OsuTest::new(
        "All-to-Allv Personalized Exchange Latency",
        "osu_alltoallv",
        OsuSize::Block,
        OsuRanks::All,
    )],
    ..ALLTOALL
};

/// The most that any rank sends or receives.
fn most_of_a_rank(exchange: &Exchange, ranks: usize) -> u64 {
    let sent = |rank| (0..ranks).map(|to| exchange.block(ranks, rank, to)).sum::<u64>();
    let received = |rank| (0..ranks).map(|from| exchange.block(ranks, from, rank)).sum();
    // By a spread all ranks have the same blocks, in another order.
    let some = if matches!(exchange.blocks, Blocks::Spread(_)) { 1 } else { ranks };
    (0..some).map(|rank| sent(rank).max(received(rank))).max().unwrap_or(0)
}

pub(super) static SENDRECV: Collective = Collective {
    name: "sendrecv",
    description: "each rank sends to the next one of a ring",
    keys: &[keys::BYTES, keys::MESSAGE_FORM, keys::AGGREGATE, keys::OFFSET],
    in_place: Some(IN_PLACE),
    input: |seat| seat.elements(),
    flow: Flow::Moves(|from, to| (to == (from.rank + 1) % from.ranks).then(|| from.whole())),
    bandwidth: Some(ONE_BUFFER),
    mpi: MpiCall::Collective(MpiCollective::Sendrecv),
    model: Some(Model::Neighbour),
    nccl_tests: true,
    ..PLAIN
};
