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

/// Evaluates an expression in which a name stands for the Rust type of an element.
macro_rules! with_number {
    ($element:expr, $name:ident => $value:expr) => {
        $crate::benchmark::with_number!(@ $element, $name, $value;
            F32 f32, F64 f64, F16 half::f16, Bf16 half::bf16, Fp8E4m3 float8::F8E4M3, Fp8E5m2 float8::F8E5M2,
            I8 i8, I16 i16, I32 i32, I64 i64, U8 u8, U16 u16, U32 u32, U64 u64)
    };
    (@ $element:expr, $name:ident, $value:expr; $($variant:ident $type:ty),*) => {
        match $element {
            $($crate::benchmark::work::Element::$variant => {
                type $name = $type;
                $value
            })*
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
