//! What a report is compared with: a file, a pin, a commit, the last release.
//!
//! It is found in two steps, because the second needs what is not known before a run: [`Baseline::find`] asks git
//! and the index, [`Baseline::reports`] reads the reports of the candidate's machine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::entry::Record;
use super::folder::Folder;
use super::git::{Git, is_commit, short};
use super::notes::LAST_RELEASE;
use super::{Entry, History};
use crate::analysis::{NoiseFloor, Rules, apart, comparable, noise_floor, sessions};
use crate::base::error::{Error, Kind, Result};
use crate::report::Report;

/// Reports that suffice for a noise floor.
const ENOUGH: usize = 30;

/// A baseline that was found.
#[derive(Debug, Clone)]
pub struct Baseline {
    /// How it was asked for.
    pub what: String,
    folder: Folder,
    found: Found,
}

#[derive(Debug, Clone)]
enum Found {
    /// A report, in the history or not. It is read at once: a run may write to its file.
    File(Box<Report>),
    /// Reports that belong together, whatever machine they are of: a pinned one and its like.
    Pinned(Vec<Entry>),
    /// The reports of a commit and of those before it, the nearest first.
    Commits(Vec<Vec<Entry>>),
    /// The reports of releases, the newest first: only those before the candidate's own count.
    Releases(Vec<Vec<Entry>>),
}

impl Baseline {
    /// Its report, where it is known before the candidate is.
    pub fn file(&self) -> Option<&Report> {
        match &self.found {
            Found::File(report) => Some(report),
            _ => None,
        }
    }

    /// Finds what is meant: `last-release`, a pin, a file, a run, or a name that git has for a commit, in this
    /// order. A path with a `/` and a name that ends in `.json` are always files.
    ///
    /// # Errors
    /// Usage error when it is nothing of these, or there is no report of the commit or one before it.
    pub fn find(folder: &Path, what: &str) -> Result<Self> {
        Self::find_by(&Git::here(), folder, what)
    }

    pub(super) fn find_by(git: &Git, folder: &Path, what: &str) -> Result<Self> {
        let path = Path::new(what);
        let found = |found| Self { what: what.to_owned(), folder: Folder::at(folder), found };
        let file = || Ok(found(Found::File(Box::new(Report::load(path)?))));
        // Without a history a file is all that can be meant.
        let is_path = what.contains('/') || !folder.exists();
        if is_path && path.is_file() || what.ends_with(".json") {
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
            return Ok(found(Found::Releases(history.releases(git)?)));
        }
        if let Some(entry) = history.pinned(what)? {
            return Ok(found(Found::Pinned(history.like(entry))));
        }
        if path.is_file() {
            return file();
        }
        if let Some(entry) = history.entries.iter().find(|entry| entry.record.run == what) {
            return Ok(found(Found::Pinned(vec![entry.clone()])));
        }
        Ok(found(Found::Commits(history.commits(git, what)?)))
    }

    /// Its reports to compare a candidate with, and their files: those of one commit and of the candidate's
    /// machine, but for the candidate's own. Says so when they are of an earlier commit than the one asked for.
    ///
    /// # Errors
    /// Usage error when there is none of this machine, and for a report that cannot be read.
    pub fn reports(&self, candidate: &[Report]) -> Result<(Vec<String>, Vec<Report>)> {
        let is_own = |entry: &Entry| candidate.iter().any(|own| own.run.id == entry.record.run);
        let nothing = |why: &str| {
            Error::usage(format!(
                "the baseline '{}' has no report {why}; add one with `tesserabench history add`, or name another \
                 baseline",
                self.what
            ))
        };
        let (commits, is_release) = match &self.found {
            Found::File(report) => {
                return Ok((vec![self.what.clone()], vec![Report::clone(report)]));
            }
            Found::Pinned(entries) => {
                let others: Vec<&Entry> = entries.iter().filter(|entry| !is_own(entry)).collect();
                let nothing = nothing("beside the candidate itself");
                return if others.is_empty() { Err(nothing) } else { self.load(&others) };
            }
            Found::Commits(commits) => (commits, false),
            Found::Releases(releases) => (releases, true),
        };
        let own = commits.iter().position(|entries| entries.iter().any(is_own));
        let first = own.filter(|_| is_release).map_or(0, |own| own + 1);
        if is_release && first > 0 && first == commits.len() {
            return Err(Error::usage(format!(
                "the candidate is itself of a release, and the history has none before it; name another baseline than \
                 '{}'",
                self.what
            )));
        }
        let beside = match own {
            Some(0) if !is_release => " beside the candidate itself",
            _ => "",
        };
        let machine = candidate.first().map(Report::machine).unwrap_or_default();
        let is_fitting = |entry: &&Entry| !is_own(entry) && entry.record.machine == machine;
        let mut fitting = commits[first..].iter().enumerate().filter_map(|(skipped, entries)| {
            let entries: Vec<&Entry> = entries.iter().filter(is_fitting).collect();
            (!entries.is_empty()).then_some((skipped, entries))
        });
        let Some((skipped, entries)) = fitting.next() else {
            return Err(nothing(&format!("of this machine ({machine}){beside}")));
        };
        if skipped > 0 {
            tracing::warn!(
                "'{}' has no report of this machine{beside}: compared with {}, the nearest before it that has",
                self.what,
                entries[0].name()
            );
        }
        self.load(&entries)
    }

