//! all_reduce: every rank ends with the reduction over all ranks.

use super::nccl_call::one;
use super::*;

/// Every rank ends with the reduction over all ranks.
pub static ALL_REDUCE: Collective = Collective {
    name: "all_reduce",
    aliases: &["allreduce"],
    description: "every rank ends with the reduction over all ranks",
    keys: keys::REDUCES,
    default: true,
    in_place: InPlace::both(Sharing::Front),
    roles: Roles::Alike,
    ranks: RankCount::Any,
    blocks: BlockSizes::Whole,
    input: |seat| seat.elements(),
    flow: Flow::Reduces(|seat| Some(seat.whole())),
    bandwidth: Some(Bandwidth {
        elements: |exchange, _| exchange.elements(),
        bus_factor: |_, ranks| 2.0 * share_of_others(ranks),
    }),
    mpi: MpiCall::Collective(MpiCollective::Allreduce),
    nccl: Nccl::Calls(|seat| one(NcclCall::AllReduce, seat.elements())),
    model: Some(Model::Ring { rounds: 2 }),
    nccl_tests: true,
    osu: &[OsuTest::new("Allreduce Latency", OsuSize::Whole, OsuRanks::All)],
};
