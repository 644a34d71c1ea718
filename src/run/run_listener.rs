//! Tells the supervisor, the watchdog and the progress bar how far the run is, on rank 0.

use indicatif::ProgressBar;

use super::recorder;
use crate::machine::environment::Environment;
use crate::plan::Plan;
use crate::render::Output;
use crate::watchdog::Watchdog;
use crate::world::abort;
use crate::world::supervision::{self, Note};

/// Those who follow a run.
pub(super) struct RunListener<'a> {
    pub(super) watch: Option<&'a Watchdog>,
    pub(super) plan: &'a Plan,
    pub(super) outputs: &'a [Output],
    pub(super) bar: &'a ProgressBar,
}

impl RunListener<'_> {
    /// `done` cases of all cycles are finished and this one begins; an empty one after the last.
    pub(super) fn on_case(&self, done: usize, id: &str) {
        let total = self.plan.cases.len();
        // The bar shows each cycle of cases that run again.
        let done = if id.is_empty() { total } else { done % total };
        supervision::notify(&Note::Case { done, total, id: id.to_owned() });
        self.bar.set_position(done as u64);
        self.bar.set_message(id.to_owned());
    }

    /// There is something to keep from now on if the run ends before its time.
    pub(super) fn on_journal(&self, environment: &Environment) {
        supervision::notify(&Note::Journal);
        if let Some(watch) = self.watch {
            watch.set_devices(environment);
        }
        let outputs = self.outputs.to_vec();
        abort::save_report_with(move |failure| recorder::save_incomplete(&outputs, failure));
    }
}
