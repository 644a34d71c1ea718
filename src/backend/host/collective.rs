//! Collectives by MPI, called as a C program would call them.
#![expect(unsafe_code, reason = "MPI_IN_PLACE and calls without rsmpi's per-call checks")]

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::rc::Rc;

use mpi::collective::SystemOperation;
use mpi::datatype::Equivalence;
use mpi::ffi;
use mpi::raw::AsRaw as _;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator as _, Group as _};

use super::buffer::Buffer;
use super::{Accuracy, Operation};
use crate::backend::reference::{Number, Terms, no_such_type};
use crate::clock::{Clock as _, HostClock};
use crate::error::{Error, Result};
use crate::fault::{Fault, is_planted};
use crate::mesh::Group;
use crate::progress::Phase;
use crate::work::{Collective, Element, Placement};

/// Calls a generic function with the Rust type of an element.
macro_rules! with_type {
    ($element:expr, $function:ident($($argument:expr),*)) => {
        match $element {
            Element::F32 => $function::<f32>($($argument),*),
            Element::F64 => $function::<f64>($($argument),*),
            Element::I8 => $function::<i8>($($argument),*),
            Element::I16 => $function::<i16>($($argument),*),
            Element::I32 => $function::<i32>($($argument),*),
            Element::I64 => $function::<i64>($($argument),*),
            Element::U8 => $function::<u8>($($argument),*),
            Element::U16 => $function::<u16>($($argument),*),
            Element::U32 => $function::<u32>($($argument),*),
            Element::U64 => $function::<u64>($($argument),*),
            // MPI has no such type.
            other @ (Element::F16 | Element::Bf16) => Err(no_such_type("a sum by MPI", other)),
        }
    };
}

/// A communicator that is never dropped: freeing it is a collective call, in which a rank that
/// unwinds would wait for ranks that never come.
type Comm = Rc<ManuallyDrop<SimpleCommunicator>>;

/// The communicators of the groups this rank has been in.
#[derive(Default)]
pub(super) struct Collectives {
    comms: RefCell<HashMap<Vec<usize>, Comm>>,
}

impl Collectives {
    /// Every rank of the group calls this; `clock` is what all of them read, if there is such a one.
    pub(super) fn prepare<'a>(
        &'a self,
        op: Collective,
        (element, bytes, placement): (Element, u64, Placement),
        group: &Group,
        clock: Option<&'a HostClock>,
    ) -> Result<Box<dyn Operation + 'a>> {
        let comm = self.comm(group)?;
        match op {
            Collective::Barrier => Ok(Box::new(Barrier { comm, clock })),
            Collective::AllReduce => {
                let count = (bytes / element.bytes()) as usize;
                with_type!(element, all_reduce(comm, count, placement))
            }
        }
    }

    fn comm(&self, group: &Group) -> Result<Comm> {
        if let Some(comm) = self.comms.borrow().get(&group.ranks) {
            return Ok(Rc::clone(comm));
        }
        let world = SimpleCommunicator::world();
        let ranks: Vec<i32> =
            group.ranks.iter().map(|&rank| i32::try_from(rank).unwrap_or(i32::MAX)).collect();
        let comm = world.split_by_subgroup(&world.group().include(&ranks)).ok_or_else(|| {
            Error::internal(format!("rank {} is not in the group {group}", world.rank()))
        })?;
        let comm = Rc::new(ManuallyDrop::new(comm));
        self.comms.borrow_mut().insert(group.ranks.clone(), Rc::clone(&comm));
        Ok(comm)
    }
}

fn all_reduce<'a, T: Number + Equivalence>(
    comm: Comm,
    count: usize,
    placement: Placement,
) -> Result<Box<dyn Operation + 'a>> {
    let count_c = i32::try_from(count).map_err(|_| {
        Error::unsupported(format!(
            "{count} elements are more than one MPI call can count (2^31 - 1); use a wider type or a \
             smaller size"
        ))
    })?;
    let output = Buffer::new(count, T::default())?;
    let input = Buffer::new(if placement == Placement::Out { count } else { 0 }, T::default())?;
    Ok(Box::new(AllReduce { comm, count: count_c, placement, input, output }))
}

