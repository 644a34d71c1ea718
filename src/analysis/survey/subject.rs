//! What is examined: a case in all the launches that measured it.

use std::collections::{BTreeSet, HashMap};

use super::ranks;
use crate::analysis::comparison::differences::{Facts, between, facts};
use crate::analysis::launches::{agreement, middle};
use crate::report::times_ms;
use crate::report::{Case, Examined, Measured, Origin, Over, Report, Samples, Statistics};
use crate::stats;

/// A case in all the reports that are launches of one thing.
pub(super) struct Subject<'a> {
    /// The case of the launch in the middle, the faster of two; where none measured it, of the first.
    pub(super) case: &'a Case,
    pub(super) report: &'a Report,
    pub(super) examined: Examined,
}

/// The subjects of all reports, in the order in which they first come. Reports are launches of one thing where
/// nothing around them differs but the seed, and cases where their figures mean the same.
pub(super) fn subjects(reports: &[Report]) -> Vec<Subject<'_>> {
    let mut setups: HashMap<Facts, usize> = HashMap::new();
    let mut places: HashMap<(usize, &str), Vec<usize>> = HashMap::new();
    let mut found: Vec<Vec<(usize, &Case)>> = Vec::new();
    for (at, report) in reports.iter().enumerate() {
        let next = setups.len();
        let setup = *setups.entry(surroundings(report)).or_insert(next);
        for case in &report.cases {
            let known = places.entry((setup, &case.id)).or_default();
            // Whatever was not measured goes with anything.
            let same = known.iter().find(|&&place| {
                let mut alike = found[place].iter().map(|(_, other)| *other);
                let measured = alike.find(|other| other.measured.is_some());
                measured.is_none_or(|other| between(other, case).is_empty())
            });
            match same {
                Some(&place) => found[place].push((at, case)),
                None => {
                    known.push(found.len());
                    found.push(vec![(at, case)]);
                }
            }
        }
    }
    found.into_iter().map(|cases| subject(reports, cases)).collect()
}

