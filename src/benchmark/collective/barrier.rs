//! barrier: no rank leaves before every rank has come.

use super::*;

/// No rank leaves before every rank has come.
pub(super) static BARRIER: Collective = Collective {
    name: "barrier",
    aliases: &[],
    description: "no rank leaves before every rank has come",
    keys: &[],
    default: true,
    in_place: None,
    roles: Roles::Alike,
    ranks: RankCount::Any,
    blocks: BlockSizes::Whole,
    input: |_| 0,
    flow: Flow::Nothing,
    bandwidth: None,
    mpi: MpiCall::Barrier,
    nccl: Nccl::Unsupported("NCCL has no barrier; measure an all_reduce of 4 bytes instead"),
    // The dissemination barrier (Hensgen, Finkel, Manber, 1988).
    model: Some(Model::Doubling),
    nccl_tests: false,
    osu: &[OsuTest::new("Barrier Latency", OsuSize::Absent, OsuRanks::All)],
};
