//! Between the root and every rank: the same data, a block for each, or a message through the root's port.

use super::*;

pub(super) static BROADCAST: Collective = Collective {
    name: "broadcast",
    aliases: &["bcast"],
    description: "every rank ends with the root's data",
    keys: keys::ROOTED,
    in_place: InPlace::both(Sharing::Front),
    roles: Roles::Root,
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
    osu: &[OsuTest::new("Broadcast Latency", "osu_bcast", OsuSize::Whole, OsuRanks::All)],
    ..PLAIN
};

pub(super) static GATHER: Collective = Collective {
    name: "gather",
    description: "the root ends with every rank's block",
    keys: keys::ROOTED,
    in_place: InPlace::both(Sharing::OwnBlock),
    roles: Roles::Root,
    blocks: BlockSizes::Equal,
    input: |seat| seat.own_block().len,
    flow: Flow::Moves(|from, to| (to == from.root).then(|| from.only_block(to))),
    bandwidth: Some(ALL_BLOCKS),
    mpi: MpiCall::Collective(MpiCollective::Gather),
    model: Some(Model::Port),
    nccl_tests: true,
    osu: &[OsuTest::new("Gather Latency", "osu_gather", OsuSize::Block, OsuRanks::All)],
    ..PLAIN
};

pub(super) static GATHERV: Collective = Collective {
    name: "gatherv",
    description: "gather with blocks of different sizes",
    keys: keys::ROOTED_UNEVENLY,
    blocks: BlockSizes::BySender,
    mpi: MpiCall::Collective(MpiCollective::Gatherv),
    nccl_tests: false,
    osu: &[OsuTest::new("Gatherv Latency", "osu_gatherv", OsuSize::Block, OsuRanks::All)],
    ..GATHER
};

pub(super) static SCATTER: Collective = Collective {
    name: "scatter",
    description: "each rank ends with its block of the root's data",
    input: |seat| seat.at_root(seat.row()),
    flow: Flow::Moves(|from, to| from.is_root().then(|| from.block_among_all(to))),
    mpi: MpiCall::Collective(MpiCollective::Scatter),
    osu: &[OsuTest::new("Scatter Latency", "osu_scatter", OsuSize::Block, OsuRanks::All)],
    ..GATHER
};

pub(super) static SCATTERV: Collective = Collective {
    name: "scatterv",
    description: "scatter with blocks of different sizes",
    keys: keys::ROOTED_UNEVENLY,
    blocks: BlockSizes::ByReceiver,
    mpi: MpiCall::Collective(MpiCollective::Scatterv),
    nccl_tests: false,
    osu: &[OsuTest::new("Scatterv Latency", "osu_scatterv", OsuSize::Block, OsuRanks::All)],
    ..SCATTER
};

pub(super) static INCAST: Collective = Collective {
    name: "incast",
    description: "every rank sends to the root at once",
    keys: &[keys::MESSAGE, keys::ROOT, keys::ONE, keys::OFFSET],
    roles: Roles::Root,
    ranks: RankCount::Several,
    input: |seat| seat.elements() - seat.at_root(seat.elements()),
    flow: Flow::Moves(|from, to| (to == from.root && !from.is_root()).then(|| from.whole())),
    bandwidth: Some(Bandwidth { elements: of_all_others, bus_factor: |_, _| 1.0 }),
    mpi: MpiCall::Messages(MpiMessages::Window { answered: true }),
    model: Some(Model::Port),
    ..PLAIN
};

pub(super) static OUTCAST: Collective = Collective {
    name: "outcast",
    description: "the root sends to every rank at once, other data to each",
    input: |seat| seat.at_root(of_all_others(seat.exchange, seat.ranks)),
    flow: Flow::Moves(|from, to| {
        let place = if to > from.root { to - 1 } else { to } as u64;
        let Span { len, .. } = from.whole();
        (from.is_root() && to != from.root).then_some(Span { at: place * len, len })
    }),
    ..INCAST
};

/// One message of each rank but the root.
fn of_all_others(exchange: &Exchange, ranks: usize) -> u64 {
    (ranks as u64 - 1) * exchange.elements()
}
