//! What is known of a report without reading it.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::git::{is_commit, short};
use crate::base::caveat::Caveat;
use crate::base::plain::name_in_reports;
use crate::base::units::{format_utc, parse_utc};
use crate::benchmark::metric;
use crate::report::{Case, Measured, Outcome, Report};

/// What the index holds of a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// Name of the run.
    pub run: String,
    /// When it began, UTC.
    pub started: String,
    /// The commit it measured.
    pub git: Option<String>,
    /// What must be the same for figures to be of the same machine.
    pub machine: String,
    /// Cases of its plan.
    pub cases: usize,
    /// Those that have times.
    pub measured: usize,
    /// Whether cases of the plan are missing.
    pub incomplete: bool,
    /// Its exit code.
    pub exit: u8,
}

/// A report of the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// Its file, in the folder `reports`.
    pub file: String,
    /// What it says of itself; the commit is the one it was added with, where it was.
    #[serde(flatten)]
    pub record: Record,
    /// The tag it was added with: a release.
    pub tag: Option<String>,
    /// The names under which it is pinned.
    pub pins: Vec<String>,
}

/// A file of the history that is no usable report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Damaged {
    /// The file, in the folder `reports`.
    pub file: String,
    /// Why.
    pub reason: String,
}

impl Entry {
    /// What it is called in a sentence.
    pub fn name(&self) -> String {
        match &self.record.git {
            Some(git) => format!("{} (commit {})", self.file, short(git)),
            None => self.file.clone(),
        }
    }
}

/// What has values over time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) case: String,
    pub(super) metric: String,
    pub(super) machine: String,
    /// How it was measured, as far as that keeps figures apart.
    pub(super) method: String,
}

impl Record {
    pub(super) fn of(report: &Report) -> Result<Self, String> {
        let run = &report.run;
        if run.id.is_empty() {
            return Err("its run has no id".to_owned());
        }
        let Some(started) = parse_utc(&run.started) else {
            return Err(format!("its run started at '{}', which is no date and time", run.started));
        };
        Ok(Self {
            run: run.id.clone(),
            started: format_utc(started),
            git: run.git.clone().filter(|git| is_commit(git)),
            machine: report.machine(),
            cases: report.summary.cases,
            measured: report.summary.measured,
            incomplete: run.incomplete,
            exit: run.exit,
        })
    }
}

/// The figures of a report, by what they are of: over launches where there were several.
pub(super) fn figures(report: &Report) -> Vec<(Key, f64)> {
    let machine = report.machine();
    let mut figures = Vec::new();
    for case in &report.cases {
        // What failed in one launch of several has the times of the others.
        let measured = case.measured.as_ref().filter(|_| case.outcome == Outcome::Measured);
        let Some(measured) = measured else { continue };
        let method = method(case, measured);
        let key = |metric: &str| Key {
            case: case.id.clone(),
            metric: metric.to_owned(),
            machine: machine.clone(),
            method: method.clone(),
        };
        for metric in metric::ALL {
            let value = case.figure(metric);
            let value = value.filter(|value| value.is_finite());
            figures.extend(value.map(|value| (key(metric.key), value)));
        }
    }
    figures
}

/// Protocol, definition, and what else forbids a comparison with other figures of the case. What concerns the
/// whole run is part of the machine.
fn method(case: &Case, measured: &Measured) -> String {
    let marks = case.caveats.iter().filter(|caveat| !caveat.comparable());
    let told = |caveat: &&Caveat| {
        matches!(
            caveat,
            Caveat::Simulated { .. }
                | Caveat::Emulated
                | Caveat::Imported { .. }
                | Caveat::BarrierStart
                | Caveat::LocalTimes
        )
    };
    let marks: BTreeSet<&str> = marks.filter(|mark| !told(mark)).map(Caveat::mark).collect();
    let mut words =
        vec![name_in_reports(&measured.protocol), name_in_reports(&measured.latency.definition)];
    words.extend(marks.into_iter().map(str::to_owned));
    words.join(", ")
}
