//! What a rank says of itself.

/// Where a rank is, and how it is. The numbers of tasks, steps and limits are the caller's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    /// Which rank speaks.
    pub rank: u32,
    /// Number of the task it is in.
    pub task: u32,
    /// Step of the task.
    pub stage: u8,
    /// Repetitions begun in this step.
    pub round: u64,
    /// What it does there.
    pub activity: Activity,
    /// How long nothing of the four above has changed, ms.
    pub still_ms: u32,
    /// The limit it is beyond, if any.
    pub overdue: Option<u8>,
    /// Whether it was asked to stop (a signal reached it).
    pub stop: bool,
}

/// What a rank does, by who may hold it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// At something of its own: nobody else can hold it up.
    Working,
    /// In an operation that several do together.
    Together,
    /// Waits for others.
    Waiting,
    /// Rests until the others have done.
    Apart,
}
