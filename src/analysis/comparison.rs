//! Is the candidate worse than the baseline? Launches are the replicates: iterations of one launch share
//! whatever that start happened to get.

pub(super) mod differences;
mod evidence;
mod floor;
mod rules;
mod subject;

use std::collections::HashMap;

pub use floor::noise_floor;
pub use rules::Rules;

use self::differences::{around, between};
use self::evidence::{Evidence, Scale, weigh};
use self::subject::{Subject, subjects};
use crate::config::{ComparedMetric, StatisticalTest};
use crate::error::Exit;
use crate::metric::Direction;
use crate::random::fingerprint;
use crate::report::{
    COMPARISON_SCHEMA, Case, Compared, Comparison, Outcome, Reach, Report, Side, Verdict, Verdicts,
};
use crate::stats::{self, Magnitude};

/// Resamples behind an interval: as many as suffice for its ends, fewer where there are very many cases.
const RESAMPLES: usize = 10_000;
const FEWEST_RESAMPLES: usize = 1_000;

/// Resamples of all cases together.
const ALL_RESAMPLES: usize = 10_000_000;

/// Random ways of a permutation test, where there are too many to count.
const FEWEST_DRAWS: usize = 99_999;
const MOST_DRAWS: usize = 999_999;

/// Most launches that are recommended; beyond, something else than their number is wrong.
const MOST_LAUNCHES: usize = 100;

/// From which probability and ratio on it is remarked that launches differ more.
const SPREAD_P: f64 = 0.01;
const SPREAD_RATIO: f64 = 2.0;

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
    let differences = around(baseline.reports, candidate.reports, &rules.allow);
    let prevented: Vec<String> = differences
        .iter()
        .filter(|difference| difference.prevents)
        .map(|difference| {
            let crate::report::Difference { what, baseline, candidate, .. } = difference;
            format!("{what} is {baseline} in the baseline and {candidate} now")
        })
        .collect();
    let pairs =
        pairs(subjects(baseline.reports, rules.metric), subjects(candidate.reports, rules.metric));
    let shared = (ALL_RESAMPLES / pairs.len().max(1)).clamp(FEWEST_RESAMPLES, RESAMPLES);
    let resamples = rules.resamples.unwrap_or(shared);
    // Twice as many as single out one of the cases.
    let draws = (2.0 * pairs.len() as f64 / rules.false_discovery_rate) as usize;
    let draws = draws.clamp(FEWEST_DRAWS, MOST_DRAWS);
    let effort = Effort { resamples, draws };
    let mut cases = in_parallel(&pairs, |pair| pair.weighed(&prevented, rules, effort));
    adjust(&mut cases, rules);
    let reach = reach(&cases, rules, draws);
    let selected = cases
        .iter()
        .filter(|(case, _)| {
            matches!(decided(case, rules), Some(Verdict::Regressed | Verdict::Improved))
        })
        .count();
    let cases: Vec<Compared> = cases
        .into_iter()
        .map(|(case, evidence)| judged(case, evidence, rules, &reach, selected))
        .collect();
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
        noise_floor_percent: rules.noise_floor.map(|floor| 100.0 * floor),
        reach,
        differences,
        summary: Verdicts::of(&cases),
        cases,
        exit: 0,
    };
    comparison.exit = exit(&comparison, &pairs, rules).code();
    comparison
}

fn direction(metric: ComparedMetric) -> Direction {
    match metric {
        ComparedMetric::Latency => Direction::LowerIsBetter,
        ComparedMetric::Throughput | ComparedMetric::Efficiency => Direction::HigherIsBetter,
    }
}

/// How many random numbers a case is worth.
#[derive(Debug, Clone, Copy)]
struct Effort {
    resamples: usize,
    draws: usize,
}

/// A subject on both sides, or on the one that has it.
struct Pair<'a> {
    baseline: Option<Subject<'a>>,
    candidate: Option<Subject<'a>>,
}

/// Those of the baseline in their order, then what only the candidate has; without what neither has measured.
fn pairs<'a>(baseline: Vec<Subject<'a>>, candidate: Vec<Subject<'a>>) -> Vec<Pair<'a>> {
    let places: HashMap<String, usize> =
        baseline.iter().enumerate().map(|(place, subject)| (subject.id.clone(), place)).collect();
    let mut pairs: Vec<Pair<'_>> = baseline
        .into_iter()
        .map(|subject| Pair { baseline: Some(subject), candidate: None })
        .collect();
    for subject in candidate {
        match places.get(&subject.id) {
            Some(&place) => pairs[place].candidate = Some(subject),
            None => pairs.push(Pair { baseline: None, candidate: Some(subject) }),
        }
    }
    // What neither side can do is no difference between them.
    let failed =
        |pair: &Pair<'_>| pair.candidate.as_ref().is_some_and(|subject| subject.failure.is_some());
    pairs
        .retain(|pair| is_measured(&pair.baseline) || is_measured(&pair.candidate) || failed(pair));
    pairs
}

