//! Aborting a job: one sentence, one exit code, and the report of what was measured so far.

use std::sync::{Mutex, PoisonError};

use crate::base::error::{Error, Kind};
use crate::base::failure::{CaseError, Failure};
use crate::world;
use crate::world::progress;
use crate::world::supervision::{self, Note};

/// What this rank found wrong here and now.
pub fn failure_here(error: &Error) -> Failure {
    let phase = progress::position().phase.name();
    let (node, device) = progress::place();
    let known = |text: String| Some(text).filter(|text| !text.is_empty());
    let found = CaseError::now(error.kind, phase, error.message.clone());
    let error = CaseError {
        rank: error.rank.or_else(progress::rank),
        node: known(node),
        device: known(device),
        ..found
    };
    Failure { case: progress::case(), error }
}

/// Writes the report of what was measured.
type SaveReport = Box<dyn Fn(&Failure) + Send + Sync>;

/// Held while the report is written, so that no two threads do, and empty once nobody may any more.
static SAVE_REPORT: Mutex<Option<SaveReport>> = Mutex::new(None);

/// Sets how the report is saved when this process aborts. For rank 0, once there is something to save.
pub fn save_report_with(save: impl Fn(&Failure) + Send + Sync + 'static) {
    *SAVE_REPORT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(save));
}

/// From here on only the caller writes the report.
pub fn stop_saving() {
    *SAVE_REPORT.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Saves the report of what was measured so far, unless a supervisor does that.
pub fn save_report(failure: &Failure) {
    supervision::tell(&Note::Failure(Box::new(failure.clone())));
    let save = SAVE_REPORT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(save) = save.as_ref().filter(|_| !supervision::is_supervised()) {
        save(failure);
    }
}

/// Ends this process, and with it the whole job, because of an error of this rank. Only the thread that calls
/// MPI may call this.
pub fn abort(error: &Error) -> ! {
    tell(&failure_here(error), &error.message);
    world::abort_mpi(error.exit())
}

/// Ends this process, and with it the whole job, from a thread that may not call MPI. `message` is what people
/// read, which may be longer than one sentence.
pub fn abort_from_watchdog(failure: &Failure, message: &str) -> ! {
    tell(failure, message);
    world::exit_process(failure.exit())
}

/// Ends the job because this rank waited for others until the deadline of the run.
pub fn abort_waiting() -> ! {
    abort(&Error::new(
        Kind::TimedOut,
        format!(
            "{}: still waiting when the deadline of the run passed; run it with --heartbeats on to learn which \
             rank it waits for, or give more time with --timeout",
            progress::sentence()
        ),
    ))
}

fn tell(failure: &Failure, message: &str) {
    tracing::error!("{message}");
    save_report(failure);
    // What another thread finds now follows from this.
    stop_saving();
    supervision::announce_exit(failure.exit());
    // Hydra drops what it has not passed on when a rank aborts.
    std::thread::sleep(std::time::Duration::from_millis(300));
}
