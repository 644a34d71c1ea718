//! What moves no data: the barrier, and what happens before anything can be exchanged.

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

/// A communicator of the group is made.
pub(super) static COMM_INIT: Collective = Collective {
    name: "comm_init",
    description: "a communicator of the group is made",
    default: false,
    mpi: MpiCall::CommDup,
    nccl: Nccl::CommInit,
    model: None,
    osu: &[],
    ..BARRIER
};

/// The transport's start, once in a process's life.
pub(super) static MPI_INIT: Collective = Collective {
    name: "mpi_init",
    description: "MPI's start, once in a launch",
    mpi: MpiCall::Init,
    nccl: Nccl::Unsupported(
        "MPI's start is measured by --backend host; what NCCL does at its start is comm_init",
    ),
    ..COMM_INIT
};