fn is_measured(side: &Option<Subject<'_>>) -> bool {
    side.as_ref().is_some_and(|subject| !subject.launches.is_empty())
}

/// What `of` makes of each, in order, on all cores.
fn in_parallel<'a, T: Send>(
    pairs: &'a [Pair<'a>],
    of: impl Fn(&'a Pair<'a>) -> T + Sync,
) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = pairs.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let of = &of;
        let parts: Vec<_> = pairs
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().map(of).collect::<Vec<T>>()))
            .collect();
        let joined = parts.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined
            .flat_map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

impl Pair<'_> {
    /// What is known before all cases are seen together: a verdict that needs no test, or the evidence.
    fn weighed(
        &self,
        prevented: &[String],
        rules: &Rules,
        effort: Effort,
    ) -> (Compared, Option<Evidence>) {
        let Some(either) = self.baseline.as_ref().or(self.candidate.as_ref()) else {
            unreachable!("a pair has a side")
        };
        let launches =
            |side: &Option<Subject<'_>>| side.as_ref().map_or(0, |subject| subject.launches.len());
        let figure = |side: &Option<Subject<'_>>| side.as_ref().and_then(Subject::figure);
        let threshold = rules.threshold(either.benchmark);
        let mut case = Compared {
            id: either.id.clone(),
            benchmark: either.benchmark.to_owned(),
            verdict: Verdict::Inconclusive,
            severity: None,
            baseline: figure(&self.baseline),
            candidate: figure(&self.candidate),
            unit: either.unit.to_owned(),
            launches: [launches(&self.baseline), launches(&self.candidate)],
            ratio: None,
            ci: None,
            confidence: rules.confidence,
            worse_percent: None,
            accuracy_drift: None,
            threshold_percent: 100.0 * threshold,
            p: None,
            p_adjusted: None,
            p_improved: None,
            p_improved_adjusted: None,
            cliffs_delta: None,
            effect: None,
            hedges_g: None,
            p_equivalent: None,
            launches_needed: None,
            remarks: Vec::new(),
        };
        let (verdict, remarks) = self.without_test(prevented);
        case.remarks = remarks;
        if let (Some(baseline), Some(candidate)) = (&self.baseline, &self.candidate)
            && let (Some(before), Some(after)) = (baseline.case, candidate.case)
        {
            if let Some((drift, remark)) = drift(before, after, rules) {
                case.accuracy_drift = Some(drift);
                case.remarks.push(remark);
            }
            case.remarks.extend(memory(before, after, rules));
        }
        let larger_is_worse = direction(rules.metric) == Direction::LowerIsBetter;
        let scale = Scale {
            test: rules.test,
            larger_is_worse,
            threshold,
            confidence: rules.confidence,
            resamples: effort.resamples,
            draws: effort.draws,
            seed: rules.seed ^ fingerprint(case.id.bytes()),
        };
        let evidence = self
            .baseline
            .as_ref()
            .zip(self.candidate.as_ref())
            .and_then(|(before, after)| weigh(&before.launches, &after.launches, scale));
        if let Some(evidence) = &evidence {
            let sign = if larger_is_worse { 1.0 } else { -1.0 };
            case.ratio = Some((sign * evidence.worse).exp());
            case.worse_percent = Some(100.0 * evidence.worse.exp_m1());
            case.cliffs_delta = evidence.cliffs_delta;
            case.effect = evidence.cliffs_delta.map(Magnitude::of_delta);
            case.hedges_g = evidence.hedges_g;
            case.p_equivalent = evidence.p_equivalent;
            case.remarks.extend(spread(evidence));
        }
        if let Some(verdict) = verdict {
            case.verdict = verdict;
            return (case, None);
        }
        if let Some(evidence) = &evidence {
            case.p = Some(evidence.p_worse);
            case.p_improved = Some(evidence.p_better);
        }
        (case, evidence)
    }

    /// The verdict where no test is needed, and why.
    fn without_test(&self, prevented: &[String]) -> (Option<Verdict>, Vec<String>) {
        let failure = self.candidate.as_ref().and_then(|subject| subject.failure.clone());
        match (is_measured(&self.baseline), is_measured(&self.candidate)) {
            (_, _) if failure.is_some() => {
                (Some(Verdict::Failed), failure.into_iter().map(|(_, why)| why).collect())
            }
            (true, true) => {
                let cases = self.baseline.as_ref().zip(self.candidate.as_ref());
                let cases = cases.and_then(|(before, after)| before.case.zip(after.case));
                let own = cases.map_or_else(Vec::new, |(before, after)| between(before, after));
                let reasons = [prevented, own.as_slice()].concat();
                ((!reasons.is_empty()).then_some(Verdict::NotComparable), reasons)
            }
            (true, false) => (Some(Verdict::Vanished), self.absent(&self.candidate)),
            (false, _) => (Some(Verdict::New), self.absent(&self.baseline)),
        }
    }

    /// Why a side that has a case has no figure of it.
    fn absent(&self, side: &Option<Subject<'_>>) -> Vec<String> {
        let case = side.as_ref().and_then(|subject| subject.case);
        let skipped = case.filter(|case| case.outcome == Outcome::Skipped);
        let why = skipped.map(|case| case.reason.clone().unwrap_or_default());
        why.map(|why| format!("skipped: {why}")).into_iter().collect()
    }
}

