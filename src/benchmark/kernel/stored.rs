//! Numbers as they lie in memory, and the floats that a CPU computes with.
//!
//! Narrow floats are computed in f32. The conversions have no branch, so that compilers make vectors of them.

use float8::{F8E4M3, F8E5M2};
use half::{bf16, f16};

use super::Exponential;
use crate::benchmark::Number;

/// A float in memory.
pub trait Stored: Number {
    /// The float that it is computed in.
    type Wide: Exponential + Stored<Wide = Self::Wide>;

    /// Its value.
    fn wide(self) -> Self::Wide;

    /// The value, rounded to the nearest that the type has, ties to even.
    fn narrow(value: Self::Wide) -> Self;
}

macro_rules! computed_in_itself {
    ($($type:ident)*) => {
        $(impl Stored for $type {
            type Wide = Self;

            #[inline(always)]
            fn wide(self) -> Self {
                self
            }

            #[inline(always)]
            fn narrow(value: Self) -> Self {
                value
            }
        })*
    };
}

computed_in_itself!(f32 f64);

macro_rules! computed_in_f32 {
    ($($type:ident: $format:expr;)*) => {
        $(impl Stored for $type {
            type Wide = f32;

            #[inline(always)]
            fn wide(self) -> f32 {
                const { $format }.decode(self.to_bits().into())
            }

            #[inline(always)]
            fn narrow(value: f32) -> Self {
                Self::from_bits(const { $format }.encode(value) as _)
            }
        })*
    };
}

// An f16 beyond the largest is infinite; 8-bit floats stay finite, as GPUs convert them (PTX: cvt.satfinite).
computed_in_f32! {
    f16: Format { digits: 10, bias: 15, sign: 15, largest: 0x7bff, beyond: 0x7c00, nan: 0x7e00, infinite: true };
    bf16: Format { digits: 7, bias: 127, sign: 15, largest: 0x7f7f, beyond: 0x7f80, nan: 0x7fc0, infinite: true };
    F8E4M3: Format { digits: 3, bias: 7, sign: 7, largest: 0x7e, beyond: 0x7e, nan: 0x7f, infinite: false };
    F8E5M2: Format { digits: 2, bias: 15, sign: 7, largest: 0x7b, beyond: 0x7b, nan: 0x7f, infinite: true };
}

/// A float of at most 16 bits.
struct Format {
    /// Bits of the fraction.
    digits: u32,
    /// What is added to the exponent.
    bias: u32,
    /// Where the bit of the sign is.
    sign: u32,
    /// The largest number, what stands for larger ones, and what is no number.
    largest: u32,
    beyond: u32,
    nan: u32,
    /// Whether what follows the largest is infinite.
    infinite: bool,
}

impl Format {
    #[inline(always)]
    fn decode(&self, bits: u32) -> f32 {
        // bfloat16 is the upper half of an f32.
        if self.bias == 127 {
            return f32::from_bits(bits << 16);
        }
        let sign = bits >> self.sign << 31;
        let magnitude = bits & ((1 << self.sign) - 1);
        // With the exponent of an f32, but for the bias, which the product puts right: subnormal numbers, too.
        let shifted = magnitude << (23 - self.digits);
        let finite = f32::from_bits(shifted) * f32::from_bits((254 - self.bias) << 23);
        let other = if self.infinite { shifted | 0x7f80_0000 } else { f32::NAN.to_bits() };
        let value = if magnitude > self.largest { other } else { finite.to_bits() };
        f32::from_bits(value | sign)
    }

    #[inline(always)]
    fn encode(&self, value: f32) -> u32 {
        let shift = 23 - self.digits;
        let sign = value.to_bits() >> 31 << self.sign;
        let magnitude = value.to_bits() & 0x7fff_ffff;
        // Adding this leaves the digits of a subnormal number in the lowest bits, rounded.
        let magic = (127 - self.bias + shift + 1) << 23;
        let subnormal =
            (f32::from_bits(magnitude) + f32::from_bits(magic)).to_bits().wrapping_sub(magic);
        let odd = magnitude >> shift & 1;
        let rounded = magnitude + ((1 << (shift - 1)) - 1 + odd);
        let normal = rounded.wrapping_sub((127 - self.bias) << 23) >> shift;
        let is_normal = magnitude >= (128 - self.bias) << 23 || self.bias == 127;
        let nearest = if is_normal { normal } else { subnormal };
        let finite = if nearest > self.largest { self.beyond } else { nearest };
        sign | if magnitude > 0x7f80_0000 { self.nan } else { finite }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each number of the type, and floats around each, halfway to the next one and far beyond.
    fn check<T: Stored<Wide = f32>>(numbers: impl Iterator<Item = T>) {
        for number in numbers {
            let (value, expected) = (number.wide(), number.to_f64());
            assert!(
                f64::from(value) == expected || value.is_nan() && expected.is_nan(),
                "{number:?}: {value}"
            );
            assert!(
                T::narrow(value) == number || value.is_nan() || value.is_infinite(),
                "{number:?}"
            );
            for step in
                [1u32, 2, 3, 1 << 11, 1 << 12, 1 << 13, 1 << 15, 1 << 16, 1 << 19, 1 << 20, 1 << 21]
            {
                for near in [value.to_bits().wrapping_add(step), value.to_bits().wrapping_sub(step)]
                {
                    let near = f32::from_bits(near);
                    let (got, expected) = (T::narrow(near), T::rounded(near.into()));
                    let is_nan = got.to_f64().is_nan() && expected.to_f64().is_nan();
                    assert!(got == expected || is_nan, "{near}: {got:?}, {expected:?}");
                }
            }
        }
    }

    #[test]
    fn narrow_floats_are_those_of_their_crates() {
        check((0..=u16::MAX).map(f16::from_bits));
        check((0..=u16::MAX).map(bf16::from_bits));
        check((0..=u8::MAX).map(F8E4M3::from_bits));
        check((0..=u8::MAX).map(F8E5M2::from_bits));
    }
}
