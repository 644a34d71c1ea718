//! What of a kernel may be chosen for the device at hand, such as the sides of a tile.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most combinations of values that are searched.
const MOST: usize = 64;

/// Something that is chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Axis {
    /// Its name, for formulas; in CUDA C++ in capitals.
    pub name: String,
    /// What it may be; the first where nothing is searched.
    pub values: Vec<u64>,
}

/// A value of each axis, in their order, with its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice(pub Vec<(String, u64)>);

impl Choice {
    /// The first of each.
    pub fn first(axes: &[Axis]) -> Self {
        Self(axes.iter().map(|axis| (axis.name.clone(), axis.values[0])).collect())
    }

    /// Every combination, the first of each first, those of the last axis changing fastest; of too many the rest is left
    /// out.
    pub fn all(axes: &[Axis]) -> Vec<Self> {
        let combination = |number: usize| {
            let mut left = number;
            let mut choice = Self::first(axes);
            for ((_, value), axis) in choice.0.iter_mut().zip(axes).rev() {
                *value = axis.values[left % axis.values.len()];
                left /= axis.values.len();
            }
            choice
        };
        (0..Self::count(axes).min(MOST)).map(combination).collect()
    }

    /// How many combinations there are.
    pub fn count(axes: &[Axis]) -> usize {
        axes.iter().fold(1, |count, axis| count.saturating_mul(axis.values.len()))
    }

    /// Whether it is one of the axes' values each.
    pub fn is_of(&self, axes: &[Axis]) -> bool {
        let fits = |((name, value), axis): (&(String, u64), &Axis)| {
            *name == axis.name && axis.values.contains(value)
        };
        self.0.len() == axes.len() && self.0.iter().zip(axes).all(fits)
    }

    /// The value of this name.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// As macros before a source in CUDA C++, whose lines keep their numbers.
    pub fn macros(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let define = |(name, value): &(String, u64)| {
            format!("#define {} {value}u\n", name.to_ascii_uppercase())
        };
        self.0.iter().map(define).collect::<String>() + "#line 1\n"
    }
}

impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<String> =
            self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        f.write_str(&words.join(","))
    }
}

/// How a choice came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChosenBy {
    /// Nothing was searched: the first of each.
    Default,
    /// A search before this case.
    Search,
    /// An earlier search on such a device.
    Cache,
}

/// What was chosen for a case, on the rank that reports it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tuning {
    /// The values, by name; and what the library tells of the form, where it is one's.
    pub choice: BTreeMap<String, u64>,
    /// How it came about.
    pub by: ChosenBy,
    /// Combinations that the search timed.
    pub tried: usize,
    /// How many there are.
    pub combinations: usize,
    /// Time of the search, seconds; 0 without one.
    pub seconds: f64,
    /// Shortest time with the first of each, ms; null without a search.
    pub default_ms: Option<f64>,
    /// Shortest time with what was chosen, ms; null without a search.
    pub best_ms: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(name: &str, values: &[u64]) -> Axis {
        Axis { name: name.to_owned(), values: values.to_vec() }
    }

    #[test]
    fn every_combination_is_there_once_and_the_first_is_first() {
        let axes = [axis("threads", &[256, 128]), axis("unroll", &[4, 2, 8])];
        let all = Choice::all(&axes);
        assert_eq!(all.len(), 6);
        assert_eq!(all[0], Choice::first(&axes));
        assert_eq!(all[5].to_string(), "threads=128,unroll=8");
        assert!(all.iter().all(|choice| choice.is_of(&axes)));
        assert!(!all[0].is_of(&axes[..1]) && !Choice::default().is_of(&axes));
        assert_eq!(Choice::all(&[]), [Choice::default()]);
        let many: Vec<u64> = (1..=100).collect();
        assert_eq!(Choice::all(&[axis("x", &many)]).len(), MOST);
        let axes: Vec<Axis> = (0..40).map(|_| axis("x", &many)).collect();
        assert_eq!((Choice::all(&axes).len(), Choice::count(&axes)), (MOST, usize::MAX));
    }

    #[test]
    fn a_choice_is_macros_and_what_formulas_name() {
        let choice = Choice(vec![("threads".to_owned(), 128)]);
        assert_eq!(choice.macros(), "#define THREADS 128u\n#line 1\n");
        assert_eq!((choice.get("threads"), choice.get("unroll")), (Some(128), None));
        assert_eq!(Choice::default().macros(), "");
    }
}
