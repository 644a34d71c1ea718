//! gather and scatter, with equal blocks and with others: between the root and every rank.

use super::nccl_call::messages;
use super::*;

/// The root ends with every rank's block.
pub(super) static GATHER: Collective = Collective {
    name: "gather",
    aliases: &[],
    description: "the root ends with every rank's block",
    keys: keys::ROOTED,
    default: false,
    in_place: InPlace::both(Sharing::OwnBlock),
    roles: Roles::Root,
    ranks: RankCount::Any,
    blocks: BlockSizes::Equal,
    input: |seat| seat.own_block().len,
    flow: Flow::Moves(|from, to| (to == from.root).then(|| from.only_block(to))),
    bandwidth: Some(ALL_BLOCKS),
    mpi: MpiCall::Collective(MpiCollective::Gather),
    nccl: Nccl::Calls(messages),
    model: Some(Model::Port),
    nccl_tests: true,
    osu: &[OsuTest::new("Gather Latency", OsuSize::Block, OsuRanks::All)],
};

/// The same with blocks of different sizes.
pub(super) static GATHERV: Collective = Collective {
    name: "gatherv",
    description: "gather with blocks of different sizes",
    keys: keys::ROOTED_UNEVENLY,
    blocks: BlockSizes::BySender,
    mpi: MpiCall::Collective(MpiCollective::Gatherv),
    nccl_tests: false,
    osu: &[OsuTest::new("Gatherv Latency", OsuSize::Block, OsuRanks::All)],
    ..GATHER
};

/// Each rank ends with its block of the root's data.
pub(super) static SCATTER: Collective = Collective {
    name: "scatter",
    description: "each rank ends with its block of the root's data",
    input: |seat| seat.at_root(seat.row()),
    flow: Flow::Moves(|from, to| (from.is_root()).then(|| from.block_among_all(to))),
    mpi: MpiCall::Collective(MpiCollective::Scatter),
    osu: &[OsuTest::new("Scatter Latency", OsuSize::Block, OsuRanks::All)],
    ..GATHER
};

/// The same with blocks of different sizes.
pub(super) static SCATTERV: Collective = Collective {
    name: "scatterv",
    description: "scatter with blocks of different sizes",
    keys: keys::ROOTED_UNEVENLY,
    blocks: BlockSizes::ByReceiver,
    mpi: MpiCall::Collective(MpiCollective::Scatterv),
    nccl_tests: false,
    osu: &[OsuTest::new("Scatterv Latency", OsuSize::Block, OsuRanks::All)],
    ..SCATTER
};
