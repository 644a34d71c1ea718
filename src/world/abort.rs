//! How a job ends before its time: told in one sentence, with its exit code, and with what was measured kept.

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

/// Keeps what was measured.
type Keep = Box<dyn Fn(&Failure) + Send + Sync>;

/// Held while the report is written, so that no two threads do, and empty once nobody may any more.
static KEEP: Mutex<Option<Keep>> = Mutex::new(None);

/// Says how to keep what was measured when this process ends before its time. For rank 0, once there is
/// something to keep.
pub fn keep_with(keep: impl Fn(&Failure) + Send + Sync + 'static) {
    *KEEP.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(keep));
}

/// From here on the report is the caller's to write: what others would keep is in it.
pub fn keep_no_more() {
    *KEEP.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Keeps what was measured so far, for the case that this process gets no further; under a supervisor that does.
pub fn keep(failure: &Failure) {
    supervision::tell(&Note::Failure(Box::new(failure.clone())));
    let keep = KEEP.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(keep) = keep.as_ref().filter(|_| !supervision::is_supervised()) {
        keep(failure);
    }
}

/// Ends this process, and with it the whole job, because of an error of this rank. Only the thread that calls
/// MPI may call this.
pub fn end(error: &Error) -> ! {
    tell(&failure_here(error), &error.message);
    world::abort(error.exit())
}

/// Ends this process, and with it the whole job, from a thread that may not call MPI. `message` is what people
/// read, which may be longer than one sentence.
pub fn end_from_aside(failure: &Failure, message: &str) -> ! {
    tell(failure, message);
    world::quit(failure.exit())
}

/// Ends the job because this rank waited for others until the deadline of the run.
pub fn end_waiting() -> ! {
    end(&Error::new(
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
    keep(failure);
    // What another thread finds now follows from this.
    keep_no_more();
    supervision::announce_exit(failure.exit());
    // Hydra drops what it has not passed on when a rank aborts.
    std::thread::sleep(std::time::Duration::from_millis(300));
}
