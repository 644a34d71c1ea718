//! One rank's port against all others: incast and outcast.

use super::nccl_call::messages;
use super::*;

/// Every rank sends to the root at once.
pub(super) static INCAST: Collective = Collective {
    name: "incast",
    aliases: &[],
    description: "every rank sends to the root at once",
    keys: keys::PORT,
    default: false,
    in_place: None,
    roles: Roles::Root,
    ranks: RankCount::Several,
    blocks: BlockSizes::Whole,
    input: |seat| seat.elements() - seat.at_root(seat.elements()),
    flow: Flow::Moves(|from, to| (to == from.root && !from.is_root()).then(|| from.whole())),
    bandwidth: Some(Bandwidth { elements: of_all_others, bus_factor: |_, _| 1.0 }),
    mpi: MpiCall::Messages(MpiMessages::Window { answered: true }),
    nccl: Nccl::Calls(messages),
    model: Some(Model::Port),
    nccl_tests: false,
    osu: &[],
};

/// The root sends to every rank at once, something else to each.
pub(super) static OUTCAST: Collective = Collective {
    name: "outcast",
    description: "the root sends to every rank at once, something else to each",
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
