//! A side: the launches of one series that are of the same program, configuration and variables.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::super::{RunArgs, settled};
use super::words::{self, without};
use crate::base::error::{Error, Result};
use crate::base::random;
use crate::cli::launch::{self, Command};
use crate::plan::Plan;
use crate::plan::config::Config;
use crate::plan::place::Place;
use crate::render::Output;

/// Longest name of a side that names files as it is, bytes.
const NAME_LIMIT: usize = 100;

/// Most sides of a series: more variables than that are a mistake.
const SIDE_LIMIT: usize = 1000;

/// The launches of one kind.
#[derive(Debug)]
pub(super) struct Side {
    /// What it is called: `against`, `KEY=a`; empty for what is measured when nothing else is.
    pub(super) name: String,
    /// What every launch runs.
    pub(super) plan: Plan,
    /// What that was made from.
    pub(super) config: Config,
    /// The variables that it sets.
    pub(super) variables: Vec<(String, String)>,
    /// The files of the side's one report.
    pub(super) outputs: Vec<Output>,
    /// Where its launches leave theirs.
    pub(super) folder: PathBuf,
    program: PathBuf,
    /// The user's command line as far as it is that of a launch.
    words: Vec<OsString>,
}

impl Side {
    /// What is started for a launch that leaves its report there. One rank needs no launcher.
    pub(super) fn command(&self, args: &RunArgs, report: &Path) -> Command {
        // A configuration file may ask for another format.
        let own: [OsString; 4] =
            ["--output".into(), report.into(), "--format".into(), "json".into()];
        Command {
            program: self.program.clone(),
            words: self.words.iter().cloned().chain(own).collect(),
            variables: self.variables.clone(),
            by: args.ranks.map(|_| args.launcher),
            shown: false,
        }
    }

    /// Whether its program is this one.
    pub(super) fn is_own_program(&self) -> bool {
        launch::this_program().is_ok_and(|own| own == self.program)
    }

    /// In a few words, behind a launch's number.
    pub(super) fn suffix(&self) -> String {
        if self.name.is_empty() { String::new() } else { format!(" ({})", self.name) }
    }
}

/// The sides that are asked for, in their order.
///
/// # Errors
/// Usage error for whatever cannot be done as asked.
pub(super) fn all(args: &RunArgs, config: Config) -> Result<Vec<Side>> {
    if args.against.is_some() && !args.env.is_empty() {
        return Err(Error::usage(
            "--against and --env make sides of their own; use one of them, and set the variable for the \
             whole run or start it twice",
        ));
    }
    let outputs = Output::resolve(&config)?;
    let typed = without(std::env::args_os().skip(1), words::OF_THE_WHOLE);
    let make = |name: String, config: Config, words| {
        let (outputs, folder) = files(&outputs, &name)?;
        let plan = Plan::resolve(&config, &Place::together(args.ranks.unwrap_or(1)))?;
        let (program, variables) = (launch::this_program()?, Vec::new());
        Ok(Side { name, plan, config, variables, outputs, folder, program, words })
    };
    if let Some(path) = &args.against {
        let own = make(String::new(), config.clone(), typed.clone())?;
        let other = match Other::at(path)? {
            Other::Config => {
                let mut words = without(typed, words::CONFIG);
                words.extend(["--config".into(), path.into()]);
                let mut theirs = settled(args.apply(Config::load(path)?)?);
                theirs.output = config.output;
                make("against".to_owned(), theirs, words)?
            }
            Other::Program(program) => {
                Side { program, ..make("against".to_owned(), config, typed)? }
            }
        };
        return Ok(vec![own, other]);
    }
    let settings = settings(&args.env)?;
    let side = |variables: Vec<(String, String)>| {
        let names = variables.iter().map(|(key, value)| format!("{key}={value}"));
        let name = names.collect::<Vec<_>>().join(",");
        Ok(Side { variables, ..make(name, config.clone(), typed.clone())? })
    };
    settings.into_iter().map(side).collect()
}

/// What `--against` names.
enum Other {
    Config,
    Program(PathBuf),
}

impl Other {
    fn at(path: &Path) -> Result<Self> {
        let ending = path.extension().and_then(|ending| ending.to_str());
        if ending.is_some_and(|ending| ["yaml", "yml", "json"].contains(&ending)) {
            return Ok(Self::Config);
        }
        let wrong = |why: &dyn std::fmt::Display| Error::file("measure against", path, why);
        let facts = path.metadata().map_err(|why| wrong(&why))?;
        if !facts.is_file() || facts.permissions().mode() & 0o111 == 0 {
            return Err(wrong(
                &"it is neither a program that may be started nor a configuration (.yaml, .yml, .json)",
            ));
        }
        // Launchers would look for a name without a folder on the PATH.
        path.canonicalize().map(Self::Program).map_err(|why| wrong(&why))
    }
}

