//! One problem: what its keys are set to.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A problem: its keys with their values, as they stand in a case. Keys that have their usual value are
/// left out.
pub type Problem = BTreeMap<String, Setting>;

/// The value of a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(untagged)]
pub enum Setting {
    /// A size in bytes, a side in elements, a count.
    Number(u64),
    /// A word, such as `rotate`; of words only the name of a file may be a number.
    Word(String),
}

impl Setting {
    /// The number, if it is one.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Word(_) => None,
        }
    }

    /// The word, if it is one.
    pub fn word(&self) -> Option<&str> {
        match self {
            Self::Number(_) => None,
            Self::Word(word) => Some(word),
        }
    }

    /// A number where the text is one, else a word.
    pub fn of(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Word(text.to_owned()), Self::Number)
    }
}

impl From<u64> for Setting {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Word(word) => word.fmt(f),
        }
    }
}

/// A number or a string in files. Between ranks always a string: their encoding does not say what comes
/// next.
impl Serialize for Setting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) if serializer.is_human_readable() => {
                serializer.serialize_u64(*number)
            }
            Self::Word(word) if serializer.is_human_readable() => serializer.serialize_str(word),
            other => serializer.serialize_str(&other.to_string()),
        }
    }
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(u64),
            Word(String),
        }
        if deserializer.is_human_readable() {
            Ok(match Either::deserialize(deserializer)? {
                Either::Number(number) => Self::Number(number),
                Either::Word(word) => Self::Word(word),
            })
        } else {
            Ok(Self::of(&String::deserialize(deserializer)?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_travel_by_both_ways() {
        for setting in [Setting::Number(8), Setting::Word("rotate".to_owned())] {
            let text = serde_json::to_string(&setting).unwrap();
            assert_eq!(serde_json::from_str::<Setting>(&text).unwrap(), setting);
            let bytes = crate::world::wire::encode(&setting).unwrap();
            assert_eq!(crate::world::wire::decode::<Setting>(&bytes).unwrap(), setting);
        }
        assert_eq!(serde_json::to_string(&Setting::of("8")).unwrap(), "8");
    }
}
