//! A side: the launches of one series that are of the same program, configuration and variables.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::base::error::{Error, Exit, Result};
use crate::base::plain::file_name;
use crate::plan::Plan;
use crate::plan::config::Config;
use crate::plan::place::Place;
use crate::render::{Output, Outputs, refuse_foreign};
use crate::run::journal::Journal;
use crate::run::launch::{self, Command, LauncherChoice};
use crate::run::request::{Request, Variant, on_this_machine};

#[derive(Debug)]
pub(super) struct Side {
    pub(super) variant: Variant,
    pub(super) plan: Plan,
    /// What that was made from.
    pub(super) config: Config,
    pub(super) outputs: Outputs,
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
            wrapper: Vec::new(),
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
        self.outputs.files[0].path.display().to_string()
    }

    /// Its name behind a launch's number.
    pub(super) fn suffix(&self) -> String {
        let name = &self.variant.name;
        if name.is_empty() { String::new() } else { format!(" ({name})") }
    }
}

/// The sides that are asked for, in their order; `config` is the first one's.
pub(super) fn all(request: &Request, config: Config) -> Result<Vec<Side>> {
    let outputs = Outputs::resolve(&config)?;
    let ranks = request.ranks.unwrap_or(1);
    let side = |variant: &Variant| {
        let (outputs, folder) = files(&outputs, &variant.name)?;
        let config = match &variant.config {
            Some(other) => {
                Config { output: config.output.clone(), ..on_this_machine(other.clone(), ranks)? }
            }
            None => {
                let backend = variant.backend.or(config.backend);
                on_this_machine(Config { backend, ..config.clone() }, ranks)?
            }
        };
        Ok(Side {
            variant: variant.clone(),
            plan: Plan::resolve(&config, &Place::on_one_node(ranks))?,
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
fn files(outputs: &Outputs, name: &str) -> Result<(Outputs, PathBuf)> {
    let first = outputs.files.first().ok_or_else(|| Error::internal("no output to write"))?;
    if name.is_empty() {
        return Ok((outputs.clone(), first.beside("launches")));
    }
    let name = file_name(name);
    let of_side = |output: &Output| {
        let ending = output.path.extension().map(|ending| ending.to_string_lossy());
        let ending = ending.map_or_else(|| name.clone(), |ending| format!("{name}.{ending}"));
        Output { path: output.beside(&ending), format: output.format }
    };
    let folder = outputs.folder.as_ref().map(|folder| {
        let mut path = folder.clone().into_os_string();
        path.push(format!(".{name}"));
        PathBuf::from(path)
    });
    folder.iter().try_for_each(|folder| refuse_foreign(folder))?;
    let files = outputs.files.iter().map(of_side).collect();
    let of_side = Outputs { files, folder, ..outputs.clone() };
    Ok((of_side, first.beside(&format!("{name}.launches"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Format;

    #[test]
    fn each_side_has_files_of_its_own() {
        let output = |path: &str, format| Output { path: path.into(), format };
        let both = vec![output("x/r.json", Format::Json), output("r", Format::Csv)];
        let outputs = Outputs { files: both, folder: Some("d".into()), ..Outputs::default() };
        let shown = |name: &str| {
            let (outputs, folder) = files(&outputs, name).unwrap();
            let paths = outputs.files.iter().map(|output| output.path.display().to_string());
            let paths: Vec<String> = paths.collect();
            let results = outputs.folder.unwrap();
            format!("{} {} {}", paths.join(" "), folder.display(), results.display())
        };
        assert_eq!(shown(""), "x/r.json r x/r.launches d");
        assert_eq!(shown("against"), "x/r.against.json r.against x/r.against.launches d.against");
        assert_eq!(
            shown("A=/b c"),
            "x/r.A=%2fb%20c.json r.A=%2fb%20c x/r.A=%2fb%20c.launches d.A=%2fb%20c"
        );
    }
}
