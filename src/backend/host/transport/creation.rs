//! What happens before anything can be exchanged.

use mpi::ffi;
use mpi::raw::AsRaw as _;

use super::Comm;
use crate::backend::host::{Operation, Window};
use crate::backend::{Accuracy, Sample};
use crate::base::accuracy::Checked;
use crate::base::units::Nanos;

/// MPI's start, which is over.
pub(super) struct Start(pub(super) Nanos);

impl Operation for Start {
    fn run(&mut self) {}

    fn timed(&mut self, window: &mut Window) {
        window.sample = Sample::by_host(0, self.0, false);
    }

    fn verify(&mut self) -> Accuracy {
        Accuracy::default()
    }
}

/// A communicator of the same ranks is made.
pub(super) struct Creation {
    comm: Comm,
    made: Vec<ffi::MPI_Comm>,
}

impl Creation {
    pub(super) fn new(comm: Comm) -> Self {
        Self { comm, made: Vec::with_capacity(128) }
    }
}

impl Operation for Creation {
    /// Frees those made so far: a process can have only some thousands.
    fn ready(&mut self) {
        for mut comm in self.made.drain(..) {
            // SAFETY: made here and used by nobody; every rank frees the same ones.
            unsafe {
                ffi::MPI_Comm_free(&raw mut comm);
            }
        }
    }

    fn run(&mut self) {
        let mut made = self.comm.as_raw();
        // SAFETY: the communicator lives, and the place for the new one outlives the call.
        unsafe {
            ffi::MPI_Comm_dup(self.comm.as_raw(), &raw mut made);
        }
        self.made.push(made);
    }

    /// A new communicator has the same ranks in the same order.
    fn verify(&mut self) -> Accuracy {
        self.run();
        let Some(&made) = self.made.last() else { return Accuracy::default() };
        let mut comparison = -1;
        // SAFETY: both communicators live, and the place for the answer outlives the call.
        unsafe {
            ffi::MPI_Comm_compare(self.comm.as_raw(), made, &raw mut comparison);
        }
        // SAFETY: a constant of the library.
        let congruent = unsafe { ffi::RSMPI_CONGRUENT };
        Accuracy::once(Checked::Members, f64::from(congruent), f64::from(comparison))
    }
}

impl Drop for Creation {
    fn drop(&mut self) {
        // Freeing is collective: a rank that unwinds would wait for ranks that never come.
        if !std::thread::panicking() {
            self.ready();
        }
    }
}
