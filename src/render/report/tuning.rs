//! What of kernels was chosen for the device.

use crate::base::units::format_ms;
use crate::benchmark::kernel::{ChosenBy, Tuning};
use crate::render::document::{Cell, Section};
use crate::report::{Case, Report};

/// A row for each case of which something could be chosen.
pub(super) fn section(report: &Report) -> Option<Section> {
    let tuned = |case: &Case| Some((case.id.clone(), case.measured.as_ref()?.tuning.clone()?));
    let rows: Vec<(String, Tuning)> = report.cases.iter().filter_map(tuned).collect();
    let section = Section::table(
        "tuning",
        &rows,
        &[
            ("case", &|(id, _)| id.as_str().into()),
            ("form", &|(_, tuning)| form(tuning).into()),
            ("chosen by", &|(_, tuning)| by(tuning).into()),
            ("forms tried", &|(_, tuning)| {
                format!("{} of {}", tuning.tried, tuning.combinations).into()
            }),
            ("search", &|(_, tuning)| match tuning.by {
                ChosenBy::Search => Cell::number(1e3 * tuning.seconds, format_ms),
                ChosenBy::Default | ChosenBy::Cache => Cell::default(),
            }),
            ("speed-up", &|(_, tuning)| {
                let times = tuning.default_ms.zip(tuning.best_ms).filter(|(_, best)| *best > 0.0);
                Cell::number(times.map(|(default, best)| default / best), |it| format!("{it:.3}"))
            }),
        ],
    );
    let about = "speed-up: time of the default form over that of the chosen one, in the search";
    section.map(|section| section.with([about]).in_files())
}

fn form(tuning: &Tuning) -> String {
    let choice = tuning.choice.iter().map(|(name, value)| format!("{name}={value}"));
    choice.collect::<Vec<_>>().join(" ")
}

fn by(tuning: &Tuning) -> &'static str {
    match tuning.by {
        ChosenBy::Default => "default; nothing was searched",
        ChosenBy::Cache => "an earlier search",
        ChosenBy::Search => "a search",
    }
}
