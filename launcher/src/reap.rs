//! Processes that lost their parent: none is left of a job, and a job is not left by its own.

use std::io;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// Has `signal` sent to this process when its parent ends, however that ends. It stays so when this
/// process becomes another program. The parent is strictly the thread that started this process.
///
/// # Errors
/// When the parent is not the process `parent` any more, or the operating system refuses.
pub fn die_with_parent(parent: u32, signal: Signal) -> io::Result<()> {
    set_parent_process_death_signal(Some(signal))?;
    // Looked at after, so that a parent which ended in between is noticed.
    if getppid().is_some_and(|now| now.as_raw_nonzero().get().cast_unsigned() == parent) {
        Ok(())
    } else {
        Err(io::Error::other(format!("process {parent}, which started this one, is gone")))
    }
}
