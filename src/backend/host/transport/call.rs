//! One collective operation as the arguments of MPI's call for it, in each form that MPI has.

use std::ffi::{CString, c_int, c_void};

use mpi::ffi;
use mpi::raw::AsRaw as _;

use super::datatype::{Counted, datatype, operation};
use super::memory::Memory;
use super::{Comm, place};
use crate::backend::host::Window;
use crate::backend::reference::Number;
use crate::base::error::{Error, Result};
use crate::benchmark::collective::MpiCollective;
use crate::benchmark::work::{Exchange, Placement, Root};
use crate::world::mpi_library;

/// The arguments, with pointers into a [`Memory`] that the owner keeps. They stay good when that is filled and compared
/// between two operations, because its buffers are never reached but through pointers (see [`Memory::input`]).
pub(super) struct Call {
    function: MpiCollective,
    comm: Comm,
    rank: c_int,
    ranks: c_int,
    in_place: bool,
    element_bytes: usize,
    /// Where the input begins, where the result goes, and the one buffer when in place.
    input: *mut c_void,
    output: *mut c_void,
    whole: *mut c_void,
    /// A whole buffer, or a block.
    pub(super) counted: Counted,
    operation: ffi::MPI_Op,
    /// Counts and beginnings by rank: sent, and received.
    sent: Spans,
    received: Spans,
}

/// Blocks by rank, in elements.
#[derive(Debug, Default)]
struct Spans {
    counts: Vec<c_int>,
    starts: Vec<c_int>,
}

impl Spans {
    fn of(blocks: impl Iterator<Item = u64>) -> Result<Self> {
        let mut spans = Self::default();
        let mut start = 0u64;
        for block in blocks {
            let narrow = |elements: u64| c_int::try_from(elements).map_err(|_| too_many(elements));
            spans.counts.push(narrow(block)?);
            spans.starts.push(narrow(start)?);
            start += block;
        }
        Ok(spans)
    }
}

/// What to do with an operation.
pub(super) enum Mode<'a> {
    /// Run it to its end.
    Run,
    /// Run it to its end while the window times it.
    Time(&'a mut Window),
    /// Begin it.
    Start(&'a mut ffi::MPI_Request),
    /// Make it ready to be begun often.
    Make(&'a mut ffi::MPI_Request),
}

impl Mode<'_> {
    /// Runs what returns when it is done; false where it is to be begun only.
    fn block(self, mut run: impl FnMut()) -> bool {
        match self {
            Mode::Run => run(),
            Mode::Time(window) => window.time(run),
            Mode::Start(_) | Mode::Make(_) => return false,
        }
        true
    }
}

fn too_many(elements: u64) -> Error {
    Error::unsupported(format!(
        "{elements} elements are more than this MPI call can count (2^31 - 1); use a wider type or a smaller \
         size"
    ))
}

/// A table of collectives: of each the call that returns when it is done, the one that starts it, and the arguments of
/// both. A persistent form is looked up by its name when it is first made: MPI has them since version 4, with the same
/// arguments, and the information before the request.
macro_rules! collectives {
    (
        $function:expr, $mode:expr;
        { $($name:ident $run:ident, $start:ident, ($($argument:expr),*);)* }
        { $($other:ident => $way:expr;)* }
    ) => {
        match $function {
            $(MpiCollective::$name => match $mode {
                Mode::Start(request) => {
                    ffi::$start($($argument),*, request);
                    true
                }
                Mode::Make(request) => persistent(stringify!($run)).is_some_and(|symbol| {
                    let make = collectives!(@cast symbol, $($argument),*);
                    make($($argument),*, ffi::RSMPI_INFO_NULL, request);
                    true
                }),
                blocking => blocking.block(|| {
                    ffi::$run($($argument),*);
                }),
            },)*
            $(MpiCollective::$other => $way,)*
        }
    };
    (@cast $symbol:expr, $($argument:expr),*) => {
        std::mem::transmute::<
            *mut c_void,
            unsafe extern "C" fn(
                $(collectives!(@any $argument)),*, ffi::MPI_Info, *mut ffi::MPI_Request
            ) -> c_int,
        >($symbol)
    };
    (@any $argument:expr) => { _ };
}

/// The persistent form of this function in the libraries of this process.
fn persistent(function: &str) -> Option<*mut c_void> {
    let name = CString::new(format!("{function}_init")).ok()?;
    // SAFETY: the name ends in a zero, and nothing is called.
    let symbol = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!symbol.is_null()).then_some(symbol)
}

