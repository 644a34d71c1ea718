//! Stands in for the MPI collectives in a build without MPI, where a process is always alone.

use super::Operation;
use crate::clock::HostClock;
use crate::error::Result;
use crate::mesh::Group;
use crate::work::{Collective, Element, Placement};

/// Nothing: there is no MPI to make one with.
pub(super) enum Collectives {}

impl Default for Collectives {
    fn default() -> Self {
        unreachable!("a world with MPI exists only in a build with MPI")
    }
}

impl Collectives {
    pub(super) fn prepare<'a>(
        &'a self,
        _: Collective,
        _: (Element, u64, Placement),
        _: &Group,
        _: Option<&'a HostClock>,
    ) -> Result<Box<dyn Operation + 'a>> {
        match *self {}
    }
}
