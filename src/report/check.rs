//! What no report can say: figures that no measurement gives, and counts that contradict each other.

use std::collections::HashSet;
use std::fmt::Display;

use super::{Case, Latency, Measured, Outcome, PairMatrix, Replication, Report, Samples, Scaling};
use crate::base::error::Exit;
use crate::benchmark::metric::{self, Metric};

/// What is wrong with a report.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// Where: the keys and places that lead there, as `.cases[3].latency.median`.
    pub(super) place: String,
    /// What.
    pub(super) why: String,
}

impl From<Wrong> for String {
    fn from(Wrong { place, why }: Wrong) -> Self {
        format!("{}: {why}", place.trim_start_matches('.'))
    }
}

type Checked = Result<(), Wrong>;

/// Refuses what stands under `key` unless it `holds`.
fn must(holds: bool, key: impl Display, why: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Wrong { place: format!(".{key}"), why: why() }) }
}

fn within(key: impl Display, checked: Checked) -> Checked {
    checked.map_err(|Wrong { place, why }| Wrong { place: format!(".{key}{place}"), why })
}

fn each<'a, T: 'a>(
    key: &str,
    all: impl IntoIterator<Item = &'a T>,
    check: impl Fn(&T) -> Checked,
) -> Checked {
    let mut numbered = all.into_iter().enumerate();
    numbered.try_for_each(|(i, one)| within(format!("{key}[{i}]"), check(one)))
}

fn is_time(key: impl Display, value: f64) -> Checked {
    must(value > 0.0, key, || format!("{value} is no time; a time is above 0"))
}

fn is_amount(key: impl Display, value: f64) -> Checked {
    must(value >= 0.0, key, || format!("{value} is below 0"))
}

fn is_share(key: impl Display, value: f64) -> Checked {
    must((0.0..=1.0).contains(&value), key, || format!("{value} is not between 0 and 1"))
}

/// Refuses an interval that does not hold `value`, where one is given.
fn is_around(key: impl Display, interval: Option<[f64; 2]>, value: Option<f64>) -> Checked {
    let Some([low, high]) = interval else { return Ok(()) };
    must(low <= high, &key, || format!("the interval from {low} to {high} is reversed"))?;
    let value = value.unwrap_or(low);
    let holds = (low..=high).contains(&value);
    must(holds, key, || format!("the interval from {low} to {high} does not hold {value}"))
}

impl Report {
    pub(super) fn check(&self) -> Checked {
        let exit = self.run.exit;
        within(
            "run",
            must(Exit::from_code(exit).is_some(), "exit", || format!("{exit} is no exit code")),
        )?;
        let mut known = HashSet::new();
        for (i, case) in self.cases.iter().enumerate() {
            let twice = || "another case has it too".to_owned();
            let checked = case.check().and_then(|()| must(known.insert(&case.id), "id", twice));
            within(format!("cases[{i}]"), checked)?;
        }
        each("scaling", &self.scaling, Scaling::check)?;
        each("pair_matrices", &self.pair_matrices, PairMatrix::check)?;
        let counts = self.counts(self.summary.cases);
        let agrees = counts == self.summary && self.cases.len() <= counts.cases;
        must(agrees, "summary", || {
            format!(
                "it does not agree with the {} cases, of which {} are measured",
                self.cases.len(),
                counts.measured
            )
        })
    }
}

impl Case {
    /// Refuses what no run of ours writes and readers rely on.
    pub(crate) fn check(&self) -> Checked {
        let ranks = self.participants.len();
        must(ranks == self.group_size, "group_size", || format!("there are {ranks} participants"))?;
        match self.outcome {
            Outcome::Measured => {
                must(self.measured.is_some(), "latency", || {
                    "it is missing, and the case was measured".to_owned()
                })?;
            }
            Outcome::Failed | Outcome::TimedOut => {
                must(self.error.is_some(), "error", || {
                    "it is missing, and the case failed".to_owned()
                })?;
            }
            Outcome::Skipped => {}
        }
        self.measured.as_deref().map_or(Ok(()), Measured::check)?;
        within("samples", self.check_samples())?;
        if let Some(accuracy) = &self.accuracy {
            let (wrong, checked) = (accuracy.wrong, accuracy.checked);
            within(
                "accuracy",
                must(wrong <= checked, "wrong", || format!("{wrong} of {checked} are wrong")),
            )?;
        }
        within("replication", self.replication.as_ref().map_or(Ok(()), Replication::check))
    }