impl Call {
    /// For `elements` elements from `at` of the whole buffers, where those are reduced; else for all of it.
    ///
    /// # Errors
    /// Unsupported for what MPI cannot do.
    pub(super) fn new<T: Number>(
        comm: &Comm,
        exchange: &Exchange,
        function: MpiCollective,
        memory: &Memory<T>,
        (at, elements): (u64, u64),
    ) -> Result<Self> {
        let (rank, ranks) = place(comm);
        let Exchange { element, placement, operator, .. } = *exchange;
        let in_place = placement == Placement::In;
        // It sends MPI_IN_PLACE from the address that stands for it.
        let crashes = |library: String| library.starts_with("MPICH Version: 4.0");
        if function == MpiCollective::Reduce
            && in_place
            && exchange.root != Root::Fixed(0)
            && mpi_library().is_some_and(crashes)
        {
            return Err(Error::unsupported(
                "MPI_Reduce of MPICH 4.0 crashes in place where the root is not the first rank; choose \
                 placement=out, or another MPI",
            ));
        }
        let to = || Spans::of((0..ranks).map(|to| exchange.block(ranks, rank, to)));
        let from = || Spans::of((0..ranks).map(|from| exchange.block(ranks, from, rank)));
        let none = Spans::default;
        // Of a rank's own block, or of a buffer that is not cut.
        let own = exchange.block(ranks, rank, rank);
        // A reduction is not defined for derived types, and blocks that are sent together are counted together.
        let narrow = |count: u64, most: u64| {
            c_int::try_from(most).map_err(|_| too_many(most))?;
            Ok(Counted { count: count as c_int, datatype: datatype(element), derived: false })
        };
        let (counted, sent, received) = match function {
            MpiCollective::Allreduce | MpiCollective::Reduce => {
                (Counted::new(elements, element), none(), none())
            }
            MpiCollective::ReduceScatterBlock => (narrow(own, own)?, none(), none()),
            MpiCollective::ReduceScatter => (narrow(own, own)?, to()?, none()),
            MpiCollective::Bcast
            | MpiCollective::Allgather
            | MpiCollective::Gather
            | MpiCollective::Scatter
            | MpiCollective::Alltoall
            | MpiCollective::Sendrecv => (Counted::new(own, element), none(), none()),
            MpiCollective::Allgatherv | MpiCollective::Gatherv => {
                (Counted::new(own, element), none(), from()?)
            }
            MpiCollective::Scatterv => (Counted::new(own, element), to()?, none()),
            MpiCollective::Alltoallv => (Counted::new(0, element), to()?, from()?),
            MpiCollective::SendrecvByBits => (narrow(own, own * ranks as u64)?, none(), none()),
        };
        let operation = if exchange.collective.reduces() {
            operation(operator, element)?
        } else {
            // SAFETY: a constant of the library; it is not used.
            unsafe { ffi::RSMPI_SUM }
        };
        let at = at as usize;
        // The buffers are longer than `at`, or all are empty.
        let shifted = |pointer: *mut T| pointer.wrapping_add(at).cast::<c_void>();
        let whole = if in_place { memory.whole() } else { std::ptr::null_mut() };
        Ok(Self {
            function,
            comm: comm.clone(),
            rank: rank as c_int,
            ranks: ranks as c_int,
            in_place,
            element_bytes: element.bytes() as usize,
            input: shifted(memory.input()),
            output: shifted(memory.output(0)),
            whole: shifted(whole),
            counted,
            operation,
            sent,
            received,
        })
    }

