//! How much is measured in a case, and when it is enough.

use serde::{Deserialize, Serialize};

use super::positive;
use crate::base::error::{Error, Result};
use crate::base::units::{parse_seconds, parse_share};
use crate::plan::config::{Benchmarking, Quantity};

/// Most timed iterations of a case; a rank holds its samples in memory until the case is over.
pub const ITERATION_LIMIT: u32 = 1_000_000;

/// How long a case with a precision target may take when nothing else is said, seconds.
const TARGET_SECONDS: f64 = 10.0;

/// How much is measured in a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Whether this is only a first look, marked so.
    pub quick: bool,
    /// Untimed iterations first, at least.
    pub warmup: u32,
    /// Valid timed iterations; at most these when there is a target, at least when there is a least
    /// time.
    pub iterations: u32,
    /// Operations in a sample; as many as it needs when absent.
    pub batch: Option<u32>,
    /// How narrow intervals must be.
    pub target: Option<Target>,
    /// Least time of measuring a case, seconds.
    pub min_seconds: f64,
    /// Most time of measuring a case, seconds.
    pub max_seconds: Option<f64>,
    /// Confidence of intervals, between 0 and 1.
    pub confidence: f64,
    /// After so many iterations what they left is checked, beside after the last.
    pub check_every: Option<u32>,
}

/// How narrow intervals must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Half the width of an interval as a share of the quantile: 0.01 is 1 %.
    pub half_width: f64,
    /// The quantiles for which it holds, beside the median; between 0 and 1.
    pub quantiles: Vec<f64>,
    /// Confidence of the intervals; 0.95 is 95 %.
    pub confidence: f64,
}

impl Budget {
    /// One iteration.
    pub fn once(other: &Self) -> Self {
        Self {
            iterations: 1,
            batch: Some(1),
            target: None,
            min_seconds: 0.0,
            max_seconds: None,
            ..other.clone()
        }
    }

    /// What is asked for.
    ///
    /// # Errors
    /// Usage error in one sentence for whatever cannot be done as asked.
    pub(super) fn resolve(asked: &Benchmarking) -> Result<Self> {
        let quick = asked.quick.unwrap_or(false);
        let target = target(asked)?;
        if quick && target.is_some() {
            return Err(Error::usage(
                "--quick takes 10 iterations, which tell nothing about a precision target; leave one of \
                 them out",
            ));
        }
        let default = match (quick, &target) {
            (false, Some(_)) => ITERATION_LIMIT,
            (false, None) => 100,
            (true, _) => 10,
        };
        let iterations = asked.timing_iterations.unwrap_or(default);
        let warmup = asked.warmup_iterations.unwrap_or(if quick { 2 } else { 5 });
        if iterations == 0 || iterations.max(warmup) > ITERATION_LIMIT {
            return Err(Error::usage(format!(
                "{warmup} warm-up and {iterations} timed iterations cannot be done; use 1 to {ITERATION_LIMIT} \
                 timed ones"
            )));
        }
        let batch = asked.batch;
        if let Some(wrong) = batch.filter(|batch| !(1..=ITERATION_LIMIT).contains(batch)) {
            return Err(Error::usage(format!(
                "a sample of {wrong} operations cannot be taken; use --batch 1 to {ITERATION_LIMIT}"
            )));
        }
        let confidence = confidence(asked)?;
        let least = seconds("min_time", &asked.min_time)?.unwrap_or(0.0);
        let most = seconds("max_time", &asked.max_time)?;
        let default = target.as_ref().map(|_| TARGET_SECONDS.max(least));
        let max_seconds = most.or(default);
        if let Some(most) = max_seconds.filter(|most| *most < least) {
            return Err(Error::usage(format!(
                "each case is to be measured for at least {least} s and at most {most} s; make --min-time \
                 the smaller one"
            )));
        }
        Ok(Budget {
            quick,
            warmup,
            iterations,
            batch,
            target,
            min_seconds: least,
            max_seconds,
            confidence,
            check_every: check_every(asked)?,
        })
    }
}

fn check_every(asked: &Benchmarking) -> Result<Option<u32>> {
    match asked.check_every {
        Some(0) => Err(Error::usage(
            "--check-every 0 checks never; leave it out to check after the last iteration only",
        )),
        every => Ok(every),
    }
}

/// A time that is asked for, seconds.
pub(super) fn seconds(what: &str, asked: &Option<Quantity>) -> Result<Option<f64>> {
    let parsed = asked.as_ref().map(|time| parse_seconds(&time.to_string()));
    parsed.map(|time| time.and_then(|time| positive(what, time))).transpose()
}

fn confidence(asked: &Benchmarking) -> Result<f64> {
    let confidence = asked.statistical_significance.unwrap_or(0.95);
    if !(0.5..1.0).contains(&confidence) {
        return Err(Error::usage(format!(
            "statistical_significance {confidence} is the confidence of intervals, it must lie between \
             0.5 and 1, as 0.95 does"
        )));
    }
    Ok(confidence)
}

fn target(asked: &Benchmarking) -> Result<Option<Target>> {
    let quantiles = asked.precision_quantiles.clone().unwrap_or_default();
    let Some(text) = &asked.precision_target else {
        return match quantiles.first() {
            None => Ok(None),
            Some(quantile) => Err(Error::usage(format!(
                "--precision-quantile {quantile} says for what the precision target holds too; add \
                 --precision-target"
            ))),
        };
    };
    let half_width = parse_share(&text.to_string())?;
    if !(1e-6..=0.5).contains(&half_width) {
        return Err(Error::usage(format!(
            "precision target {text} is half the width of an interval as a share of the median, it must \
             lie between 0.0001% and 50%"
        )));
    }
    if let Some(wrong) = quantiles.iter().find(|q| !(0.001..=0.999).contains(*q)) {
        return Err(Error::usage(format!(
            "--precision-quantile {wrong} must lie between 0.001 and 0.999, as 0.95 does"
        )));
    }
    Ok(Some(Target { half_width, quantiles, confidence: confidence(asked)? }))
}
