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
    /// 32-bit float of which products use 11 significant bits (NVIDIA's TensorFloat-32).
    Tf32,
    /// 6-bit float, which nothing here computes.
    Fp6,
    /// 4-bit float, which nothing here computes.
    Fp4,
}

impl Element {
    /// Every type that buffers hold.
    pub const ALL: [Self; 14] = {
        use Element::*;
        [F32, F64, F16, Bf16, Fp8E4m3, Fp8E5m2, I8, I16, I32, I64, U8, U16, U32, U64]
    };

    /// Those that only some kernels know, or none.
    const OTHERS: [Self; 3] = [Self::Tf32, Self::Fp6, Self::Fp4];

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
            Self::Fp8E4m3 => {
                ("fp8e4m3", 1, "f8e4m3", &["fp8_e4m3", "float8_e4m3", "float8_e4m3fn", "e4m3"])
            }
            Self::Fp8E5m2 => ("fp8e5m2", 1, "f8e5m2", &["fp8_e5m2", "float8_e5m2", "e5m2"]),
            Self::I8 => ("i8", 1, "int8", &[]),
            Self::I16 => ("i16", 2, "int16", &[]),
            Self::I32 => ("i32", 4, "int32", &["int"]),
            Self::I64 => ("i64", 8, "int64", &[]),
            Self::U8 => ("u8", 1, "uint8", &[]),
            Self::U16 => ("u16", 2, "uint16", &[]),
            Self::U32 => ("u32", 4, "uint32", &["uint"]),
            Self::U64 => ("u64", 8, "uint64", &[]),
            Self::Tf32 => ("tf32", 4, "tf32", &["tensorfloat32"]),
            // As numbers are counted whose bits share bytes.
            Self::Fp6 => ("fp6", 1, "fp6", &["fp6_e3m2", "fp6_e2m3"]),
            Self::Fp4 => ("fp4", 1, "fp4", &["fp4_e2m1", "nvfp4", "mxfp4"]),
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

    /// The distance from 1 to the next number of the type that it is computed in: f32 for narrow floats. 0 for whole
    /// numbers.
    pub fn computed_epsilon(self) -> f64 {
        match self {
            Self::F64 => f64::EPSILON,
            _ if self.is_float() => f32::EPSILON.into(),
            _ => 0.0,
        }
    }

    /// How many whole numbers it holds, from 0 on and without a gap.
    pub fn places(self) -> u64 {
        match self {
            Self::U8 => 1 << 8,
            Self::U16 => 1 << 16,
            Self::U32 => 1 << 32,
            Self::I8 => 1 << 7,
            Self::I16 => 1 << 15,
            Self::I32 => 1 << 31,
            Self::I64 | Self::U64 => 1 << 63,
            other => with_number!(other, T => T::EXACT as u64 + 1),
        }
    }

    /// The byte that makes, everywhere in a number, one that is no result: of floats it is none, of integers the largest
    /// without a sign, and one of the smallest with one.
    pub fn spoilt_byte(self) -> u8 {
        match self {
            Self::I16 | Self::I32 | Self::I64 => 0x80,
            _ => 0xff,
        }
    }

    /// What nccl-tests calls it.
    pub fn nccl_tests_name(self) -> &'static str {
        self.facts().2
    }

    /// Whether it is a float of any width.
    pub fn is_float(self) -> bool {
        use Element::{Fp4, Fp6, Fp8E4m3, Fp8E5m2, Tf32};
        Self::FLOATS.contains(&self) || matches!(self, Fp8E4m3 | Fp8E5m2 | Tf32 | Fp6 | Fp4)
    }

    /// The type in which sums and products of its elements are computed.
    fn computed_in(self) -> Self {
        match self {
            Self::F64 | Self::I32 | Self::I64 | Self::U32 | Self::U64 => self,
            Self::I8 | Self::I16 | Self::U8 | Self::U16 => Self::I32,
            _ => Self::F32,
        }
    }

    /// Reads a precision policy: `f32`, the names other tools use (`fp32`, `float`, `int8` …), or one of these with the
    /// type that is computed in, `bf16@accum(fp32)`.
    ///
    /// # Errors
    /// Usage error for an unknown name, and for another type than the one that is computed in.
    pub fn parse(text: &str) -> Result<Self> {
        let Some((stored, policy)) = text.split_once('@') else { return Self::named(text) };
        let accumulated = policy.trim().strip_prefix("accum(").and_then(|of| of.strip_suffix(')'));
        let accumulated = accumulated.ok_or_else(|| {
            Error::usage(format!("precision '{text}' must be written as in bf16@accum(fp32)"))
        })?;
        let (stored, accumulated) = (Self::named(stored)?, Self::named(accumulated)?);
        match stored.computed_in() {
            known if known == accumulated => Ok(stored),
            known => Err(Error::usage(format!(
                "precision '{text}' is not measured: {0} is computed in {1}; write {0} or {0}@accum({1})",
                stored.name(),
                known.name()
            ))),
        }
    }

    fn named(text: &str) -> Result<Self> {
        let lower = text.trim().to_ascii_lowercase();
        let is_named = |element: &Self| {
            let (own, _, of_nccl_tests, others) = element.facts();
            [own, of_nccl_tests].contains(&&*lower) || others.contains(&&*lower)
        };
        Self::ALL.into_iter().chain(Self::OTHERS).find(is_named).ok_or_else(|| {
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

/// The value as an f32 that rounds on to any narrower type as the value itself does: the nearest one towards zero, with
/// its last bit set if there was more (round to odd; Boldo and Melquiond, 2008).
fn kept_apart(value: f64) -> f32 {
    let near = value as f32;
    if f64::from(near) == value || value.is_nan() {
        return near;
    }
    let is_further = f64::from(near).abs() > value.abs();
    f32::from_bits((near.to_bits() - u32::from(is_further)) | 1)
}

macro_rules! small_float {
    ($($type:ty: $exact:expr),*) => {$(
        // SAFETY: floats and integers of the machine's, or such an integer in a structure of nothing else.
        unsafe impl Number for $type {
            const EXACT: i64 = $exact;

            fn rounded(value: f64) -> Self {
                // Not from_f64, which looks at the upper half of an f64 only (half 2.7).
                Self::from_f32(kept_apart(value))
            }

            fn to_f64(self) -> f64 {
                f64::from(self)
            }
        }
    )*};
}

/// A [TensorFloat-32](Element::Tf32).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[repr(transparent)]
pub struct Tf32(f32);

// SAFETY: a float, and nothing else.
unsafe impl Number for Tf32 {
    const EXACT: i64 = 1 << 11;

    fn rounded(value: f64) -> Self {
        let bits = kept_apart(value).to_bits();
        let odd = bits >> 13 & 1;
        let nearest = f32::from_bits((bits + 0xfff + odd) & !0x1fff);
        Self(if value.is_finite() { nearest } else { value as f32 })
    }

    fn to_f64(self) -> f64 {
        self.0.into()
    }
}

small_float!(f16: 1 << 11, bf16: 1 << 8, F8E4M3: 1 << 4, F8E5M2: 1 << 3);

/// The numbers as they lie in memory.
pub fn bytes_of<T: Number>(numbers: &[T]) -> &[u8] {
    // SAFETY: such numbers have no padding, and any byte may be read.
    unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), size_of_val(numbers)) }
}

