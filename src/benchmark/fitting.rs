//! Sizes that are said as a word: as large as fits a cache, or the memory.

use std::collections::BTreeMap;

use super::work::Placement;
use super::{Benchmark, Element, Problem, Setting, Values};
use crate::base::error::{Error, Result};
use crate::machine::cache::MemoryLevel;
use crate::machine::capacity::Capacity;

/// The words.
pub(super) const WORDS: [&str; 6] = ["max", "l1", "l2", "l3", "llc", "memory"];

/// The keys of a problem that were said as a word, with the word.
pub type Asked = BTreeMap<String, String>;

/// Tensors that take more of a cache than this share may push each other out: 1 / `SHARE`.
const SHARE: u64 = 2;

/// How many times as large as the last cache tensors must be, that memory is read: STREAM's rule (McCalpin, 1995).
const BEYOND: u64 = 4;

/// Bits of a number that follow from the room; the others are 0, so that rows stay aligned.
const BITS: u32 = 7;

/// How large tensors shall be together, bytes.
enum Wanted {
    /// As large as possible, but no more.
    Most(u64),
    /// As small as possible, but no less.
    Least(u64),
}

impl Benchmark {
    /// The keys of a problem that are words.
    pub fn asked(&self, problem: &Problem) -> Asked {
        let sizes = self.keys.iter().filter(|key| key.is_size());
        let word = |name: &str| Some((name.to_owned(), problem.get(name)?.word()?.to_owned()));
        sizes.filter_map(|key| word(&key.name)).collect()
    }

    /// A problem with numbers for its words, which all get the same one, on so many ranks.
    ///
    /// # Errors
    /// Usage error for two words, for what is not known of the machine, and where no number will do.
    pub fn fitted(
        &self,
        problem: &Problem,
        (element, placement, ranks): (Element, Placement, usize),
        capacity: &Capacity,
    ) -> Result<Problem> {
        let asked = self.asked(problem);
        let Some((key, word)) = asked.first_key_value() else { return Ok(problem.clone()) };
        let wrong = |why: String| Error::usage(format!("{}: {key}={word} {why}", self.name));
        if let Some((other, another)) = asked.iter().find(|(_, other)| *other != word) {
            return Err(wrong(format!("and {other}={another} are two words; use one")));
        }
        let with = |size: u64| {
            let numbers = asked.keys().map(|key| (key.clone(), Setting::Number(size)));
            let mut problem = problem.clone();
            problem.extend(numbers);
            problem
        };
        let footprint = |size: u64| {
            let work = self.work(&with(size), element, placement).ok()?;
            Some(work.footprint(ranks))
        };
        let size = match wanted(word, capacity).map_err(wrong)? {
            Wanted::Most(most) => {
                largest(|size| footprint(size).is_some_and(|bytes| bytes <= most)).ok_or_else(
                    || wrong(format!("has no size that fits {most} bytes; leave it out")),
                )?
            }
            Wanted::Least(least) => {
                let is_enough = |size: &u64| footprint(*size).is_some_and(|bytes| bytes >= least);
                let size = powers().find(is_enough);
                let fits = |size: &u64| {
                    capacity.memory.is_none_or(|memory| footprint(*size) <= Some(memory))
                };
                size.filter(fits).ok_or_else(|| {
                    wrong(format!("takes {least} bytes, which do not fit the memory of a rank"))
                })?
            }
        };
        if size > 1 && footprint(size) == footprint(size / 2) {
            return Err(wrong("is not possible: no tensor grows with it".to_owned()));
        }
        Ok(with(size))
    }
}

impl super::Key {
    /// Whether it is set to sizes.
    pub(super) fn is_size(&self) -> bool {
        matches!(self.values, Values::Sizes(_) | Values::AsFirst)
    }
}