/// All combinations of the values of `KEY=a,b`, those of the last key changing fastest.
fn settings(flags: &[String]) -> Result<Vec<Vec<(String, String)>>> {
    let mut settings: Vec<Vec<(String, String)>> = vec![Vec::new()];
    for (i, flag) in flags.iter().enumerate() {
        let wrong = |why: &str| {
            Error::usage(format!(
                "--env '{flag}' {why}; write KEY=a,b with a variable's name for KEY"
            ))
        };
        let (key, values) = flag.split_once('=').ok_or_else(|| wrong("names no values"))?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if key.is_empty()
            || !key.chars().all(is_name)
            || key.starts_with(|c: char| c.is_ascii_digit())
        {
            return Err(wrong("names no variable"));
        }
        if flags[..i].iter().any(|other| other.split('=').next() == Some(key)) {
            return Err(wrong("names a variable for the second time"));
        }
        let values: Vec<&str> = values.split(',').collect();
        if (1..values.len()).any(|i| values[..i].contains(&values[i])) {
            return Err(wrong("names a value twice"));
        }
        if settings.len() * values.len() > SIDE_LIMIT {
            return Err(wrong(&format!("makes more than {SIDE_LIMIT} combinations")));
        }
        let with = |setting: &Vec<(String, String)>| -> Vec<Vec<(String, String)>> {
            let with = |value: &&str| {
                let own = std::iter::once((key.to_owned(), (*value).to_owned()));
                setting.iter().cloned().chain(own).collect()
            };
            values.iter().map(with).collect()
        };
        settings = settings.iter().flat_map(with).collect();
    }
    Ok(settings)
}

/// The files of a side of this name, and the folder of its launches: `results.KEY=a.json` and
/// `results.KEY=a.launches` beside `results.json`.
fn files(outputs: &[Output], name: &str) -> Result<(Vec<Output>, PathBuf)> {
    let first = outputs.first().ok_or_else(|| Error::internal("no output to write"))?;
    if name.is_empty() {
        return Ok((outputs.to_vec(), first.beside("launches")));
    }
    let name = file_name(name);
    let of_side = |output: &Output| {
        let ending = output.path.extension().map(|ending| ending.to_string_lossy());
        let ending = ending.map_or_else(|| name.clone(), |ending| format!("{name}.{ending}"));
        Output { path: output.beside(&ending), format: output.format }
    };
    Ok((outputs.iter().map(of_side).collect(), first.beside(&format!("{name}.launches"))))
}

/// A name with nothing in it that means something in a path; different ones stay different.
fn file_name(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=,+.@".contains(&byte);
    let mut plain = String::new();
    for byte in name.bytes() {
        match is_plain(byte) {
            true => plain.push(char::from(byte)),
            false => plain.push_str(&format!("%{byte:02x}")),
        }
    }
    if plain.len() > NAME_LIMIT {
        plain.truncate(NAME_LIMIT - 17);
        plain.push_str(&format!("-{:016x}", random::fingerprint(name.bytes())));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Format;

    fn combinations(flags: &[&str]) -> Result<Vec<String>> {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let line = |setting: Vec<(String, String)>| {
            let words: Vec<String> =
                setting.iter().map(|(key, value)| format!("{key}={value}")).collect();
            words.join(" ")
        };
        Ok(settings(&flags)?.into_iter().map(line).collect())
    }

    #[test]
    fn variables_are_combined() {
        assert_eq!(combinations(&[]).unwrap(), [""]);
        assert_eq!(
            combinations(&["A=1,2", "B=x,"]).unwrap(),
            ["A=1 B=x", "A=1 B=", "A=2 B=x", "A=2 B="]
        );
        for wrong in ["A", "=1", "A B=1", "1A=1", "A=1,1", "A=b=c,b=c"] {
            assert!(combinations(&[wrong]).is_err(), "{wrong}");
        }
        assert!(combinations(&["A=1", "A=2"]).is_err());
        let many = format!("A={}", (0..32).map(|i| i.to_string()).collect::<Vec<_>>().join(","));
        assert!(combinations(&[&many, &many.replace('A', "B")]).is_err());
    }

    #[test]
    fn each_side_has_files_of_its_own() {
        let output = |path: &str, format| Output { path: path.into(), format };
        let outputs = [output("x/r.json", Format::Json), output("r", Format::Csv)];
        let shown = |name: &str| {
            let (outputs, folder) = files(&outputs, name).unwrap();
            let paths: Vec<String> =
                outputs.iter().map(|output| output.path.display().to_string()).collect();
            format!("{} {}", paths.join(" "), folder.display())
        };
        assert_eq!(shown(""), "x/r.json r x/r.launches");
        assert_eq!(shown("against"), "x/r.against.json r.against x/r.against.launches");
        assert_eq!(shown("A=/b c"), "x/r.A=%2fb%20c.json r.A=%2fb%20c x/r.A=%2fb%20c.launches");
        assert!(file_name(&"é".repeat(500)).len() <= NAME_LIMIT);
        assert_ne!(file_name(&"x".repeat(500)), file_name(&"x".repeat(501)));
    }
}
