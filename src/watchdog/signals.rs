//! The signals that stop a run: SIGTERM, SIGINT and SIGUSR1.

use std::sync::Arc;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use crate::base::error::{Error, Kind, Result};
use crate::world::abort;
use crate::world::progress::{self, Phase};

use super::Shared;

/// Delay between a signal and the report. Launchers signal all ranks after one has died, and kill them soon after: by
/// then rank 0 has reported the death, and is not killed yet.
const FAULT_DELAY: Duration = Duration::from_millis(300);

/// Handles signals in a separate thread. It saves the report at once, because the launcher that forwards a signal may
/// kill all ranks a second later. If the run still ends in order, its report replaces this one.
pub(super) fn listen(shared: Arc<Shared>) -> Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGUSR1]).map_err(cannot)?;
    let thread = std::thread::Builder::new().name("signals".to_owned());
    let listen = move || {
        for signal in signals.forever() {
            if !progress::stop_requested() {
                progress::request_stop();
                std::thread::sleep(FAULT_DELAY);
                if progress::position().phase == Phase::Leave {
                    continue;
                }
                // The launcher resumed a stopped process in order to end it.
                let own_stop = shared.messages().of_own_stop();
                if let Some(failure) = own_stop {
                    abort::abort_from_watchdog(&failure, "");
                }
                if progress::rank() == Some(0) {
                    let most = shared.messages().deadlines.stop;
                    tracing::warn!("interrupted; ending the case, which takes at most {most} s");
                }
                let error = Error::new(Kind::Interrupted, format!("stopped by signal {signal}"));
                abort::save_report(&abort::failure_here(&error));
            }
        }
    };
    thread.spawn(listen).map_err(cannot)?;
    Ok(())
}

/// Makes signals set the stop flag, without a thread; the report is then written after the current case stops.
pub fn set_stop_flag_on_signals() -> Result<()> {
    for signal in [SIGTERM, SIGINT, SIGUSR1] {
        signal_hook::flag::register(signal, progress::stop_flag()).map_err(cannot)?;
    }
    Ok(())
}

fn cannot(why: std::io::Error) -> Error {
    Error::unfit(format!("signal handlers cannot be installed: {why}"))
}
