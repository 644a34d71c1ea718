//! A side: the launches of one series that are of the same program, configuration and variables.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::base::error::{Error, Exit, Result};
use crate::base::random;
use crate::plan::Plan;
use crate::plan::config::Config;
use crate::plan::place::Place;
use crate::render::Output;
use crate::run::journal::Journal;
use crate::run::launch::{self, Command, LauncherChoice};
use crate::run::request::{Request, Variant, with_found_backend};

/// Longest name of a side that names files as it is, bytes.
const NAME_LIMIT: usize = 100;

#[derive(Debug)]
pub(super) struct Side {
    pub(super) variant: Variant,
    pub(super) plan: Plan,
    /// What that was made from.
    pub(super) config: Config,
    pub(super) outputs: Vec<Output>,
    pub(super) folder: PathBuf,
    program: PathBuf,
    /// What starts its ranks; one rank needs no launcher.
    launcher: Option<LauncherChoice>,
}

impl Side {
    /// What is started for a launch, counted from 0, of some cases or all.
    pub(super) fn command(&self, launch: usize, cases: Option<&BTreeSet<String>>) -> Command {
        let report = self.output(launch).path.into_os_string();
        // A configuration file may ask for another format.
        let unfinished = Journal::path_for(&self.output(launch).path).exists();
        let own: [OsString; 4] = ["--output".into(), report, "--format".into(), "json".into()];
        // A launch that has not begun has nothing to resume.
        let words = self.words(cases).filter(|word| unfinished || word != "--resume");
        Command {
            program: self.program.clone(),
            arguments: words.chain(own).collect(),
            variables: self.variant.variables.clone(),
            launcher: self.launcher,
            shows_output: false,
            of_series: true,
        }
    }

    /// The arguments of its ranks, of which some cases replace those that the user named.
    fn words(&self, cases: Option<&BTreeSet<String>>) -> impl Iterator<Item = OsString> {
        let is_named = move |word: &OsString| word.to_string_lossy().starts_with("--case=");
        let words = self.variant.arguments.iter().filter(move |w| cases.is_none() || !is_named(w));
        let cases = cases.into_iter().flatten().map(|case| format!("--case={case}").into());
        words.cloned().chain(cases)
    }

    /// Whether its program can measure these cases alone: an older one may not know how.
    pub(super) fn can_measure(&self, cases: &BTreeSet<String>) -> bool {
        let tried = || {
            let words = self.words(Some(cases)).filter(|word| word != "--resume");
            std::process::Command::new(&self.program).args(words).arg("--dry-run").output()
        };
        let own = self.variant.program.is_none() || cases.is_empty();
        own || tried().is_ok_and(|tried| tried.status.success())
    }

    /// Its plan, of these cases alone where some are named.
    pub(super) fn plan_of(&self, cases: Option<Vec<String>>) -> Result<Plan> {
        let cases = cases.or_else(|| self.config.cases.clone());
        Plan::resolve(&Config { cases, ..self.config.clone() }, &self.plan.places)
    }

    /// Whether other launches follow one that ended so.
    pub(super) fn goes_on(&self, exit: Exit) -> bool {
        let tolerant = self.config.continue_on_error.unwrap_or(false);
        exit == Exit::Ok || tolerant && ![Exit::Interrupted, Exit::Usage].contains(&exit)
    }

    pub(super) fn file(&self) -> String {
        self.outputs[0].path.display().to_string()
    }

    /// Its name behind a launch's number.
    pub(super) fn suffix(&self) -> String {
        let name = &self.variant.name;
        if name.is_empty() { String::new() } else { format!(" ({name})") }
    }
}

/// The sides that are asked for, in their order; `config` is the first one's.
pub(super) fn all(request: &Request, config: Config) -> Result<Vec<Side>> {
    let outputs = Output::resolve(&config)?;
    let side = |variant: &Variant| {
        let (outputs, folder) = files(&outputs, &variant.name)?;
        let config = match &variant.config {
            Some(other) => {
                Config { output: config.output.clone(), ..with_found_backend(other.clone()) }
            }
            None => config.clone(),
        };
        Ok(Side {
            variant: variant.clone(),
            plan: Plan::resolve(&config, &Place::on_one_node(request.ranks.unwrap_or(1)))?,
            config,
            outputs,
            folder,
            program: variant.program.clone().map_or_else(launch::this_program, Ok)?,
            launcher: request.ranks.map(|_| request.launcher),
        })
    };
    request.sides.iter().map(side).collect()
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
    let letter = |byte: u8| match is_plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02x}"),
    };
    let mut plain: String = name.bytes().map(letter).collect();
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
