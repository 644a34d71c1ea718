//! Signals that ask the run to stop: SIGTERM, SIGINT and SIGUSR1.

use std::sync::Arc;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use crate::base::error::{Error, Kind, Result};
use crate::world::abort;
use crate::world::progress::{self, Phase};

use super::Known;

/// Launchers end all ranks by a signal when one has died. So much later rank 0 has noticed its end and said so, and
/// a launcher that kills them all soon after has not done so yet.
const NOTICING: Duration = Duration::from_millis(300);

/// Hears signals in a thread of its own. What has been measured is written at once: the launcher that passes a
/// signal on may kill all ranks a second later. The report of a rank that gets as far as ending in good order
/// takes its place.
///
/// # Errors
/// Unfit when the operating system refuses.
pub(super) fn listen(known: Arc<Known>) -> Result<()> {
    let cannot = |why| Error::unfit(format!("signals cannot be heard: {why}"));
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGUSR1]).map_err(cannot)?;
    let thread = std::thread::Builder::new().name("signals".to_owned());
    let listen = move || {
        for signal in signals.forever() {
            if !progress::is_asked_to_stop() {
                progress::ask_to_stop();
                std::thread::sleep(NOTICING);
                if progress::position().phase == Phase::Leave {
                    continue;
                }
                // Stopped until it was woken to end.
                if let Some(seconds) = known.was_stopped_for() {
                    let (failure, message) = known.with_ranks(|ranks| ranks.was_stopped(seconds));
                    abort::abort_from_watchdog(&failure, &message);
                }
                let error =
                    Error::new(Kind::Interrupted, format!("asked to stop by signal {signal}"));
                abort::save_report(&abort::failure_here(&error));
            }
        }
    };
    thread.spawn(listen).map_err(cannot)?;
    Ok(())
}

/// Notes signals without a thread; what the run has come to is then written when the case is given up.
///
/// # Errors
/// Unfit when the operating system refuses.
pub fn note() -> Result<()> {
    let cannot = |why| Error::unfit(format!("signals cannot be heard: {why}"));
    for signal in [SIGTERM, SIGINT, SIGUSR1] {
        signal_hook::flag::register(signal, progress::stop_flag()).map_err(cannot)?;
    }
    Ok(())
}