/// How much more the results err, where that is too much.
fn drift(baseline: &Case, candidate: &Case, rules: &Rules) -> Option<(f64, String)> {
    let error = |case: &Case| case.accuracy.as_ref().map(|accuracy| accuracy.max_rel);
    let (before, after) = (error(baseline)?, error(candidate)?);
    (after - before > rules.accuracy_drift).then(|| {
        let remark =
            format!("ACCURACY: the largest relative error grew from {before:.2e} to {after:.2e}");
        (after - before, remark)
    })
}

/// How much more memory the hungriest rank takes, where that is worth a warning.
fn memory(baseline: &Case, candidate: &Case, rules: &Rules) -> Option<String> {
    let peak = |case: &Case| {
        let ranks = case.measured.iter().flat_map(|measured| &measured.memory);
        ranks.map(|rank| rank.host_peak_bytes).max()
    };
    let (before, after) = (peak(baseline)?, peak(candidate)?);
    (after as f64 > before as f64 * (1.0 + rules.memory)).then(|| {
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let (before, after) = (megabytes(before), megabytes(after));
        format!("MEMORY: a rank takes up to {after:.1} MB, {before:.1} MB before")
    })
}

/// How much more the launches differ from each other than before, where that is no accident: such a case may be faster
/// and still be worse to rely on.
fn spread(evidence: &Evidence) -> Option<String> {
    let ([before, after], p) = evidence.spread?;
    (p <= SPREAD_P && after >= SPREAD_RATIO * before).then(|| {
        let [before, after] = [before, after].map(|deviation| 100.0 * deviation);
        format!("SPREAD: launches differ by {after:.1} %, {before:.1} % before (p {p:.4})")
    })
}

/// Adjusts the p of all cases, each direction a family of its own.
fn adjust(cases: &mut [(Compared, Option<Evidence>)], rules: &Rules) {
    let tested: Vec<usize> = cases
        .iter()
        .enumerate()
        .filter(|(_, (case, _))| case.p.is_some())
        .map(|(i, _)| i)
        .collect();
    let worse: Vec<f64> = tested.iter().filter_map(|&i| cases[i].0.p).collect();
    let better: Vec<f64> = tested.iter().filter_map(|&i| cases[i].0.p_improved).collect();
    let adjusted = match rules.any_dependence {
        false => stats::benjamini_hochberg,
        true => stats::benjamini_yekutieli,
    };
    let adjusted = adjusted(&worse).into_iter().zip(adjusted(&better));
    for (i, (worse, better)) in tested.into_iter().zip(adjusted) {
        cases[i].0.p_adjusted = Some(worse);
        cases[i].0.p_improved_adjusted = Some(better);
    }
}

/// What the launches at hand can show.
fn reach(cases: &[(Compared, Option<Evidence>)], rules: &Rules, draws: usize) -> Reach {
    let tested: Vec<&Compared> =
        cases.iter().map(|(case, _)| case).filter(|case| case.p.is_some()).collect();
    let fewest = |side: usize| tested.iter().map(|case| case.launches[side]).min().unwrap_or(0);
    let launches = [fewest(0), fewest(1)];
    let (count, rate) = (tested.len(), rules.false_discovery_rate);
    let smallest = |launches: [usize; 2]| match rules.test {
        StatisticalTest::TTest => 0.0,
        _ => stats::smallest_p(launches[0], launches[1], draws),
    };
    // So many regressions at p lift p·m/R below the rate.
    let visible = |p: f64| ((p * count as f64 / rate) - 1e-9).ceil().max(1.0) as usize;
    let enough = (2..=MOST_LAUNCHES).find(|&each| visible(smallest([each, each])) == 1);
    Reach {
        cases: count,
        launches,
        smallest_p: smallest(launches),
        fewest_visible: visible(smallest(launches)),
        launches_needed: enough.unwrap_or(MOST_LAUNCHES),
    }
}

