//! What the sides of a series say of each other, and of a baseline.

use std::path::PathBuf;

use super::{LaunchSeries, Side};
use crate::analysis::{self, Reports, Rules};
use crate::base::error::{Exit, Result};
use crate::base::plain::plain;
use crate::cli::compare::{TellArgs, rules, tell};
use crate::history::{Baseline, FOLDER};
use crate::plan::config::Config;
use crate::report::Report;

/// What the first side is held against, beside the others.
///
/// # Errors
/// Usage error when there is no such baseline.
pub(super) fn baseline(what: Option<&str>, config: &Config) -> Result<Option<Baseline>> {
    let folder = config.history.folder.clone().unwrap_or_else(|| FOLDER.into());
    what.map(|what| Baseline::find(&folder, what)).transpose()
}

impl LaunchSeries<'_> {
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
        let mut rules = rules(&first.config)?;
        for (side, report) in others {
            // Different on purpose.
            let names = side.variables.iter().chain(&first.variables);
            rules.allow.extend(names.map(|(name, _)| format!("variable {name}")));
            let sides = match self.args.against {
                Some(_) => [(*side, report), (*first, own)],
                None => [(*first, own), (*side, report)],
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
            exit = exit.worst(tell(&comparison, &TellArgs::table(beside(first)))?);
        }
        Ok(exit)
    }
}

fn compared([baseline, candidate]: [(&Side, &Report); 2], rules: &Rules) -> Result<Exit> {
    let files = [baseline, candidate].map(|(side, _)| [side.outputs[0].path.display().to_string()]);
    let reports =
        |at: usize, report| Reports { files: &files[at], reports: std::slice::from_ref(report) };
    let comparison = analysis::compare(reports(0, baseline.1), reports(1, candidate.1), rules);
    tell(&comparison, &TellArgs::table(beside(candidate.0)))
}

/// The files of a candidate's comparison.
fn beside(side: &Side) -> Vec<PathBuf> {
    ["comparison.json", "comparison.md"].map(|ending| side.outputs[0].beside(ending)).to_vec()
}
