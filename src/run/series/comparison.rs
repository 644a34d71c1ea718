//! Comparing the sides of a series with each other and with a baseline.

use super::{LaunchSeries, Side};
use crate::analysis::{self, Reports, Rules};
use crate::base::error::{Exit, Result};
use crate::base::files::write_atomically;
use crate::base::plain::plain;
use crate::render::{Format, publish_on_github, say};
use crate::report::Report;

impl LaunchSeries {
    /// Compares what can be: what was asked for with the other program or configuration, each setting of the
    /// variables with the first, and what was asked for with the baseline. Prints each comparison and writes it
    /// beside the candidate's report.
    pub(super) fn compare(&self, merged: &[(&Side, Report)]) -> Result<Exit> {
        let mut exit = Exit::Ok;
        let asked_for = &self.sides[0];
        let held = merged.split_first().filter(|((side, _), _)| std::ptr::eq(*side, asked_for));
        let Some(((first, own), others)) = held else {
            if self.sides.len() > 1 || self.baseline.is_some() {
                tracing::error!(
                    "nothing is compared: no launch of what was asked for{} has left a report",
                    plain(&asked_for.suffix())
                );
            }
            return Ok(exit);
        };
        let mut rules = Rules::resolve(&first.config)?;
        for (side, report) in others {
            // Different on purpose.
            let names = side.variant.variables.iter().chain(&first.variant.variables);
            rules.allow.extend(names.map(|(name, _)| format!("variable {name}")));
            let (baseline, candidate) = match side.variant.variables.is_empty() {
                true => ((*side, report), (*first, own)),
                false => ((*first, own), (*side, report)),
            };
            let (files, reports) = ([baseline.0.file()], std::slice::from_ref(baseline.1));
            let baseline = Reports { files: &files, reports };
            exit = exit.worst(compared(baseline, candidate, &rules)?);
        }
        if let Some(baseline) = &self.baseline {
            let own_reports = std::slice::from_ref(own);
            let (files, reports) = baseline.reports(own_reports)?;
            rules.noise_floor = baseline.noise_floor(&reports, own_reports, &rules)?;
            let baseline = Reports { files: &files, reports: &reports };
            exit = exit.worst(compared(baseline, (first, own), &rules)?);
        }
        Ok(exit)
    }
}

/// Compares the candidate, prints the comparison and writes it beside the candidate's report; its exit.
fn compared(
    baseline: Reports<'_>,
    (candidate, report): (&Side, &Report),
    rules: &Rules,
) -> Result<Exit> {
    let (files, reports) = ([candidate.file()], std::slice::from_ref(report));
    let comparison = analysis::compare(baseline, Reports { files: &files, reports }, rules);
    say("== comparison");
    say(Format::Table.write(&comparison, false)?.trim_end());
    for (format, ending) in [(Format::Json, "comparison.json"), (Format::Markdown, "comparison.md")]
    {
        let text = format.write(&comparison, true)?;
        write_atomically(&candidate.outputs[0].beside(ending), text.as_bytes())?;
    }
    publish_on_github(&comparison, false)?;
    Exit::of(comparison.exit)
}
