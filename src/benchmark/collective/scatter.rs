//! scatter, with equal blocks and with others: each rank ends with its block of the root's data.

use super::nccl_call::messages;
use super::*;

/// Each rank ends with its block of the root's data.
pub(super) static SCATTER: Collective = Collective {
    name: "scatter",
    aliases: &[],
    description: "each rank ends with its block of the root's data",
    keys: keys::ROOTED,
    default: false,
    in_place: InPlace::both(Sharing::OwnBlock),
    roles: Roles::Root,
    ranks: RankCount::Any,
    blocks: BlockSizes::Equal,
    input: |seat| seat.at_root(seat.row()),
    flow: Flow::Moves(|path| (path.from == path.root).then(|| path.block_among_all())),
    bandwidth: Some(ALL_BLOCKS),
    mpi: MpiCall::Collective(MpiCollective::Scatter),
    nccl: Nccl::Calls(messages),
    model: Some(Model::Port),
    nccl_tests: true,
    osu: &[OsuTest::new("Scatter Latency", OsuSize::Block, OsuRanks::All)],
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
