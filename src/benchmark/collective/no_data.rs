//! What moves no data: the barrier, and what happens before anything can be exchanged.

use super::*;

pub(super) static BARRIER: Collective = Collective {
    name: "barrier",
    description: "no rank leaves before every rank has come",
    default: true,
    mpi: MpiCall::Barrier,
    nccl: Nccl::Unsupported("NCCL has no barrier; measure an all_reduce of 4 bytes instead"),
    // The dissemination barrier (Hensgen, Finkel, Manber, 1988).
    model: Some(Model::Doubling),
    osu: &[OsuTest::new("Barrier Latency", "osu_barrier", OsuSize::Absent, OsuRanks::All)],
    ..PLAIN
};

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

pub(super) static MPI_INIT: Collective = Collective {
    name: "mpi_init",
    description: "MPI's start, once in a launch",
    mpi: MpiCall::Init,
    nccl: Nccl::Unsupported(
        "MPI's start is measured by --backend host; what NCCL does at its start is comm_init",
    ),
    ..COMM_INIT
};
