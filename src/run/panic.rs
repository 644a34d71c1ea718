//! Panics of a rank: caught where its life begins, reported in one line, and the end of the job.
//!
//! A rank that unwinds further would leave the others waiting. The hook alone would not do either:
//! it also runs for panics that are caught on purpose. Panics of its other threads do not end the job; the hook
//! reports them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use crate::base::error::{Error, Kind};

static LAST: Mutex<String> = Mutex::new(String::new());

pub(super) fn guard<T>(life: impl FnOnce() -> T) -> T {
    let guarded = std::thread::current().id();
    std::panic::set_hook(Box::new(move |info| {
        let mut text = info.to_string().replace('\n', " ");
        if std::env::var_os("RUST_BACKTRACE").is_some() {
            text = format!("{text}\n{}", std::backtrace::Backtrace::force_capture());
        }
        let thread = std::thread::current();
        match thread.id() == guarded {
            true => *LAST.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = text,
            false => {
                tracing::error!("thread {}: {text}", thread.name().unwrap_or("without a name"))
            }
        }
    }));
    catch_unwind(AssertUnwindSafe(life)).unwrap_or_else(|_| {
        let text = LAST.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let place = crate::world::progress::describe();
        crate::world::abort::abort(&Error::new(Kind::RankDied, format!("{place}: {text}")))
    })
}
