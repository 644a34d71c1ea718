//! Stands in for MPI's exchanges in a build without MPI, where a process is always alone.

use super::Operation;
use crate::base::error::Result;
use crate::base::units::Nanos;
use crate::benchmark::work::Exchange;
use crate::plan::mesh::Group;
use crate::world::clock::HostClock;

/// Nothing: there is no MPI to make one with.
pub(super) enum Transport {}

impl Transport {
    pub(super) fn new(_: Nanos) -> Self {
        unreachable!("a world with MPI exists only in a build with MPI")
    }

    pub(super) fn prepare<'a>(
        &'a self,
        _: &Exchange,
        _: &Group,
        _: (&'a HostClock, Option<&'a HostClock>),
    ) -> Result<Box<dyn Operation + 'a>> {
        match *self {}
    }
}
