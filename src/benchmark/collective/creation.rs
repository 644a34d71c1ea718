//! What happens before anything can be exchanged: comm_init and mpi_init.

use super::*;

/// A communicator of the group is made.
pub(super) static COMM_INIT: Collective = Collective {
    name: "comm_init",
    aliases: &[],
    description: "a communicator of the group is made",
    keys: &[],
    default: false,
    in_place: None,
    roles: Roles::Alike,
    ranks: RankCount::Any,
    blocks: BlockSizes::Whole,
    input: |_| 0,
    flow: Flow::Nothing,
    bandwidth: None,
    mpi: MpiCall::CommDup,
    nccl: Nccl::CommInit,
    model: None,
    nccl_tests: false,
    osu: &[],
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