    /// What the candidate's machine changes by itself from session to session, by the reports of the history that are of
    /// one commit: those of the newest commits that were measured in several sessions. `None` where the candidate was
    /// measured in the session of its baseline, and where the history does not tell; that it says.
    ///
    /// # Errors
    /// Usage error for a history or a report that cannot be read.
    pub fn noise_floor(
        &self,
        baseline: &[Report],
        candidate: &[Report],
        rules: &Rules,
    ) -> Result<Option<NoiseFloor>> {
        if apart(baseline, candidate).is_none() {
            return Ok(None);
        }
        let commits = match self.folder.exists() {
            true => History::open(&self.folder.path)?.again(candidate),
            false => Vec::new(),
        };
        let (mut things, mut read) = (Vec::new(), 0);
        for entries in commits {
            let (_, mut reports) = self.load(&entries.iter().collect::<Vec<_>>())?;
            read += reports.len();
            let alike =
                |report: &Report| comparable(std::slice::from_ref(report), candidate, &rules.allow);
            reports.retain(alike);
            things.push(sessions(reports));
            if read >= ENOUGH {
                break;
            }
        }
        let sides = things.iter().map(|sides| sides.iter().map(Vec::as_slice).collect());
        let floor = noise_floor(&sides.collect::<Vec<_>>(), rules.metric);
        if floor.is_none() {
            tracing::warn!(
                "the history knows no noise floor: it has no commit that was measured in two sessions on this machine. \
                 Where sessions differ by 3 %, most gates of unchanged code fail at 5 %. Measure a commit again on \
                 another day and add it, or name one with --noise-floor"
            );
        }
        Ok(floor)
    }

    fn load(&self, entries: &[&Entry]) -> Result<(Vec<String>, Vec<Report>)> {
        let paths = entries.iter().map(|entry| self.folder.report(&entry.file));
        let load = |path: PathBuf| Ok((path.display().to_string(), Report::load(&path)?));
        let reports: Vec<_> = paths.map(load).collect::<Result<_>>()?;
        Ok(reports.into_iter().unzip())
    }
}

impl History {
    fn pinned(&self, name: &str) -> Result<Option<&Entry>> {
        let Some(run) = self.pins.get(name) else { return Ok(None) };
        let entry = self.entries.iter().find(|entry| entry.record.run == *run);
        entry.map(Some).ok_or_else(|| {
            Error::usage(format!(
                "'{name}' is pinned to run '{run}', which is not in the history in '{}'; add it, or pin another",
                self.folder.path.display()
            ))
        })
    }

    /// The report that is meant where one is wanted: the newest, or by a pin, a file, a run or a commit (of which
    /// the newest), in the order of [`Baseline::find`].
    pub fn one(&self, what: Option<&str>) -> Result<&Entry> {
        let Some(what) = what else {
            let nothing = "reports; `tesserabench history add REPORT` adds one";
            return self.entries.last().ok_or_else(|| self.lacks(nothing));
        };
        if let Some(entry) = self.pinned(what)? {
            return Ok(entry);
        }
        let path = Path::new(what);
        let run = if path.is_file() { Report::load(path)?.run.id } else { what.to_owned() };
        let is_it = |entry: &&Entry| [&entry.record.run, &entry.file].contains(&&run);
        if let Some(entry) = self.entries.iter().find(is_it) {
            return Ok(entry);
        }
        if path.is_file() {
            return Err(Error::usage(format!(
                "'{what}' is not in the history; `tesserabench history add {what}` adds it"
            )));
        }
        let commit = self.named(&Git::here(), what)?;
        let of_commit = |entry: &&Entry| entry.record.git.as_ref() == Some(&commit);
        self.entries.iter().rfind(of_commit).ok_or_else(|| {
            let commit = short(&commit);
            self.lacks(&format!("report of {what} ({commit}); `history list` shows what it has"))
        })
    }

