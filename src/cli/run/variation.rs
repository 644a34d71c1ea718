//! `--against`, `--env` and a list of backends: how the sides of a series differ.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::RunArgs;
use super::args::SeriesArgs;
use super::words::{OF_THE_SERIES, without};
use crate::base::error::{Error, Result};
use crate::base::plain::name_in_reports;
use crate::plan::config::{BackendChoice, Config};
use crate::run::{Variables, Variant};

/// Most sides of a series: more combinations of variables than that are a mistake.
const SIDE_LIMIT: usize = 1000;

impl RunArgs {
    pub(super) fn sides(&self) -> Result<Vec<Variant>> {
        let arguments = without(&OF_THE_SERIES, std::env::args_os())?;
        let own = Variant { arguments, ..Variant::default() };
        let against = Variant { name: "against".to_owned(), ..own.clone() };
        let backends = self.measuring.backends()?;
        if backends.len() > 1 {
            return self.sides_of(&backends);
        }
        match &self.series.against {
            None => {
                let side = |variables: Variables| {
                    let names = variables.iter().map(|(key, value)| format!("{key}={value}"));
                    let name = names.collect::<Vec<_>>().join(",");
                    Variant { name, variables, ..own.clone() }
                };
                Ok(combinations(&self.series.env)?.into_iter().map(side).collect())
            }
            Some(_) if !self.series.env.is_empty() => Err(Error::usage(
                "--against and --env each define the sides of a series; use one of them, and set the variable \
                 for the whole run or start it twice",
            )),
            Some(path) if is_config(path) => {
                let config = Some(self.apply(Config::load(path)?)?);
                let left_out = [&OF_THE_SERIES[..], &["config"]].concat();
                let mut arguments = without(&left_out, std::env::args_os())?;
                arguments.extend(["--config".into(), path.into()]);
                Ok(vec![own, Variant { config, arguments, ..against }])
            }
            Some(path) => Ok(vec![own, Variant { program: Some(program(path)?), ..against }]),
        }
    }
}

impl RunArgs {
    /// A side for each backend.
    fn sides_of(&self, backends: &[BackendChoice]) -> Result<Vec<Variant>> {
        let wrong =
            |why: &str| Err(Error::usage(format!("--backend names several backends: {why}")));
        let is_measured =
            |it: &BackendChoice| [BackendChoice::Host, BackendChoice::Cuda].contains(it);
        if !backends.iter().all(is_measured) {
            return wrong(
                "only cpu (or host) and cuda can be measured side by side; auto is one of them, and times of simulated \
                 are computed",
            );
        }
        if (1..backends.len()).any(|i| backends[..i].contains(&backends[i])) {
            return wrong("leave out the one that is named twice; cpu and host are the same");
        }
        let SeriesArgs { against, env, compare_baseline, .. } = &self.series;
        if against.is_some() || !env.is_empty() || compare_baseline.is_some() {
            return wrong(
                "each is a side of its own, and so are those of --against, --env and --compare-baseline; use one of these",
            );
        }
        let arguments = without(&[&OF_THE_SERIES[..], &["backend"]].concat(), std::env::args_os())?;
        let side = |backend: &BackendChoice| {
            let name = name_in_reports(backend);
            let own = [OsString::from(format!("--backend={name}"))];
            let arguments = arguments.iter().cloned().chain(own).collect();
            Variant { name, arguments, backend: Some(*backend), ..Variant::default() }
        };
        Ok(backends.iter().map(side).collect())
    }
}

fn is_config(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ["yaml", "yml", "json"].contains(&ending))
}

/// The absolute path of a program: launchers would look for a name without a folder on the PATH.
fn program(path: &Path) -> Result<PathBuf> {
    let wrong = |why: &dyn std::fmt::Display| Error::file("measure against", path, why);
    let facts = path.metadata().map_err(|why| wrong(&why))?;
    if !facts.is_file() || facts.permissions().mode() & 0o111 == 0 {
        return Err(wrong(
            &"it is neither an executable program nor a configuration file (.yaml, .yml, .json)",
        ));
    }
    path.canonicalize().map_err(|why| wrong(&why))
}

/// What stands between commas; `\,` is a comma within a value.
fn parts(values: &str) -> Vec<String> {
    // No argument holds a zero byte.
    let marked = values.replace("\\,", "\0");
    marked.split(',').map(|value| value.replace('\0', ",")).collect()
}

/// All combinations of the values of `KEY=a,b`, those of the last key changing fastest.
fn combinations(flags: &[String]) -> Result<Vec<Variables>> {
    let mut combinations: Vec<Variables> = vec![Variables::new()];
    for (i, flag) in flags.iter().enumerate() {
        let wrong = |why: &str| {
            Error::usage(format!(
                "--env '{flag}' {why}; write KEY=a,b with a variable's name for KEY"
            ))
        };
        let (key, values) = flag.split_once('=').ok_or_else(|| wrong("names no values"))?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_named = key.starts_with(|c: char| is_name(c) && !c.is_ascii_digit());
        if !is_named || !key.chars().all(is_name) {
            return Err(wrong("names no variable"));
        }
        if flags[..i].iter().any(|other| other.split('=').next() == Some(key)) {
            return Err(wrong("names a variable for the second time"));
        }
        let values = parts(values);
        if (1..values.len()).any(|i| values[..i].contains(&values[i])) {
            return Err(wrong("names a value twice"));
        }
        if combinations.len() * values.len() > SIDE_LIMIT {
            return Err(wrong(&format!("makes more than {SIDE_LIMIT} combinations")));
        }
        let settings = values.iter().map(|value| (key.to_owned(), value.clone()));
        let with = |known: &Variables| -> Vec<Variables> {
            settings.clone().map(|own| known.iter().cloned().chain([own]).collect()).collect()
        };
        combinations = combinations.iter().flat_map(with).collect();
    }
    Ok(combinations)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(flags: &[&str]) -> Result<Vec<String>> {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let line = |setting: Vec<(String, String)>| {
            let words: Vec<String> =
                setting.iter().map(|(key, value)| format!("{key}={value}")).collect();
            words.join(" ")
        };
        Ok(combinations(&flags)?.into_iter().map(line).collect())
    }

    #[test]
    fn variables_are_combined() {
        assert_eq!(shown(&[]).unwrap(), [""]);
        assert_eq!(shown(&["A=1,2", "B=x,"]).unwrap(), ["A=1 B=x", "A=1 B=", "A=2 B=x", "A=2 B="]);
        assert_eq!(shown(&[r"A=x\,y,z"]).unwrap(), ["A=x,y", "A=z"]);
        for wrong in ["A", "=1", "A B=1", "1A=1", "A=1,1", "A=b=c,b=c"] {
            assert!(shown(&[wrong]).is_err(), "{wrong}");
        }
        assert!(shown(&["A=1", "A=2"]).is_err());
        let many = format!("A={}", (0..32).map(|i| i.to_string()).collect::<Vec<_>>().join(","));
        assert!(shown(&[&many, &many.replace('A', "B")]).is_err());
    }
}
