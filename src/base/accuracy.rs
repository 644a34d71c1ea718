//! How results compare with what they should be.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Checked {
    /// The elements of results.
    #[default]
    Data,
    /// Once for each rank, that it does not leave a barrier before the last one has come: by how many nanoseconds it
    /// does.
    Order,
    /// Once for each rank, that a new communicator has the same ranks in the same order.
    Members,
}

impl Checked {
    /// What it is called on pages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Order => "no early leaving",
            Self::Members => "members",
        }
    }
}

/// How a result compares with its reference.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Accuracy {
    /// What is compared.
    #[serde(default)]
    pub of: Checked,
    /// How many of these are compared.
    pub checked: u64,
    /// How many are outside the tolerance.
    pub wrong: u64,
    /// Largest absolute difference.
    pub max_abs: f64,
    /// Largest difference relative to the reference.
    pub max_rel: f64,
    /// Root mean square of the differences.
    pub rmse: f64,
    /// Largest absolute difference that is right, for the element that had the least room.
    pub tolerance: f64,
    /// The first wrong element.
    pub first_wrong: Option<WrongElement>,
    /// Whether a kernel left the same bits when it was verified and when it was timed, on the same inputs; null where it
    /// was not looked at twice.
    #[serde(default)]
    pub deterministic: Option<bool>,
}

/// A wrong element.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WrongElement {
    /// World rank that found it.
    pub rank: usize,
    /// Its index in that rank's result.
    pub index: u64,
    /// The reference.
    #[serde(with = "any_number")]
    #[schemars(with = "any_number::Number")]
    pub expected: f64,
    /// The result; `"NaN"`, `"inf"` and `"-inf"` where it is no number that JSON has.
    #[serde(with = "any_number")]
    #[schemars(with = "any_number::Number")]
    pub got: f64,
}

/// Numbers in a form that keeps those that JSON has no number for.
mod any_number {
    use schemars::JsonSchema;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(untagged)]
    pub(super) enum Number {
        Finite(f64),
        Named(String),
    }

    pub(super) fn serialize<S: Serializer>(number: &f64, to: S) -> Result<S::Ok, S::Error> {
        match number.is_finite() || !to.is_human_readable() {
            true => number.serialize(to),
            false => number.to_string().serialize(to),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        if !from.is_human_readable() {
            return f64::deserialize(from);
        }
        match Number::deserialize(from)? {
            Number::Finite(number) => Ok(number),
            Number::Named(name) => name.parse().map_err(D::Error::custom),
        }
    }
}

impl Accuracy {
    /// Compares results with references, each with its own tolerance: `(expected, got, tolerance)`.
    pub fn compare(elements: impl Iterator<Item = (f64, f64, f64)>) -> Self {
        let mut accuracy = Self { tolerance: f64::INFINITY, ..Self::default() };
        let mut squares = 0.0;
        for (index, (expected, got, tolerance)) in elements.enumerate() {
            let difference = (got - expected).abs();
            accuracy.checked += 1;
            accuracy.tolerance = accuracy.tolerance.min(tolerance);
            // A NaN differs from everything and compares with nothing.
            if difference.is_nan() || difference > tolerance {
                accuracy.wrong += 1;
                accuracy.first_wrong.get_or_insert(WrongElement {
                    rank: 0,
                    index: index as u64,
                    expected,
                    got,
                });
            }
            if difference.is_finite() {
                accuracy.max_abs = accuracy.max_abs.max(difference);
                squares += difference * difference;
                if expected != 0.0 {
                    accuracy.max_rel = accuracy.max_rel.max(difference / expected.abs());
                }
            }
        }
        if accuracy.checked == 0 {
            accuracy.tolerance = 0.0;
        } else {
            accuracy.rmse = (squares / accuracy.checked as f64).sqrt();
        }
        accuracy
    }

    /// One comparison without a tolerance, of something else than elements.
    pub fn once(of: Checked, expected: f64, got: f64) -> Self {
        Self { of, ..Self::compare([(expected, got, 0.0)].into_iter()) }
    }

    /// Both findings as one; of two wrong elements the first is this one's.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self.checked + self.wrong == 0 {
            return other;
        }
        if other.checked + other.wrong == 0 {
            return self;
        }
        let checked = self.checked + other.checked;
        let squares = |part: &Self| part.rmse * part.rmse * part.checked as f64;
        Self {
            of: self.of,
            checked,
            wrong: self.wrong + other.wrong,
            max_abs: self.max_abs.max(other.max_abs),
            max_rel: self.max_rel.max(other.max_rel),
            rmse: ((squares(&self) + squares(&other)) / checked.max(1) as f64).sqrt(),
            tolerance: self.tolerance.min(other.tolerance),
            first_wrong: self.first_wrong.or(other.first_wrong),
            deterministic: match (self.deterministic, other.deterministic) {
                (Some(one), Some(another)) => Some(one && another),
                (one, another) => one.or(another),
            },
        }
    }

    /// One rank's findings of several results as one; an index counts through all of them.
    pub fn sum(parts: impl IntoIterator<Item = Self>) -> Self {
        parts.into_iter().fold(Self::default(), |sum, mut part| {
            if let Some(wrong) = &mut part.first_wrong {
                wrong.index += sum.checked;
            }
            sum.and(part)
        })
    }

    /// The ranks' findings as one; `ranks[i]` is the world rank of `parts[i]`.
    pub fn combine(parts: Vec<Self>, ranks: &[usize]) -> Self {
        parts.into_iter().zip(ranks).fold(Self::default(), |whole, (mut part, &rank)| {
            part.first_wrong = part.first_wrong.map(|wrong| WrongElement { rank, ..wrong });
            whole.and(part)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_json_has_not_come_back() {
        for got in [1.5, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            let wrong = WrongElement { rank: 0, index: 1, expected: 0.1, got };
            let text = serde_json::to_string(&wrong).unwrap();
            let back: WrongElement = serde_json::from_str(&text).unwrap();
            assert_eq!(back.got.to_bits(), got.to_bits(), "{text}");
            let back: WrongElement =
                crate::world::wire::decode(&crate::world::wire::encode(&wrong).unwrap()).unwrap();
            assert_eq!(back.got.to_bits(), got.to_bits());
        }
    }

    #[test]
    fn one_rank_that_is_not_deterministic_is_enough() {
        let part = |deterministic| Accuracy { checked: 1, deterministic, ..Accuracy::default() };
        let whole =
            |parts: &[Option<bool>]| Accuracy::sum(parts.iter().map(|of| part(*of))).deterministic;
        assert_eq!(whole(&[None, Some(true)]), Some(true));
        assert_eq!(whole(&[Some(true), Some(false), None, Some(true)]), Some(false));
        assert_eq!(whole(&[None, None]), None);
    }

    #[test]
    fn one_wrong_element_is_found_and_named() {
        let elements = [(1.0, 1.0, 0.0), (2.0, 2.5, 0.1), (3.0, f64::NAN, 0.1)];
        let part = Accuracy::compare(elements.into_iter());
        assert_eq!((part.checked, part.wrong, part.max_abs), (3, 2, 0.5));
        let whole = Accuracy::combine(vec![Accuracy::compare([].into_iter()), part], &[4, 7]);
        let first = whole.first_wrong.unwrap();
        assert_eq!((first.rank, first.index, first.expected, first.got), (7, 1, 2.0, 2.5));
    }
}
