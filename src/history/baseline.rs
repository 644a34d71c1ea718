//! What a report is compared with: a file, a pin, a commit, the last release.
//!
//! It is found in two steps, because the second needs what is not known before a run: [`Baseline::find`] asks git
//! and the index, [`Baseline::reports`] reads the reports of the candidate's machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::entry::{is_commit, machine, short};
use super::git::Git;
use super::{Entry, History};
use crate::base::error::{Error, Result};
use crate::report::Report;

/// The name of the newest release.
pub(super) const LAST_RELEASE: &str = "last-release";

/// A baseline that was found.
#[derive(Debug, Clone)]
pub struct Baseline {
    /// How it was asked for.
    pub what: String,
    /// Where its reports are.
    found: Found,
}

#[derive(Debug, Clone)]
enum Found {
    /// A report, in the history or not. It is read at once: a run may write to its file.
    File(String, Box<Report>),
    /// Reports that belong together, whatever machine they are of: a pinned one and its like.
    Pinned(Vec<(PathBuf, Entry)>),
    /// The reports of commits, the nearest commit first; whether only those after the candidate's own count.
    Commits(Vec<Vec<(PathBuf, Entry)>>, bool),
}

impl Baseline {
    /// Finds what is meant: `last-release`, a pin, a file, a run, or a name that git has for a commit, in this
    /// order. A path with a `/` and a name that ends in `.json` are always files.
    ///
    /// # Errors
    /// Usage error when it is nothing of these, or there is no report of the commit or one before it.
    pub fn find(folder: &Path, what: &str) -> Result<Self> {
        Self::find_by(&Git::here(), folder, what)
    }

    pub(super) fn find_by(git: &Git, folder: &Path, what: &str) -> Result<Self> {
        let path = PathBuf::from(what);
        let found = |found| Ok(Self { what: what.to_owned(), found });
        let file = || found(Found::File(what.to_owned(), Box::new(Report::load(&path)?)));
        if what.contains('/') && path.is_file() || what.ends_with(".json") {
            return file();
        }
        // Without a history a file is all that can be meant.
        if path.is_file() && !folder.exists() {
            return file();
        }
        if !folder.exists() {
            return Err(Error::usage(format!(
                "the baseline '{what}' is no file, and there is no history in '{}' that would know it as a pin, a run or a \
                 commit; `tesserabench history add REPORT` begins one",
                folder.display()
            )));
        }
        let history = History::open(folder)?;
        if what == LAST_RELEASE {
            return found(Found::Commits(history.releases(git)?, true));
        }
        if let Some(entry) = history.pinned(what)? {
            return found(Found::Pinned(history.with_paths(&history.like(entry))));
        }
        if path.is_file() {
            return file();
        }
        if let Some(entry) = history.entries().into_iter().find(|entry| entry.record.run == what) {
            return found(Found::Pinned(history.with_paths(&[entry])));
        }
        found(Found::Commits(history.commits(git, what)?, false))
    }