/// What a word means on a machine.
fn wanted(word: &str, capacity: &Capacity) -> Result<Wanted, String> {
    let known = || {
        if word == "max" {
            return "needs the memory of a rank, which is not known here; set 'capacity' in a configuration file"
                .to_owned();
        }
        let names: Vec<&str> = capacity.caches.keys().map(|level| level.name()).collect();
        let told = if names.is_empty() { "no cache is".to_owned() } else { names.join(", ") };
        format!(
            "needs a size that is not known here ({told} known); set 'capacity' in a configuration file"
        )
    };
    let last = capacity.caches.last_key_value().map(|(_, bytes)| *bytes);
    let cache = |level| capacity.caches.get(&level).copied();
    let fits = |bytes: Option<u64>| bytes.map(|bytes| Wanted::Most(bytes / SHARE));
    let wanted = match word {
        "max" => capacity.memory.map(Wanted::Most),
        "l1" => fits(cache(MemoryLevel::L1)),
        "l2" => fits(cache(MemoryLevel::L2)),
        "l3" => fits(cache(MemoryLevel::L3)),
        "llc" => fits(last),
        _ => last.map(|bytes| Wanted::Least(BEYOND * bytes)),
    };
    wanted.ok_or_else(known)
}

/// Powers of two, as far as every whole number is a float.
fn powers() -> impl DoubleEndedIterator<Item = u64> {
    (0..53).map(|bit| 1 << bit)
}

/// The largest size that fits, but for its last bits.
fn largest(fits: impl Fn(u64) -> bool) -> Option<u64> {
    let first = powers().rev().find(|size| fits(*size))?;
    let steps = (1..BITS).map(|bit| first >> bit).filter(|step| *step > 0);
    Some(steps.fold(first, |size, step| if fits(size + step) { size + step } else { size }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::find;

    fn capacity() -> Capacity {
        let caches = [(MemoryLevel::L1, 32 << 10), (MemoryLevel::L2, 1 << 20)];
        Capacity { memory: Some(100 << 20), caches: caches.into() }
    }

    fn fitted(name: &str, words: &[(&str, &str)], capacity: &Capacity) -> Result<Problem, String> {
        let benchmark = find(name).unwrap();
        let mut problem = Problem::new();
        for key in benchmark.keys.iter().filter(|key| key.is_size()) {
            problem.insert(key.name.to_string(), Setting::Number(64));
        }
        problem.extend(words.iter().map(|(key, word)| ((*key).to_owned(), Setting::of(word))));
        let of = (Element::F32, Placement::Out, 2);
        benchmark.fitted(&problem, of, capacity).map_err(|why| why.message)
    }

    fn size(name: &str, key: &str, word: &str) -> u64 {
        fitted(name, &[(key, word)], &capacity()).unwrap()[key].number().unwrap()
    }

    #[test]
    fn words_become_the_largest_sizes_that_fit() {
        // Three arrays.
        assert_eq!(size("triad", "array", "l2"), 85 << 11);
        assert_eq!(size("triad", "array", "llc"), size("triad", "array", "l2"));
        assert_eq!(size("triad", "array", "l1"), 85 << 6);
        assert_eq!(size("triad", "array", "memory"), 2 << 20);
        let max = size("triad", "array", "max");
        assert!(3 * max <= 100 << 20 && 3 * (max + (max >> 6)) > 100 << 20, "{max}");
        // One row more is too much.
        let rows = size("softmax", "rows", "max");
        assert!(rows * 64 * 8 <= 100 << 20 && rows.trailing_zeros() > 10, "{rows}");
        let square = fitted("gemm", &[("m", "l1"), ("n", "l1"), ("k", "l1")], &capacity()).unwrap();
        assert_eq!(square["m"], Setting::Number(36));
        assert_eq!(square["m"], square["k"]);
    }

    #[test]
    fn what_no_number_can_be_is_refused() {
        let none = Capacity::default();
        let small = Capacity { memory: Some(1 << 20), ..capacity() };
        for (name, words, capacity, expected) in [
            ("triad", [("array", "l3")].as_slice(), &capacity(), "(l1, l2 known)"),
            ("triad", &[("array", "max")], &none, "needs the memory of a rank"),
            ("triad", &[("array", "llc")], &none, "no cache is known"),
            ("triad", &[("array", "memory")], &small, "do not fit the memory"),
            ("gemm", &[("m", "l1"), ("k", "l2")], &capacity(), "two words"),
            ("flash_attention", &[("causal", "max")], &capacity(), "no tensor grows"),
        ] {
            let why = fitted(name, words, capacity).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
    }
}