    /// A report and those of the same commit and machine.
    fn like(&self, entry: &Entry) -> Vec<Entry> {
        let Record { git, machine, .. } = &entry.record;
        let is_like = |other: &&Entry| {
            let is_alike = other.record.git == *git && other.record.machine == *machine;
            other.file == entry.file || git.is_some() && is_alike
        };
        self.entries.iter().filter(is_like).cloned().collect()
    }

    /// The reports of each commit that has several of the candidate's machine, but for the candidate's own; the commit
    /// of the newest report first.
    fn again(&self, candidate: &[Report]) -> Vec<Vec<Entry>> {
        let machine = candidate.first().map(Report::machine);
        let mut commits: Vec<Vec<Entry>> = Vec::new();
        for entry in self.entries.iter().rev() {
            let record = &entry.record;
            let is_own = candidate.iter().any(|own| own.run.id == record.run);
            if record.git.is_none() || Some(&record.machine) != machine.as_ref() || is_own {
                continue;
            }
            match commits.iter_mut().find(|commit| commit[0].record.git == record.git) {
                Some(commit) => commit.push(entry.clone()),
                None => commits.push(vec![entry.clone()]),
            }
        }
        commits.retain(|commit| commit.len() > 1);
        commits
    }

    /// The commit of a name: in full as reports have it, or as git has it.
    fn named(&self, git: &Git, what: &str) -> Result<String> {
        let commits = self.entries.iter().filter_map(|entry| entry.record.git.as_ref());
        let known: BTreeSet<&String> =
            commits.filter(|commit| is_commit(what) && commit.starts_with(what)).collect();
        if let Some(only) = known.first().filter(|_| known.len() == 1) {
            return Ok((*only).clone());
        }
        git.commit(what)?.ok_or_else(|| {
            Error::usage(format!(
                "'{what}' is no pin, no file and no run of the history, and git knows no such commit here; `history \
                 list` shows what there is"
            ))
        })
    }

    /// The reports of a commit and of those before it, by commit, the nearest first.
    fn commits(&self, git: &Git, what: &str) -> Result<Vec<Vec<Entry>>> {
        let commit = self.named(git, what)?;
        let mut by_commit: BTreeMap<&str, Vec<Entry>> = BTreeMap::new();
        for entry in &self.entries {
            if let Some(git) = &entry.record.git {
                by_commit.entry(git).or_default().push(entry.clone());
            }
        }
        let own = by_commit.remove(commit.as_str());
        let before = match git.ancestors(&commit) {
            Ok(ancestors) => ancestors,
            // The commit itself is there; what came before it cannot be told.
            Err(why) if own.is_some() && why.kind != Kind::TimedOut => Vec::new(),
            Err(why) => return Err(why),
        };
        let before = before.iter().filter_map(|commit| by_commit.remove(commit.as_str()));
        let commits: Vec<_> = std::iter::once(own.unwrap_or_default()).chain(before).collect();
        if commits.iter().all(Vec::is_empty) {
            return Err(self.lacks(&format!(
                "report of {what} ({}) or of a commit before it; add one with `tesserabench history add`",
                short(&commit)
            )));
        }
        Ok(commits)
    }

    /// The reports of releases, by commit, the newest first.
    fn releases(&self, git: &Git) -> Result<Vec<Vec<Entry>>> {
        let tagged = git.releases()?;
        let is_release = |entry: &&Entry| {
            let commit = entry.record.git.as_ref();
            entry.tag.is_some() || commit.is_some_and(|commit| tagged.contains(commit))
        };
        let mut releases: Vec<Vec<Entry>> = Vec::new();
        for entry in self.entries.iter().rev().filter(is_release) {
            let is_same = |release: &&mut Vec<Entry>| match &entry.record.git {
                None => release[0].tag == entry.tag,
                git => release[0].record.git == *git,
            };
            match releases.iter_mut().find(is_same) {
                Some(release) => release.push(entry.clone()),
                None => releases.push(vec![entry.clone()]),
            }
        }
        if releases.is_empty() {
            return Err(self.lacks(
                "report of a release: of a commit with a tag v* that git knows here, or added with --tag",
            ));
        }
        Ok(releases)
    }
}
