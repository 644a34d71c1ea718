//! alltoall, with equal blocks and with others: each rank ends with the block that every rank has for it.

use super::nccl_call::{NOT_IN_PLACE, messages};
use super::*;

/// Each rank ends with the block that every rank has for it.
pub(super) static ALLTOALL: Collective = Collective {
    name: "alltoall",
    aliases: &["all_to_all"],
    description: "each rank ends with the block that every rank has for it",
    keys: keys::MOVES,
    default: false,
    in_place: Some(InPlace { mpi: Sharing::Front, nccl: Err(NOT_IN_PLACE) }),
    roles: Roles::Alike,
    ranks: RankCount::Any,
    blocks: BlockSizes::Equal,
    input: |seat| seat.row(),
    flow: Flow::Moves(|from, to| Some(from.block_among_all(to))),
    bandwidth: Some(ALL_BLOCKS),
    mpi: MpiCall::Collective(MpiCollective::Alltoall),
    nccl: Nccl::Calls(messages),
    model: Some(Model::Port),
    nccl_tests: true,
    osu: &[OsuTest::new("All-to-All Personalized Exchange Latency", OsuSize::Block, OsuRanks::All)],
};

/// The same with blocks of different sizes.
pub(super) static ALLTOALLV: Collective = Collective {
    name: "alltoallv",
    aliases: &["all_to_allv"],
    description: "alltoall with blocks of different sizes",
    keys: keys::MOVES_BY_MATRIX,
    blocks: BlockSizes::ByBoth,
    bandwidth: Some(Bandwidth {
        elements: most_of_a_rank,
        bus_factor: |_, ranks| share_of_others(ranks),
    }),
    mpi: MpiCall::Collective(MpiCollective::Alltoallv),
    osu: &[OsuTest::new(
        "All-to-Allv Personalized Exchange Latency",
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
