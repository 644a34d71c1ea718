//! How far a run is, on standard error: a bar where a person watches, else a line for each case.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::base::plain::plain;
use crate::base::units::format_about;
use crate::render::remark;

/// Shows the progress of a run, unless only errors are asked for.
pub(super) struct CaseProgress {
    bar: ProgressBar,
    /// Whether lines stand for the bar.
    in_lines: bool,
}

impl CaseProgress {
    pub(super) fn new(total: usize) -> Self {
        let is_shown = tracing::enabled!(tracing::Level::WARN);
        let is_terminal = std::io::stderr().is_terminal();
        let bar = if is_shown && is_terminal {
            let style = ProgressStyle::with_template("{bar:24} {pos}/{len}{left}: {msg}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total as u64).with_style(style.with_key("left", time_left))
        } else {
            ProgressBar::hidden()
        };
        Self { bar, in_lines: is_shown && !is_terminal }
    }

    /// Shows that `done` cases are finished and which one starts; an empty one after the last.
    pub(super) fn starts(&self, done: usize, id: &str) {
        self.bar.set_position(done as u64);
        if self.bar.message().is_empty() {
            // What was measured before this start of the run took no time in it.
            self.bar.reset_eta();
        }
        self.bar.set_message(plain(id).into_owned());
        if id.is_empty() {
            self.end();
        }
    }

    pub(super) fn ends(&self, done: usize, total: usize, told: &str) {
        if self.in_lines {
            remark(&format!("tesserabench: {done} of {total}: {told}"));
        }
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }

    /// Prints something where the bar does not disturb it.
    pub(super) fn above(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }
}

/// About how long the cases take that are left, once one is over.
fn time_left(state: &ProgressState, to: &mut dyn std::fmt::Write) {
    let left = state.eta();
    if !left.is_zero() {
        // The writer is a text in memory.
        let _ = write!(to, ", about {} left", format_about(left.as_secs_f64()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_before_says_nothing_of_the_time_left() {
        let bar = ProgressBar::hidden();
        bar.set_length(100);
        let progress = CaseProgress { bar, in_lines: false };
        progress.starts(50, "a");
        assert!(progress.bar.eta().is_zero());
        progress.starts(51, "b");
        assert!(!progress.bar.eta().is_zero());
    }
}
