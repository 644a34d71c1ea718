//! Stands in for MPI in a build without it: this process is alone.

use super::{Fold, Member, Wait};
use crate::base::error::{Error, Exit, Result};
use crate::base::units::Nanos;
use crate::plan::config::ThreadLevel;

/// Nothing: there is no link to other ranks.
#[derive(Debug)]
pub(super) enum Link {}

/// How many threads may call MPI.
pub type Threading = &'static str;

/// The MPI library's own name and version.
pub fn library() -> Option<String> {
    None
}

/// Where the MPI's own programs lie.
pub fn programs_folder() -> Option<&'static str> {
    None
}

/// Ends this process.
pub(super) fn abort(exit: Exit) -> ! {
    std::process::exit(exit.code().into())
}

/// Ends this process.
pub(super) fn quit(exit: Exit) -> ! {
    std::process::exit(exit.code().into())
}

impl Link {
    pub(super) fn join(_: ThreadLevel) -> Result<Self> {
        Err(Error::unfit(
            "this binary was built without MPI and was started as one of several ranks; build it with \
             the `mpi` feature (the default), or start it alone",
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

    pub(super) fn subset(&self, _: &[usize]) -> super::Connection {
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

    pub(super) fn fold(&self, _: &mut [i64], _: Fold, _: Wait) {
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
