//! reduce_scatter: each rank ends with its block of the reduction.

use super::nccl_call::one;
use super::*;

/// Each rank ends with its block of the reduction over all ranks.
pub(super) static REDUCE_SCATTER: Collective = Collective {
    name: "reduce_scatter",
    aliases: &[],
    description: "each rank ends with its block of the reduction over all ranks",
    keys: keys::REDUCES,
    default: false,
    // NCCL leaves the result where the rank's own block was (nccl.h).
    in_place: Some(InPlace { mpi: Sharing::Front, nccl: Ok(Sharing::OwnBlock) }),
    roles: Roles::Alike,
    ranks: RankCount::Any,
    blocks: BlockSizes::Equal,
    input: |seat| seat.row(),
    flow: Flow::Reduces(|seat| Some(seat.own_block())),
    bandwidth: Some(Bandwidth {
        elements: |exchange, ranks| exchange.blocks_before(ranks, ranks),
        bus_factor: |_, ranks| share_of_others(ranks),
    }),
    mpi: MpiCall::Collective(MpiCollective::ReduceScatterBlock),
    nccl: Nccl::Calls(|seat| one(NcclCall::ReduceScatter, seat.own_block().len)),
    model: Some(Model::Ring { rounds: 1 }),
    nccl_tests: true,
    osu: &[OsuTest::new("Reduce_scatter Latency", OsuSize::Whole, OsuRanks::All)],
};
