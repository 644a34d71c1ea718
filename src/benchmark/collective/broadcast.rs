//! broadcast: every rank ends with the root's data.

use super::*;

/// Every rank ends with the root's data.
pub(super) static BROADCAST: Collective = Collective {
    name: "broadcast",
    aliases: &["bcast"],
    description: "every rank ends with the root's data",
    keys: keys::ROOTED,
    default: false,
    in_place: InPlace::both(Sharing::Front),
    roles: Roles::Root,
    ranks: RankCount::Any,
    blocks: BlockSizes::Whole,
    input: |seat| seat.at_root(seat.elements()),
    flow: Flow::Moves(|from, to| (from.is_root() && to != from.root).then(|| from.whole())),
    bandwidth: Some(ONE_BUFFER),
    mpi: MpiCall::Collective(MpiCollective::Bcast),
    // One buffer on each rank, as in MPI: the root gets no second copy, and the others read nothing.
    nccl: Nccl::Calls(|seat| {
        let at = if seat.is_root() { Location::Input(0) } else { Location::Output(0) };
        let call = NcclCall::Broadcast(seat.root);
        vec![vec![Step { call, read: at, write: at, count: seat.elements() }]]
    }),
    model: Some(Model::Ring { rounds: 1 }),
    nccl_tests: true,
    osu: &[OsuTest::new("Broadcast Latency", OsuSize::Whole, OsuRanks::All)],
};
