//! Comparing the sides of a series with each other and with a baseline.

use super::{LaunchSeries, Side};
use crate::analysis::{Looks, Reports, Rules};
use crate::base::error::{Exit, Result};
use crate::base::files::write_atomically;
use crate::base::plain::plain;
use crate::history::Baseline;
use crate::render::{Format, cannot_show, publish_on_github, say};
use crate::report::{Comparison, Report};

/// Two sides of which one is held against the other.
pub(super) struct Pairing {
    /// The number of the side that is the baseline; none where it is the one that was asked for.
    baseline: Option<usize>,
    pub(super) candidate: usize,
    pub(super) looks: Looks,
}

impl Pairing {
    /// The sides that are measured for it.
    pub(super) fn sides(&self) -> impl Iterator<Item = usize> {
        self.baseline.into_iter().chain([self.candidate])
    }
}

impl LaunchSeries {
    /// What is compared: what was asked for with the other program or configuration, each setting of the variables with
    /// the first, and what was asked for with the baseline.
    pub(super) fn pairings(&self) -> Result<Vec<Pairing>> {
        let first = &self.sides[0];
        let mut rules = Rules::resolve(&first.config)?;
        let mut pairings = Vec::new();
        let pairing = |baseline: Option<usize>, candidate, rules: &Rules| {
            let (first, most) = (self.launches, self.most_launches);
            let looks = Looks::new(rules.clone(), first, most, baseline.is_some());
            Pairing { baseline, candidate, looks }
        };
        let others = self.sides.iter().enumerate().skip(1);
        for (number, side) in others.filter(|(_, side)| side.variant.backend.is_none()) {
            // Different on purpose.
            let names = side.variant.variables.iter().chain(&first.variant.variables);
            rules.allow.extend(names.map(|(name, _)| format!("variable {name}")));
            let (baseline, candidate) = match side.variant.variables.is_empty() {
                true => (number, 0),
                false => (0, number),
            };
            pairings.push(pairing(Some(baseline), candidate, &rules));
        }
        pairings.extend(self.baseline.iter().map(|_| pairing(None, 0, &rules)));
        Ok(pairings)
    }

    /// What no comparison will show, whatever is measured; nothing where that cannot be told before. A baseline that is
    /// known tells how far launches differ.
    pub(super) fn cannot_show(&self) -> Result<Option<String>> {
        let rules = Rules::resolve(&self.sides[0].config)?;
        if let Some(report) = self.baseline.as_ref().and_then(Baseline::file) {
            let itself = Reports { files: &[], reports: std::slice::from_ref(report) };
            let mut looks = Looks::new(rules, self.launches, self.most_launches, false);
            looks.look(itself, itself);
            return Ok(looks.comparison().and_then(|comparison| cannot_show(&comparison.reach)));
        }
        Ok((self.request.compares() && self.most_launches < 2).then(|| {
            "one launch of each side says nothing of how launches differ: no change can be shown; --launches 5 shows most"
                .to_owned()
        }))
    }

    /// Compares what can be and has not been decided, by the sides' reports.
    pub(super) fn look(&self, pairings: &mut [Pairing], merged: &[Option<Report>]) -> Result<()> {
        let Some(own) = &merged[0] else { return Ok(()) };
        for Pairing { baseline, candidate, looks } in pairings {
            let Some(report) = &merged[*candidate] else { continue };
            if looks.comparison().is_some() && looks.again().is_none() {
                continue;
            }
            let files = [self.sides[*candidate].file()];
            let candidate = Reports { files: &files, reports: std::slice::from_ref(report) };
            match (*baseline, &self.baseline) {
                (Some(number), _) => {
                    let Some(report) = &merged[number] else { continue };
                    let files = [self.sides[number].file()];
                    let reports = std::slice::from_ref(report);
                    looks.look(Reports { files: &files, reports }, candidate);
                }
                (None, Some(baseline)) => {
                    let own = std::slice::from_ref(own);
                    let (files, reports) = baseline.reports(own)?;
                    if looks.comparison().is_none() {
                        looks.rules.noise_floor =
                            baseline.noise_floor(&reports, own, &looks.rules)?;
                    }
                    looks.look(Reports { files: &files, reports: &reports }, candidate);
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// Prints each comparison and writes it beside the candidate's report; their worst exit.
    pub(super) fn tell(&self, pairings: &[Pairing], merged: &[Option<Report>]) -> Result<Exit> {
        if merged[0].is_none() && !pairings.is_empty() {
            tracing::error!(
                "nothing is compared: no launch of what was asked for{} has left a report",
                plain(&self.sides[0].suffix())
            );
        }
        let mut exit = Exit::Ok;
        for Pairing { candidate, looks, .. } in pairings {
            let told = looks.comparison().map(|found| tell(found, &self.sides[*candidate]));
            exit = exit.worst(told.transpose()?.unwrap_or(Exit::Ok));
        }
        Ok(exit)
    }
}

fn tell(comparison: &Comparison, candidate: &Side) -> Result<Exit> {
    say("== comparison");
    say(Format::Table.write(comparison, false)?.trim_end());
    let files = [
        (Format::Json, "comparison.json"),
        (Format::Markdown, "comparison.md"),
        (Format::Comment, "comparison.comment.md"),
    ];
    let (outputs, marker) = (&candidate.outputs, candidate.outputs.marker.as_ref());
    let write = |(format, ending): (Format, &str)| {
        let path = outputs.files[0].beside(ending);
        write_atomically(&path, format.write_marked(comparison, true, marker)?.as_bytes())?;
        Ok(path.display().to_string())
    };
    let written: Vec<String> = files.into_iter().map(write).collect::<Result<_>>()?;
    say(&format!("wrote {}", written.join(", ")));
    publish_on_github(comparison, outputs.github)?;
    Exit::of(comparison.exit)
}