    /// Its reports to compare a candidate with, and their files: those of one commit and of the candidate's
    /// machine, but for the candidate's own. Says so when they are of an earlier commit than the one asked for.
    ///
    /// # Errors
    /// Usage error when there is none of this machine, and for a report that cannot be read.
    pub fn reports(&self, candidate: &[Report]) -> Result<(Vec<String>, Vec<Report>)> {
        let is_own = |entry: &Entry| candidate.iter().any(|own| own.run.id == entry.record.run);
        let other = |found: &&(PathBuf, Entry)| !is_own(&found.1);
        let load = |found: Vec<&(PathBuf, Entry)>| {
            let paths: Vec<&Path> = found.iter().map(|(path, _)| path.as_path()).collect();
            load(&paths)
        };
        let nothing = |why: &str| {
            Error::usage(format!(
                "the baseline '{}' has no report {why}; add one with `tesserabench history add`, or name another \
                 baseline",
                self.what
            ))
        };
        match &self.found {
            Found::File(file, report) => Ok((vec![file.clone()], vec![Report::clone(report)])),
            Found::Pinned(entries) => match entries.iter().filter(other).collect::<Vec<_>>() {
                few if few.is_empty() => Err(nothing("beside the candidate itself")),
                entries => load(entries),
            },
            Found::Commits(commits, others_only) => {
                let machine = candidate.first().map(machine).unwrap_or_default();
                let of_machine = |found: &&(PathBuf, Entry)| found.1.record.machine == machine;
                let own = commits.iter().position(|all| all.iter().any(|found| is_own(&found.1)));
                // A release is compared with the one before it.
                let after = own.filter(|_| *others_only).map_or(0, |own| own + 1);
                let beside = match own {
                    Some(0) if after == 0 => " beside the candidate itself",
                    _ => "",
                };
                let fitting = |commit: &Vec<(PathBuf, Entry)>| {
                    commit.iter().any(|found| other(&found) && of_machine(&found))
                };
                let mut rest = commits[after..].iter();
                let Some(at) = rest.clone().position(fitting) else {
                    return Err(nothing(&format!("of this machine ({machine}){beside}")));
                };
                let commit = rest.nth(at).map(Vec::as_slice).unwrap_or_default();
                if at > 0
                    && let Some((_, entry)) = commit.first()
                {
                    tracing::warn!(
                        "'{}' has no report of this machine{beside}: compared with {}, the nearest before it that has",
                        self.what,
                        entry.name()
                    );
                }
                load(commit.iter().filter(other).filter(of_machine).collect())
            }
        }
    }
}

fn load(paths: &[&Path]) -> Result<(Vec<String>, Vec<Report>)> {
    let files = paths.iter().map(|path| path.display().to_string()).collect();
    let reports = paths.iter().map(|path| Report::load(path)).collect::<Result<_>>()?;
    Ok((files, reports))
}

impl History {
    /// The report that has this pin.
    fn pinned(&self, name: &str) -> Result<Option<&Entry>> {
        let Some(run) = self.pins.get(name) else { return Ok(None) };
        let entry = self.entries().into_iter().find(|entry| entry.record.run == *run);
        entry.map(Some).ok_or_else(|| {
            Error::usage(format!(
                "'{name}' is pinned to run '{run}', which is not in the history in '{}'; add it, or pin another",
                self.folder.path().display()
            ))
        })
    }

    /// The report that is meant where one is wanted: the newest, or by a pin, a file, a run or a commit (of which
    /// the newest), in the order of [`Baseline::find`].
    ///
    /// # Errors
    /// Usage error when there is no such report.
    pub fn one(&self, what: Option<&str>) -> Result<&Entry> {
        let entries = self.entries();
        let Some(what) = what else {
            return entries.last().copied().ok_or_else(|| self.no_reports());
        };
        if let Some(entry) = self.pinned(what)? {
            return Ok(entry);
        }
        let run = match Path::new(what).is_file() {
            true => Report::load(Path::new(what))?.run.id,
            false => what.to_owned(),
        };
        let is_it = |entry: &&Entry| [&entry.record.run, &entry.file].contains(&&run);
        if let Some(entry) = entries.iter().copied().find(is_it) {
            return Ok(entry);
        }
        if Path::new(what).is_file() {
            return Err(Error::usage(format!(
                "'{what}' is not in the history; `tesserabench history add {what}` adds it"
            )));
        }
        let commit = self.named(&Git::here(), what)?;
        let of_commit = |entry: &&&Entry| entry.record.git.as_ref() == Some(&commit);
        entries.iter().rev().find(of_commit).copied().ok_or_else(|| {
            Error::usage(format!(
                "the history has no report of {what} ({}); `history list` shows what it has",
                short(&commit)
            ))
        })
    }

