//! reduce: the root ends with the reduction over all ranks.

use super::nccl_call::one;
use super::*;

/// The root ends with the reduction over all ranks.
pub(super) static REDUCE: Collective = Collective {
    name: "reduce",
    aliases: &[],
    description: "the root ends with the reduction over all ranks",
    keys: keys::REDUCES_TO_ROOT,
    default: false,
    in_place: InPlace::both(Sharing::Front),
    roles: Roles::Root,
    ranks: RankCount::Any,
    blocks: BlockSizes::Whole,
    input: |seat| seat.elements(),
    flow: Flow::Reduces(|seat| seat.is_root().then(|| seat.whole())),
    bandwidth: Some(ONE_BUFFER),
    mpi: MpiCall::Collective(MpiCollective::Reduce),
    nccl: Nccl::Calls(|seat| one(NcclCall::Reduce(seat.root), seat.elements())),
    model: Some(Model::Ring { rounds: 1 }),
    nccl_tests: true,
    osu: &[OsuTest::new("Reduce Latency", OsuSize::Whole, OsuRanks::All)],
};