/// The numbers as they lie in memory, to be written.
pub fn bytes_of_mut<T: Number>(numbers: &mut [T]) -> &mut [u8] {
    // SAFETY: as above, and any bytes are numbers.
    unsafe { std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), size_of_val(numbers)) }
}

/// Bytes as the numbers that lie there.
///
/// # Panics
/// Where they do not begin at an address for such numbers, or end within one.
pub fn numbers_of<T: Number>(bytes: &[u8]) -> &[T] {
    let (first, count) = numbers_in::<T>(bytes);
    // SAFETY: so many numbers lie there, aligned, and all bits are one.
    unsafe { std::slice::from_raw_parts(first, count) }
}

/// The same, to be written.
///
/// # Panics
/// As [`numbers_of`].
pub fn numbers_of_mut<T: Number>(bytes: &mut [u8]) -> &mut [T] {
    let (_, count) = numbers_in::<T>(bytes);
    // SAFETY: as above, and numbers have no padding, so that the bytes stay bytes.
    unsafe { std::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), count) }
}

fn numbers_in<T>(bytes: &[u8]) -> (*const T, usize) {
    let first: *const T = bytes.as_ptr().cast();
    assert!(first.is_aligned() && bytes.len().is_multiple_of(size_of::<T>()), "no such numbers");
    (first, bytes.len() / size_of::<T>())
}

/// Evaluates an expression in which a name stands for the Rust type of an element.
macro_rules! with_number {
    ($element:expr, $name:ident => $value:expr) => {
        $crate::benchmark::with_number!(@ $element, $name, $value;
            F32 f32, F64 f64, F16 half::f16, Bf16 half::bf16, Fp8E4m3 float8::F8E4M3, Fp8E5m2 float8::F8E5M2,
            I8 i8, I16 i16, I32 i32, I64 i64, U8 u8, U16 u16, U32 u32, U64 u64,
            Tf32 $crate::benchmark::Tf32, Fp6 u8, Fp4 u8)
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
        for same in ["f32", "fp32", "fp32@accum(fp32)", "float @accum(f32)"] {
            assert_eq!(Element::parse(same).unwrap(), Element::F32);
        }
        assert_eq!(Element::parse("fp8_e4m3@accum(fp32)").unwrap(), Element::Fp8E4m3);
        assert_eq!(Element::parse("int8@accum(int32)").unwrap(), Element::I8);
        assert_eq!(Element::parse("fp4@accum(fp32)").unwrap(), Element::Fp4);
        for (wrong, told) in [
            ("f16@accum(f16)", "f16 is computed in f32; write f16 or f16@accum(f32)"),
            ("f16@f32", "must be written as in bf16@accum(fp32)"),
            ("f16@accum(f33)", "precision 'f33' is not known"),
        ] {
            let why = Element::parse(wrong).unwrap_err().message;
            assert!(why.contains(told), "{why}");
        }
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
        check::<Tf32>();
        assert_eq!(bf16::rounded(257.0).to_f64(), 256.0);
    }

    #[test]
    fn what_is_hardly_above_the_middle_is_rounded_up() {
        fn check<T: Number>() {
            let step = 2.0 / T::EXACT as f64;
            let middle = 1.0 + step / 2.0;
            for sign in [1.0, -1.0] {
                let rounded = |value: f64| T::rounded(sign * value).to_f64();
                assert_eq!(rounded(middle), sign);
                assert_eq!(rounded(middle.next_up()), sign * (1.0 + step));
                assert_eq!(rounded(middle.next_down()), sign);
            }
        }
        check::<f32>();
        check::<f16>();
        check::<bf16>();
        check::<F8E4M3>();
        check::<F8E5M2>();
        check::<Tf32>();
    }
}
