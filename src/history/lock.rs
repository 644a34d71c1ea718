//! One process at a time: who has a history open has its lock.

use std::fs::{File, TryLockError};
use std::time::Duration;

use super::folder::Folder;
use crate::base::error::{Error, Result};

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
