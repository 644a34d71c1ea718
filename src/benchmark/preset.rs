//! Sets of problem sizes that are chosen by name.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use super::{Benchmark, catalogue};
use crate::base::error::{Error, Result, suggestion};

/// The presets that every benchmark has, in the order of each key's sizes: what fits in a cache and takes seconds; what
/// is used when nothing is explicit; what is so large that start-up costs vanish.
pub const OF_ALL: [&str; 3] = ["small", "medium", "large"];

/// The place of the one that is used when nothing is explicit.
const MEDIUM: usize = 1;

/// Values of keys as a person writes them.
pub type Texts = BTreeMap<String, String>;

/// A preset that a benchmark has for itself.
#[derive(Debug, Clone, Serialize)]
pub struct Preset {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its problems: of each, the keys that are not as usual.
    pub problems: Vec<Texts>,
}

impl Benchmark {
    /// What a preset stands for, the usual one if none is named: the place among [`OF_ALL`] of the sizes of keys that are
    /// not set, and the keys that are, once for each of its problems.
    ///
    /// # Errors
    /// Usage error for a preset that this benchmark does not have.
    pub fn preset(&self, name: Option<&str>) -> Result<(usize, Vec<Texts>)> {
        let Some(name) = name else { return Ok((MEDIUM, vec![Texts::new()])) };
        if let Some(place) = OF_ALL.iter().position(|known| *known == name) {
            return Ok((place, vec![Texts::new()]));
        }
        if let Some(preset) = self.presets.iter().find(|preset| preset.name == name) {
            return Ok((MEDIUM, preset.problems.clone()));
        }
        let presets = || catalogue().flat_map(|benchmark| &benchmark.presets);
        let has = |of: &&Benchmark| of.presets.iter().any(|preset| preset.name == name);
        let others: Vec<&str> = catalogue().filter(has).map(|of| &*of.name).collect();
        let told = match others.is_empty() {
            true => {
                suggestion(name, OF_ALL.into_iter().chain(presets().map(|preset| &*preset.name)))
            }
            false => format!("name those that have them: -b {}", others.join(",")),
        };
        Err(Error::usage(format!("{} has no problem sizes called '{name}'; {told}", self.name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::units::unreached_ends;
    use crate::benchmark::{CATALOGUE, SUITES, Values, find};

    #[test]
    fn the_ranges_of_all_presets_reach_their_end() {
        for benchmark in CATALOGUE.iter() {
            let of_all = benchmark.keys.iter().filter_map(|key| match &key.values {
                Values::Sizes(sizes) => Some(sizes.iter().map(AsRef::as_ref)),
                _ => None,
            });
            let own = benchmark.presets.iter().flat_map(|preset| &preset.problems);
            let own = own.flat_map(BTreeMap::values).map(String::as_str);
            for sizes in of_all.flatten().chain(own) {
                assert_eq!(unreached_ends(sizes), [""; 0], "{}", benchmark.name);
            }
        }
    }

    #[test]
    fn a_suite_s_benchmarks_have_its_sizes() {
        for (suite, members) in SUITES {
            for member in members {
                assert!(find(member).unwrap().preset(Some(suite)).is_ok(), "{suite}: {member}");
            }
        }
    }

    #[test]
    fn what_a_benchmark_has_not_says_who_has_it() {
        let why = |name| find("barrier").unwrap().preset(Some(name)).unwrap_err().message;
        assert!(why("latency").contains("-b ") && why("latency").contains("layer_norm"));
        assert!(why("latancy").contains("did you mean 'latency'?"), "{}", why("latancy"));
    }
}
