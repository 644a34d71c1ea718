//! Adding reports.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::entry::Record;
use super::folder::{Folder, json_files};
use super::git::Git;
use super::index::{Found, Read};
use super::notes::{self, Label};
use super::{Entry, History, entry};
use crate::base::error::{Error, Result};
use crate::report::{Case, Report, Samples};

/// Reports that are indexed at once.
const BATCH: usize = 64;

/// Longest tag, bytes.
const TAG_LIMIT: usize = 200;

/// A report to add.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it was found in a folder: there may be other files beside reports.
    pub found: bool,
    /// What is known of it beside what it says.
    labels: Rc<BTreeMap<String, Label>>,
}

/// Where a run is already.
struct Known {
    file: String,
    incomplete: bool,
}

/// The runs that are there, by their names.
type Runs = BTreeMap<String, Known>;

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// It is kept, in this file.
    New(String),
    /// It is kept, in this file, which held its run before it was complete.
    Completed(String),
    /// Its run is there already, in this file.
    Known(String),
}

impl Source {
    /// The reports that a path means: the file, or all of a folder, or of a folder's `reports`.
    ///
    /// # Errors
    /// Usage error for a folder that cannot be read or has no JSON files.
    pub fn of(path: &Path) -> Result<Vec<Self>> {
        if !path.is_dir() {
            let labels = Default::default();
            return Ok(vec![Self { path: path.to_owned(), found: false, labels }]);
        }
        let other = Folder::at(path);
        let is_note =
            |file: &PathBuf| other.exists() && [other.pins(), other.labels()].contains(file);
        let labels = Rc::new(match other.exists() {
            true => checked(&other)?,
            false => Default::default(),
        });
        let mut sources = Vec::new();
        for folder in [path.to_owned(), other.reports()] {
            if folder.is_dir() {
                let files = json_files(&folder)?.into_iter().map(|(name, _)| folder.join(name));
                let source = |path| Self { path, found: true, labels: labels.clone() };
                sources.extend(files.filter(|file| !is_note(file)).map(source));
            }
        }
        if sources.is_empty() {
            return Err(Error::file(
                "add",
                path,
                "the folder has no .json files; name the reports",
            ));
        }
        Ok(sources)
    }
}

/// The labels of another history. What is no commit is passed over: files are named after it.
fn checked(other: &Folder) -> Result<BTreeMap<String, Label>> {
    let mut labels: BTreeMap<String, Label> = notes::read(&other.labels())?;
    for (run, label) in &mut labels {
        if let Some(git) = label.git.take_if(|git| !entry::is_commit(git)) {
            let file = other.labels();
            tracing::warn!(
                "passed over: '{git}' of run '{run}' in '{}' is no commit",
                file.display()
            );
        }
    }
    Ok(labels)
}

impl Label {
    /// What is asked for: a commit by any name that git knows here, or in full; a tag.
    ///
    /// # Errors
    /// Usage error for a commit that nobody knows and for a tag that is no name.
    pub fn new(commit: Option<&str>, tag: Option<&str>) -> Result<Self> {
        let full = |text: &str| entry::is_commit(text) && text.len() >= 40;
        let git = commit.map(|name| {
            Git::here().commit(name).or_else(|| full(name).then(|| name.to_owned())).ok_or_else(|| {
                Error::usage(format!(
                    "git knows no commit '{name}' here; run this in the clone, or give all 40 digits"
                ))
            })
        });
        if let Some(tag) = tag
            && (tag.is_empty() || tag.len() > TAG_LIMIT || tag.contains(char::is_control))
        {
            return Err(Error::usage(format!(
                "a tag is a name of up to {TAG_LIMIT} characters on one line; give it one, or leave --tag out"
            )));
        }
        Ok(Self { git: git.transpose()?, tag: tag.map(str::to_owned) })
    }
}

impl History {
    /// Adds reports and tells what became of each. A file of a folder that is no report is passed over; a complete
    /// report takes the place of an incomplete one of its run.
    ///
    /// # Errors
    /// Usage error for a file that is not a report, and when nothing can be written; those before it are kept.
    pub fn add(
        &mut self,
        sources: &[Source],
        label: &Label,
        mut told: impl FnMut(&Source, &Added),
    ) -> Result<()> {
        self.lock.check(&self.folder)?;
        let run = |entry: &Entry| {
            let Record { run, incomplete, .. } = &entry.record;
            (run.clone(), Known { file: entry.file.clone(), incomplete: *incomplete })
        };
        let mut runs: Runs = self.entries.values().map(run).collect();
        for batch in sources.chunks(BATCH) {
            let mut read = Vec::new();
            let mut added = Ok(());
            for source in batch {
                match self.keep(source, label, &mut runs, &mut read) {
                    Ok(Some(one)) => told(source, &one),
                    Ok(None) => {}
                    Err(why) => {
                        added = Err(why);
                        break;
                    }
                }
            }
            self.index.insert(read)?;
            added?;
        }
        self.refresh()
    }

    /// Copies a report into the folder.
    fn keep(
        &mut self,
        source: &Source,
        label: &Label,
        runs: &mut Runs,
        read: &mut Vec<Read>,
    ) -> Result<Option<Added>> {
        let (report, text) = match Report::load_with_text(&source.path) {
            Err(why) if source.found => {
                tracing::warn!("passed over: {}", why.message);
                return Ok(None);
            }
            loaded => loaded?,
        };
        let record = Record::of(&report).map_err(|why| Error::file("add", &source.path, why))?;
        let known = match runs.get(&record.run) {
            Some(known) if record.incomplete || !known.incomplete => {
                return Ok(Some(Added::Known(known.file.clone())));
            }
            known => known.map(|known| known.file.clone()),
        };
        let theirs = source.labels.get(&record.run);
        let label = Label {
            git: label.git.clone().or_else(|| theirs?.git.clone()),
            tag: label.tag.clone().or_else(|| theirs?.tag.clone()),
        };
        let run = record.run.clone();
        let named = Record { git: label.git.clone().or(record.git.clone()), ..record.clone() };
        // First, so that no report is ever there without what was said of it.
        if label != Label::default() {
            self.labels.insert(run.clone(), label);
            notes::write(&self.folder.labels(), &self.labels)?;
        }
        let (file, stamp) = self.folder.keep(&named, &text, known.as_deref())?;
        if known.is_some() {
            read.retain(|before| before.file != file);
            self.index.forget(&[&file])?;
        }
        let apart = |case: &&Case| matches!(case.samples, Samples::Sidecar { .. });
        if let Some(case) = report.cases.iter().find(apart) {
            tracing::info!("the samples of '{}' stay where they are", case.id);
        }
        let incomplete = record.incomplete;
        runs.insert(run, Known { file: file.clone(), incomplete });
        let figures = entry::figures(&report);
        read.push(Read { file: file.clone(), stamp, found: Found::Report(record), figures });
        Ok(Some(if known.is_some() { Added::Completed(file) } else { Added::New(file) }))
    }
}
