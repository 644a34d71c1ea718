//! What is old enough to go.

use std::collections::BTreeMap;

use super::{Entry, History};
use crate::base::error::Result;
use crate::base::units::parse_utc;

/// Days that reports are kept when nothing else is said.
pub const DAYS: u64 = 365;

/// Seconds in a day.
const DAY: u64 = 86_400;

impl History {
    /// The reports that began more than so many days before `now` (seconds since 1970), but for those that are
    /// pinned, that were added with a tag, or that are the newest of their machine.
    pub fn outdated(&self, days: u64, now: u64) -> Vec<Entry> {
        outdated(&self.entries(), days, now).into_iter().cloned().collect()
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
        let files: Vec<&str> = entries.iter().map(|entry| entry.file.as_str()).collect();
        self.index.forget(&files)?;
        super::notes::write(&self.folder.labels(), &self.labels)?;
        self.refresh()
    }
}

/// Of reports in order of time.
fn outdated<'a>(entries: &[&'a Entry], days: u64, now: u64) -> Vec<&'a Entry> {
    let newest: BTreeMap<&str, &str> =
        entries.iter().map(|entry| (entry.record.machine.as_str(), entry.file.as_str())).collect();
    let since = now.saturating_sub(days.saturating_mul(DAY));
    let is_old = |entry: &&Entry| {
        let is_newest = newest.get(entry.record.machine.as_str()) == Some(&entry.file.as_str());
        let kept = is_newest || !entry.pins.is_empty() || entry.tag.is_some();
        !kept && parse_utc(&entry.record.started).is_some_and(|started| started < since)
    };
    entries.iter().copied().filter(is_old).collect()
}
