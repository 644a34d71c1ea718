//! Problem sizes that a description has by name.

use super::kernel::check_name;
use super::{Manifest, OneSize, PresetProblems, SizeList};
use crate::base::error::{Result, suggestion};
use crate::base::yaml::Placed;
use crate::benchmark::{Key, OF_ALL, Preset, Texts};

/// Most presets, and most problems of one.
const LIMIT: usize = 64;

impl Manifest {
    /// The presets, whose keys are these.
    pub(super) fn presets(&self, keys: &[Key]) -> Result<Vec<Preset>> {
        let preset = |(name, of): (&String, &Placed<PresetProblems>)| {
            check_name("problem sizes", name).map_err(|why| of.wrong(why))?;
            if OF_ALL.contains(&name.as_str()) {
                let told = "are the sizes of the key 'default'; write three of them there";
                return Err(of.wrong(format!("'{name}' {told}")));
            }
            let problems = match &**of {
                PresetProblems::One(problem) => std::slice::from_ref(problem),
                PresetProblems::Several(problems) => problems,
            };
            if problems.is_empty() || problems.len().max(self.presets.len()) > LIMIT {
                let told = format!("has {} problems; give 1 to {LIMIT}", problems.len());
                return Err(of.wrong(format!("'{name}' {told}, and at most {LIMIT} presets")));
            }
            let problem = |sizes: &indexmap::IndexMap<String, SizeList>| {
                let text = |(key, list): (&String, &SizeList)| {
                    let known = keys.iter().find(|known| known.name == *key);
                    let known = known.ok_or_else(|| {
                        let near = suggestion(key, keys.iter().map(|known| &*known.name));
                        of.wrong(format!("'{name}' sets '{key}', which is no size; {near}"))
                    })?;
                    let text = list.text();
                    let parsed = known.parse(&text);
                    parsed.map_err(|why| of.wrong(format!("'{name}': {}", why.message)))?;
                    Ok((key.clone(), text))
                };
                sizes.iter().map(text).collect::<Result<Texts>>()
            };
            let problems = problems.iter().map(problem).collect::<Result<_>>()?;
            Ok(Preset { name: name.clone().into(), problems })
        };
        self.presets.iter().map(preset).collect()
    }
}

impl OneSize {
    /// As it is typed.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

impl SizeList {
    fn text(&self) -> String {
        match self {
            Self::One(size) => size.text(),
            Self::Several(sizes) => sizes.iter().map(OneSize::text).collect::<Vec<_>>().join(","),
        }
    }
}
