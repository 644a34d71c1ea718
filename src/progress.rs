//! What this rank is doing: for error messages, for the panic message and for the progress bar.

use std::sync::Mutex;

/// The steps of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Joining the other ranks.
    Join,
    /// Allocating, filling and connecting.
    Prepare,
    /// Checking results against their reference.
    Verify,
    /// Warming up and timing.
    Measure,
    /// Sending samples to rank 0.
    Gather,
    /// Writing results.
    Write,
    /// Asleep while other ranks measure.
    Parked,
}

impl Phase {
    /// The name in messages and in fault descriptions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Prepare => "prepare",
            Self::Verify => "verify",
            Self::Measure => "measure",
            Self::Gather => "gather",
            Self::Write => "write",
            Self::Parked => "parked",
        }
    }
}

struct State {
    rank: Option<usize>,
    place: String,
    case: String,
    phase: Phase,
}

static STATE: Mutex<State> =
    Mutex::new(State { rank: None, place: String::new(), case: String::new(), phase: Phase::Join });

fn with<T>(act: impl FnOnce(&mut State) -> T) -> T {
    act(&mut STATE.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// Says which rank this is, on which node.
pub fn set_place(rank: usize, host: &str) {
    with(|state| {
        state.rank = Some(rank);
        state.place = format!("rank {rank} on {host}");
    });
}

/// Which rank this is, once it is known.
pub fn rank() -> Option<usize> {
    with(|state| state.rank)
}

/// Says which case this rank is in.
pub fn enter_case(id: &str) {
    with(|state| id.clone_into(&mut state.case));
}

/// Says which step of the case this rank is in, and lets a planted fault strike there.
pub fn enter(phase: Phase) {
    with(|state| state.phase = phase);
    crate::fault::strike(phase);
}

/// Where this rank is: `rank 1 on node7, in case gemm/f32/…, phase measure`.
pub fn position() -> String {
    with(|state| {
        let place = if state.place.is_empty() { "this process" } else { &state.place };
        let case = if state.case.is_empty() {
            String::from("before the first case")
        } else {
            format!("in case {}", state.case)
        };
        format!("{place}, {case}, phase {}", state.phase.name())
    })
}
