//! Types of the elements of buffers, as names and as Rust types.
#![expect(
    unsafe_code,
    reason = "a promise on how numbers lie in memory, on which the backends rely"
)]

use float8::{F8E4M3, F8E5M2};
use half::{bf16, f16};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::error::{Error, Result, suggestion};

/// The type of one element of a buffer.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Element {
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// 16-bit float of IEEE 754: 11 significant bits.
    F16,
    /// bfloat16: the upper half of an f32, 8 significant bits.
    Bf16,
    /// 8-bit float with 4 bits of exponent, without infinities: 4 significant bits.
    Fp8E4m3,
    /// 8-bit float with 5 bits of exponent: 3 significant bits.
    Fp8E5m2,
    /// 8-bit signed integer.
    I8,
    /// 16-bit signed integer.
    I16,
    /// 32-bit signed integer.
    I32,
    /// 64-bit signed integer.
    I64,
    /// 8-bit unsigned integer.
    U8,
    /// 16-bit unsigned integer.
    U16,
    /// 32-bit unsigned integer.
    U32,
    /// 64-bit unsigned integer.
    U64,
}

impl Element {
    /// Every element type.
    pub const ALL: [Self; 14] = {
        use Element::*;
        [F32, F64, F16, Bf16, Fp8E4m3, Fp8E5m2, I8, I16, I32, I64, U8, U16, U32, U64]
    };

    /// The types in which kernels compute.
    pub const FLOATS: [Self; 4] = [Self::F32, Self::F64, Self::F16, Self::Bf16];

    /// Those that every machine computes in.
    pub const WIDE_FLOATS: [Self; 2] = [Self::F32, Self::F64];

    /// Its name, its bytes, what nccl-tests calls it, and what others do.
    fn facts(self) -> (&'static str, u64, &'static str, &'static [&'static str]) {
        match self {
            Self::F32 => ("f32", 4, "float", &["fp32", "float32"]),
            Self::F64 => ("f64", 8, "double", &["fp64", "float64"]),
            Self::F16 => ("f16", 2, "half", &["fp16", "float16"]),
            Self::Bf16 => ("bf16", 2, "bfloat16", &[]),
            Self::Fp8E4m3 => ("fp8e4m3", 1, "f8e4m3", &[]),
            Self::Fp8E5m2 => ("fp8e5m2", 1, "f8e5m2", &[]),
            Self::I8 => ("i8", 1, "int8", &[]),
            Self::I16 => ("i16", 2, "int16", &[]),
            Self::I32 => ("i32", 4, "int32", &["int"]),
            Self::I64 => ("i64", 8, "int64", &[]),
            Self::U8 => ("u8", 1, "uint8", &[]),
            Self::U16 => ("u16", 2, "uint16", &[]),
            Self::U32 => ("u32", 4, "uint32", &["uint"]),
            Self::U64 => ("u64", 8, "uint64", &[]),
        }
    }

    /// The canonical name.
    pub fn name(self) -> &'static str {
        self.facts().0
    }

    /// Bytes of one element.
    pub fn bytes(self) -> u64 {
        self.facts().1
    }

    /// What nccl-tests calls it.
    pub fn nccl_tests_name(self) -> &'static str {
        self.facts().2
    }

    /// Whether it is a float of any width.
    pub fn is_float(self) -> bool {
        Self::FLOATS.contains(&self) || matches!(self, Self::Fp8E4m3 | Self::Fp8E5m2)
    }

    /// Reads a precision policy: `f32`, or the names other tools use (`fp32`, `float`, `int8` …).
    ///
    /// # Errors
    /// Usage error for an unknown name.
    pub fn parse(text: &str) -> Result<Self> {
        let lower = text.trim().to_ascii_lowercase();
        let is_named = |element: &Self| {
            let (own, _, of_nccl_tests, others) = element.facts();
            [own, of_nccl_tests].contains(&&*lower) || others.contains(&&*lower)
        };
        Self::ALL.into_iter().find(is_named).ok_or_else(|| {
            Error::usage(format!(
                "precision '{text}' is not known; {}",
                suggestion(&lower, Self::ALL.map(Self::name))
            ))
        })
    }
}

/// A number that buffers hold, which MPI and GPUs write as bytes.
///
/// # Safety
/// The type is as long as its [`Element`] says, without padding, and all bits that fit into it are a value.
pub unsafe trait Number: Copy + PartialEq + Default + std::fmt::Debug + 'static {
    /// Every whole number up to this one is exact in the type; integers wrap, so none is inexact.
    const EXACT: i64;

    /// The value, wrapped into the type as the machine's arithmetic does.
    fn of(value: i64) -> Self {
        Self::rounded(value as f64)
    }

    /// The value, rounded to the nearest that the type has, ties to even.
    fn rounded(value: f64) -> Self;

    /// The value as a float, for comparison and messages.
    fn to_f64(self) -> f64;
}

macro_rules! number {
    ($($type:ty: $exact:expr),*) => {$(
        // SAFETY: floats and integers of the machine's, or such an integer in a structure of nothing else.
        unsafe impl Number for $type {
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
        // SAFETY: floats and integers of the machine's, or such an integer in a structure of nothing else.
        unsafe impl Number for $type {
            const EXACT: i64 = $exact;

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

/// The numbers as they lie in memory.
pub fn bytes_of<T: Number>(numbers: &[T]) -> &[u8] {
    // SAFETY: such numbers have no padding, and any byte may be read.
    unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), size_of_val(numbers)) }
}

/// Evaluates an expression in which a name stands for the Rust type of an element.
macro_rules! with_number {
    ($element:expr, $name:ident => $value:expr) => {
        $crate::benchmark::with_number!(@ $element, $name, $value;
            F32 f32, F64 f64, F16 half::f16, Bf16 half::bf16, Fp8E4m3 float8::F8E4M3, Fp8E5m2 float8::F8E5M2,
            I8 i8, I16 i16, I32 i32, I64 i64, U8 u8, U16 u16, U32 u32, U64 u64)
    };
    (@ $element:expr, $name:ident, $value:expr; $($variant:ident $type:ty),*) => {
        match $element {
            $($crate::benchmark::Element::$variant => {
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
    fn precisions_under_the_names_of_other_tools() {
        assert_eq!(Element::parse("FP32").unwrap(), Element::F32);
        assert_eq!(Element::parse("double").unwrap(), Element::F64);
        assert_eq!(Element::parse("bfloat16").unwrap(), Element::Bf16);
        assert_eq!(Element::parse("f8e4m3").unwrap(), Element::Fp8E4m3);
        assert!(Element::parse("f23").unwrap_err().message.contains("'f32'"));
    }

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
