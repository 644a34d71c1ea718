//! Replaces MPI in a build without it: there is a single process.

use super::{Member, ReduceOp, Wait};
use crate::base::error::{Error, Exit, Result};
use crate::base::units::Nanos;
use crate::plan::config::ThreadLevel;

/// Uninhabited: there is no communicator.
#[derive(Debug)]
pub(super) enum MpiComm {}

/// MPI's thread level, by name.
pub type Threading = &'static str;

/// Name and version of the MPI library.
pub fn library() -> Option<String> {
    None
}

/// The folder of MPI's programs.
pub fn programs_folder() -> Option<&'static str> {
    None
}

/// Ends this process.
pub(super) fn abort(exit: Exit) -> ! {
    std::process::exit(exit.code().into())
}

/// Ends this process.
pub(super) fn exit_process(exit: Exit) -> ! {
    std::process::exit(exit.code().into())
}

impl MpiComm {
    pub(super) fn init(_: ThreadLevel) -> Result<Self> {
        Err(Error::unfit(
            "this binary was built without MPI but started by a launcher; build it with the `mpi` feature (the \
             default), or start it without a launcher",
        ))
    }

    pub(super) fn rank(&self) -> usize {
        match *self {}
    }

    pub(super) fn size(&self) -> usize {
        match *self {}
    }

    pub(super) fn threading(&self) -> Threading {
        match *self {}
    }

    pub(super) fn subset(&self, _: &[usize]) -> super::Comm {
        match *self {}
    }

    pub(super) fn all_gather_builds(&self, _: u64) -> Vec<u64> {
        match *self {}
    }

    pub(super) fn all_gather_members(&self, _: &Member, _: Wait) -> Result<Vec<Member>> {
        match *self {}
    }

    pub(super) fn barrier(&self, _: Wait) {
        match *self {}
    }

    pub(super) fn latest(&self, _: Nanos, _: Wait) -> Nanos {
        match *self {}
    }

    pub(super) fn send(&self, _: usize, _: Nanos, _: Wait) {
        match *self {}
    }

    pub(super) fn receive(&self, _: usize, _: Wait) -> Nanos {
        match *self {}
    }

    pub(super) fn all_reduce(&self, _: &mut [i64], _: ReduceOp, _: Wait) {
        match *self {}
    }

    pub(super) fn max(&self, _: i64, _: Wait) -> i64 {
        match *self {}
    }

    pub(super) fn broadcast(&self, _: usize, _: Vec<u8>, _: Wait) -> Vec<u8> {
        match *self {}
    }

    pub(super) fn gather(&self, _: Vec<u8>, _: Wait) -> Option<Vec<Vec<u8>>> {
        match *self {}
    }

    pub(super) fn leave(self) {
        match self {}
    }
}