/// The verdict that the tests and the results' errors give, if any.
fn decided(case: &Compared, rules: &Rules) -> Option<Verdict> {
    let rejected = |p: Option<f64>| p.is_some_and(|p| p <= rules.false_discovery_rate);
    if rejected(case.p_adjusted) || case.accuracy_drift.is_some() {
        Some(Verdict::Regressed)
    } else if rejected(case.p_improved_adjusted) {
        Some(Verdict::Improved)
    } else {
        None
    }
}

/// The case with its verdict, interval and what would tell more. `selected` of the tested cases were called
/// REGRESSED or IMPROVED; their intervals are at 1 − R·α/m (Benjamini and Yekutieli, 2005).
fn judged(
    mut case: Compared,
    evidence: Option<Evidence>,
    rules: &Rules,
    reach: &Reach,
    selected: usize,
) -> Compared {
    let Some(evidence) = evidence else { return case };
    let decided = decided(&case, rules);
    let bound = (case.threshold_percent / 100.0).ln_1p();
    let all = case.launches[0] + case.launches[1];
    if decided.is_some() {
        case.confidence =
            1.0 - selected as f64 * (1.0 - rules.confidence) / reach.cases.max(1) as f64;
    }
    let shift = evidence.interval.map(|shift| shift.at(case.confidence, rules.confidence, all));
    case.ci = shift.map(|shift| match direction(rules.metric) {
        Direction::LowerIsBetter => [shift.low.exp(), shift.high.exp()],
        Direction::HigherIsBetter => [(-shift.high).exp(), (-shift.low).exp()],
    });
    case.verdict = decided.unwrap_or_else(|| match shift {
        Some(shift) if -bound < shift.low && shift.high < bound => Verdict::Equivalent,
        Some(shift) if shift.low > 0.0 || shift.high < 0.0 => Verdict::Shifted,
        _ => Verdict::Inconclusive,
    });
    match case.verdict {
        Verdict::Regressed => case.severity = Some(rules.severity(evidence.worse.exp_m1())),
        Verdict::Inconclusive | Verdict::Shifted => {
            let needed = needed(&case, &evidence, bound, reach);
            case.launches_needed = Some(needed);
            if case.launches.contains(&1) {
                case.remarks.push("one launch says nothing of how launches differ".to_owned());
            }
        }
        _ => {}
    }
    case
}

/// About how many launches of each side would tell on which side of the threshold the change lies: the interval
/// narrows by √K, and has to be as narrow as its middle is far from the threshold; changes within a quarter
/// of the threshold from it are not waited for.
fn needed(case: &Compared, evidence: &Evidence, bound: f64, reach: &Reach) -> usize {
    let fewest = case.launches.into_iter().min().unwrap_or(0);
    let by_width = evidence.interval.map_or(0, |shift| {
        let half = (shift.high - shift.low) / 2.0;
        let distance = (evidence.worse.abs() - bound).abs().max(bound / 4.0);
        let ratio = if distance > 0.0 { (half / distance).powi(2) } else { f64::INFINITY };
        (fewest as f64 * ratio).ceil().min(MOST_LAUNCHES as f64) as usize
    });
    by_width.max(reach.launches_needed).max(fewest + 1).min(MOST_LAUNCHES)
}

fn side(reports: Reports<'_>, cases: &[Compared], which: usize) -> Side {
    let only = |of: fn(&Report) -> Option<String>| {
        let mut values = reports.reports.iter().map(of);
        let first = values.next().flatten()?;
        values.all(|value| value.as_ref() == Some(&first)).then_some(first)
    };
    Side {
        files: reports.files.to_vec(),
        git: only(|report| report.run.git.clone()),
        build: only(|report| Some(report.run.build.clone())),
        started: reports
            .reports
            .iter()
            .map(|report| report.run.started.clone())
            .min()
            .unwrap_or_default(),
        launches: cases.iter().map(|case| case.launches[which]).max().unwrap_or(0),
    }
}

/// The exit code: failures as they were, then what cannot be compared, then regressions.
fn exit(comparison: &Comparison, pairs: &[Pair<'_>], rules: &Rules) -> Exit {
    let failures =
        pairs.iter().filter_map(|pair| Some(pair.candidate.as_ref()?.failure.as_ref()?.0));
    let Verdicts { regressed, not_comparable, vanished, inconclusive, .. } = comparison.summary;
    let nothing = comparison.cases.is_empty();
    [
        (nothing || not_comparable > 0, Exit::Unfit),
        (regressed > 0, Exit::Regression),
        (rules.strict && vanished + inconclusive > 0, Exit::Inconclusive),
    ]
    .into_iter()
    .filter(|(applies, _)| *applies)
    .map(|(_, exit)| exit)
    .chain(failures)
    .fold(Exit::Ok, Exit::worst)
}
