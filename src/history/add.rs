//! Adding reports.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::History;
use super::entry::Record;
use super::folder::{Folder, json_files};
use super::notes::{self, Label};
use crate::base::error::{Error, Result};
use crate::report::{Case, Report, Samples};

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
            true => notes::of_another(&other.labels())?,
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
        let added = sources.iter().try_for_each(|source| {
            let added = self.keep(source, label)?;
            added.iter().for_each(|added| told(source, added));
            Ok(())
        });
        self.save_index();
        self.refresh();
        added
    }

    fn keep(&mut self, source: &Source, label: &Label) -> Result<Option<Added>> {
        let (report, text) = match Report::load_with_text(&source.path) {
            Err(why) if source.found => {
                tracing::warn!("passed over: {}", why.message);
                return Ok(None);
            }
            loaded => loaded?,
        };
        let wrong = |why| Error::file("add", &source.path, why);
        let mut record = Record::of(&report).map_err(wrong)?;
        let known = self.index.run(&record.run);
        if let Some(known) = known.filter(|known| record.incomplete || !known.record.incomplete) {
            return Ok(Some(Added::Known(known.file.clone())));
        }
        let known = known.map(|known| known.file.clone());
        let theirs = source.labels.get(&record.run);
        let label = Label {
            git: label.git.clone().or_else(|| theirs?.git.clone()),
            tag: label.tag.clone().or_else(|| theirs?.tag.clone()),
        };
        record.git = label.git.clone().or(record.git);
        // First, so that no report is ever there without what was said of it.
        if label != Label::default() {
            self.labels.insert(record.run.clone(), label);
            notes::write(&self.folder.labels(), &self.labels)?;
        }
        let (file, stamp) = self.folder.keep(&record, &text, known.as_deref())?;
        self.index.retain(|row| row.file != file);
        self.index.add(&file, stamp, &report).map_err(wrong)?;
        let apart = |case: &&Case| matches!(case.samples, Samples::Sidecar { .. });
        if let Some(case) = report.cases.iter().find(apart) {
            tracing::info!("the samples of '{}' stay where they are", case.id);
        }
        Ok(Some(if known.is_some() { Added::Completed(file) } else { Added::New(file) }))
    }
}
