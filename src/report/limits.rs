//! What became of the limits, as data and in words.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::error::Exit;
use crate::base::metric::Direction;
use crate::base::units::significant;

/// A limit held against one figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LimitCheck {
    /// Which limit of the configuration, from 1.
    pub limit: usize,
    /// The case, or the glob that no measured case matches.
    pub case: String,
    /// The rank or the report whose figure it is, where there are several.
    pub of: Option<String>,
    /// Name of the metric.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// Which way it improves.
    pub direction: Direction,
    /// The figure.
    pub value: Option<f64>,
    /// What it must reach, or stay below where less is better.
    pub bound: Option<f64>,
    /// What the bound follows from.
    pub basis: Basis,
    /// What became of it.
    pub outcome: LimitOutcome,
    /// How much is missing, percent of the bound; negative where there is room.
    pub missing_percent: Option<f64>,
}

/// What a bound follows from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// A number.
    Absolute,
    /// A share of what a machine can do at best.
    Ceiling {
        /// Percent.
        percent: f64,
        /// The ceiling, in the metric's unit.
        ceiling: Option<f64>,
        /// Where that number was read.
        source: Option<String>,
    },
    /// A share of the median of many.
    Fleet {
        /// Percent.
        percent: f64,
        /// How many there are.
        members: usize,
    },
}

/// What became of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitOutcome {
    /// It was kept.
    Kept,
    /// It was broken.
    Broken,
    /// There is nothing to hold it against, which `--strict` takes for a failure.
    Unchecked,
}

/// The exit that checks end in; one that could not be made fails where everything must be conclusive.
pub fn limits_exit(checks: &[LimitCheck], strict: bool) -> Exit {
    let any = |outcome| checks.iter().any(|check| check.outcome == outcome);
    match (any(LimitOutcome::Broken), any(LimitOutcome::Unchecked) && strict) {
        (true, _) => Exit::Regression,
        (_, true) => Exit::Inconclusive,
        _ => Exit::Ok,
    }
}

/// What a person has to know of them: how many are kept, and each that is not.
pub(super) fn limit_lines(checks: &[LimitCheck]) -> Vec<String> {
    let is_kept = |check: &&LimitCheck| check.outcome == LimitOutcome::Kept;
    let kept = checks.iter().filter(is_kept).count();
    let others = checks.iter().filter(|check| !is_kept(check)).map(LimitCheck::sentence);
    std::iter::once(format!("{kept} of {} kept", checks.len())).chain(others).collect()
}

impl LimitCheck {
    /// Says that it is of this file, beside whose it is already.
    pub fn be_of(&mut self, file: &str) {
        self.of = Some(match self.of.take() {
            Some(of) => format!("{file}, {of}"),
            None => file.to_owned(),
        });
    }

    /// The check in a sentence.
    pub fn sentence(&self) -> String {
        let of = self.of.as_ref().map_or_else(String::new, |of| format!(" ({of})"));
        let broken = if self.outcome == LimitOutcome::Broken { "BROKEN " } else { "" };
        let what = format!("{broken}limit {}: {} of {}{of}", self.limit, self.metric, self.case);
        let basis = match &self.basis {
            Basis::Absolute => String::new(),
            Basis::Ceiling { percent, ceiling: Some(ceiling), source } => format!(
                ", {percent} % of the ceiling of {} {} ({})",
                significant(*ceiling),
                self.unit,
                source.as_deref().unwrap_or("no source")
            ),
            Basis::Ceiling { percent, .. } => format!(", {percent} % of a ceiling"),
            Basis::Fleet { percent, members } => {
                format!(", {percent} % of the median of {members}")
            }
        };
        let (Some(value), Some(bound)) = (self.value, self.bound) else {
            let why = match (&self.basis, self.value) {
                (Basis::Ceiling { .. }, Some(_)) => "no ceiling of it is known there",
                (Basis::Fleet { .. }, Some(_)) => "there is no fleet to hold it against",
                _ => "no measured case has this figure",
            };
            return format!("{what} was NOT CHECKED: {why}");
        };
        let relation = match (self.direction, self.outcome) {
            (Direction::HigherIsBetter, LimitOutcome::Broken) => "is below",
            (Direction::LowerIsBetter, LimitOutcome::Broken) => "is above",
            _ => "keeps to",
        };
        let missing = self.missing_percent.unwrap_or(0.0);
        let by = match self.outcome {
            LimitOutcome::Broken => format!(" by {missing:.1} %"),
            _ => format!(" with {:.1} % to spare", -missing),
        };
        let unit = &self.unit;
        format!(
            "{what}: {} {unit} {relation} {} {unit}{by}{basis}",
            significant(value),
            significant(bound)
        )
    }
}