/// The sum over all ranks.
struct AllReduce<T> {
    comm: Comm,
    count: i32,
    placement: Placement,
    /// Empty when in place.
    input: Buffer<T>,
    output: Buffer<T>,
}

impl<T: Number + Equivalence> Operation for AllReduce<T> {
    fn run(&mut self) {
        let input = match self.placement {
            Placement::Out => self.input.as_ptr().cast::<c_void>(),
            Placement::In => IN_PLACE,
        };
        // SAFETY: `output` holds `count` elements of the datatype, `input` as many or stands for
        // MPI_IN_PLACE, they do not overlap, and the communicator lives as long as `self`.
        unsafe {
            ffi::MPI_Allreduce(
                input,
                self.output.as_mut_ptr().cast::<c_void>(),
                self.count,
                T::equivalent_datatype().as_raw(),
                SystemOperation::sum().as_raw(),
                self.comm.as_raw(),
            );
        }
    }

    fn verify(&mut self) -> Accuracy {
        let (rank, ranks) = (self.comm.rank() as usize, self.comm.size() as usize);
        let terms = Terms::of::<T>(ranks);
        let buffer = match self.placement {
            Placement::Out => &mut self.input,
            Placement::In => &mut self.output,
        };
        buffer.iter_mut().enumerate().for_each(|(i, value)| *value = T::of(terms.term(rank, i)));
        self.run();
        if is_planted(Fault::Wrong, Phase::Verify) && !self.output.is_empty() {
            let middle = self.output.len() / 2;
            self.output[middle] = T::of(111);
        }
        let accuracy = Accuracy::compare(
            self.output
                .iter()
                .enumerate()
                .map(|(i, got)| (T::of(terms.sum(i)).to_f64(), got.to_f64(), 0.0)),
        );
        if self.placement == Placement::In {
            // The timed sums feed on themselves: only zero does not grow until it overflows.
            self.output.fill(T::default());
        }
        accuracy
    }
}

/// No rank leaves before every rank has come.
struct Barrier<'a> {
    comm: Comm,
    clock: Option<&'a HostClock>,
}

impl Operation for Barrier<'_> {
    fn run(&mut self) {
        // SAFETY: the communicator lives as long as `self`.
        unsafe {
            ffi::MPI_Barrier(self.comm.as_raw());
        }
    }

    /// Each rank comes a little later than the one before; none may leave before the last has come.
    /// Ranks whose clocks differ cannot tell, and check nothing.
    fn verify(&mut self) -> Accuracy {
        let Some(clock) = self.clock else { return Accuracy::default() };
        let rank = self.comm.rank().unsigned_abs();
        std::thread::sleep(std::time::Duration::from_micros(500) * rank.min(8));
        let came = clock.now();
        self.run();
        let left = clock.now();
        let mut last_came = 0i64;
        // SAFETY: one element on both sides, as counted.
        unsafe {
            ffi::MPI_Allreduce(
                (&raw const came).cast::<c_void>(),
                (&raw mut last_came).cast::<c_void>(),
                1,
                i64::equivalent_datatype().as_raw(),
                SystemOperation::max().as_raw(),
                self.comm.as_raw(),
            );
        }
        let early =
            if is_planted(Fault::Wrong, Phase::Verify) { 1 } else { (last_came - left).max(0) };
        Accuracy::compare([(0.0, early as f64, 0.0)].into_iter())
    }
}

/// `MPI_IN_PLACE`, as this MPI's header defines it.
const IN_PLACE: *const c_void = {
    let text = env!("TESSERABENCH_MPI_IN_PLACE").as_bytes();
    let negative = text[0] == b'-';
    let mut i = if negative { 1 } else { 0 };
    let mut value = 0usize;
    while i < text.len() {
        value = 10 * value + (text[i] - b'0') as usize;
        i += 1;
    }
    std::ptr::without_provenance(if negative { value.wrapping_neg() } else { value })
};
