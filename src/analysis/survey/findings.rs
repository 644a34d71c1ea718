//! What the rules find, with numbers and what to do.

use std::collections::{BTreeMap, BTreeSet};

use super::flags::{FAILED_CASE, STRAGGLER, WRONG_RESULT, of_cases};
use super::hosts::slow_hosts;
use super::ranks::slow;
use super::rules::{SLOWER_PERCENT, count, figure, finding};
use super::slow::Slow;
use super::subject::{Subject, hosts_of};
use crate::analysis::pairs;
use crate::base::caveat::Severity::{Serious, Warning};
use crate::base::caveat::{Concern, THROTTLED};
use crate::report::{Case, Examined, Figure, Finding, Flag, Outcome, Point, Report, Study};
use crate::report::{PairMatrix, SlowLink, Straggler};

/// How much slower is serious, percent. A choice: as much as a device in five does not do.
const MUCH_SLOWER_PERCENT: f64 = 20.0;

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
    || "a run ended with another exit code than 0".to_owned(),
    "see what its verdict says, and end the run with --resume before relying on it",
);

const SLOW_HOSTS: Concern = Concern::new(
    "slow_hosts",
    "slow hosts",
    Warning,
    || {
        format!(
            "the hosts of a report take more than {SLOWER_PERCENT} % longer than the median of at least 2 others with \
             the same surroundings in more than half of the cases they share; more than {MUCH_SLOWER_PERCENT} % is \
             serious"
        )
    },
    "compare these hosts' clocks, power limits, memory and settings with the others'; leave them out until they are as \
     fast",
);

const SLOW_NODE: Concern = Concern::new(
    "slow_node",
    "slow node",
    Warning,
    || {
        format!(
            "every rank of a node takes more than {SLOWER_PERCENT} % longer than the median of the other ranks in more \
             than half of the cases without communication; more than {MUCH_SLOWER_PERCENT} % is serious"
        )
    },
    "look at the node's clocks, power limit, cooling and what else runs there; leave it out of the job until it is as \
     fast as the others",
);

const SLOW_RANK: Concern = Concern::new(
    "slow_rank",
    "slow rank",
    Warning,
    || {
        format!(
            "a rank takes more than {SLOWER_PERCENT} % longer than the median of the other ranks in more than half of \
             the cases without communication; more than {MUCH_SLOWER_PERCENT} % is serious"
        )
    },
    "look at the device's clocks, power limit and temperature, and at what shares its cores; swap it with a neighbour \
     to tell the device from its place",
);

const SLOW_LINK: Concern = Concern::new(
    "slow_link",
    "slow link",
    Warning,
    || {
        format!(
            "a pair of ranks takes more than {:.0} % longer than the median of the pairs with the same between them; \
             more than {MUCH_SLOWER_PERCENT} % is serious",
            100.0 * (pairs::EFFECT - 1.0)
        )
    },
    "look at the errors, width and speed of the link and its cable; run --pairs again to see whether it stays",
);

const LOW_EFFICIENCY: Concern = Concern::new(
    "low_efficiency",
    "low efficiency",
    Warning,
    || {
        format!(
            "an efficiency is below {LEAST_EFFICIENCY}, with the whole of its interval where it has one"
        )
    },
    "use fewer ranks, or a larger problem for each, or find what grows: compare with the links' peak",
);

const RISING_OVERHEAD: Concern = Concern::new(
    "rising_overhead",
    "rising overhead",
    Warning,
    || {
        format!(
            "Karp and Flatt's serial fraction rises at each of at least {RISING_POINTS} points, by more than \
             {OVERHEAD_RISE} in all: what grows with the ranks is overhead, not serial work"
        )
    },
    "look for what costs more with more ranks (memory bandwidth they share, communication, imbalance), not for serial \
     code",
);

const POOR_BASE: Concern = Concern::new(
    "poor_base",
    "poor base",
    Warning,
    || {
        "an efficiency is above 1 with the whole of its interval: more than the ideal, so the base is a poor one \
         (Hoefler and Belli, 2015)"
            .to_owned()
    },
    "measure the base again by itself; if it stays, say that the larger one profits from caches",
);

const LOW_OVERLAP: Concern = Concern::new(
    "low_overlap",
    "low overlap",
    Warning,
    || format!("a computation hides less than {LOW_OVERLAP_PERCENT} % of the exchange meanwhile"),
    "see whether the library makes progress by itself (a progress thread, or offloading to the network)",
);

