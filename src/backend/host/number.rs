//! Element types as Rust types.

use crate::error::Error;
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

/// The one sentence for a kernel that has no such element type.
pub(super) fn no_such_type(kernel: &str, element: Element) -> Error {
    Error::unsupported(format!("{kernel} is not defined for {}", element.name()))
}
