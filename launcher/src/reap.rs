//! Processes that lose their parent: a job leaves none behind, and none outlives who supervises it.

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, getppid, kill_process, set_child_subreaper,
    set_parent_process_death_signal, waitpid,
};
use tokio::time::{Instant, sleep};

/// How long processes whose parent has ended may take to notice it and end too.
const LINGER: Duration = Duration::from_millis(250);

/// How long to go on; a process that hangs in the kernel ends when that lets it.
const LIMIT: Duration = Duration::from_secs(5);

/// Time between two looks at who is left.
const PAUSE: Duration = Duration::from_millis(20);

/// Has `signal` sent to this process when its parent ends, however that ends. It stays so when this
/// process becomes another program. Strictly the parent is the thread that started this process.
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

/// The processes that become children of this one while a job runs: the job's own, and whichever of
/// their descendants lose their parents, whatever group or session those put themselves into.
///
/// Only children are ever signalled. Their numbers are not given to others before they are reaped here;
/// when one ends, its own children become ours.
#[derive(Debug)]
pub(crate) struct Orphans {
    /// Children that this process had before.
    before: HashSet<Pid>,
}

impl Orphans {
    /// From now on orphaned descendants become children of this process, for as long as it lives.
    pub(crate) fn adopt() -> io::Result<Self> {
        set_child_subreaper(Some(getpid()))?;
        Ok(Self { before: children()?.collect() })
    }

    /// Ends and reaps all of them; how many had to be killed.
    pub(crate) async fn end(self) -> usize {
        let begun = Instant::now();
        let mut killed = HashSet::new();
        while begun.elapsed() < LIMIT {
            let Ok(children) = children() else { break };
            let (mut some, mut alive) = (false, false);
            for child in children.filter(|child| !self.before.contains(child)) {
                some = true;
                if let Ok(None) = waitpid(Some(child), WaitOptions::NOHANG) {
                    alive = true;
                    if begun.elapsed() >= LINGER && kill_process(child, Signal::KILL).is_ok() {
                        killed.insert(child);
                    }
                }
            }
            if !some {
                break;
            }
            // Those that were reaped may have left children of theirs to us.
            if alive {
                sleep(PAUSE).await;
            }
        }
        killed.len()
    }
}

/// The children of this process, ended ones that were not reaped included.
fn children() -> io::Result<impl Iterator<Item = Pid>> {
    let own = getpid().as_raw_nonzero().get();
    let entries = std::fs::read_dir("/proc")?;
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    Ok(numbers.filter(move |number| parent(*number) == Some(own)).filter_map(Pid::from_raw))
}

/// The parent of a process; none if it has gone meanwhile.
fn parent(process: i32) -> Option<i32> {
    parent_in(&std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// The parent by the line `number (name) state parent ...`, whose name may hold anything.
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
