//! How MPI is told of elements: their type, and counts beyond its 31 bits.

use mpi::collective::SystemOperation;
use mpi::datatype::Equivalence;
use mpi::ffi;
use mpi::raw::AsRaw as _;

use crate::base::error::{Error, Result};
use crate::benchmark::work::{Element, Operator};

/// Elements of one large piece: a power of two that a count can hold.
pub(super) const PIECE: u64 = 1 << 30;

/// Some elements as MPI counts them.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) count: i32,
    pub(super) datatype: ffi::MPI_Datatype,
    /// Whether the type was made here, for a count that needs more than 31 bits.
    pub(super) derived: bool,
}

impl Counted {
    /// `elements` elements: so many of their own type, or one of a type that holds them all.
    pub(super) fn new(elements: u64, element: Element) -> Self {
        let own = datatype(element);
        if let Ok(count) = i32::try_from(elements) {
            return Self { count, datatype: own, derived: false };
        }
        let (pieces, rest) = ((elements / PIECE) as i32, (elements % PIECE) as i32);
        let bytes = element.bytes() as ffi::MPI_Aint;
        let (mut piece, mut all) = (own, own);
        // SAFETY: every array has the length that is given with it, places for new types outlive the
        // calls, and a type may be freed once another is made of it.
        unsafe {
            ffi::MPI_Type_contiguous(PIECE as i32, own, &raw mut piece);
            let lengths = [pieces, rest];
            let starts = [0, pieces as ffi::MPI_Aint * PIECE as ffi::MPI_Aint * bytes];
            let types = [piece, own];
            ffi::MPI_Type_create_struct(
                2,
                lengths.as_ptr(),
                starts.as_ptr(),
                types.as_ptr(),
                &raw mut all,
            );
            ffi::MPI_Type_commit(&raw mut all);
            ffi::MPI_Type_free(&raw mut piece);
        }
        Self { count: 1, datatype: all, derived: true }
    }

    /// What a reader should know of a count that needed a type of its own.
    pub(super) fn remark(&self) -> Option<String> {
        self.derived.then(|| "as one element of a type that holds them all".to_owned())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.derived {
            // SAFETY: made here, and freed once; what is in flight keeps it.
            unsafe {
                ffi::MPI_Type_free(&raw mut self.datatype);
            }
        }
    }
}

/// MPI's type of an element; types that it has not are moved as whole numbers of their size.
pub(super) fn datatype(element: Element) -> ffi::MPI_Datatype {
    match element {
        Element::F32 => f32::equivalent_datatype().as_raw(),
        Element::F64 => f64::equivalent_datatype().as_raw(),
        Element::I8 => i8::equivalent_datatype().as_raw(),
        Element::I16 => i16::equivalent_datatype().as_raw(),
        Element::I32 => i32::equivalent_datatype().as_raw(),
        Element::I64 => i64::equivalent_datatype().as_raw(),
        Element::U8 | Element::Fp8E4m3 | Element::Fp8E5m2 | Element::Fp6 | Element::Fp4 => {
            u8::equivalent_datatype().as_raw()
        }
        Element::U16 | Element::F16 | Element::Bf16 => u16::equivalent_datatype().as_raw(),
        Element::U32 | Element::Tf32 => u32::equivalent_datatype().as_raw(),
        Element::U64 => u64::equivalent_datatype().as_raw(),
    }
}

/// MPI's reduction of elements.
///
/// # Errors
/// Unsupported for what MPI cannot reduce.
pub(super) fn operation(operator: Operator, element: Element) -> Result<ffi::MPI_Op> {
    let small =
        matches!(element, Element::F16 | Element::Bf16 | Element::Fp8E4m3 | Element::Fp8E5m2);
    if small || (element.is_float() && operator.is_logical()) {
        return Err(Error::unsupported(format!(
            "a reduction by {} in MPI is not defined for {}",
            operator.name(),
            element.name()
        )));
    }
    let operation = match operator {
        Operator::Sum => SystemOperation::sum(),
        Operator::Prod => SystemOperation::product(),
        Operator::Max => SystemOperation::max(),
        Operator::Min => SystemOperation::min(),
        Operator::Land => SystemOperation::logical_and(),
        Operator::Lor => SystemOperation::logical_or(),
        Operator::Lxor => SystemOperation::logical_xor(),
        Operator::Band => SystemOperation::bitwise_and(),
        Operator::Bor => SystemOperation::bitwise_or(),
        Operator::Bxor => SystemOperation::bitwise_xor(),
        Operator::Avg | Operator::MulSum => {
            return Err(Error::unsupported(format!("MPI has no reduction by {}", operator.name())));
        }
    };
    Ok(operation.as_raw())
}