    /// The reports of the same commit and machine.
    fn like<'a>(&'a self, entry: &'a Entry) -> Vec<&'a Entry> {
        let Some(git) = &entry.record.git else { return vec![entry] };
        let alike = |other: &&Entry| {
            other.record.git.as_ref() == Some(git) && other.record.machine == entry.record.machine
        };
        self.entries().into_iter().filter(alike).collect()
    }

    /// The commit of a name: in full as reports have it, or as git has it.
    fn named(&self, git: &Git, what: &str) -> Result<String> {
        let commits = self.entries().into_iter().filter_map(|entry| entry.record.git.as_ref());
        let mut known: Vec<&String> =
            commits.filter(|commit| is_commit(what) && commit.starts_with(what)).collect();
        known.dedup();
        let asked = if known.len() == 1 { Some(known[0].clone()) } else { git.commit(what) };
        asked.ok_or_else(|| {
            Error::usage(format!(
                "'{what}' is no pin, no file and no run of the history, and git knows no such commit here; `history \
                 list` shows what there is"
            ))
        })
    }

    /// The reports of a commit and of those before it, by commit, the nearest first.
    fn commits(&self, git: &Git, what: &str) -> Result<Vec<Vec<(PathBuf, Entry)>>> {
        let commit = self.named(git, what)?;
        let mut by_commit: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
        for entry in self.entries() {
            if let Some(git) = &entry.record.git {
                by_commit.entry(git).or_default().push(entry);
            }
        }
        let of = |commit: &str| by_commit.get(commit).map(|entries| self.with_paths(entries));
        let own = of(&commit);
        let before = match git.ancestors(&commit) {
            Ok(ancestors) => ancestors,
            // The commit itself is there; what came before it cannot be told.
            Err(_) if own.is_some() => Vec::new(),
            Err(why) => return Err(why),
        };
        let before = before.iter().skip(1).filter_map(|commit| of(commit));
        let commits: Vec<_> = std::iter::once(own.unwrap_or_default()).chain(before).collect();
        if commits.iter().all(Vec::is_empty) {
            return Err(Error::usage(format!(
                "the history in '{}' has no report of {what} ({}) or of a commit before it; add one with \
                 `tesserabench history add`",
                self.folder.path().display(),
                short(&commit)
            )));
        }
        Ok(commits)
    }

    /// The reports of releases, by commit, the newest first.
    fn releases(&self, git: &Git) -> Result<Vec<Vec<(PathBuf, Entry)>>> {
        let tagged = git.releases();
        let is_release = |entry: &Entry| {
            let commit = entry.record.git.as_ref();
            entry.tag.is_some() || commit.is_some_and(|commit| tagged.contains(commit))
        };
        let mut releases: Vec<Vec<&Entry>> = Vec::new();
        for entry in self.entries().into_iter().rev().filter(|entry| is_release(entry)) {
            let same = |release: &&mut Vec<&Entry>| {
                let first = release[0];
                match &entry.record.git {
                    Some(git) => first.record.git.as_ref() == Some(git),
                    None => first.tag == entry.tag,
                }
            };
            match releases.iter_mut().find(same) {
                Some(release) => release.push(entry),
                None => releases.push(vec![entry]),
            }
        }
        if releases.is_empty() {
            return Err(Error::usage(format!(
                "the history in '{}' has no report of a release: of a commit with a tag v* that git knows here, or \
                 added with --tag",
                self.folder.path().display()
            )));
        }
        Ok(releases.iter().map(|release| self.with_paths(release)).collect())
    }

    fn with_paths(&self, entries: &[&Entry]) -> Vec<(PathBuf, Entry)> {
        let path = |entry: &&Entry| (self.folder.report(&entry.file), (*entry).clone());
        entries.iter().map(path).collect()
    }

    fn no_reports(&self) -> Error {
        Error::usage(format!(
            "the history in '{}' has no reports; `tesserabench history add REPORT` adds one",
            self.folder.path().display()
        ))
    }
}
