//! Numbers that follow from a problem, written as a person would.

use std::borrow::Cow;

use crate::base::error::{Error, Result};

/// A product of numbers and names, or one over another, rounded up: `2*m*n*k`, `array/element_bytes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formula(Cow<'static, str>);

impl From<&'static str> for Formula {
    fn from(text: &'static str) -> Self {
        Self(text.into())
    }
}

impl Formula {
    /// Its value where names stand for the numbers that `known` has for them. A float, because counts of
    /// operations go beyond 2^64.
    ///
    /// # Errors
    /// Usage error for a name that is not known.
    pub fn value(&self, known: impl Fn(&str) -> Option<u64>) -> Result<f64> {
        let factor = |text: &str| {
            let number = text.parse().ok().or_else(|| known(text));
            number.map(|number: u64| number as f64).ok_or_else(|| {
                Error::usage(format!(
                    "the formula {} has '{text}', which is neither a number nor a key",
                    self.0
                ))
            })
        };
        let product =
            |text: &str| text.split('*').map(str::trim).map(factor).product::<Result<f64>>();
        let (above, below) = self.0.split_once('/').unwrap_or((&self.0, "1"));
        Ok((product(above)? / product(below)?).ceil())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_and_quotients() {
        let value = |text| {
            let known = |name: &str| match name {
                "m" => Some(3),
                "n" => Some(1 << 40),
                _ => None,
            };
            Formula::from(text).value(known)
        };
        assert_eq!(value("2*m*n*n").unwrap(), 6.0 * 2f64.powi(80));
        assert_eq!(value("10 / m").unwrap(), 4.0);
        assert!(value("m*x").unwrap_err().message.contains("'x'"));
    }
}
