//! No rank leaves before every rank has come.

use super::{Comm, barrier, largest, place};
use crate::backend::host::Operation;
use crate::base::accuracy::{Accuracy, Checked};
use crate::world::clock::{Clock as _, HostClock};
use crate::world::fault::{Fault, is_planted};
use crate::world::progress::Phase;

/// `MPI_Barrier`.
pub(super) struct Barrier<'a> {
    comm: Comm,
    /// What all ranks read, if there is such a clock.
    clock: Option<&'a HostClock>,
}

impl<'a> Barrier<'a> {
    pub(super) fn new(comm: Comm, clock: Option<&'a HostClock>) -> Self {
        Self { comm, clock }
    }
}

impl Operation for Barrier<'_> {
    fn run(&mut self) {
        barrier(&self.comm);
    }

    /// Each rank comes a little later than the one before; none may leave before the last has come.
    /// Ranks whose clocks differ cannot tell, and check nothing.
    fn verify(&mut self) -> Accuracy {
        let Some(clock) = self.clock else { return Accuracy::default() };
        let (rank, _) = place(&self.comm);
        std::thread::sleep(std::time::Duration::from_micros(500) * rank.min(8) as u32);
        let came = clock.now();
        self.run();
        let left = clock.now();
        let last_came = largest(&self.comm, came);
        let early =
            if is_planted(Fault::Wrong, Phase::Verify) { 1 } else { (last_came - left).max(0) };
        Accuracy::once(Checked::Order, 0.0, early as f64)
    }
}