    /// Does it, with root `root`; false where this MPI has no such form.
    ///
    /// # Safety
    /// The memory that it was made for lives, and is neither touched nor borrowed until what was started has ended.
    pub(super) unsafe fn issue(&self, root: usize, mode: Mode<'_>) -> bool {
        let Self { rank, ranks, in_place, input, output, whole, operation, .. } = *self;
        let (count, datatype) = (self.counted.count, self.counted.datatype);
        let comm = self.comm.as_raw();
        let root = root as c_int;
        let at_root = rank == root;
        let send_of_all = if in_place { in_place_marker() } else { input.cast_const() };
        let send_of_root = if in_place && at_root { in_place_marker() } else { input.cast_const() };
        let result_of_scatter =
            if in_place && at_root { in_place_marker().cast_mut() } else { output };
        let buffer_of_bcast = match (in_place, at_root) {
            (true, _) => whole,
            (false, true) => input,
            (false, false) => output,
        };
        let [to_counts, to_starts, from_counts, from_starts] =
            [&self.sent.counts, &self.sent.starts, &self.received.counts, &self.received.starts]
                .map(|numbers| numbers.as_ptr());
        // SAFETY: buffers, counts and types belong together, as MPI wants them for this call; the caller
        // vouches for the memory, and the communicator lives as long as `self`. A function that MPI's library has by
        // the name of a persistent form is of MPI's type.
        unsafe {
            collectives! { self.function, mode;
                {
                    Allreduce MPI_Allreduce, MPI_Iallreduce,
                        (send_of_all, output, count, datatype, operation, comm);
                    Reduce MPI_Reduce, MPI_Ireduce,
                        (send_of_root, output, count, datatype, operation, root, comm);
                    ReduceScatterBlock MPI_Reduce_scatter_block, MPI_Ireduce_scatter_block,
                        (send_of_all, output, count, datatype, operation, comm);
                    ReduceScatter MPI_Reduce_scatter, MPI_Ireduce_scatter,
                        (send_of_all, output, to_counts, datatype, operation, comm);
                    Bcast MPI_Bcast, MPI_Ibcast,
                        (buffer_of_bcast, count, datatype, root, comm);
                    Allgather MPI_Allgather, MPI_Iallgather,
                        (send_of_all, count, datatype, output, count, datatype, comm);
                    Allgatherv MPI_Allgatherv, MPI_Iallgatherv,
                        (send_of_all, count, datatype, output, from_counts, from_starts, datatype, comm);
                    Gather MPI_Gather, MPI_Igather,
                        (send_of_root, count, datatype, output, count, datatype, root, comm);
                    Gatherv MPI_Gatherv, MPI_Igatherv,
                        (send_of_root, count, datatype, output, from_counts, from_starts, datatype, root, comm);
                    Scatter MPI_Scatter, MPI_Iscatter,
                        (input, count, datatype, result_of_scatter, count, datatype, root, comm);
                    Scatterv MPI_Scatterv, MPI_Iscatterv,
                        (input, to_counts, to_starts, datatype, result_of_scatter, count, datatype, root, comm);
                    Alltoall MPI_Alltoall, MPI_Ialltoall,
                        (send_of_all, count, datatype, output, count, datatype, comm);
                    Alltoallv MPI_Alltoallv, MPI_Ialltoallv,
                        (send_of_all, to_counts, to_starts, datatype, output, from_counts, from_starts, datatype, comm);
                }
                {
                    Sendrecv => {
                        let (next, last) = ((rank + 1) % ranks, (rank + ranks - 1) % ranks);
                        let ignore = ffi::RSMPI_STATUS_IGNORE;
                        mode.block(|| {
                            if in_place {
                                ffi::MPI_Sendrecv_replace(
                                    whole, count, datatype, next, 0, last, 0, comm, ignore,
                                );
                            } else {
                                ffi::MPI_Sendrecv(
                                    input, count, datatype, next, 0, output, count, datatype, last, 0,
                                    comm, ignore,
                                );
                            }
                        })
                    };
                    SendrecvByBits => mode.block(|| self.hypercube());
                }
            }
        }
    }

    /// In step k each rank has a cube of 2^k blocks, and exchanges it with its neighbour's.
    unsafe fn hypercube(&self) {
        let (rank, ranks) = (self.rank as usize, self.ranks as usize);
        let block = self.counted.count as usize * self.element_bytes;
        let blocks = self.output.cast::<u8>();
        // SAFETY: the buffer holds a block for each rank, and what is sent and received are different ones.
        unsafe {
            if !self.in_place {
                let own = blocks.wrapping_add(rank * block);
                std::ptr::copy_nonoverlapping(self.input.cast::<u8>(), own, block);
            }
            let mut width = 1;
            while width < ranks {
                let other = rank ^ width;
                let corner =
                    |rank: usize| blocks.wrapping_add((rank & !(width - 1)) * block).cast();
                let (count, datatype) =
                    (self.counted.count * width as c_int, self.counted.datatype);
                let (own, others): (*mut c_void, *mut c_void) = (corner(rank), corner(other));
                let (other, comm, ignore) =
                    (other as c_int, self.comm.as_raw(), ffi::RSMPI_STATUS_IGNORE);
                ffi::MPI_Sendrecv(
                    own, count, datatype, other, 0, others, count, datatype, other, 0, comm, ignore,
                );
                width *= 2;
            }
        }
    }
}

/// `MPI_IN_PLACE`, as this MPI's header defines it.
const fn in_place_marker() -> *const c_void {
    let text = env!("TESSERABENCH_MPI_IN_PLACE").as_bytes();
    let negative = text[0] == b'-';
    let mut i = if negative { 1 } else { 0 };
    let mut value = 0usize;
    while i < text.len() {
        value = 10 * value + (text[i] - b'0') as usize;
        i += 1;
    }
    std::ptr::without_provenance(if negative { value.wrapping_neg() } else { value })
}
