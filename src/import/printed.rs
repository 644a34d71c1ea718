//! A number as a tool printed it, with what rounding may have taken.

/// A printed number: what was meant lies within `half` of `value`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Printed {
    pub(super) value: f64,
    /// Half a step of its last digit.
    half: f64,
}

impl Printed {
    /// Reads `12.34` or `1.2e+07`; `None` for what is no such number, is negative or has no end.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let decimals = mantissa.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let value: f64 = text.parse().ok()?;
        let step = exponent.parse::<i32>().ok()?.checked_sub(i32::try_from(decimals).ok()?)?;
        let half = 0.5 * 10f64.powi(step);
        let fine = value.is_finite() && value >= 0.0 && half.is_finite();
        fine.then_some(Self { value, half })
    }

    pub(super) fn with_decimals(value: f64, decimals: i32) -> Self {
        Self { value, half: 0.5 * 10f64.powi(-decimals) }
    }

    pub(super) fn times(self, factor: f64) -> Self {
        Self { value: self.value * factor, half: self.half * factor }
    }

    /// `factor` divided by it; `None` where it may be 0.
    pub(super) fn under(self, factor: f64) -> Option<Self> {
        let half = factor * self.half / (self.value * self.value);
        (self.value > self.half).then_some(Self { value: factor / self.value, half })
    }

    /// What was meant lies between these.
    pub(super) fn ends(self) -> [f64; 2] {
        [(self.value - self.half).max(0.0), self.value + self.half]
    }

    /// Whether rounding changed it by at most 1 %: enough to divide by.
    pub(super) fn is_fine(self) -> bool {
        self.value > 0.0 && self.half <= 0.01 * self.value
    }
}

/// Whether two spans have a number in common, but for the last bits of arithmetic.
pub(super) fn meet([a, b]: [f64; 2], [c, d]: [f64; 2]) -> bool {
    const BITS: f64 = 1.0 + 1e-9;
    a <= d * BITS && c <= b * BITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_follows_from_the_last_digit() {
        let ends = |text: &str| Printed::parse(text).unwrap().ends();
        assert_eq!(ends("12.5"), [12.45, 12.55]);
        assert_eq!(ends("0.00"), [0.0, 0.005]);
        assert_eq!(ends("1e+03"), [500.0, 1500.0]);
        assert_eq!(ends("1.2e+07"), [11_500_000.0, 12_500_000.0]);
        for text in ["N/A", "nan", "inf", "-1", "", "1e999999999999", "e", "1e400"] {
            assert_eq!(Printed::parse(text), None, "{text}");
        }
        assert!(meet([1.0, 2.0], [2.0, 3.0]) && !meet([1.0, 2.0], [2.1, 3.0]));
        assert!(Printed::parse("0.50").unwrap().is_fine());
        assert!(!Printed::parse("0.49").unwrap().is_fine());
    }
}
