//! What the rules find, with numbers and what to do.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::flags::{FAILED_CASE, WRONG_RESULT, of_cases};
use super::ranks::stragglers;
use super::rules::{count, figure, finding, says};
use super::slow::{MUCH_SLOWER_PERCENT, grave, slow};
use super::subject::{Subject, hosts_of};
use crate::analysis::pairs::EFFECT_PERCENT;
use crate::base::caveat::Severity::{Serious, Warning};
use crate::base::caveat::{Concern, THROTTLED};
use crate::report::{Case, Examined, Figure, Finding, Flag, Outcome, Point, Report, Study};
use crate::report::{PairMatrix, SlowLink};

/// Efficiency below which devices are wasted. A choice.
const LEAST_EFFICIENCY: f64 = 0.8;

/// Rise of Karp and Flatt's serial fraction from the first to the last point that is more than noise.
const OVERHEAD_RISE: f64 = 0.01;

/// Fewest points that show a rise.
const RISING_POINTS: usize = 3;

/// Share of an exchange that a computation hides, percent, below which overlapping is hardly worth it.
const LOW_OVERLAP_PERCENT: f64 = 50.0;

const RUN_ENDED: Concern = Concern::new(
    "run_ended",
    "exit",
    Serious,
    says!("a run ended with another exit code than 0"),
    "see what its verdict says, and end the run with --resume before relying on it",
);

const SLOW_LINK: Concern = Concern::new(
    "slow_link",
    "slow link",
    Warning,
    says!(
        "a pair of ranks takes more than {EFFECT_PERCENT} % longer than the median of the pairs with the same between \
         them; more than {MUCH_SLOWER_PERCENT} % is serious"
    ),
    "look at the errors, width and speed of the link and its cable; run --pairs again to see whether it stays",
);

const LOW_EFFICIENCY: Concern = Concern::new(
    "low_efficiency",
    "low efficiency",
    Warning,
    says!(
        "an efficiency is below {LEAST_EFFICIENCY}, with the whole of its interval where it has one"
    ),
    "use fewer ranks, or a larger problem for each, or find what grows: compare with the links' peak",
);

const RISING_OVERHEAD: Concern = Concern::new(
    "rising_overhead",
    "rising overhead",
    Warning,
    says!(
        "Karp and Flatt's serial fraction rises at each of at least {RISING_POINTS} points, by more than \
             {OVERHEAD_RISE} in all: what grows with the ranks is overhead, not serial work"
    ),
    "look for what costs more with more ranks (memory bandwidth they share, communication, imbalance), not for serial \
     code",
);

const POOR_BASE: Concern = Concern::new(
    "poor_base",
    "poor base",
    Warning,
    says!(
        "an efficiency is above 1 with the whole of its interval: more than the ideal, so the base is a poor one \
         (Hoefler and Belli, 2015)"
    ),
    "measure the base again by itself; if it stays, say that the larger one profits from caches",
);

const LOW_OVERLAP: Concern = Concern::new(
    "low_overlap",
    "low overlap",
    Warning,
    says!("a computation hides less than {LOW_OVERLAP_PERCENT} % of the exchange meanwhile"),
    "see whether the library makes progress by itself (a progress thread, or offloading to the network)",
);

/// The findings, the most serious first.
pub(super) fn findings(
    reports: &[Report],
    subjects: &[Subject<'_>],
    studies: &[Study],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, report) in reports.iter().enumerate() {
        findings.extend(run(at, report));
        findings.extend(report.cases.iter().filter_map(|case| failure(at, report, case)));
        let matrices = report.pair_matrices.iter();
        findings.extend(matrices.flat_map(|matrix| links(at, report, matrix)));
        findings.extend(throttled(at, report));
    }
    findings.extend(slow(reports, subjects));
    findings.extend(stragglers(subjects));
    findings.extend(studies.iter().flat_map(scaling));
    findings.extend(overlaps(subjects));
    findings.extend(flagged(subjects));
    // Those of one rule together, in the order in which the rules first come.
    let mut places: HashMap<String, usize> = HashMap::new();
    for (place, finding) in findings.iter().enumerate() {
        places.entry(finding.rule.clone()).or_insert(place);
    }
    findings.sort_by_key(|finding| (finding.severity, places[&finding.rule]));
    findings
}

