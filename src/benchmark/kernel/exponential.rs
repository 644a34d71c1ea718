//! Exponentials of which compilers make vectors.

use super::Real;

/// A float that has an exponential.
pub trait Exponential: Real {
    /// e to the power of `self`, which is at most 0, without a branch, so that compilers make vectors of it: 2^n times a
    /// polynomial in the rest, |rest| ≤ ln(2)/2 (Cody and Waite, 1980). Below the smallest normal number it is 0.
    fn exp(self) -> Self;

    /// 1/(1 + exp(−x)), by an exponential that does not overflow.
    fn sigmoid(self) -> Self;
}

macro_rules! exponential {
    ($type:ident, digits: $digits:expr, bias: $bias:expr, lowest: $lowest:expr, ln_2: $high:expr, $low:expr,
     degree: $degree:expr) => {
        impl Exponential for $type {
            #[inline(always)]
            fn exp(self) -> Self {
                // Adding this leaves the nearest whole number in the lowest bits.
                const ROUND: $type = 1.5 * (1u64 << $digits) as $type;
                // 1/k!: on so short an interval Taylor's series is as good as any with one term less.
                const FACTORS: [$type; $degree + 1] = {
                    let mut factors = [1.0; $degree + 1];
                    let (mut k, mut factorial) = (1, 1.0);
                    while k <= $degree {
                        factorial *= k as f64;
                        factors[k] = (1.0 / factorial) as $type;
                        k += 1;
                    }
                    factors
                };
                let shifted = self * std::$type::consts::LOG2_E + ROUND;
                let n = shifted - ROUND;
                // ln(2) in two parts, the first so short that n times it is exact (Cephes).
                let rest = self - n * $high - n * $low;
                let polynomial = FACTORS.iter().rev().fold(0.0, |sum, factor| sum * rest + factor);
                let power = Self::from_bits(shifted.to_bits().wrapping_add($bias) << $digits);
                if self < $lowest { 0.0 } else { polynomial * power }
            }

            #[inline(always)]
            fn sigmoid(self) -> Self {
                let power = Exponential::exp(-self.abs());
                let one = 1.0 / (1.0 + power);
                if self < 0.0 { power * one } else { one }
            }
        }
    };
}

exponential!(f32, digits: 23, bias: 127, lowest: -87.33, ln_2: 355.0 / 512.0, -2.121_944_4e-4, degree: 7);
exponential!(f64, digits: 52, bias: 1023, lowest: -708.39, ln_2: 22_713.0 / 32_768.0,
      1.428_606_820_309_417_2e-6, degree: 13);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::Number;

    #[test]
    fn exponentials_are_as_exact_as_the_types() {
        for i in 0..=100_000 {
            let x = -7e-3 * f64::from(i);
            let relative = |got: f64, expected: f64| (got / expected - 1.0).abs();
            let error = relative(Exponential::exp(x), x.exp());
            assert!(error < 2.0 * f64::EPSILON, "{x}: {error}");
            let (x, limit) = (x as f32 / 8.02, 2.0 * f64::from(f32::EPSILON));
            let error = relative(Exponential::exp(x).to_f64(), f64::from(x).exp());
            assert!(error < limit, "{x}: {error}");
        }
        assert_eq!((Exponential::exp(0f32), Exponential::exp(0f64)), (1.0, 1.0));
        for x in [-88.0, -1e30, f32::NEG_INFINITY] {
            assert_eq!(Exponential::exp(x), 0.0);
        }
        assert!(Exponential::exp(f32::NAN).is_nan() && Exponential::exp(f64::NAN).is_nan());
    }

    #[test]
    fn sigmoids_are_right_from_end_to_end() {
        for (x, expected) in [(0.0, 0.5), (1e30, 1.0), (-1e30, 0.0), (f64::NEG_INFINITY, 0.0)] {
            assert_eq!((x.sigmoid(), (x as f32).sigmoid()), (expected, expected as f32));
        }
        for i in -700..=700 {
            let x = 0.1 * f64::from(i);
            let expected = 1.0 / (1.0 + (-x).exp());
            assert!((x.sigmoid() / expected - 1.0).abs() < 4.0 * f64::EPSILON, "{x}");
        }
        assert!(f32::NAN.sigmoid().is_nan());
    }
}
