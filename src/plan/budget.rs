//! Iterations and time of a case, and the precision at which it stops.

use serde::{Deserialize, Serialize};

use super::positive;
use crate::base::error::{Error, Result};
use crate::base::units::{parse_seconds, parse_share};
use crate::plan::config::{Benchmarking, Quantity};

/// Most timed iterations of a case. A rank keeps its samples in memory until the case is over.
pub const ITERATION_LIMIT: u32 = 1_000_000;

/// Default time limit of a case with a precision target, seconds.
const TARGET_SECONDS: f64 = 10.0;

/// Iterations and time of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Whether the run is a quick first look; its report is marked.
    pub quick: bool,
    /// Least number of untimed warm-up iterations.
    pub warmup: u32,
    /// Valid timed iterations: at most these with a precision target, at least these with a minimum time.
    pub iterations: u32,
    /// Operations in a sample; chosen automatically if absent.
    pub batch: Option<u32>,
    /// Precision at which measuring stops.
    pub target: Option<Target>,
    /// Minimum measuring time of a case, seconds.
    pub min_seconds: f64,
    /// Maximum measuring time of a case, seconds.
    pub max_seconds: Option<f64>,
    /// Confidence of intervals, between 0 and 1.
    pub confidence: f64,
    /// Results are verified after this many iterations, and after the last.
    pub check_every: Option<u32>,
}

/// The precision at which measuring stops.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Half the width of an interval as a share of the quantile: 0.01 is 1 %.
    pub half_width: f64,
    /// Quantiles that must reach it besides the median; between 0 and 1.
    pub quantiles: Vec<f64>,
    /// Confidence of the intervals; 0.95 is 95 %.
    pub confidence: f64,
}

impl Budget {
    /// Iterations of a program that measures itself: it cannot go on until a precision is reached.
    pub fn reported(&self) -> u32 {
        if self.target.is_some() { self.iterations.min(1000) } else { self.iterations }
    }

    /// Resolves the configured budget.
    pub fn resolve(config: &Benchmarking) -> Result<Self> {
        let quick = config.quick.unwrap_or(false);
        let confidence = config.statistical_significance.unwrap_or(0.95);
        if !(0.5..1.0).contains(&confidence) {
            return Err(Error::usage(format!(
                "--confidence {confidence} (statistical_significance in a file) is not possible for intervals; use a \
                 number between 0.5 and 1, such as 0.95"
            )));
        }
        let target = target(config, confidence)?;
        if quick && target.is_some() {
            return Err(Error::usage(
                "--quick runs 10 iterations, too few for a precision target; leave one of them out",
            ));
        }
        let default = match (quick, &target) {
            (false, Some(_)) => ITERATION_LIMIT,
            (false, None) => 100,
            (true, _) => 10,
        };
        let iterations = config.timing_iterations.unwrap_or(default);
        let warmup = config.warmup_iterations.unwrap_or(if quick { 2 } else { 5 });
        if iterations == 0 || iterations.max(warmup) > ITERATION_LIMIT {
            return Err(Error::usage(format!(
                "{warmup} warm-up and {iterations} timed iterations are out of range; use 1 to {ITERATION_LIMIT} \
                 timed ones"
            )));
        }
        let batch = config.batch;
        if let Some(wrong) = batch.filter(|batch| !(1..=ITERATION_LIMIT).contains(batch)) {
            return Err(Error::usage(format!(
                "a sample of {wrong} operations is out of range; use --batch 1 to {ITERATION_LIMIT}"
            )));
        }
        let min_seconds = seconds("--min-time", &config.min_time)?.unwrap_or(0.0);
        let default = target.as_ref().map(|_| TARGET_SECONDS.max(min_seconds));
        let max_seconds = seconds("--max-time", &config.max_time)?.or(default);
        if let Some(max) = max_seconds.filter(|max| *max < min_seconds) {
            return Err(Error::usage(format!(
                "--min-time {min_seconds} s is longer than --max-time {max} s; make it shorter"
            )));
        }
        if config.check_every == Some(0) {
            return Err(Error::usage(
                "--check-every 0 never checks; leave it out to check after the last iteration only",
            ));
        }
        Ok(Budget {
            quick,
            warmup,
            iterations,
            batch,
            target,
            min_seconds,
            max_seconds,
            confidence,
            check_every: config.check_every,
        })
    }
}

pub(super) fn seconds(key: &str, time: &Option<Quantity>) -> Result<Option<f64>> {
    let Some(time) = time else { return Ok(None) };
    let seconds = parse_seconds(&time.to_string());
    let seconds = seconds.map_err(|why| Error::usage(format!("{key}: {}", why.message)))?;
    positive(key, seconds).map(Some)
}

fn target(config: &Benchmarking, confidence: f64) -> Result<Option<Target>> {
    let quantiles = config.precision_quantiles.clone().unwrap_or_default();
    let Some(text) = &config.precision_target else {
        return match quantiles.first() {
            None => Ok(None),
            Some(quantile) => Err(Error::usage(format!(
                "--precision-quantile {quantile} has no effect without a precision target; add --precision-target"
            ))),
        };
    };
    let half_width = parse_share(&text.to_string())
        .map_err(|why| Error::usage(format!("--precision-target: {why}")))?;
    if !text.to_string().ends_with('%') && (1.0..=50.0).contains(&half_width) {
        return Err(Error::usage(format!(
            "--precision-target: {text} is {} %; did you mean {text}%?",
            100.0 * half_width
        )));
    }
    if !(1e-6..=0.5).contains(&half_width) {
        return Err(Error::usage(format!(
            "precision target {text} is half the width of an interval as a share of the median; use a value \
             between 0.0001% and 50%"
        )));
    }
    if let Some(wrong) = quantiles.iter().find(|q| !(0.001..=0.999).contains(*q)) {
        return Err(Error::usage(format!(
            "--precision-quantile {wrong} is out of range; use a number between 0.001 and 0.999, such as 0.95"
        )));
    }
    Ok(Some(Target { half_width, quantiles, confidence }))
}
