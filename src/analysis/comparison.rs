//! Is the candidate worse than the baseline? Launches are the replicates: iterations of one launch share
//! whatever that start happened to get.

pub(super) mod differences;
mod evidence;
mod looks;
mod noise;
mod pair;
mod rules;
mod sessions;
mod subject;
mod verdict;

pub use differences::comparable;
pub use looks::Looks;
pub use noise::{NoiseFloor, noise_floor};
pub use rules::Rules;
pub use sessions::{apart, sessions};

use std::collections::BTreeMap;

use self::differences::{around, differs};
use self::pair::{Examined, Pair, Weighed, pairs};
use self::subject::subjects;
use self::verdict::{Families, judged, reach};

use crate::base::error::Exit;
use crate::base::metric::Direction;
use crate::base::parallel::in_parallel;
use crate::benchmark::metric::{EFFICIENCY, LATENCY, OPERATIONS};
use crate::plan::config::ComparedMetric;
use crate::report::{COMPARISON_SCHEMA, Compared, Comparison, Difference, Report, Side, Verdict};
use crate::stats::shifts;

/// How often launches are drawn to see what chance does: so often that a lone case of many is singled out by twenty
/// hits.
const FEWEST_DRAWS: usize = 20_000;
const MOST_DRAWS: usize = 4_000_000;
const HITS: f64 = 20.0;

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
/// mirror. SUSPECTED is what is worse by its own interval only, or much slower and not shown; UNSTABLE is what has a few
/// launches far off its others. EQUIVALENT follows from the interval, SHIFTED from a test of any change.
pub fn compare(baseline: Reports<'_>, candidate: Reports<'_>, rules: &Rules) -> Comparison {
    compare_all_but(&BTreeMap::new(), baseline, candidate, rules)
}

/// Compares two sides; the cases that are decided already stay as they are.
fn compare_all_but(
    decided: &BTreeMap<&str, &Compared>,
    baseline: Reports<'_>,
    candidate: Reports<'_>,
    rules: &Rules,
) -> Comparison {
    let mut differences = around(baseline.reports, candidate.reports, &rules.allow);
    differences.extend(apart(baseline.reports, candidate.reports));
    let prevented: Vec<String> = differences
        .iter()
        .filter(|difference| difference.prevents)
        .map(|Difference { what, baseline, candidate, .. }| differs(what, baseline, candidate))
        .collect();
    let pairs =
        pairs(subjects(baseline.reports, rules.metric), subjects(candidate.reports, rules.metric));
    let step = pairs.iter().filter_map(Pair::step).reduce(f64::min);
    let examined: Vec<Examined<'_>> =
        pairs.iter().map(|pair| pair.examined(&prevented, rules, step)).collect();
    let tested: Vec<_> = examined.iter().filter_map(|case| case.tested().cloned()).collect();
    let draws = (HITS * tested.len() as f64 / rules.rate()) as usize;
    let draws = draws.clamp(FEWEST_DRAWS, MOST_DRAWS);
    let mut chances = shifts(&tested, draws, rules.seed).into_iter();
    let examined = examined.into_iter().map(|case| {
        let shift = case.tested().and_then(|_| chances.next()).flatten();
        (case, shift)
    });
    let weighed = in_parallel(examined.collect(), |(case, shift)| case.weighed(shift, rules));
    let families = Families::of(&weighed, rules);
    let reach = reach(&weighed, rules, draws);
    let cases: Vec<Compared> =
        in_parallel(weighed.iter().enumerate().collect(), |(place, case)| {
            match decided.get(case.examined.pair.either().id.as_str()) {
                Some(decided) => (*decided).clone(),
                None => judged(case, place, &families, rules, &reach),
            }
        });
    let mut comparison = Comparison {
        schema: COMPARISON_SCHEMA.to_owned(),
        baseline: side(baseline, &cases, 0),
        candidate: side(candidate, &cases, 1),
        metric: rules.metric,
        direction: direction(rules.metric),
        test: rules.test,
        false_discovery_rate: rules.false_discovery_rate,
        confidence: rules.confidence,
        resamples: draws,
        seed: rules.seed,
        noise_floor_percent: rules.noise_floor.map(|floor| 100.0 * floor.share),
        noise_floor_pairs: rules.noise_floor.and_then(|floor| floor.pairs),
        looks: Vec::new(),
        reach,
        differences,
        summary: Verdict::count(&cases),
        cases,
        exit: 0,
    };
    comparison.exit = exit(&comparison, &weighed, rules).code();
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
    // What is unknown comes first.
    let started = reports.reports.iter().map(|report| report.run.began()).min().flatten();
    Side {
        files: reports.files.to_vec(),
        git: only(|report| report.run.git.clone()),
        build: only(|Report { run, .. }| run.imported_from.is_none().then(|| run.build.clone())),
        machine: only(|report| Some(report.machine())),
        command: only(|Report { run, .. }| {
            Some(run.command.join(" ")).filter(|told| !told.is_empty())
        }),
        started: started.map(str::to_owned),
        launches: cases.iter().map(|case| case.launches[which]).max().unwrap_or(0),
    }
}

/// The exit code: failures as they were, then regressions, then what cannot be compared; that nothing could is no
/// success, nor is a case that is much slower and not shown to be.
fn exit(comparison: &Comparison, weighed: &[Weighed<'_>], rules: &Rules) -> Exit {
    let failures = weighed.iter().filter_map(|case| Some(case.examined.pair.failure()?.0));
    let any = |verdict| comparison.cases.iter().any(|case| case.verdict == verdict);
    let open = [Verdict::Suspected, Verdict::Vanished, Verdict::Unstable, Verdict::Inconclusive];
    let strict = rules.strict
        && (open.into_iter().any(any)
            || (comparison.reach.cases > 0 && !comparison.reach.suffices()));
    let much_slower = weighed.iter().zip(&comparison.cases).any(|(case, told)| {
        let much_slower = case.tested().is_some_and(|evidence| evidence.much_slower);
        much_slower && told.verdict != Verdict::Regressed
    });
    [
        (comparison.compared() == 0 || any(Verdict::NotComparable), Exit::Unfit),
        (any(Verdict::Regressed), Exit::Regression),
        (strict || much_slower, Exit::Inconclusive),
    ]
    .into_iter()
    .filter(|(applies, _)| *applies)
    .map(|(_, exit)| exit)
    .chain(failures)
    .fold(Exit::Ok, Exit::worst)
}
