//! The reports of machines over time: a folder to which reports are only added, and what they say together.
//!
//! The files in `reports/` are the truth: copies of the reports as they were given, byte for byte. `index.jsonl`
//! is made from them and can be deleted at any time. `pins.json` and `labels.json` hold what people said of
//! reports: names for them, and commits or tags where a report's own is not right. Whoever has a [`History`] open
//! is the only one: it is locked. One that cannot be locked is only read.

mod add;
mod answer;
mod baseline;
mod entry;
mod folder;
mod git;
#[cfg(test)]
mod hostile;
mod index;
mod notes;
mod retention;
mod series;
#[cfg(test)]
mod tests;
mod trend;

use std::collections::BTreeMap;
use std::path::Path;

pub use add::{Added, Source};
pub use answer::{Answer, Content};
pub use baseline::Baseline;
pub use entry::{Damaged, Entry, Record};
pub use git::ask_for_commit;
pub use notes::Label;
pub use retention::DAYS;
pub use series::{Asked, Point, Series};
pub use trend::{Change, Effect, Trend, trends};

use crate::base::error::{Error, Result};
use folder::{Folder, Lock};
use index::{Index, Row};

/// Where the history is when nothing else is said.
pub const FOLDER: &str = ".tesserabench/history";

/// An open history.
#[derive(Debug)]
pub struct History {
    folder: Folder,
    index: Index,
    pins: BTreeMap<String, String>,
    labels: BTreeMap<String, Label>,
    /// The oldest first.
    entries: Vec<Entry>,
    damaged: Vec<Damaged>,
    lock: Lock,
}

impl History {
    /// Opens a history that is there; brings its index up to date with its files.
    ///
    /// # Errors
    /// Usage error when there is none, when it cannot be read, or when another process has it open for long.
    pub fn open(folder: &Path) -> Result<Self> {
        if !Folder::at(folder).exists() {
            return Err(Error::usage(format!(
                "there is no history in '{}'; `tesserabench history add REPORT` begins one",
                folder.display()
            )));
        }
        Self::open_or_begin(folder)
    }

    /// Opens a history, or begins one.
    ///
    /// # Errors
    /// Usage error when the folder cannot be made or read, or when another process has it open for long.
    pub fn open_or_begin(folder: &Path) -> Result<Self> {
        let folder = Folder::at(folder);
        let reports = folder.reports();
        std::fs::create_dir_all(&reports).map_err(|why| Error::file("make", &reports, why))?;
        let lock = Lock::take(&folder, folder::TRIES)?;
        let (index, damaged) = Index::open(&folder, &lock)?;
        let (pins, labels) = (notes::read(&folder.pins())?, notes::read(&folder.labels())?);
        let mut history = Self { folder, index, pins, labels, entries: Vec::new(), damaged, lock };
        history.refresh();
        Ok(history)
    }

    /// Its reports, the oldest first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Files of the folder that were no usable reports when it was opened, with the reasons.
    pub fn damaged(&self) -> &[Damaged] {
        &self.damaged
    }

    /// Names a run, or gives a name to another run than before.
    ///
    /// # Errors
    /// Usage error for a name that cannot be one, and when the history cannot be changed.
    pub fn pin(&mut self, name: &str, run: &str) -> Result<()> {
        notes::check_pin(name)?;
        self.lock.check(&self.folder)?;
        self.pins.insert(name.to_owned(), run.to_owned());
        notes::write(&self.folder.pins(), &self.pins)?;
        self.refresh();
        Ok(())
    }

    /// Takes a name away.
    ///
    /// # Errors
    /// Usage error when nothing has it, and when the history cannot be changed.
    pub fn unpin(&mut self, name: &str) -> Result<()> {
        self.lock.check(&self.folder)?;
        if self.pins.remove(name).is_none() {
            let known = self.pins.keys().map(String::as_str);
            return Err(Error::usage(format!(
                "no report is pinned as '{name}'; {}",
                crate::base::error::suggestion(name, known)
            )));
        }
        notes::write(&self.folder.pins(), &self.pins)?;
        self.refresh();
        Ok(())
    }

    fn lacks(&self, what: &str) -> Error {
        Error::usage(format!("the history in '{}' has no {what}", self.folder.path.display()))
    }

    /// Saves the index. Without it the reports are still there.
    fn save_index(&self) {
        if let Err(why) = self.index.save() {
            tracing::warn!("{}; the next command brings the index up to date", why.message);
        }
    }

    /// Makes the entries anew, of the index and of what people said.
    fn refresh(&mut self) {
        let entry = |row: &Row| {
            let (file, mut record) = (row.file.clone(), row.record.clone());
            let Label { git, tag } = self.labels.get(&record.run).cloned().unwrap_or_default();
            record.git = git.or(record.git);
            let pins = self.pins.iter().filter(|(_, run)| **run == record.run);
            let pins = pins.map(|(name, _)| name.clone()).collect();
            Entry { file, record, tag, pins }
        };
        self.entries = self.index.rows.iter().map(entry).collect();
        let place = |entry: &Entry| (entry.record.started.clone(), entry.file.clone());
        self.entries.sort_by_cached_key(place);
    }
}