/// The findings, the most serious first. `subjects` and `examined` go together.
pub(super) fn findings(
    reports: &[Report],
    subjects: &[Subject<'_>],
    examined: &[Examined],
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
    findings.extend(slow_hosts(subjects, examined).into_iter().map(slower));
    findings.extend(slow_ranks(reports));
    findings.extend(stragglers(subjects, examined));
    findings.extend(studies.iter().flat_map(scaling));
    findings.extend(overlaps(subjects, examined));
    findings.extend(flagged(examined));
    // Those of one rule together, in the order in which the rules first come.
    let rules: Vec<String> = findings.iter().map(|finding| finding.rule.clone()).collect();
    let place = |rule: &String| rules.iter().position(|first| first == rule);
    findings.sort_by_key(|finding| (finding.severity, place(&finding.rule)));
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

/// The finding, serious where what it names is much slower.
fn grave(finding: Finding, slower_percent: f64) -> Finding {
    let much = slower_percent > MUCH_SLOWER_PERCENT;
    let severity = if much { Serious } else { finding.severity };
    Finding { severity, ..finding }
}

fn throttled(at: usize, report: &Report) -> Option<Finding> {
    let mut reasons: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut cases = Vec::new();
    for case in &report.cases {
        let telemetry = case.measured.iter().flat_map(|measured| &measured.telemetry);
        let held = telemetry.filter(|rank| !rank.throttled.is_empty());
        let before = cases.len();
        for rank in held {
            reasons.entry(rank.rank).or_default().extend(rank.throttled.iter().cloned());
            cases.truncate(before);
            cases.push(case.id.clone());
        }
    }
    let ranks: Vec<usize> = reasons.keys().copied().collect();
    let first = reasons.values().next()?.first().cloned();
    let evidence = vec![count("GPUs", ranks.len()), count("cases", cases.len())];
    Some(Finding {
        cases,
        hosts: hosts_of(report, &ranks),
        ranks,
        detail: first,
        ..finding(THROTTLED, &[at], evidence)
    })
}

/// Slow ranks and nodes; the same one in several reports once, by the report where it is slowest.
fn slow_ranks(reports: &[Report]) -> Vec<Finding> {
    let mut found: Vec<(Vec<usize>, Slow)> = Vec::new();
    for (at, report) in reports.iter().enumerate() {
        for slow in slow(report) {
            let is_same = |(_, known): &&mut (_, Slow)| {
                (&known.ranks, &known.hosts) == (&slow.ranks, &slow.hosts)
            };
            match found.iter_mut().find(is_same) {
                Some((reports, known)) => {
                    reports.push(at);
                    if slow.excess_percent > known.excess_percent {
                        *known = slow;
                    }
                }
                None => found.push((vec![at], slow)),
            }
        }
    }
    found.into_iter().map(slower).collect()
}

/// Those of these reports that are slow.
fn slower((reports, slow): (Vec<usize>, Slow)) -> Finding {
    let rule = match slow.ranks.len() {
        0 => SLOW_HOSTS,
        1 => SLOW_RANK,
        _ => SLOW_NODE,
    };
    let evidence = vec![
        figure("slower", slow.excess_percent, "%"),
        count("cases", slow.cases.len()),
        count("of", slow.looked_at),
    ];
    let finding = grave(finding(rule, &reports, evidence), slow.excess_percent);
    Finding { cases: slow.cases, ranks: slow.ranks, hosts: slow.hosts, ..finding }
}

/// A rank that is a straggler in a case.
type InCase<'a> = (&'a Subject<'a>, &'a Straggler);

/// The stragglers, each rank of the same reports once, with the cases in which it is one.
fn stragglers(subjects: &[Subject<'_>], examined: &[Examined]) -> Vec<Finding> {
    let mut found: BTreeMap<(&[usize], usize), Vec<InCase<'_>>> = BTreeMap::new();
    for (subject, case) in subjects.iter().zip(examined) {
        let spread = case.statistics.as_ref().and_then(|all| all.rank_spread.as_ref());
        for straggler in spread.iter().flat_map(|spread| &spread.stragglers) {
            found.entry((&case.reports, straggler.rank)).or_default().push((subject, straggler));
        }
    }
    found.into_iter().map(|((reports, rank), cases)| straggler(reports, rank, cases)).collect()
}

fn straggler(reports: &[usize], rank: usize, mut cases: Vec<InCase<'_>>) -> Finding {
    cases.sort_by(|(_, a), (_, b)| b.excess_percent.total_cmp(&a.excess_percent));
    let (subject, worst) = cases[0];
    let evidence = vec![
        count("cases", cases.len()),
        figure("at worst slower", worst.excess_percent, "%"),
        figure("slowest in", 100.0 * worst.slowest_share, "% of iterations"),
        figure("by chance", 100.0 * worst.expected_share, "%"),
        figure("adjusted p", worst.p_adjusted, ""),
    ];
    Finding {
        cases: cases.iter().map(|(subject, _)| subject.case.id.clone()).collect(),
        ranks: vec![rank],
        hosts: hosts_of(subject.report, &[rank]),
        ..finding(STRAGGLER, reports, evidence)
    }
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

fn overlaps(subjects: &[Subject<'_>], examined: &[Examined]) -> Vec<Finding> {
    let mut found: BTreeMap<&[usize], Vec<(f64, &str)>> = BTreeMap::new();
    for (subject, case) in subjects.iter().zip(examined) {
        let measured = subject.case.measured.as_ref();
        let percent = measured.and_then(|measured| measured.metrics.overlap_percent);
        if let Some(percent) = percent.filter(|percent| *percent < LOW_OVERLAP_PERCENT) {
            found.entry(&case.reports).or_default().push((percent, &case.id));
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
fn flagged(examined: &[Examined]) -> Vec<Finding> {
    let measured = examined.iter().filter(|case| case.statistics.is_some()).count();
    let of = |rule: Concern| {
        let mut cases: Vec<(&Flag, &Examined)> = examined
            .iter()
            .filter_map(|case| Some((case.flags.iter().find(|flag| flag.rule == rule.name)?, case)))
            .collect();
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
