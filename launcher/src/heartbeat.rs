//! The state of a rank, as its heartbeats report it.

/// The state of a rank. The caller defines the numbers of tasks, stages and limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// The rank that sends it.
    pub rank: u32,
    /// Number of the current task.
    pub task: u32,
    /// Stage of the task.
    pub stage: u8,
    /// Repetitions started in this stage.
    pub round: u64,
    /// What the rank is doing.
    pub activity: Activity,
    /// Time since `task`, `stage`, `round` or `activity` last changed, ms.
    pub unchanged_ms: u32,
    /// The limit that the rank exceeds, if any.
    pub overdue: Option<u8>,
    /// Whether a stop was requested at this rank (by a signal).
    pub stop: bool,
}

/// What a rank is doing, by which other ranks can block it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// Local work: no other rank can block it.
    Working,
    /// A collective operation of several ranks.
    Collective,
    /// Waiting for other ranks.
    Waiting,
    /// Parked while the others work.
    Parked,
}

impl Activity {
    /// The activity with this number.
    pub fn numbered(number: u8) -> Option<Self> {
        let all = [Self::Working, Self::Collective, Self::Waiting, Self::Parked];
        all.get(usize::from(number)).copied()
    }
}
