//! Element types as Rust types.

use float8::{F8E4M3, F8E5M2};
use half::{bf16, f16};

/// A number that buffers hold.
pub trait Number: Copy + PartialEq + Default + std::fmt::Debug + 'static {
    /// Every whole number up to this one is exact in the type; integers wrap, so none is inexact.
    const EXACT: i64;

    /// The value, wrapped into the type as the machine's arithmetic does.
    fn of(value: i64) -> Self;

    /// The value, rounded to the nearest that the type has, ties to even.
    fn rounded(value: f64) -> Self;

    /// The value as a float, for comparison and messages.
    fn to_f64(self) -> f64;
}

macro_rules! number {
    ($($type:ty: $exact:expr),*) => {$(
        impl Number for $type {
            const EXACT: i64 = $exact;

            fn of(value: i64) -> Self {
                value as Self
            }

            fn rounded(value: f64) -> Self {
                value as Self
            }

            fn to_f64(self) -> f64 {
                self as f64
            }
        }
    )*};
}

number!(f32: 1 << 24, f64: 1 << 53);
number!(i8: i64::MAX, i16: i64::MAX, i32: i64::MAX, i64: i64::MAX);
number!(u8: i64::MAX, u16: i64::MAX, u32: i64::MAX, u64: i64::MAX);

macro_rules! small_float {
    ($($type:ty: $exact:expr),*) => {$(
        impl Number for $type {
            const EXACT: i64 = $exact;

            fn of(value: i64) -> Self {
                Self::from_f64(value as f64)
            }

            fn rounded(value: f64) -> Self {
                Self::from_f64(value)
            }

            fn to_f64(self) -> f64 {
                f64::from(self)
            }
        }
    )*};
}

small_float!(f16: 1 << 11, bf16: 1 << 8, F8E4M3: 1 << 4, F8E5M2: 1 << 3);

/// Calls a generic function with the Rust type of an element.
macro_rules! with_number {
    ($element:expr, $function:ident($($argument:expr),*)) => {
        match $element {
            $crate::benchmark::work::Element::F32 => $function::<f32>($($argument),*),
            $crate::benchmark::work::Element::F64 => $function::<f64>($($argument),*),
            $crate::benchmark::work::Element::F16 => $function::<half::f16>($($argument),*),
            $crate::benchmark::work::Element::Bf16 => $function::<half::bf16>($($argument),*),
            $crate::benchmark::work::Element::Fp8E4m3 => $function::<float8::F8E4M3>($($argument),*),
            $crate::benchmark::work::Element::Fp8E5m2 => $function::<float8::F8E5M2>($($argument),*),
            $crate::benchmark::work::Element::I8 => $function::<i8>($($argument),*),
            $crate::benchmark::work::Element::I16 => $function::<i16>($($argument),*),
            $crate::benchmark::work::Element::I32 => $function::<i32>($($argument),*),
            $crate::benchmark::work::Element::I64 => $function::<i64>($($argument),*),
            $crate::benchmark::work::Element::U8 => $function::<u8>($($argument),*),
            $crate::benchmark::work::Element::U16 => $function::<u16>($($argument),*),
            $crate::benchmark::work::Element::U32 => $function::<u32>($($argument),*),
            $crate::benchmark::work::Element::U64 => $function::<u64>($($argument),*),
        }
    };
}
pub(crate) use with_number;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_exact_up_to_the_limit_and_no_further() {
        fn check<T: Number>() {
            assert_eq!(T::of(T::EXACT).to_f64(), T::EXACT as f64);
            assert_ne!(T::of(T::EXACT + 1).to_f64(), (T::EXACT + 1) as f64);
        }
        check::<f32>();
        check::<f16>();
        check::<bf16>();
        check::<F8E4M3>();
        check::<F8E5M2>();
        assert_eq!(bf16::rounded(257.0).to_f64(), 256.0);
    }
}
