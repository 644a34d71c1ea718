//! Is the candidate worse than the baseline? Launches are the replicates: iterations of one launch share
//! whatever that start happened to get.

pub(super) mod differences;
mod evidence;
mod noise;
mod pair;
mod rules;
mod sessions;
mod subject;
mod verdict;

pub use differences::comparable;
pub use noise::{NoiseFloor, noise_floor};
pub use rules::Rules;
pub use sessions::{apart, sessions};

use self::differences::{around, differs};
use self::evidence::ResampleBudget;
use self::pair::{Pair, pairs};
use self::subject::subjects;
use self::verdict::{adjusted, decided, judged, reach};
use super::parallel::in_parallel;
use crate::base::error::Exit;
use crate::base::metric::Direction;
use crate::benchmark::metric::{EFFICIENCY, LATENCY, OPERATIONS};
use crate::plan::config::ComparedMetric;
use crate::report::{COMPARISON_SCHEMA, Compared, Comparison, Difference, Report, Side, Verdict};

/// Resamples behind an interval: as many as suffice for its ends, fewer where there are very many cases.
const RESAMPLES: usize = 10_000;
const FEWEST_RESAMPLES: usize = 1_000;

/// Resamples of all cases together.
const ALL_RESAMPLES: usize = 10_000_000;

/// Random ways of a permutation test, where there are too many to count.
const FEWEST_DRAWS: usize = 99_999;
const MOST_DRAWS: usize = 999_999;

/// The reports of one side, and the files they come from.
#[derive(Debug, Clone, Copy)]
pub struct Reports<'a> {
    /// How the side was named.
    pub files: &'a [String],
    /// Its reports: of one launch each, or of several.
    pub reports: &'a [Report],
}

/// Compares every case of two sides.
///
/// A case is REGRESSED when the hypothesis that it is worse by no more than its threshold is rejected, where at
/// most the agreed share of rejections is expected to be false (Benjamini and Hochberg, 1995); IMPROVED is the
/// mirror. EQUIVALENT and SHIFTED follow from the interval.
pub fn compare(baseline: Reports<'_>, candidate: Reports<'_>, rules: &Rules) -> Comparison {
    let mut differences = around(baseline.reports, candidate.reports, &rules.allow);
    differences.extend(apart(baseline.reports, candidate.reports));
    let prevented: Vec<String> = differences
        .iter()
        .filter(|difference| difference.prevents)
        .map(|Difference { what, baseline, candidate, .. }| differs(what, baseline, candidate))
        .collect();
    let pairs =
        pairs(subjects(baseline.reports, rules.metric), subjects(candidate.reports, rules.metric));
    let shared = (ALL_RESAMPLES / pairs.len().max(1)).clamp(FEWEST_RESAMPLES, RESAMPLES);
    let resamples = rules.resamples.unwrap_or(shared);
    // Twice as many as single out one of the cases.
    let draws = (2.0 * pairs.len() as f64 / rules.false_discovery_rate) as usize;
    let draws = draws.clamp(FEWEST_DRAWS, MOST_DRAWS);
    let budget = ResampleBudget { resamples, draws };
    let weighed = in_parallel(pairs.iter().collect(), |pair: &Pair<'_>| {
        pair.weighed(&prevented, rules, budget)
    });
    let adjusted = adjusted(&weighed, rules);
    let reach = reach(&weighed, rules, draws);
    let both = weighed.iter().zip(&adjusted);
    let selected = both.filter(|(case, p)| decided(case, **p, rules).is_some()).count();
    let both = weighed.iter().zip(adjusted);
    let cases: Vec<Compared> =
        both.map(|(case, p)| judged(case, p, rules, &reach, selected)).collect();
    let mut comparison = Comparison {
        schema: COMPARISON_SCHEMA.to_owned(),
        baseline: side(baseline, &cases, 0),
        candidate: side(candidate, &cases, 1),
        metric: rules.metric,
        direction: direction(rules.metric),
        test: rules.test,
        false_discovery_rate: rules.false_discovery_rate,
        confidence: rules.confidence,
        resamples,
        seed: rules.seed,
        noise_floor_percent: rules.noise_floor.map(|floor| 100.0 * floor.share),
        noise_floor_pairs: rules.noise_floor.and_then(|floor| floor.pairs),
        reach,
        differences,
        summary: Verdict::count(&cases),
        cases,
        exit: 0,
    };
    comparison.exit = exit(&comparison, &pairs, rules).code();
    comparison
}

fn direction(metric: ComparedMetric) -> Direction {
    match metric {
        ComparedMetric::Latency => LATENCY.direction,
        // Of whatever a case's rate counts.
        ComparedMetric::Throughput => OPERATIONS.direction,
        ComparedMetric::Efficiency => EFFICIENCY.direction,
    }
}

/// The sign of w = ±ln(value), which is larger where the metric is worse.
fn sign(metric: ComparedMetric) -> f64 {
    match direction(metric) {
        Direction::LowerIsBetter => 1.0,
        Direction::HigherIsBetter => -1.0,
    }
}

fn side(reports: Reports<'_>, cases: &[Compared], which: usize) -> Side {
    let only = |of: fn(&Report) -> Option<String>| {
        let mut values = reports.reports.iter().map(of);
        let first = values.next().flatten()?;
        values.all(|value| value.as_ref() == Some(&first)).then_some(first)
    };
    let started = reports.reports.iter().map(|report| report.run.started.clone()).min();
    Side {
        files: reports.files.to_vec(),
        git: only(|report| report.run.git.clone()),
        build: only(|report| Some(report.run.build.clone())),
        started: started.unwrap_or_default(),
        launches: cases.iter().map(|case| case.launches[which]).max().unwrap_or(0),
    }
}

/// The exit code: failures as they were, then regressions, then what cannot be compared; that nothing could is no success.
fn exit(comparison: &Comparison, pairs: &[Pair<'_>], rules: &Rules) -> Exit {
    let failures = pairs.iter().filter_map(|pair| Some(pair.failure()?.0));
    let any = |verdict| comparison.cases.iter().any(|case| case.verdict == verdict);
    let strict = rules.strict && (any(Verdict::Vanished) || any(Verdict::Inconclusive));
    [
        (comparison.compared() == 0 || any(Verdict::NotComparable), Exit::Unfit),
        (any(Verdict::Regressed), Exit::Regression),
        (strict, Exit::Inconclusive),
    ]
    .into_iter()
    .filter(|(applies, _)| *applies)
    .map(|(_, exit)| exit)
    .chain(failures)
    .fold(Exit::Ok, Exit::worst)
}
