//! sendrecv: each rank sends to the next in a ring, and receives from the one before.

use super::nccl_call::{NOT_IN_PLACE, messages};
use super::*;

/// Each rank sends to the next and receives from the one before, in a ring.
pub(super) static SENDRECV: Collective = Collective {
    name: "sendrecv",
    aliases: &[],
    description: "each rank sends to the next and receives from the one before, in a ring",
    keys: &[keys::BYTES, keys::MESSAGE_FORM, keys::AGGREGATE, keys::OFFSET],
    default: false,
    in_place: Some(InPlace { mpi: Sharing::Front, nccl: Err(NOT_IN_PLACE) }),
    roles: Roles::Alike,
    ranks: RankCount::Any,
    blocks: BlockSizes::Whole,
    input: |seat| seat.elements(),
    flow: Flow::Moves(|from, to| (to == (from.rank + 1) % from.ranks).then(|| from.whole())),
    bandwidth: Some(ONE_BUFFER),
    mpi: MpiCall::Collective(MpiCollective::Sendrecv),
    nccl: Nccl::Calls(messages),
    model: Some(Model::Neighbour),
    nccl_tests: true,
    osu: &[],
};
