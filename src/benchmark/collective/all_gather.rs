//! all_gather, with equal blocks and with others: every rank ends with every rank's block.

use super::nccl_call::{messages, one};
use super::*;

pub(super) static ALL_GATHER: Collective = Collective {
    name: "all_gather",
    aliases: &["allgather"],
    description: "every rank ends with every rank's block",
    keys: keys::MOVES,
    in_place: InPlace::both(Sharing::OwnBlock),
    blocks: BlockSizes::Equal,
    input: |seat| seat.own_block().len,
    flow: Flow::Moves(|from, to| Some(from.only_block(to))),
    bandwidth: Some(ALL_BLOCKS),
    mpi: MpiCall::Collective(MpiCollective::Allgather),
    nccl: Nccl::Calls(|seat| one(NcclCall::AllGather, seat.own_block().len)),
    model: Some(Model::Ring { rounds: 1 }),
    nccl_tests: true,
    osu: &[OsuTest::new("Allgather Latency", "osu_allgather", OsuSize::Block, OsuRanks::All)],
    ..PLAIN
};

pub(super) static ALL_GATHERV: Collective = Collective {
    name: "all_gatherv",
    aliases: &["allgatherv"],
    description: "all_gather with blocks of different sizes",
    keys: &[keys::BYTES, keys::SPREAD, keys::FORM, keys::AGGREGATE, keys::OFFSET],
    blocks: BlockSizes::BySender,
    mpi: MpiCall::Collective(MpiCollective::Allgatherv),
    nccl: Nccl::Calls(messages),
    nccl_tests: false,
    osu: &[OsuTest::new("Allgatherv Latency", "osu_allgatherv", OsuSize::Block, OsuRanks::All)],
    ..ALL_GATHER
};
