//! Orphaned processes: a job leaves none behind, and no process outlives its supervisor.

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, getppid, kill_process, set_child_subreaper,
    set_parent_process_death_signal, waitpid,
};
use tokio::time::{Instant, sleep};

/// Grace period of orphans before they are killed.
const ORPHAN_GRACE: Duration = Duration::from_millis(250);

/// How long to wait for killed processes; one that hangs in the kernel may take longer.
const REAP_TIMEOUT: Duration = Duration::from_secs(5);

const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Makes the kernel send `signal` to this process when its parent exits for any reason. The setting survives `exec`.
/// Strictly, the parent is the thread that started this process.
///
/// # Errors
/// If the parent is no longer the process `parent`, or the operating system refuses.
pub fn die_with_parent(parent: u32, signal: Signal) -> io::Result<()> {
    set_parent_process_death_signal(Some(signal))?;
    // Checked afterwards, to detect a parent that exited in between.
    if getppid().is_some_and(|now| now.as_raw_nonzero().get().cast_unsigned() == parent) {
        Ok(())
    } else {
        Err(io::Error::other(format!("the parent process {parent} has exited")))
    }
}

/// The processes that become children of this one while a job runs: the job's own, and their orphaned descendants,
/// in any process group or session.
///
/// Only children are signalled: the kernel does not reuse their pids before they are reaped here. When one exits, its
/// children become ours.
#[derive(Debug)]
pub(crate) struct Orphans {
    before: HashSet<Pid>,
}

impl Orphans {
    /// Makes this process the parent of its orphaned descendants, for the rest of its life.
    pub(crate) fn adopt() -> io::Result<Self> {
        set_child_subreaper(Some(getpid()))?;
        Ok(Self { before: children()?.collect() })
    }

    /// Waits for all orphans, kills those that remain, and reaps them; returns how many were killed.
    pub(crate) async fn reap(self) -> usize {
        let begun = Instant::now();
        let mut killed = HashSet::new();
        while begun.elapsed() < REAP_TIMEOUT {
            let Ok(children) = children() else { break };
            let (mut some, mut alive) = (false, false);
            for child in children.filter(|child| !self.before.contains(child)) {
                some = true;
                if let Ok(None) = waitpid(Some(child), WaitOptions::NOHANG) {
                    alive = true;
                    if begun.elapsed() >= ORPHAN_GRACE && kill_process(child, Signal::KILL).is_ok()
                    {
                        killed.insert(child);
                    }
                }
            }
            if !some {
                break;
            }
            // The children of a reaped process are ours now: poll again at once.
            if alive {
                sleep(POLL_INTERVAL).await;
            }
        }
        killed.len()
    }
}

/// The children of this process, zombies included.
fn children() -> io::Result<impl Iterator<Item = Pid>> {
    let own = getpid().as_raw_nonzero().get();
    let entries = std::fs::read_dir("/proc")?;
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    Ok(numbers.filter(move |number| parent(*number) == Some(own)).filter_map(Pid::from_raw))
}

/// The parent of a process; `None` if the process does not exist.
fn parent(process: i32) -> Option<i32> {
    parent_in(&std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// Parses the parent from the line `pid (name) state parent ...`, whose name may contain any character.
fn parent_in(stat: &str) -> Option<i32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_found_behind_any_name() {
        assert_eq!(parent_in("12 (sh) S 7 12 12 0 -1"), Some(7));
        assert_eq!(parent_in("12 (a) S 9 (b)) Z 7 12 12"), Some(7));
        assert_eq!(parent_in("12"), None);
        let own = getpid().as_raw_nonzero().get();
        assert_eq!(parent(own), getppid().map(|pid| pid.as_raw_nonzero().get()));
        assert_eq!(parent(0), None);
    }

    #[test]
    fn who_is_not_the_parent_is_noticed() {
        assert!(die_with_parent(u32::MAX, Signal::TERM).is_err());
        set_parent_process_death_signal(None).unwrap();
    }
}
