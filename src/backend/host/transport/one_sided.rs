//! Writes into another rank's memory and reads from it, without that rank's help.

use std::ffi::c_int;

use mpi::ffi;
use mpi::raw::AsRaw as _;

use super::datatype::Counted;
use super::{Comm, barrier, place, together};
use crate::backend::host::Operation;
use crate::backend::host::buffer::{Buffer, PAGE};
use crate::backend::reference::expected_results::Data;
use crate::backend::reference::{ExpectedResults, Number};
use crate::backend::{Accuracy, Remarks};
use crate::base::error::Result;
use crate::benchmark::work::Exchange;
use crate::world::progress::Phase;

/// A window of memory that the pair's first rank puts into or gets from.
pub(super) struct OneSided<T> {
    comm: Comm,
    expected: ExpectedResults,
    counted: Counted,
    puts: bool,
    /// How many are in flight together.
    window: u32,
    /// The other rank, for the rank that acts.
    target: Option<c_int>,
    /// The memory of the rank that acts: what it puts, or all that it gets at once, one behind the other.
    own: Buffer<T>,
    /// What the other one reaches.
    exposed: *mut T,
    offset: usize,
    len: usize,
    handle: ffi::MPI_Win,
}

impl<T: Number> OneSided<T> {
    pub(super) fn new(comm: Comm, exchange: &Exchange, puts: bool) -> Result<Self> {
        let (rank, ranks) = place(&comm);
        let len = exchange.elements() as usize;
        let offset = (exchange.offset / exchange.element.bytes()) as usize;
        let target = exchange.partner(ranks, rank).filter(|&partner| rank < partner);
        let copies = if puts { 1 } else { exchange.window as usize };
        let room = if target.is_some() { len.saturating_mul(copies) } else { 0 };
        let own = together(&comm, Buffer::new(room, offset, T::default()))?;
        let size = size_of::<T>();
        // SAFETY: constants of the library.
        let (mut handle, no_info) = unsafe { (ffi::RSMPI_WIN_NULL, ffi::RSMPI_INFO_NULL) };
        let mut exposed: *mut T = std::ptr::null_mut();
        // SAFETY: the places for the address and for the window outlive the call; every rank makes it.
        unsafe {
            ffi::MPI_Win_allocate(
                // Whole pages, so that windows begin on them; and MPICH 4.0 reaches the wrong place in
                // windows of the same node whose sizes are odd.
                ((offset + len) * size).next_multiple_of(PAGE) as ffi::MPI_Aint,
                size as c_int,
                no_info,
                comm.as_raw(),
                (&raw mut exposed).cast(),
                &raw mut handle,
            );
            ffi::MPI_Win_lock_all(0, handle);
        }
        Ok(Self {
            counted: Counted::new(exchange.elements(), exchange.element),
            puts,
            window: exchange.window,
            expected: ExpectedResults::new(exchange, ranks, rank),
            target: target.map(|target| target as c_int),
            comm,
            own,
            exposed,
            offset,
            len,
            handle,
        })
    }

    /// What the other rank reaches of this one's memory.
    fn exposed(&mut self) -> &mut [T] {
        if self.len == 0 {
            return &mut [];
        }
        // SAFETY: MPI gave this much memory, aligned for any type, and keeps it as long as the window.
        unsafe { std::slice::from_raw_parts_mut(self.exposed.add(self.offset), self.len) }
    }

    /// Puts known data in on the one side, and something else on the other.
    fn load(&mut self) {
        let expected = self.expected.clone();
        let fill = |buffer: &mut [T], known: bool| match known {
            true => expected.fill(Data::Known, buffer),
            false => buffer.fill(expected.spoilt(Data::Known)),
        };
        let puts = self.puts;
        fill(&mut self.own, puts);
        fill(self.exposed(), !puts);
        self.synchronise();
    }

    /// Makes what ranks have written into windows, their own included, be seen.
    fn synchronise(&self) {
        // SAFETY: the window is locked by all, for as long as it lives.
        unsafe {
            ffi::MPI_Win_sync(self.handle);
        }
        barrier(&self.comm);
        // SAFETY: as above.
        unsafe {
            ffi::MPI_Win_sync(self.handle);
        }
    }

    fn compare(&mut self, phase: Phase) -> Accuracy {
        self.synchronise();
        let expected = self.expected.clone();
        if self.puts {
            return expected.judge(phase, 0, self.exposed());
        }
        let gotten = self.own.chunks_mut(self.len.max(1));
        Accuracy::sum(gotten.map(|own| expected.judge(phase, 0, own)))
    }
}

impl<T: Number> Operation for OneSided<T> {
    fn run(&mut self) {
        let Some(target) = self.target else { return };
        let Counted { count, datatype, .. } = self.counted;
        let (own, at) = (self.own.pointer(), self.offset as ffi::MPI_Aint);
        // SAFETY: both sides hold this many elements of the type, and `flush` comes before they are touched. What is
        // put to the same place at once is the same.
        unsafe {
            for i in 0..self.window as usize {
                if self.puts {
                    let own = own.cast();
                    ffi::MPI_Put(own, count, datatype, target, at, count, datatype, self.handle);
                } else {
                    let own = own.wrapping_add(i * self.len).cast();
                    ffi::MPI_Get(own, count, datatype, target, at, count, datatype, self.handle);
                }
            }
            ffi::MPI_Win_flush(target, self.handle);
        }
    }

    fn verify(&mut self) -> Accuracy {
        self.load();
        self.run();
        let accuracy = self.compare(Phase::Verify);
        // The data stays: it is timed as it is, on a result that is spoilt once more.
        self.load();
        accuracy
    }

    fn check(&mut self) -> Accuracy {
        self.compare(Phase::Measure)
    }

    fn remarks(&self) -> Remarks {
        Remarks { split: self.counted.remark(), ..Remarks::default() }
    }
}

impl<T> Drop for OneSided<T> {
    fn drop(&mut self) {
        // Freeing is collective: a rank that unwinds would wait for ranks that never come.
        if std::thread::panicking() {
            return;
        }
        // SAFETY: locked and made in `new`; every rank of the group frees it.
        unsafe {
            ffi::MPI_Win_unlock_all(self.handle);
            ffi::MPI_Win_free(&raw mut self.handle);
        }
    }
}