fn subject<'a>(reports: &'a [Report], cases: Vec<(usize, &'a Case)>) -> Subject<'a> {
    let median = |case: &Case| case.latency().map(|latency| latency.median);
    let measured = cases.iter().filter_map(|&(at, case)| Some((median(case)?, at, case)));
    let typical = middle(measured.collect(), |(median, ..)| *median);
    let (at, case) = typical.map_or(cases[0], |(_, at, case)| (at, case));
    let report = &reports[at];
    let medians: Vec<f64> = cases.iter().flat_map(|(_, case)| medians(case)).collect();
    let examined = Examined {
        reports: cases.iter().map(|(at, _)| *at).collect(),
        id: case.id.clone(),
        benchmark: case.benchmark.clone(),
        problem: case.problem.clone(),
        precision: case.precision,
        placement: case.placement,
        axis: case.axis.clone(),
        group: case.group.clone(),
        ranks: case.group_size,
        outcome: case.outcome,
        reason: case.reason.clone(),
        statistics: statistics(report, case, &medians).map(Box::new),
        flags: Vec::new(),
        reliable: false,
    };
    Subject { case, report, examined }
}

/// The figures of a case whose launches have these medians, ms. `None` where no launch measured it.
fn statistics(report: &Report, case: &Case, medians: &[f64]) -> Option<Statistics> {
    let Measured { latency, iterations, invalid, .. } = case.measured.as_deref()?;
    let bound = report.run.config.comparison.reproducible;
    let agreement = agreement(medians, latency.confidence, bound).filter(|_| medians.len() > 1);
    let agreement = agreement.as_ref();
    let own = case.median_ms()?;
    let median_ms = agreement.map_or(own, |agreement| agreement.median_ms);
    // What the case says of its own median, brought to this one.
    let scale = if own > 0.0 { median_ms / own } else { 1.0 };
    let (ci, over) = match agreement {
        Some(agreement) => (agreement.ci, Over::Launches),
        None => (case.interval_ms(), Over::Iterations),
    };
    // Where the report does not hold the samples there are medians of blocks, which are something else.
    let times = match case.samples {
        Samples::Inline { .. } => times_ms(case),
        _ => Vec::new(),
    };
    let rate = case.quoted_rate();
    Some(Statistics {
        launches: medians.len(),
        iterations: *iterations,
        effective_samples: latency.effective_samples,
        invalid: *invalid,
        median_ms,
        ci,
        ci_over: ci.map(|_| over),
        confidence: latency.confidence,
        width_percent: ci
            .filter(|_| median_ms > 0.0)
            .map(|[low, high]| 100.0 * (high - low) / median_ms),
        mean_ms: latency.mean,
        std_dev_ms: latency.std_dev,
        cv_percent: latency.cv_percent,
        min_ms: latency.min,
        max_ms: latency.max,
        p95_ms: latency.p95,
        p99_ms: latency.p99,
        iterations_needed: latency.iterations_needed.clone(),
        outliers: (!times.is_empty()).then(|| stats::outliers(&times)),
        far_outliers: latency.outliers,
        autocorrelation: latency.autocorrelation,
        shapiro_wilk_p: stats::shapiro_wilk(&times).map(|found| found.p),
        anderson_darling_p: stats::anderson_darling(&times).map(|found| found.p),
        steady_state: latency.steady_state,
        steady_since: latency.steady_since,
        between_percent: agreement.and_then(|agreement| agreement.between_percent),
        reproducible: agreement.map(|agreement| agreement.reproducible),
        rank_spread: ranks::spread(case),
        rate: rate.map(|(_, rate)| rate / scale),
        rate_unit: rate.map(|(metric, _)| metric.unit.name().to_owned()),
    })
}

/// The median of each launch of a case, ms.
fn medians(case: &Case) -> Vec<f64> {
    match (&case.measured, &case.replication) {
        (None, _) => Vec::new(),
        (Some(_), Some(replication)) if !replication.launches.is_empty() => {
            replication.launches.iter().map(|launch| launch.median_ms).collect()
        }
        (Some(measured), _) => vec![measured.latency.median],
    }
}

/// What is around a report, but for its seed.
pub(super) fn surroundings(report: &Report) -> Facts {
    let mut facts = facts(std::slice::from_ref(report));
    facts.retain(|(what, _), _| what != "seed");
    let origin = format!("{:?}", origin(report));
    facts.insert(("origin".to_owned(), true), BTreeSet::from([origin]));
    facts
}

pub(super) fn origin(report: &Report) -> Origin {
    let run = &report.run;
    match () {
        () if run.imported_from.is_some() => Origin::Imported,
        () if run.simulated => Origin::Simulated,
        () if run.emulated => Origin::Emulated,
        () => Origin::Measured,
    }
}

pub(super) fn hosts(report: &Report) -> Vec<String> {
    report.environment.nodes.iter().map(|node| node.host.clone()).collect()
}

/// The node of each of these world ranks, each once; nothing for ranks that the report does not know.
pub(super) fn hosts_of(report: &Report, ranks: &[usize]) -> Vec<String> {
    let node = |rank: &usize| {
        let known = report.environment.ranks.iter().find(|known| known.rank == *rank)?;
        Some(report.environment.nodes.get(known.node)?.host.clone())
    };
    ranks.iter().filter_map(node).collect::<BTreeSet<String>>().into_iter().collect()
}

impl Subject<'_> {
    pub(super) fn reports(&self) -> &[usize] {
        &self.examined.reports
    }

    /// Whether all ranks of its report took part, and nothing else ran at once.
    pub(super) fn is_of_all_ranks(&self) -> bool {
        let ranks = self.report.environment.ranks.len();
        !self.case.concurrent && self.case.group_size == ranks && ranks > 0
    }
}
