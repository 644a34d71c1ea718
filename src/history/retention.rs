//! What is old enough to go.

use std::collections::{BTreeMap, BTreeSet};

use super::{Entry, History, notes};
use crate::base::error::Result;
use crate::base::units::parse_utc;

/// Days that reports are kept when nothing else is said.
pub const DAYS: u64 = 365;

impl History {
    /// The reports that began more than so many days before `now` (seconds since 1970), but for those that are
    /// pinned, that were added with a tag, or that are the newest of their machine.
    pub fn outdated(&self, days: u64, now: u64) -> Vec<Entry> {
        // The last of a machine stays in the map.
        let machines = self.entries.iter().map(|entry| (&entry.record.machine, &entry.file));
        let newest: BTreeMap<&String, &String> = machines.collect();
        let since = now.saturating_sub(days.saturating_mul(86_400));
        let is_outdated = |entry: &&Entry| {
            let is_newest = newest[&entry.record.machine] == &entry.file;
            let is_named = !entry.pins.is_empty() || entry.tag.is_some();
            let is_old = parse_utc(&entry.record.started).is_some_and(|started| started < since);
            is_old && !is_newest && !is_named
        };
        self.entries.iter().filter(is_outdated).cloned().collect()
    }

    /// Removes reports, and what people said of them.
    ///
    /// # Errors
    /// Usage error when the history cannot be changed, and when a file cannot be removed; those before it are gone.
    pub fn remove(&mut self, entries: &[Entry]) -> Result<()> {
        self.lock.check(&self.folder)?;
        for entry in entries {
            self.folder.remove(&entry.file)?;
            self.labels.remove(&entry.record.run);
        }
        let files: BTreeSet<&str> = entries.iter().map(|entry| entry.file.as_str()).collect();
        self.index.retain(|row| !files.contains(row.file.as_str()));
        notes::write(&self.folder.labels(), &self.labels)?;
        self.save_index();
        self.refresh();
        Ok(())
    }
}
