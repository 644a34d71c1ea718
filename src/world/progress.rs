//! The progress of this rank, for error messages, heartbeats and planted faults.
//!
//! The main thread writes it, the watchdog reads it. In the timed loop that costs one store between two operations,
//! outside their timestamps.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

pub use tesserabench_launcher::Activity;

/// The phases of a run and of a case, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// Connecting all ranks, before the first case.
    Join,
    /// Asleep while other ranks measure.
    Parked,
    /// Creating a communicator.
    Connect,
    /// Allocating and initialising buffers.
    Prepare,
    /// Verifying results against the reference.
    Verify,
    /// Warm-up and timing.
    Measure,
    /// Gathering samples on rank 0.
    Gather,
    /// Writing results.
    Write,
    /// Finalizing, after the last case.
    Leave,
}

const PHASES: [(Phase, &str); 9] = [
    (Phase::Join, "join"),
    (Phase::Parked, "parked"),
    (Phase::Connect, "connect"),
    (Phase::Prepare, "prepare"),
    (Phase::Verify, "verify"),
    (Phase::Measure, "measure"),
    (Phase::Gather, "gather"),
    (Phase::Write, "write"),
    (Phase::Leave, "leave"),
];

impl Phase {
    /// The phase with this number; `Join` for an unknown one.
    pub fn numbered(number: u8) -> Self {
        PHASES.get(usize::from(number)).map_or(Self::Join, |(phase, _)| *phase)
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        PHASES.iter().find(|(_, known)| *known == name).map(|(phase, _)| *phase)
    }

    /// The name in messages and in fault descriptions.
    pub fn name(self) -> &'static str {
        PHASES[self as usize].1
    }
}

/// The position of a rank in the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Number of sets of concurrent cases it has started.
    pub task: u32,
    /// Phase of the case.
    pub phase: Phase,
    /// Operations started in this phase.
    pub round: u64,
    /// What the rank is doing.
    pub activity: Activity,
}

static TASK: AtomicU32 = AtomicU32::new(0);
static PHASE: AtomicU8 = AtomicU8::new(Phase::Join as u8);
static ROUND: AtomicU64 = AtomicU64::new(0);
static ACTIVITY: AtomicU8 = AtomicU8::new(Activity::Working as u8);
static STOP: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

#[derive(Default)]
struct Names {
    rank: Option<usize>,
    host: String,
    case: String,
    device: String,
}

static NAMES: LazyLock<Mutex<Names>> = LazyLock::new(Mutex::default);

fn with<T>(act: impl FnOnce(&mut Names) -> T) -> T {
    act(&mut NAMES.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

pub(crate) fn set_place(rank: usize, host: &str) {
    with(|names| {
        names.rank = Some(rank);
        host.clone_into(&mut names.host);
    });
}

pub(crate) fn set_device(name: &str) {
    with(|names| name.clone_into(&mut names.device));
}

/// The rank of this process, once it is known.
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

/// Enters a case of the set with this number.
pub fn enter_case(task: usize, id: &str) {
    with(|names| id.clone_into(&mut names.case));
    TASK.store(u32::try_from(task).unwrap_or(u32::MAX), Ordering::Relaxed);
}

/// Enters a phase.
pub fn enter(phase: Phase) {
    PHASE.store(phase as u8, Ordering::Relaxed);
    ROUND.store(0, Ordering::Relaxed);
    set_activity(Activity::Working);
}

/// Counts an operation that starts.
pub fn next_round() {
    // Only this thread writes it.
    ROUND.store(ROUND.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

pub(crate) fn set_activity(activity: Activity) {
    ACTIVITY.store(activity as u8, Ordering::Relaxed);
}

/// Runs `act` as waiting for other ranks; as parked in a parked rank.
pub fn waiting<T>(act: impl FnOnce() -> T) -> T {
    let parked = PHASE.load(Ordering::Relaxed) == Phase::Parked as u8;
    during(if parked { Activity::Parked } else { Activity::Waiting }, act)
}

/// Runs `act` as an operation of several ranks.
pub fn in_collective<T>(act: impl FnOnce() -> T) -> T {
    during(Activity::Joint, act)
}

fn during<T>(activity: Activity, act: impl FnOnce() -> T) -> T {
    set_activity(activity);
    let done = act();
    set_activity(Activity::Working);
    done
}

pub(crate) fn position() -> Position {
    Position {
        task: TASK.load(Ordering::Relaxed),
        phase: Phase::numbered(PHASE.load(Ordering::Relaxed)),
        round: ROUND.load(Ordering::Relaxed),
        activity: Activity::numbered(ACTIVITY.load(Ordering::Relaxed)).unwrap_or(Activity::Working),
    }
}

/// Describes the position of this rank: `rank 1 on node7, in case gemm/f32/…, phase measure`.
pub fn describe() -> String {
    with(|names| {
        let place = match names.rank {
            Some(rank) => format!("rank {rank} on {}", names.host),
            None => "this process".to_owned(),
        };
        format!("{place}, {}, phase {}", in_case(&names.case), position().phase.name())
    })
}

/// `in case gemm/f32/…`, for this case.
pub(crate) fn in_case(case: &str) -> String {
    match case {
        "" => "before the first case".to_owned(),
        case => format!("in case {case}"),
    }
}

pub(crate) fn request_stop() {
    STOP.store(true, Ordering::Relaxed);
}

pub(crate) fn stop_requested() -> bool {
    STOP.load(Ordering::Relaxed)
}

pub(crate) fn stop_flag() -> Arc<AtomicBool> {
    Arc::clone(&STOP)
}
