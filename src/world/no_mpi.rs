//! Replaces MPI in a build without it: there is a single process.

use super::{ReduceOp, Wait};
use crate::base::error::{Error, Exit, Result};
use crate::base::units::Nanos;
use crate::plan::config::ThreadLevel;

/// Uninhabited: there is no communicator.
#[derive(Debug)]
pub(super) enum MpiComm {}

/// Name and version of the MPI library.
pub fn library() -> Option<String> {
    None
}

/// The folder of MPI's programs.
pub fn programs_folder() -> Option<&'static str> {
    None
}

/// Ends this process.
pub fn abort(exit: Exit) -> ! {
    std::process::exit(exit.code().into())
}

pub(super) fn exit_process(exit: Exit) -> ! {
    std::process::exit(exit.code().into())
}

/// Methods that are never called, because there is no communicator.
macro_rules! absent {
    ($($name:ident($($argument:ty),*) -> $output:ty;)*) => {
        $(pub(super) fn $name(&self, $(_: $argument),*) -> $output {
            match *self {}
        })*
    };
}

impl MpiComm {
    pub(super) fn init(_: ThreadLevel) -> Result<Self> {
        Err(Error::unfit(
            "this binary was built without MPI but started by a launcher; build it with the `mpi` feature (the \
             default), or start it without a launcher",
        ))
    }

    absent! {
        rank() -> usize;
        size() -> usize;
        threading() -> &'static str;
        subset(&[usize]) -> Self;
        all_gather_builds(u64) -> Vec<u64>;
        barrier(Wait) -> ();
        latest(Nanos, Wait) -> Nanos;
        send(usize, Nanos, Wait) -> ();
        receive(usize, Wait) -> Nanos;
        all_reduce(&[i64], &mut [i64], ReduceOp, Wait) -> ();
        broadcast(usize, Vec<u8>, Wait) -> Vec<u8>;
        gather(Vec<u8>, Wait) -> Option<Vec<Vec<u8>>>;
    }

    pub(super) fn leave(self) {
        match self {}
    }
}
