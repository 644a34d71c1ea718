//! What no report can say: figures that no measurement gives, and counts that contradict each other.

use std::collections::HashSet;
use std::fmt::Display;

use super::{Case, Latency, Measured, Outcome, PairMatrix, Replication, Report, Samples, Scaling};
use crate::base::accuracy::Accuracy;
use crate::base::error::Exit;
use crate::base::units::counted;
use crate::benchmark::metric::{self, Metric};

/// What is wrong with a report.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The keys and places that lead there, as `.cases[3].latency.median`.
    pub(super) place: String,
    pub(super) why: String,
}

impl From<Wrong> for String {
    fn from(Wrong { place, why }: Wrong) -> Self {
        format!("{}: {why}", place.trim_start_matches('.'))
    }
}

type Checked = Result<(), Wrong>;

/// Refuses what stands under `key` unless it `holds`.
fn must(holds: bool, key: impl Display, why: impl Display) -> Checked {
    if holds { Ok(()) } else { Err(Wrong { place: format!(".{key}"), why: why.to_string() }) }
}

fn within(key: impl Display, checked: Checked) -> Checked {
    checked.map_err(|Wrong { place, why }| Wrong { place: format!(".{key}{place}"), why })
}

fn each<'a, T: 'a>(
    key: &str,
    all: impl IntoIterator<Item = &'a T>,
    mut check: impl FnMut(&'a T) -> Checked,
) -> Checked {
    let mut numbered = all.into_iter().enumerate();
    numbered.try_for_each(|(i, one)| within(format!("{key}[{i}]"), check(one)))
}

fn is_time(key: impl Display, value: f64) -> Checked {
    must(value > 0.0, key, format_args!("{value} is no time; a time is above 0"))
}

fn is_amount(key: impl Display, value: f64) -> Checked {
    must(value >= 0.0, key, format_args!("{value} is below 0"))
}

fn is_share(key: impl Display, value: f64) -> Checked {
    must((0.0..=1.0).contains(&value), key, format_args!("{value} is not between 0 and 1"))
}

/// Refuses an interval that does not hold `value`, where one is given.
fn is_around(key: impl Display, interval: Option<[f64; 2]>, value: Option<f64>) -> Checked {
    let Some([low, high]) = interval else { return Ok(()) };
    let told = format!("the interval from {low} to {high}");
    must(low <= high, &key, format_args!("{told} is reversed"))?;
    let value = value.unwrap_or(low);
    must((low..=high).contains(&value), key, format_args!("{told} does not hold {value}"))
}

impl Report {
    pub(super) fn check(&self) -> Checked {
        let exit = self.run.exit;
        must(Exit::from_code(exit).is_some(), "run.exit", format_args!("{exit} is no exit code"))?;
        each("cases", &self.cases, Case::check)?;
        let mut known = HashSet::new();
        each("cases", &self.cases, |case| {
            must(known.insert(&case.id), "id", "another case has it too")
        })?;
        each("scaling", &self.scaling, Scaling::check)?;
        each("pair_matrices", &self.pair_matrices, PairMatrix::check)?;
        let counts = self.counts(self.summary.cases);
        let (cases, measured) = (self.cases.len(), counts.measured);
        must(
            counts == self.summary && cases <= counts.cases,
            "summary",
            format_args!(
                "it does not agree with {}, {measured} of them measured",
                counted(cases, "case")
            ),
        )
    }
}

impl Case {
    /// Refuses what no run of ours writes and readers rely on.
    pub(crate) fn check(&self) -> Checked {
        let ranks = self.participants.len();
        let agrees = ranks == self.group_size;
        must(agrees, "group_size", format_args!("there are {ranks} participants"))?;
        let (is_there, key, how) = match self.outcome {
            Outcome::Measured => (self.measured.is_some(), "latency", "was measured"),
            Outcome::Failed | Outcome::TimedOut => (self.error.is_some(), "error", "failed"),
            Outcome::Skipped => (true, "", ""),
        };
        must(is_there, key, format_args!("it is missing, and the case {how}"))?;
        self.measured.as_deref().map_or(Ok(()), Measured::check)?;
        within("samples", self.check_samples())?;
        if let Some(Accuracy { wrong, checked, .. }) = &self.accuracy {
            let told = format_args!("{wrong} of {checked} are wrong");
            must(wrong <= checked, "accuracy.wrong", told)?;
        }
        within("replication", self.replication.iter().try_for_each(Replication::check))
    }

    fn check_samples(&self) -> Checked {
        match &self.samples {
            Samples::None => Ok(()),
            Samples::Sidecar { file, .. } => must(
                is_beside(file),
                "sidecar.file",
                format_args!(
                    "'{file}' is no name of a file beside the report or in a folder there"
                ),
            ),
            Samples::Inline { start_ns, end_ns, device_ns, host_ns, invalid_rounds } => {
                let (ranks, rounds) = (self.group_size, start_ns.first().map_or(0, Vec::len));
                let [of, all] =
                    [(rounds, "round"), (ranks, "rank")].map(|(n, what)| counted(n, what));
                let told = format!("it does not have {of} of {all}");
                for (key, rows) in [
                    ("start_ns", Some(start_ns)),
                    ("end_ns", Some(end_ns)),
                    ("device_ns", device_ns.as_ref()),
                    ("host_ns", host_ns.as_ref()),
                ] {
                    let is_whole = |rows: &Vec<Vec<i64>>| {
                        rows.len() == ranks && rows.iter().all(|row| row.len() == rounds)
                    };
                    must(rows.is_none_or(is_whole), format_args!("inline.{key}"), &told)?;
                }
                let is_sorted = invalid_rounds.is_sorted()
                    && invalid_rounds.last().is_none_or(|last| *last < rounds);
                let told = format_args!("they are not in order, or not of {of}");
                must(is_sorted, "inline.invalid_rounds", told)?;
                let valid = rounds.saturating_sub(invalid_rounds.len());
                let iterations = self.measured.as_ref().map_or(0, |measured| measured.iterations);
                let told = format!(
                    "{} in {}",
                    counted(iterations, "iteration"),
                    counted(valid, "valid round")
                );
                must(iterations <= valid, "inline", told)
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
        must(self.iterations > 0, "iterations", "no measured case has none")?;
        must(self.batch != Some(0), "batch", "no sample has no operation")?;
        for (key, latency) in [
            ("latency", Some(&self.latency)),
            ("latency_local", self.latency_local.as_ref()),
            ("device_time", self.device_time.as_ref()),
            ("host_time", self.host_time.as_ref()),
        ] {
            within(key, latency.into_iter().try_for_each(Latency::check))?;
        }
        each("per_rank", &self.per_rank, |rank| {
            is_time("median_ms", rank.median_ms)?;
            is_share("slowest_share", rank.slowest_share)
        })?;
        let rate =
            |metric: &&Metric| is_amount(metric.key, metric.stored(&self.metrics).unwrap_or(0.0));
        let energy = self.energy.as_ref().and_then(|energy| energy.joules);
        is_amount("energy", energy.unwrap_or(0.0))?;
        within("metrics", metric::ALL.iter().try_for_each(rate))
    }
}

impl Latency {
    fn check(&self) -> Checked {
        is_time("median", self.median)?;
        is_time("mean", self.mean)?;
        let (min, median, max) = (self.min, self.median, self.max);
        must(min <= median, "min", format_args!("{min} is more than the median, {median}"))?;
        must(median <= max, "max", format_args!("{max} is less than the median, {median}"))?;
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
    fn check(&self) -> Checked {
        let ranks = self.ranks;
        for (key, rows) in [("median_ms", &self.median_ms), ("busbw_gbps", &self.busbw_gbps)] {
            let is_square =
                ranks > 0 && rows.len() == ranks && rows.iter().all(|row| row.len() == ranks);
            must(is_square, key, format_args!("it is no square of {}", counted(ranks, "rank")))?;
        }
        Ok(())
    }
}