fn run(at: usize, report: &Report) -> Option<Finding> {
    let exit = report.run.exit;
    (exit != 0).then(|| {
        let evidence = vec![
            count("exit code", exit.into()),
            count("cases measured", report.summary.measured),
            count("cases planned", report.summary.cases),
        ];
        Finding { detail: Some(report.verdict()), ..finding(RUN_ENDED, &[at], evidence) }
    })
}

fn failure(at: usize, report: &Report, case: &Case) -> Option<Finding> {
    let wrong = case.accuracy.as_ref().filter(|accuracy| accuracy.wrong > 0);
    let failed = matches!(case.outcome, Outcome::Failed | Outcome::TimedOut);
    if !failed && wrong.is_none() {
        return None;
    }
    let error = case.error.as_ref();
    let finding = match wrong {
        Some(accuracy) => {
            let evidence = vec![
                figure("wrong elements", accuracy.wrong as f64, ""),
                figure("of", accuracy.checked as f64, "checked"),
                figure("largest relative error", accuracy.max_rel, ""),
            ];
            finding(WRONG_RESULT, &[at], evidence)
        }
        None => {
            let code = error.map_or(0, |error| error.kind.exit().code());
            finding(FAILED_CASE, &[at], vec![count("exit code", code.into())])
        }
    };
    let ranks: Vec<usize> = error.and_then(|error| error.rank).into_iter().collect();
    Some(Finding {
        cases: vec![case.id.clone()],
        hosts: hosts_of(report, &ranks),
        ranks,
        detail: error.map(|error| error.detail.clone()),
        ..finding
    })
}

fn links(at: usize, report: &Report, matrix: &PairMatrix) -> Vec<Finding> {
    let of = |link: &SlowLink| {
        let slower = 100.0 * (link.effect - 1.0);
        let evidence = vec![
            figure("slower", slower, "%"),
            figure("as slow in", 100.0 * link.persistence, "% of the time"),
        ];
        Finding {
            cases: vec![link.case.clone()],
            ranks: link.ranks.to_vec(),
            hosts: hosts_of(report, &link.ranks),
            detail: Some(format!("between them: {}", link.distance.name())),
            ..grave(finding(SLOW_LINK, &[at], evidence), slower)
        }
    };
    matrix.slow.iter().map(of).collect()
}

fn throttled(at: usize, report: &Report) -> Option<Finding> {
    let mut reasons: BTreeMap<usize, &String> = BTreeMap::new();
    let mut cases: Vec<String> = Vec::new();
    for case in &report.cases {
        let telemetry = case.measured.iter().flat_map(|measured| &measured.telemetry);
        for (rank, reason) in telemetry.filter_map(|one| Some((one.rank, one.throttled.first()?))) {
            reasons.entry(rank).or_insert(reason);
            cases.push(case.id.clone());
        }
    }
    cases.dedup();
    let ranks: Vec<usize> = reasons.keys().copied().collect();
    let (_, first) = reasons.pop_first()?;
    let evidence = vec![count("GPUs", ranks.len()), count("cases", cases.len())];
    Some(Finding {
        cases,
        hosts: hosts_of(report, &ranks),
        ranks,
        detail: Some(first.clone()),
        ..finding(THROTTLED, &[at], evidence)
    })
}

