//! The files of a history, and the lock that lets one process at a time have them open.

use std::fs::{File, Metadata, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::entry::Record;
use super::git::short;
use crate::base::error::{Error, Result};
use crate::base::files::{is_plain, is_plain_entry, write_atomically};
use crate::base::random::fingerprint;

/// Longest part of a run's name that becomes part of a file's name.
const TAIL_LIMIT: usize = 16;

/// What tells a file from the one that was there before: its size in bytes, and when it was last written, in
/// nanoseconds since 1970.
pub(super) type Stamp = (u64, u64);

/// Where everything is. Names of files come from listing the folder or from [`name`], never from inside a file.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
}

impl Folder {
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(super) fn reports(&self) -> PathBuf {
        self.path.join("reports")
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.path.join("lock")
    }

    pub(super) fn pins(&self) -> PathBuf {
        self.path.join("pins.json")
    }

    pub(super) fn labels(&self) -> PathBuf {
        self.path.join("labels.json")
    }

    pub(super) fn report(&self, file: &str) -> PathBuf {
        self.reports().join(file)
    }

    pub(super) fn exists(&self) -> bool {
        self.reports().is_dir()
    }

    /// Keeps a report, `instead` of one that is there or else under a name that no other has; the caller has the
    /// history locked.
    pub(super) fn keep(
        &self,
        record: &Record,
        text: &str,
        instead: Option<&str>,
    ) -> Result<(String, Stamp)> {
        let plain = name(record);
        let with_run = format!("{plain}-{}", hash(record));
        let free = [plain, with_run].map(|stem| format!("{stem}.json")).into_iter();
        let mut free = free.filter(|name| !self.report(name).exists());
        let Some(name) = instead.map(str::to_owned).or_else(|| free.next()) else {
            return Err(Error::usage(format!(
                "'{}' has other reports under the names for run '{}'; move them out of the way",
                self.reports().display(),
                record.run
            )));
        };
        let path = self.report(&name);
        write_atomically(&path, text.as_bytes())?;
        let facts = path.metadata().map_err(|why| Error::file("read", &path, why))?;
        Ok((name, stamp(&facts)))
    }

    pub(super) fn remove(&self, file: &str) -> Result<()> {
        let path = self.report(file);
        std::fs::remove_file(&path).map_err(|why| Error::file("remove", &path, why))
    }
}

fn stamp(facts: &Metadata) -> Stamp {
    let nanoseconds = i128::from(facts.mtime()) * 1_000_000_000 + i128::from(facts.mtime_nsec());
    (facts.len(), u64::try_from(nanoseconds).unwrap_or(0))
}

/// The JSON files of a folder, by name. Links and hidden files are passed over: what is
/// being written is hidden, and a link leads out of the folder.
pub(super) fn json_files(folder: &Path) -> Result<Vec<(String, Stamp)>> {
    let wrong = |why| Error::file("read", folder, why);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') || !name.ends_with(".json") {
            continue;
        }
        let facts = entry.metadata().map_err(wrong)?;
        if !facts.is_symlink() && is_plain_entry(&entry.path()) {
            files.push((name, stamp(&facts)));
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// `20261121T200327Z-` and the commit, or the end of the run's name where there is none.
fn name(record: &Record) -> String {
    let time = record.started.replace([':', '-'], "");
    let end = record.run.rsplit('-').next().unwrap_or_default();
    let plain = end.chars().all(|c| c.is_ascii_alphanumeric());
    let tail = match &record.git {
        Some(git) => short(git).to_owned(),
        None if plain && (1..=TAIL_LIMIT).contains(&end.len()) => end.to_owned(),
        None => hash(record),
    };
    format!("{time}-{tail}")
}

fn hash(record: &Record) -> String {
    format!("{:08x}", fingerprint(record.run.bytes()) >> 32)
}

/// How often we try to take the lock, and the pause in between.
pub(super) const TRIES: u32 = 300;
const PAUSE: Duration = Duration::from_millis(100);

/// The lock of a history. It is a file of its own, because the index is replaced.
#[derive(Debug)]
pub(super) enum Lock {
    /// Ours, as long as the file is open.
    Held { _file: File },
    /// There can be none, for this reason: such a history is only read.
    Impossible(String),
}

impl Lock {
    pub(super) fn take(folder: &Folder, tries: u32) -> Result<Self> {
        if !is_plain(&folder.lock()) {
            return Ok(Self::Impossible("it is no plain file".to_owned()));
        }
        let file = match File::options().create(true).append(true).open(folder.lock()) {
            Ok(file) => file,
            Err(why) => return Ok(Self::Impossible(why.to_string())),
        };
        for _ in 0..tries {
            match file.try_lock() {
                Ok(()) => return Ok(Self::Held { _file: file }),
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
                Err(TryLockError::Error(why)) => return Ok(Self::Impossible(why.to_string())),
            }
        }
        Err(Error::usage(format!(
            "another process has had the history in '{}' open for {} s; try again when it is done",
            folder.path.display(),
            (tries * PAUSE).as_secs()
        )))
    }

    /// Refuses to change a history that is not locked.
    pub(super) fn check(&self, folder: &Folder) -> Result<()> {
        let Self::Impossible(why) = self else { return Ok(()) };
        Err(Error::usage(format!(
            "the history in '{}' can only be read, because '{}' cannot be locked ({why}); make the folder writable, or \
             name another by --dir",
            folder.path.display(),
            folder.lock().display()
        )))
    }
}
