//! Aborts the job: with one message, one exit code, and the report of what was measured so far.

use std::sync::{Mutex, PoisonError};

use crate::base::error::{Error, Kind};
use crate::base::failure::{CaseError, Failure};
use crate::world::mpi;
use crate::world::progress;
use crate::world::supervision::{self, Note};

/// The failure for an error of this rank, at its current position.
pub fn failure_here(error: &Error) -> Failure {
    let phase = progress::position().phase.name();
    let (node, device) = progress::place();
    let known = |text: String| Some(text).filter(|text| !text.is_empty());
    let error = CaseError {
        rank: error.rank.or_else(progress::rank),
        node: known(node),
        device: known(device),
        ..CaseError::now(error.kind, phase, error.message.clone())
    };
    Failure { case: progress::case(), error }
}

/// Writes the report of what was measured; `None` when no thread may. Locked meanwhile, so that only one thread does.
static SAVE_REPORT: Mutex<Option<Box<SaveReport>>> = Mutex::new(None);
type SaveReport = dyn Fn(&Failure) + Send + Sync;

/// Sets how the report is saved if this process aborts. Rank 0 calls it.
pub fn save_report_with(save: impl Fn(&Failure) + Send + Sync + 'static) {
    *SAVE_REPORT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(save));
}

/// Disables [`save_report`]: from now on only the caller writes the report.
pub fn stop_saving() {
    *SAVE_REPORT.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Saves the report of what was measured so far, unless a supervisor does it.
pub fn save_report(failure: &Failure) {
    supervision::notify(&Note::Failure(Box::new(failure.clone())));
    let save = SAVE_REPORT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(save) = save.as_ref().filter(|_| !supervision::is_supervised()) {
        save(failure);
    }
}

/// Aborts the job because of an error of this rank. Only the thread that calls MPI may call this.
pub fn abort(error: &Error) -> ! {
    report(&failure_here(error), "");
    mpi::abort(error.kind.exit())
}

/// Aborts the job from a thread that does not call MPI; `more` follows the sentence of the failure.
pub fn abort_from_watchdog(failure: &Failure, more: &str) -> ! {
    report(failure, more);
    mpi::exit_process(failure.error.kind.exit())
}

/// Aborts the job because this rank waited for others until the deadline of the run.
pub fn abort_at_deadline() -> ! {
    abort(&Error::new(
        Kind::TimedOut,
        format!(
            "{}: still waiting at the deadline of the run; use --heartbeats on to find the rank it waits for, or \
             increase --timeout",
            progress::describe()
        ),
    ))
}

fn report(failure: &Failure, more: &str) {
    tracing::error!("{}{more}", failure.error.detail);
    save_report(failure);
    // Failures of other threads from now on are consequences of this one.
    stop_saving();
    supervision::notify(&Note::Exit(failure.error.kind.exit()));
    // Hydra drops output that it has not forwarded when a rank aborts.
    std::thread::sleep(std::time::Duration::from_millis(300));
}