/// What a study says of how a benchmark scales.
fn scaling(study: &Study) -> Vec<Finding> {
    let Some(base) = &study.scaling.base else { return Vec::new() };
    let mut points: Vec<(&Point, &[usize])> =
        study.scaling.points.iter().zip(study.reports.iter().map(Vec::as_slice)).collect();
    points.retain(|(point, _)| !point.left_out && point.ranks > base.ranks);
    points.sort_by_key(|(point, _)| point.ranks);
    let of_point = |rule: Concern, (point, reports): (&Point, &[usize]), mut more: Vec<Figure>| {
        more.extend([count("ranks", point.ranks), count("base", base.ranks)]);
        Finding { cases: vec![point.case.clone()], ..finding(rule, reports, more) }
    };
    let efficiency = |point: &Point| {
        let figures = [
            point.efficiency.map(|efficiency| figure("efficiency", efficiency, "")),
            point.ci.map(|[low, _]| figure("from", low, "")),
            point.ci.map(|[_, high]| figure("to", high, "")),
        ];
        figures.into_iter().flatten().collect::<Vec<Figure>>()
    };
    let high = |point: &Point| point.ci.map(|[_, high]| high).or(point.efficiency);
    let low = |point: &Point| Some(point.ci?[0]);
    let mut found = Vec::new();
    let wasted =
        points.iter().find(|(point, _)| high(point).is_some_and(|high| high < LEAST_EFFICIENCY));
    found.extend(wasted.map(|&at| of_point(LOW_EFFICIENCY, at, efficiency(at.0))));
    let above = points.iter().find(|(point, _)| low(point).is_some_and(|low| low > 1.0));
    found.extend(above.map(|&at| of_point(POOR_BASE, at, efficiency(at.0))));
    let serial: Vec<f64> = points.iter().filter_map(|(point, _)| point.karp_flatt).collect();
    let rises = serial.len() >= RISING_POINTS && serial.windows(2).all(|pair| pair[1] > pair[0]);
    if let (true, Some(first), Some(last), Some(&at)) =
        (rises, serial.first(), serial.last(), points.last())
        && last - first > OVERHEAD_RISE
    {
        let figures = vec![figure("serial fraction", *first, ""), figure("at last", *last, "")];
        found.push(of_point(RISING_OVERHEAD, at, figures));
    }
    found
}

fn overlaps(subjects: &[Subject<'_>]) -> Vec<Finding> {
    let mut found: BTreeMap<&[usize], Vec<(f64, &str)>> = BTreeMap::new();
    for subject in subjects {
        let measured = subject.case.measured.as_ref();
        let percent = measured.and_then(|measured| measured.metrics.overlap_percent);
        if let Some(percent) = percent.filter(|percent| *percent < LOW_OVERLAP_PERCENT) {
            found.entry(subject.reports()).or_default().push((percent, &subject.case.id));
        }
    }
    let of = |(reports, mut cases): (&[usize], Vec<(f64, &str)>)| {
        cases.sort_by(|a, b| a.0.total_cmp(&b.0));
        let evidence = vec![count("cases", cases.len()), figure("least hidden", cases[0].0, "%")];
        let cases = cases.into_iter().map(|(_, case)| case.to_owned()).collect();
        Finding { cases, ..finding(LOW_OVERLAP, reports, evidence) }
    };
    found.into_iter().map(of).collect()
}

/// A finding for each rule that flags cases, with all that it flags.
fn flagged<'a>(subjects: &'a [Subject<'_>]) -> Vec<Finding> {
    let examined = || subjects.iter().map(|subject| &subject.examined);
    let measured = examined().filter(|case| case.statistics.is_some()).count();
    let of = |rule: Concern| {
        let flagged = |case: &'a Examined| {
            Some((case.flags.iter().find(|flag| flag.rule == rule.name)?, case))
        };
        let mut cases: Vec<(&Flag, &Examined)> = examined().filter_map(flagged).collect();
        let size = |flag: &Flag| flag.evidence.first().map_or(0.0, |figure| figure.value);
        cases.sort_by(|(a, _), (b, _)| size(b).total_cmp(&size(a)));
        let (&(worst, _), &(least, _)) = (cases.first()?, cases.last()?);
        let mut evidence = vec![count("cases", cases.len()), count("of", measured)];
        let mut of_worst = worst.evidence.clone();
        if let Some(first) = of_worst.first_mut().filter(|first| first.value > size(least)) {
            first.name = format!("at worst {}", first.name);
        }
        evidence.extend(of_worst);
        let reports: BTreeSet<usize> =
            cases.iter().flat_map(|(_, case)| case.reports.iter().copied()).collect();
        let reports: Vec<usize> = reports.into_iter().collect();
        let cases = cases.iter().map(|(_, case)| case.id.clone()).collect();
        Some(Finding { cases, ..finding(rule, &reports, evidence) })
    };
    of_cases().filter_map(of).collect()
}
