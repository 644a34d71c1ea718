//! The reports of machines over time: a folder to which reports are only added, and what they say together.
//!
//! The files in `reports/` are the truth: copies of the reports as they were given, byte for byte. `index.redb`
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
mod lock;
mod notes;
mod quiet;
mod retention;
mod series;
#[cfg(test)]
mod tests;
mod trend;

use std::collections::BTreeMap;
use std::path::Path;

pub use add::{Added, Source};
pub use answer::{Answer, Content, Damaged};
pub use baseline::Baseline;
pub use entry::{Entry, Record, machine};
pub use notes::Label;
pub use retention::DAYS;
pub use series::{Asked, Point, Series};
pub use trend::{Change, Effect, Trend, trends};

use crate::base::error::{Error, Result};
use folder::Folder;
use index::Index;
use lock::Lock;

/// Where the history is when nothing else is said.
pub const FOLDER: &str = ".tesserabench/history";

/// An open history.
#[derive(Debug)]
pub struct History {
    folder: Folder,
    index: Index,
    pins: BTreeMap<String, String>,
    labels: BTreeMap<String, Label>,
    entries: BTreeMap<u32, Entry>,
    // Last, so that it is let go when the index is closed.
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
        folder.create()?;
        let lock = Lock::take(&folder)?;
        let index = Index::open(&folder, &lock)?;
        let (pins, labels) = (notes::read(&folder.pins())?, notes::read(&folder.labels())?);
        let mut history = Self { folder, index, pins, labels, entries: BTreeMap::new(), lock };
        history.refresh()?;
        Ok(history)
    }

    /// Its reports, the oldest first.
    pub fn entries(&self) -> Vec<&Entry> {
        let mut entries: Vec<&Entry> = self.entries.values().collect();
        entries.sort_by_key(|entry| entry.place());
        entries
    }

    /// Files of the folder that are no usable reports, with the reasons.
    ///
    /// # Errors
    /// Usage error when the index cannot be read.
    pub fn damaged(&self) -> Result<Vec<Damaged>> {
        let damaged = self.index.damaged()?.into_iter();
        Ok(damaged.map(|(file, reason)| Damaged { file, reason }).collect())
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
        self.refresh()
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
        self.refresh()
    }

    /// Reads the entries anew.
    fn refresh(&mut self) -> Result<()> {
        let records = self.index.records()?;
        let entry = |(number, (file, record)): (u32, (String, Record))| {
            let label = self.labels.get(&record.run).cloned().unwrap_or_default();
            let pins = self.pins.iter().filter(|(_, run)| **run == record.run);
            let pins = pins.map(|(name, _)| name.clone()).collect();
            (number, Entry::new(file, record, label, pins))
        };
        self.entries = records.into_iter().map(entry).collect();
        Ok(())
    }
}
