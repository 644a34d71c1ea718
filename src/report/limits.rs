//! What became of the limits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::error::Exit;
use crate::base::metric::Direction;

/// A limit held against one figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LimitCheck {
    /// Which limit of the configuration, from 1.
    pub limit: usize,
    /// The case, or the glob that no measured case matches.
    pub case: String,
    /// The rank or the report whose figure it is, where there are several.
    pub of: Option<String>,
    /// The world rank whose figure it is; null for a figure of a whole case.
    #[serde(default)]
    pub rank: Option<usize>,
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
    /// Why it was not checked.
    pub why: Option<String>,
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

/// Behind a last line: `; limits: 2 broken, 1 not checked`, or nothing when all are kept.
pub fn limits_told(checks: &[LimitCheck]) -> String {
    let count = |outcome| checks.iter().filter(|check| check.outcome == outcome).count();
    let counts = [(LimitOutcome::Broken, "broken"), (LimitOutcome::Unchecked, "not checked")];
    let counts = counts.map(|(outcome, what)| (count(outcome), what)).into_iter();
    let told: Vec<String> =
        counts.filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    if told.is_empty() { String::new() } else { format!("; limits: {}", told.join(", ")) }
}

impl LimitCheck {
    /// Says that it is of this file, beside whose it is already.
    pub fn be_of(&mut self, file: &str) {
        self.of = Some(match self.of.take() {
            Some(of) => format!("{file}, {of}"),
            None => file.to_owned(),
        });
    }
}
