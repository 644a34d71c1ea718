//! Cases that several backends have measured, side by side.

use crate::base::units::{format_ms, significant};
use crate::plan::mesh::format_ranges;
use crate::render::Render;
use crate::render::document::{Cell, Document, Section};
use crate::render::words::word;
use crate::report::{AcrossBackends, Analysis, BackendTime};

/// The part of an analysis that is about backends.
#[derive(Debug, serde::Serialize)]
#[serde(transparent)]
pub struct Backends<'a>(pub &'a Analysis);

impl Render for Backends<'_> {
    fn document(&self) -> Document {
        let none = || Section::notes("backends", ["no case was measured by several backends"]);
        Document {
            title: "Backends".to_owned(),
            sections: section(self.0).or_else(none).into_iter().collect(),
            ..Document::default()
        }
    }
}

/// A row for each case and backend.
pub(super) fn section(analysis: &Analysis) -> Option<Section> {
    let rows =
        analysis.backends.iter().flat_map(|case| case.times.iter().map(move |it| (case, it)));
    let section = Section::table(
        "backends",
        rows,
        &[
            ("case", &|(case, _): &(&AcrossBackends, &BackendTime)| case.id.as_str().into()),
            ("backend", &|(_, time)| time.backend.as_str().into()),
            ("time", &|(_, time)| Cell::number(time.median_ms, format_ms)),
            ("as fast", &|(_, time)| {
                Cell::number(time.speedup, |ratio| format!("{} x", significant(ratio)))
            }),
            ("by", &|(_, time)| word(time.definition).into()),
            ("reports", &|(_, time)| format_ranges(time.reports.iter().copied()).into()),
        ],
    )?;
    let mixed = |case: &AcrossBackends| {
        case.times.iter().any(|time| time.definition != case.times[0].definition)
    };
    let clocks = analysis.backends.iter().any(mixed).then_some(
        "times by different clocks leave out different things: a device's clock starts when the work is on the device",
    );
    Some(section.with(["as fast: time of the first backend over this one"]).with(clocks))
}
