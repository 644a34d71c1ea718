//! Element types as Rust types.

use crate::work::Element;

/// A number that buffers hold.
pub(super) trait Number: Copy + PartialEq + Default + std::fmt::Debug + 'static {
    /// The value, wrapped into the type as the machine's arithmetic does.
    fn of(value: i64) -> Self;

    /// The value as a float, for comparison and messages.
    fn to_f64(self) -> f64;
}

macro_rules! number {
    ($($type:ty)*) => {$(
        impl Number for $type {
            fn of(value: i64) -> Self {
                value as Self
            }

            fn to_f64(self) -> f64 {
                self as f64
            }
        }
    )*};
}

number!(f32 f64 i8 i16 i32 i64 u8 u16 u32 u64);

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
        }
    };
}
#[cfg(feature = "mpi")]
pub(super) use with_type;

/// The one sentence for a kernel that has no such element type.
pub(super) fn no_such_type(kernel: &str, element: Element) -> crate::error::Error {
    crate::error::Error::unsupported(format!("{kernel} is not defined for {}", element.name()))
}
