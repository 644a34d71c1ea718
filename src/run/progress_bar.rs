//! How far a run is, on standard error.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};

use crate::base::plain::plain;

/// A bar of `total` cases where a person watches; else a hidden one.
pub(super) fn new(total: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}");
    ProgressBar::new(total as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Shows that `done` cases are finished and which one starts; an empty one after the last.
pub(super) fn advance(bar: &ProgressBar, done: usize, id: &str) {
    bar.set_position(done as u64);
    bar.set_message(plain(id).into_owned());
    if id.is_empty() {
        bar.finish_and_clear();
    }
}
