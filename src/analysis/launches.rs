//! Several launches of the same run as one report.

mod case;
mod matrix;
mod study;

use std::collections::{HashMap, HashSet};

use super::efficiency::hold_against_the_possible;
use super::headline::settle_launches;
use super::limits::Limits;
use crate::base::error::{Error, Exit, Result};
use crate::base::units::counted;
use crate::report::{Case, Launch, Replication, Report};
use crate::stats;

/// Variation between launches up to which a case counts as reproducible, percent of the mean, unless configured.
pub(super) const REPRODUCIBLE_PERCENT: f64 = 5.0;

/// One report of the launches of one run, each with its number from 0, in their order. `ended` says how they
/// came to their end, beside what their reports say: not well when some have none.
///
/// Each case says how far the launches agree. Its other figures are those of the launch in the middle by its
/// median, so that they are one launch's; points of scaling studies go by the median of all. What went wrong in any launch went wrong. When some launches fell
/// back to local times, all do.
///
/// # Errors
/// Usage error for launches of different runs, which names the difference.
pub fn merge(mut launches: Vec<(usize, Report)>, ended: Exit) -> Result<Report> {
    refuse_strangers(&launches)?;
    if launches.iter().any(|(_, report)| report.cases.iter().any(Case::is_uncounted)) {
        tracing::warn!(
            "the launches' reports do not say what their cases count, because an older version wrote them: rates \
             over launches are left out"
        );
    }
    settle_launches(&mut launches);
    let cases = cases(&launches);
    // Launches of some of the cases come last, and have parts of studies and matrices.
    let whole = launches.iter().take_while(|(_, report)| !is_part(&launches[0].1, report)).count();
    let scaling = study::merged(&launches[..whole], &cases);
    let pair_matrices = matrix::merged(&launches[..whole], &cases);
    let reports = || launches.iter().map(|(_, report)| report);
    let planned = reports().map(|report| report.summary.cases).max().unwrap_or(0);
    let incomplete = reports().any(|report| report.run.incomplete);
    // How cases of complete ones failed, the cases say.
    let ends = reports().filter(|report| report.run.incomplete);
    let exit = ends.filter_map(|r| Exit::from_code(r.run.exit)).fold(ended, Exit::worst);
    let finished = reports().next_back().map(|report| report.run.finished.clone());
    let starts = launches.iter().flat_map(|&(replicate, ref report)| {
        let run = &report.run;
        let own = run.launches.iter().cloned();
        own.map(move |launch| Launch { replicate, run: Some(run.id.clone()), ..launch })
    });
    let starts = starts.collect();
    let first = launches.into_iter().next().map(|(_, report)| report);
    let first = first.ok_or_else(|| Error::internal("no launch to make a report of"))?;
    let mut report = Report { cases, scaling, pair_matrices, ..first };
    report.run.launches = starts;
    report.run.finished = finished.unwrap_or_default();
    hold_against_the_possible(&mut report);
    report.limits =
        Limits::resolve(&report.run.config.limits).unwrap_or_default().check(&report, &[]);
    report.conclude(planned, exit);
    report.run.incomplete |= incomplete;
    Ok(report)
}

/// How far launches with these medians, ms, agree; `None` where there is none. `bound` is that of a reproducible case,
/// where it is configured.
pub(super) fn agreement(
    medians: &[f64],
    confidence: f64,
    bound: Option<f64>,
) -> Option<Replication> {
    let mean = stats::mean(medians);
    let std_dev = stats::variance(medians).sqrt();
    let several = medians.len() > 1;
    let between_percent = several.then(|| if mean > 0.0 { 100.0 * std_dev / mean } else { 0.0 });
    let interval = stats::independent_median_interval(medians, confidence);
    let bound = bound.unwrap_or(REPRODUCIBLE_PERCENT);
    Some(Replication {
        launches: Vec::new(),
        median_ms: stats::median(medians)?,
        ci: interval.map(|interval| [interval.low, interval.high]),
        between_percent,
        reproducible: between_percent.is_some_and(|percent| percent <= bound),
    })
}

/// The one in the middle by its value, the smaller of two.
pub(super) fn middle<T>(mut all: Vec<T>, value: impl Fn(&T) -> f64) -> Option<T> {
    all.sort_by(|a, b| value(a).total_cmp(&value(b)));
    let place = all.len().saturating_sub(1) / 2;
    all.into_iter().nth(place)
}

/// The cases in the order of a complete launch, or of all that there are.
fn cases(launches: &[(usize, Report)]) -> Vec<Case> {
    let mut found: HashMap<&str, Vec<(usize, &Case)>> = HashMap::new();
    for (number, report) in launches {
        for case in &report.cases {
            found.entry(&case.id).or_default().push((*number, case));
        }
    }
    let complete = launches.iter().find(|(_, report)| !report.run.incomplete);
    let known = complete.map_or(launches, std::slice::from_ref);
    let ids = known.iter().flat_map(|(_, report)| &report.cases).map(|case| case.id.as_str());
    let bound = known.first().and_then(|(_, report)| report.run.config.comparison.reproducible);
    let merged = |id| case::merged(&found.remove(id)?, launches.len(), bound);
    ids.filter_map(merged).collect()
}

fn refuse_strangers(launches: &[(usize, Report)]) -> Result<()> {
    let complete = launches.iter().find(|(_, report)| !report.run.incomplete);
    let Some((number, own)) = complete.or(launches.first()) else { return Ok(()) };
    for (other, report) in launches {
        if let Some(difference) = difference(own, report) {
            return Err(Error::usage(format!(
                "launch {} is of another run than launch {} ({difference}); their reports stay as they are: \
                 compare them by themselves",
                other + 1,
                number + 1
            )));
        }
    }
    Ok(())
}

/// How the run of `other` differs from that of `own`, where launches of one run do not.
fn difference(own: &Report, other: &Report) -> Option<String> {
    let (a, b) = (&own.run, &other.run);
    if a.seed != b.seed {
        return Some(format!("its seed is {}, not {}", b.seed, a.seed));
    }
    if a.build != b.build {
        return Some(format!("its program is {}, not {}", b.build, a.build));
    }
    if (&a.backend, &own.topology) != (&b.backend, &other.topology) {
        return Some(format!("its backend is {}, not {}", b.backend, a.backend));
    }
    if is_part(own, other) {
        return None;
    }
    if let Some(id) = lacking(own, other).filter(|_| !own.run.incomplete) {
        return Some(format!("it has case {id}, the other has not"));
    }
    if let Some(id) = lacking(other, own).filter(|_| !other.run.incomplete) {
        return Some(format!("it lacks case {id}"));
    }
    let (a, b) = (own.summary.cases, other.summary.cases);
    (a != b).then(|| format!("it has {} in all, not {a}", counted(b, "case")))
}

/// Whether the other launch was to measure other cases than this one: those that were doubtful.
fn is_part(own: &Report, other: &Report) -> bool {
    own.run.config.cases != other.run.config.cases
}

/// The first case of `other` that `own` has not.
fn lacking<'a>(own: &Report, other: &'a Report) -> Option<&'a str> {
    let known: HashSet<&str> = own.cases.iter().map(|case| case.id.as_str()).collect();
    other.cases.iter().map(|case| case.id.as_str()).find(|id| !known.contains(id))
}

#[cfg(test)]
mod tests;
