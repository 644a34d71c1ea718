//! What is examined: a case in all the launches that measured it.

use std::collections::{BTreeMap, HashMap};

use crate::analysis::comparison::differences::{Facts, between, facts};
use crate::analysis::launches::agreement::Agreement;
use crate::analysis::launches::middle;
use crate::report::{Case, Origin, Report};

/// A case in all the reports that are launches of one thing.
#[derive(Debug, Clone)]
pub(super) struct Subject<'a> {
    /// Those reports.
    pub(super) reports: Vec<usize>,
    /// The case of the launch in the middle, the faster of two; where none measured it, of the first.
    pub(super) case: &'a Case,
    /// The report that it stands in.
    pub(super) report: &'a Report,
    /// Medians of the launches, ms, in their order.
    pub(super) medians: Vec<f64>,
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
    Subject {
        reports: cases.iter().map(|(at, _)| *at).collect(),
        case,
        report: &reports[at],
        medians: cases.iter().flat_map(|(_, case)| medians(case)).collect(),
    }
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
    facts.insert(("origin".to_owned(), true), vec![origin]);
    facts
}

/// Where a report's figures come from.
pub(super) fn origin(report: &Report) -> Origin {
    let run = &report.run;
    match () {
        () if run.imported_from.is_some() => Origin::Imported,
        () if run.simulated => Origin::Simulated,
        () if run.emulated => Origin::Emulated,
        () => Origin::Measured,
    }
}

/// What the ranks of a report drive, and how many of each.
pub(super) fn devices(report: &Report) -> BTreeMap<String, usize> {
    let mut devices = BTreeMap::new();
    for rank in &report.environment.ranks {
        *devices.entry(rank.device.name.clone()).or_default() += 1;
    }
    devices
}

/// The nodes of a report's ranks.
pub(super) fn hosts(report: &Report) -> Vec<String> {
    report.environment.nodes.iter().map(|node| node.host.clone()).collect()
}

/// The node of each of these world ranks, each once; nothing for ranks that the report does not know.
pub(super) fn hosts_of(report: &Report, ranks: &[usize]) -> Vec<String> {
    let node = |rank: &usize| {
        let known = report.environment.ranks.iter().find(|known| known.rank == *rank)?;
        Some(report.environment.nodes.get(known.node)?.host.clone())
    };
    let mut hosts: Vec<String> = ranks.iter().filter_map(node).collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

impl Subject<'_> {
    /// What its launches come to, where there are several.
    pub(super) fn agreement(&self, confidence: f64) -> Option<Agreement> {
        let bound = self.report.run.config.comparison.reproducible;
        Agreement::of(&self.medians, confidence, bound).filter(|_| self.medians.len() > 1)
    }

    /// Whether all ranks of its report took part, and nothing else ran at once.
    pub(super) fn is_of_all_ranks(&self) -> bool {
        let ranks = self.report.environment.ranks.len();
        !self.case.concurrent && self.case.group_size == ranks && ranks > 0
    }
}
