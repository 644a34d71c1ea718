//! Functions of MPI, so that an operation names the one that does it. Their arguments follow from the exchange.

/// What MPI does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MpiCall {
    /// `MPI_Init_thread`.
    Init,
    /// `MPI_Comm_dup`.
    CommDup,
    /// `MPI_Barrier`.
    Barrier,
    /// A collective operation, in each form that MPI has.
    Collective(MpiCollective),
    /// Messages between two ranks, or several of them.
    Messages(MpiMessages),
    /// A window of `MPI_Put`, then `MPI_Win_flush`.
    Put,
    /// A window of `MPI_Get`, then `MPI_Win_flush`.
    Get,
}

/// `MPI_` and this name, unless it says otherwise. Counts are those of blocks between ranks; where blocks are
/// equal or there are none, of that of one rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MpiCollective {
    /// On parts of buffers as on whole ones.
    Allreduce,
    /// As `Allreduce`, to a root.
    Reduce,
    /// With one count.
    ReduceScatterBlock,
    /// With a count for each rank.
    ReduceScatter,
    /// From a root.
    Bcast,
    /// With one count.
    Allgather,
    /// With a count for each rank.
    Allgatherv,
    /// To a root, with one count.
    Gather,
    /// To a root, with a count for each rank.
    Gatherv,
    /// From a root, with one count.
    Scatter,
    /// From a root, with a count for each rank.
    Scatterv,
    /// With one count.
    Alltoall,
    /// With counts for each rank, of what is sent to it and received from it.
    Alltoallv,
    /// To the next rank and from the one before, `MPI_Sendrecv_replace` in place. MPI has no other form of it: there
    /// they are messages.
    Sendrecv,
    /// log2(n) times `MPI_Sendrecv` with ranks whose numbers differ in one bit, of twice as many blocks each time.
    SendrecvByBits,
}

/// How messages are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MpiMessages {
    /// `MPI_Send` and `MPI_Recv` there and back.
    PingPong,
    /// `MPI_Irecv` and `MPI_Isend` of a window of messages, then `MPI_Waitall`.
    Window {
        /// Whether each receiver then answers with a byte, so that the sender knows that all have come.
        answered: bool,
    },
}
