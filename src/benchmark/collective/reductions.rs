//! Reductions over all ranks: every rank, the root, or each rank with its block ends with the result.

use super::nccl_call::one;
use super::*;

/// all_reduce; a new communicator of NCCL is tried with it.
pub static ALL_REDUCE: Collective = Collective {
    name: "all_reduce",
    aliases: &["allreduce"],
    description: "every rank ends with the reduction over all ranks",
    keys: keys::REDUCES,
    default: true,
    in_place: InPlace::both(Sharing::Front),
    input: |seat| seat.elements(),
    flow: Flow::Reduces(|seat| Some(seat.whole())),
    bandwidth: Some(Bandwidth {
        bus_factor: |_, ranks| 2.0 * share_of_others(ranks),
        ..ONE_BUFFER
    }),
    mpi: MpiCall::Collective(MpiCollective::Allreduce),
    nccl: Nccl::Calls(|seat| one(NcclCall::AllReduce, seat.elements())),
    model: Some(Model::Ring { rounds: 2 }),
    nccl_tests: true,
    osu: &[OsuTest::new("Allreduce Latency", "osu_allreduce", OsuSize::Whole, OsuRanks::All)],
    ..PLAIN
};

pub(super) static REDUCE: Collective = Collective {
    name: "reduce",
    description: "the root ends with the reduction over all ranks",
    keys: &[keys::BYTES, keys::OP, keys::ROOT, keys::FORM, keys::AGGREGATE, keys::OFFSET],
    in_place: InPlace::both(Sharing::Front),
    roles: Roles::Root,
    input: |seat| seat.elements(),
    flow: Flow::Reduces(|seat| seat.is_root().then(|| seat.whole())),
    bandwidth: Some(ONE_BUFFER),
    mpi: MpiCall::Collective(MpiCollective::Reduce),
    nccl: Nccl::Calls(|seat| one(NcclCall::Reduce(seat.root), seat.elements())),
    model: Some(Model::Ring { rounds: 1 }),
    nccl_tests: true,
    osu: &[OsuTest::new("Reduce Latency", "osu_reduce", OsuSize::Whole, OsuRanks::All)],
    ..PLAIN
};

pub(super) static REDUCE_SCATTER: Collective = Collective {
    name: "reduce_scatter",
    description: "each rank ends with its block of the reduction",
    keys: keys::REDUCES,
    // NCCL leaves the result where the rank's own block was (nccl.h).
    in_place: Some(InPlace { mpi: Sharing::Front, nccl: Ok(Sharing::OwnBlock) }),
    blocks: BlockSizes::Equal,
    input: |seat| seat.row(),
    flow: Flow::Reduces(|seat| Some(seat.own_block())),
    bandwidth: Some(ALL_BLOCKS),
    mpi: MpiCall::Collective(MpiCollective::ReduceScatterBlock),
    nccl: Nccl::Calls(|seat| one(NcclCall::ReduceScatter, seat.own_block().len)),
    model: Some(Model::Ring { rounds: 1 }),
    nccl_tests: true,
    osu: &[OsuTest::new(
        "Reduce_scatter Latency",
        "osu_reduce_scatter",
        OsuSize::Whole,
        OsuRanks::All,
    )],
    ..PLAIN
};

pub(super) static REDUCE_SCATTERV: Collective = Collective {
    name: "reduce_scatterv",
    description: "reduce_scatter with blocks of different sizes",
    keys: &[keys::BYTES, keys::OP, keys::SPREAD, keys::FORM, keys::AGGREGATE, keys::OFFSET],
    in_place: Some(InPlace {
        mpi: Sharing::Front,
        nccl: Err(
            "NCCL reduces each block by a call of its own, and one result cannot replace the input of another; choose \
             placement=out",
        ),
    }),
    blocks: BlockSizes::ByReceiver,
    mpi: MpiCall::Collective(MpiCollective::ReduceScatter),
    nccl: Nccl::Calls(a_reduce_for_each_block),
    nccl_tests: false,
    osu: &[],
    ..REDUCE_SCATTER
};

/// NCCL's own reduce_scatter has one count for all.
fn a_reduce_for_each_block(seat: Seat<'_>) -> Stages {
    let reduce = |to| {
        let Span { at, len } = Seat { rank: to, ..seat }.own_block();
        let (read, write) = (Location::Input(at), Location::Output(0));
        Step { call: NcclCall::Reduce(to), read, write, count: len }
    };
    vec![(0..seat.ranks).map(reduce).collect()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::element::Element;

    #[test]
    fn each_block_is_reduced_to_its_rank() {
        let blocks = Blocks::Spread(50);
        let exchange = Exchange { blocks, ..Exchange::plain(&REDUCE_SCATTERV, Element::F32, 4096) };
        let stages =
            a_reduce_for_each_block(Seat { exchange: &exchange, ranks: 4, rank: 2, root: 0 });
        let step = |to, at, count| Step {
            call: NcclCall::Reduce(to),
            read: Location::Input(at),
            write: Location::Output(0),
            count,
        };
        let steps = [step(0, 0, 128), step(1, 128, 213), step(2, 341, 298), step(3, 639, 384)];
        assert_eq!(stages, [steps]);
        assert_eq!(exchange.algorithm_bytes(4), Some(4 * 1023));
        assert_eq!(exchange.bus_factor(4), Some(0.75));
        let [part] = exchange.parts(4, 2, 0)[..] else { panic!("one part") };
        assert_eq!((part.at, part.len, part.from), (341, 298, None));
    }
}
