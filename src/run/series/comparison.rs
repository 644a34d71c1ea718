//! Comparing the sides of a series with each other and with a baseline.

use super::{LaunchSeries, Side};
use crate::analysis::{self, Reports, Rules};
use crate::base::error::{Exit, Result};
use crate::base::files::write_atomically;
use crate::base::plain::plain;
use crate::history::{Baseline, FOLDER};
use crate::plan::config::Config;
use crate::render::{Format, publish_on_github, say};
use crate::report::{Comparison, Report};
use crate::run::request::Variation;

/// What the first side is compared with, beside the others.
///
/// # Errors
/// Usage error when there is no such baseline.
pub(super) fn baseline(what: Option<&str>, config: &Config) -> Result<Option<Baseline>> {
    let folder = config.history.folder.clone().unwrap_or_else(|| FOLDER.into());
    what.map(|what| Baseline::find(&folder, what)).transpose()
}

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
            let names = side.variables.iter().chain(&first.variables);
            rules.allow.extend(names.map(|(name, _)| format!("variable {name}")));
            let sides = match self.request.variation {
                Variation::Variables(_) | Variation::None => [(*first, own), (*side, report)],
                Variation::Program(_) | Variation::Config { .. } => {
                    [(*side, report), (*first, own)]
                }
            };
            exit = exit.worst(compared(sides, &rules)?);
        }
        if let Some(baseline) = &self.baseline {
            let own = std::slice::from_ref(own);
            let (files, reports) = baseline.reports(own)?;
            let ours = [first.outputs[0].path.display().to_string()];
            let baseline = Reports { files: &files, reports: &reports };
            let candidate = Reports { files: &ours, reports: own };
            let comparison = analysis::compare(baseline, candidate, &rules);
            exit = exit.worst(publish(&comparison, first)?);
        }
        Ok(exit)
    }
}

fn compared([baseline, candidate]: [(&Side, &Report); 2], rules: &Rules) -> Result<Exit> {
    let files = [baseline, candidate].map(|(side, _)| [side.outputs[0].path.display().to_string()]);
    let reports =
        |at: usize, report| Reports { files: &files[at], reports: std::slice::from_ref(report) };
    let comparison = analysis::compare(reports(0, baseline.1), reports(1, candidate.1), rules);
    publish(&comparison, candidate.0)
}

/// Prints a comparison and writes it beside the candidate's report; its exit.
fn publish(comparison: &Comparison, candidate: &Side) -> Result<Exit> {
    say("== comparison");
    say(Format::Table.write(comparison, false)?.trim_end());
    for (format, ending) in [(Format::Json, "comparison.json"), (Format::Markdown, "comparison.md")]
    {
        let text = format.write(comparison, true)?;
        write_atomically(&candidate.outputs[0].beside(ending), text.as_bytes())?;
    }
    publish_on_github(comparison, false)?;
    Exit::of(comparison.exit)
}
