//! What this rank is doing: for error messages, for its heartbeat, and for planted faults.
//!
//! The rank writes, its watchdog reads. In the timed loop that is a store of a number between two
//! operations, outside their stamps.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

pub use tesserabench_launcher::Activity;

/// The steps of a case, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// Joining the other ranks, before the first case.
    Join,
    /// Asleep while other ranks measure.
    Parked,
    /// Connecting to the ranks of a group.
    Connect,
    /// Allocating and filling.
    Prepare,
    /// Checking results against their reference.
    Verify,
    /// Warming up and timing.
    Measure,
    /// Sending samples to rank 0.
    Gather,
    /// Writing results.
    Write,
    /// Leaving the other ranks, after the last case.
    Leave,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Join,
        Self::Parked,
        Self::Connect,
        Self::Prepare,
        Self::Verify,
        Self::Measure,
        Self::Gather,
        Self::Write,
        Self::Leave,
    ];

    /// The name in messages and in fault descriptions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Parked => "parked",
            Self::Connect => "connect",
            Self::Prepare => "prepare",
            Self::Verify => "verify",
            Self::Measure => "measure",
            Self::Gather => "gather",
            Self::Write => "write",
            Self::Leave => "leave",
        }
    }
}

/// Where a rank is, as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// How many sets of cases it has begun.
    pub task: u32,
    /// Step of the case.
    pub phase: Phase,
    /// Operations begun in this step.
    pub round: u64,
    /// What it is at.
    pub activity: Activity,
}

static TASK: AtomicU32 = AtomicU32::new(0);
static PHASE: AtomicU8 = AtomicU8::new(Phase::Join as u8);
static ROUND: AtomicU64 = AtomicU64::new(0);
static ACTIVITY: AtomicU8 = AtomicU8::new(Activity::Working as u8);
static STOP: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// What is needed for messages only.
struct Names {
    rank: Option<usize>,
    host: String,
    case: String,
    device: String,
}

static NAMES: Mutex<Names> = Mutex::new(Names {
    rank: None,
    host: String::new(),
    case: String::new(),
    device: String::new(),
});

fn with<T>(act: impl FnOnce(&mut Names) -> T) -> T {
    act(&mut NAMES.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// Says which rank this is, on which node.
pub fn set_place(rank: usize, host: &str) {
    with(|names| {
        names.rank = Some(rank);
        host.clone_into(&mut names.host);
    });
}

/// Says what this rank drives.
pub fn set_device(name: &str) {
    with(|names| name.clone_into(&mut names.device));
}

/// Which rank this is, once it is known.
pub fn rank() -> Option<usize> {
    with(|names| names.rank)
}

/// The node and the device of this rank, empty before they are known.
pub fn place() -> (String, String) {
    with(|names| (names.host.clone(), names.device.clone()))
}

/// The case that this rank is in; empty before the first.
pub fn case() -> String {
    with(|names| names.case.clone())
}

/// Says which case this rank is in, the `task`th of those that follow each other.
pub fn enter_case(task: usize, id: &str) {
    with(|names| id.clone_into(&mut names.case));
    TASK.store(u32::try_from(task).unwrap_or(u32::MAX), Ordering::Relaxed);
}

/// Says which step of the case this rank is in.
pub fn enter(phase: Phase) {
    PHASE.store(phase as u8, Ordering::Relaxed);
    ROUND.store(0, Ordering::Relaxed);
    at(Activity::Working);
}

/// Says that the next operation begins.
pub fn next_round() {
    // This thread alone writes it.
    ROUND.store(ROUND.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// Says what this rank is at.
pub fn at(activity: Activity) {
    ACTIVITY.store(activity as u8, Ordering::Relaxed);
}

/// What `act` does is waiting for others, in a rank that rests so that others can measure resting.
pub fn waiting<T>(act: impl FnOnce() -> T) -> T {
    let parked = PHASE.load(Ordering::Relaxed) == Phase::Parked as u8;
    at(if parked { Activity::Apart } else { Activity::Waiting });
    let done = act();
    at(Activity::Working);
    done
}

/// What `act` does is done by several ranks together.
pub fn together<T>(act: impl FnOnce() -> T) -> T {
    at(Activity::Together);
    let done = act();
    at(Activity::Working);
    done
}

/// Where this rank is.
pub fn position() -> Position {
    let phase = PHASE.load(Ordering::Relaxed);
    let activity = ACTIVITY.load(Ordering::Relaxed);
    let activities = [Activity::Working, Activity::Together, Activity::Waiting, Activity::Apart];
    Position {
        task: TASK.load(Ordering::Relaxed),
        phase: Phase::ALL[usize::from(phase)],
        round: ROUND.load(Ordering::Relaxed),
        activity: activities
            .into_iter()
            .find(|known| *known as u8 == activity)
            .unwrap_or(Activity::Working),
    }
}

/// `rank 1 on node7, in case gemm/f32/…, phase measure`.
pub fn sentence() -> String {
    with(|names| {
        let place = match names.rank {
            Some(rank) => format!("rank {rank} on {}", names.host),
            None => "this process".to_owned(),
        };
        let case = match names.case.as_str() {
            "" => "before the first case".to_owned(),
            case => format!("in case {case}"),
        };
        format!("{place}, {case}, phase {}", position().phase.name())
    })
}

/// Asks this rank to stop as soon as it can do so in good order.
pub fn ask_to_stop() {
    STOP.store(true, Ordering::Relaxed);
}

/// Whether it was asked to stop.
pub fn is_asked_to_stop() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// What is set when this rank is to stop.
pub fn stop_flag() -> Arc<AtomicBool> {
    Arc::clone(&STOP)
}