    fn check_samples(&self) -> Checked {
        match &self.samples {
            Samples::None => Ok(()),
            Samples::Sidecar { file, .. } => within(
                "sidecar",
                must(is_beside(file), "file", || {
                    format!("'{file}' is no name of a file beside the report or in a folder there")
                }),
            ),
            Samples::Inline { start_ns, end_ns, device_ns, invalid_rounds } => {
                let rounds = start_ns.first().map_or(0, Vec::len);
                let rows = [Some(start_ns), Some(end_ns), device_ns.as_ref()];
                for (key, rows) in ["start_ns", "end_ns", "device_ns"].into_iter().zip(rows) {
                    let is_whole = |rows: &Vec<Vec<i64>>| {
                        rows.len() == self.group_size && rows.iter().all(|row| row.len() == rounds)
                    };
                    within(
                        "inline",
                        must(rows.is_none_or(is_whole), key, || {
                            format!("it does not have {rounds} rounds of {} ranks", self.group_size)
                        }),
                    )?;
                }
                let is_sorted = invalid_rounds.is_sorted()
                    && invalid_rounds.last().is_none_or(|last| *last < rounds);
                within(
                    "inline",
                    must(is_sorted, "invalid_rounds", || {
                        format!("they are not in order, or not of {rounds} rounds")
                    }),
                )?;
                let (valid, of) =
                    (rounds.saturating_sub(invalid_rounds.len()), self.measured.as_ref());
                let iterations = of.map_or(0, |measured| measured.iterations);
                must(iterations <= valid, "inline", || {
                    format!("{iterations} iterations have {valid} valid rounds")
                })
            }
        }
    }
}

/// Whether this names a file in the folder where it stands, or in folders below.
fn is_beside(name: &str) -> bool {
    let is_plain = |part: &str| !["", ".", ".."].contains(&part) && !part.contains(['\\', '\0']);
    name.split('/').all(is_plain)
}

impl Measured {
    fn check(&self) -> Checked {
        must(self.iterations > 0, "iterations", || "no measured case has none".to_owned())?;
        must(self.batch != Some(0), "batch", || "no sample has no operation".to_owned())?;
        let kinds = [Some(&self.latency), self.latency_local.as_ref(), self.device_time.as_ref()];
        for (key, latency) in ["latency", "latency_local", "device_time"].into_iter().zip(kinds) {
            within(key, latency.map_or(Ok(()), Latency::check))?;
        }
        each("per_rank", &self.per_rank, |rank| {
            is_time("median_ms", rank.median_ms)?;
            is_share("slowest_share", rank.slowest_share)
        })?;
        let rate =
            |metric: &&Metric| is_amount(metric.key, metric.stored(&self.metrics).unwrap_or(0.0));
        within("metrics", metric::ALL.iter().try_for_each(rate))
    }
}

impl Latency {
    fn check(&self) -> Checked {
        is_time("median", self.median)?;
        is_time("mean", self.mean)?;
        let (min, median, max) = (self.min, self.median, self.max);
        must(min <= median, "min", || format!("{min} is more than the median, {median}"))?;
        must(median <= max, "max", || format!("{max} is less than the median, {median}"))?;
        is_around("ci", self.ci, Some(median))?;
        is_share("confidence", self.confidence)?;
        for (key, value) in [
            ("variance", self.variance),
            ("std_dev", self.std_dev),
            ("cv_percent", self.cv_percent),
            ("effective_samples", Some(self.effective_samples)),
        ] {
            is_amount(key, value.unwrap_or(0.0))?;
        }
        let mut intervals = self.quantile_ci.iter();
        let checked = intervals.try_for_each(|(key, ends)| is_around(key, Some(*ends), None));
        within("quantile_ci", checked)
    }
}

impl Replication {
    fn check(&self) -> Checked {
        is_time("median_ms", self.median_ms)?;
        is_around("ci", self.ci, Some(self.median_ms))?;
        is_amount("between_percent", self.between_percent.unwrap_or(0.0))?;
        each("launches", &self.launches, |launch| is_time("median_ms", launch.median_ms))
    }
}

impl Scaling {
    fn check(&self) -> Checked {
        each("points", &self.points, |point| {
            is_time("median_ms", point.median_ms)?;
            is_around("ci", point.ci, None)
        })
    }
}

impl PairMatrix {
    /// Refuses what is no square of so many ranks.
    fn check(&self) -> Checked {
        let ranks = self.ranks;
        for (key, rows) in [("median_ms", &self.median_ms), ("busbw_gbps", &self.busbw_gbps)] {
            let is_square =
                ranks > 0 && rows.len() == ranks && rows.iter().all(|row| row.len() == ranks);
            must(is_square, key, || format!("it is no square of {ranks} ranks"))?;
        }
        Ok(())
    }
}
