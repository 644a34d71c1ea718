//! Who is slower than others like it: a rank, all ranks of a node, or the hosts of whole reports.

use std::collections::BTreeMap;

use super::ranks::medians;
use super::rules::{SLOWER_PERCENT, count, figure, finding, says};
use super::subject::{Subject, hosts, hosts_of, surroundings};
use crate::analysis::case::works_alone;
use crate::analysis::comparison::differences::{Facts, meaning};
use crate::analysis::families::families;
use crate::base::caveat::Concern;
use crate::base::caveat::Severity::{Serious, Warning};
use crate::report::{Finding, Report};
use crate::stats;

/// How much slower is serious, percent. A choice: as much as a device in five does not do.
pub(super) const MUCH_SLOWER_PERCENT: f64 = 20.0;

/// Fewest sets of hosts of which one can be told to be the odd one.
const FEWEST_HOSTS: usize = 3;

const SLOW_HOSTS: Concern = Concern::new(
    "slow_hosts",
    "slow hosts",
    Warning,
    says!(
        "the hosts of a report take more than {SLOWER_PERCENT} % longer than the median of at least 2 others with \
         the same surroundings in more than half of the cases they share; more than {MUCH_SLOWER_PERCENT} % is \
         serious"
    ),
    "compare these hosts' clocks, power limits, memory and settings with the others'; leave them out until they are as \
     fast",
);

const SLOW_NODE: Concern = Concern::new(
    "slow_node",
    "slow node",
    Warning,
    says!(
        "every rank of a node takes more than {SLOWER_PERCENT} % longer than the median of the other ranks in more \
         than half of the cases without communication; more than {MUCH_SLOWER_PERCENT} % is serious"
    ),
    "look at the node's clocks, power limit, cooling and what else runs there; leave it out of the job until it is as \
     fast as the others",
);

const SLOW_RANK: Concern = Concern::new(
    "slow_rank",
    "slow rank",
    Warning,
    says!(
        "a rank takes more than {SLOWER_PERCENT} % longer than the median of the other ranks in more than half of \
         the cases without communication; more than {MUCH_SLOWER_PERCENT} % is serious"
    ),
    "look at the device's clocks, power limit and temperature, and at what shares its cores; swap it with a neighbour \
     to tell the device from its place",
);

/// By how much somebody exceeds the others in each case, percent.
type Excesses<'a> = Vec<(f64, &'a str)>;

/// Slower than the others in more than half of the cases that were looked at.
#[derive(Clone)]
struct Slow {
    reports: Vec<usize>,
    /// None where all ranks of the hosts are meant.
    ranks: Vec<usize>,
    hosts: Vec<String>,
    /// The cases that they are slower in, the worst first.
    cases: Vec<String>,
    looked_at: usize,
    /// Median over all cases that were looked at.
    excess_percent: f64,
}

pub(super) fn slow(reports: &[Report], subjects: &[Subject<'_>]) -> Vec<Finding> {
    slow_hosts(reports, subjects).into_iter().chain(slow_ranks(reports)).map(Slow::found).collect()
}

/// The finding, serious where what it names is much slower.
pub(super) fn grave(finding: Finding, slower_percent: f64) -> Finding {
    let much = slower_percent > MUCH_SLOWER_PERCENT;
    let severity = if much { Serious } else { finding.severity };
    Finding { severity, ..finding }
}

/// The hosts that are slower than others in more than half of the cases that they share with at least two other
/// sets of hosts.
fn slow_hosts(reports: &[Report], subjects: &[Subject<'_>]) -> Vec<Slow> {
    let around = |report: &Report| {
        let mut facts = surroundings(report);
        facts.retain(|(what, _), _| what != "hosts");
        facts
    };
    let around: Vec<Facts> = reports.iter().map(around).collect();
    let mut cases: BTreeMap<&str, Vec<(f64, &Subject<'_>)>> = BTreeMap::new();
    for subject in subjects {
        if let Some(statistics) = &subject.examined.statistics {
            cases.entry(&subject.case.id).or_default().push((statistics.median_ms, subject));
        }
    }
    let mut found: BTreeMap<(&[usize], Vec<String>), Excesses<'_>> = BTreeMap::new();
    for (case, measured) in cases {
        let alike = families(measured, |(_, subject)| {
            (&around[subject.reports()[0]], meaning(subject.case))
        });
        // Those of the same hosts are launches of one subject.
        for measured in alike.iter().filter(|measured| measured.len() >= FEWEST_HOSTS) {
            let medians: Vec<f64> = measured.iter().map(|(median, _)| *median).collect();
            for ((_, subject), excess) in measured.iter().zip(excesses(&medians)) {
                let key = (subject.reports(), hosts(subject.report));
                found.entry(key).or_default().push((excess, case));
            }
        }
    }
    let of = |((reports, hosts), cases): ((&[usize], _), _)| {
        Slow::of(reports.to_vec(), Vec::new(), hosts, cases)
    };
    found.into_iter().filter_map(of).collect()
}

/// Slow ranks and nodes; the same one in several reports once, by the report where it is slowest.
fn slow_ranks(reports: &[Report]) -> Vec<Slow> {
    let all = reports.iter().enumerate().flat_map(|(at, report)| slow_in(at, report));
    let slower = |a: Slow, b: Slow| if b.excess_percent > a.excess_percent { b } else { a };
    let once = |family: Vec<Slow>| {
        let reports = family.iter().flat_map(|slow| slow.reports.clone()).collect();
        Some(Slow { reports, ..family.into_iter().reduce(slower)? })
    };
    families(all, |slow| (slow.ranks.clone(), slow.hosts.clone()))
        .into_iter()
        .filter_map(once)
        .collect()
}

/// The slow ranks of a report by the cases in which each works for itself, undisturbed; where all ranks of one of
/// several nodes are slow, the node.
fn slow_in(at: usize, report: &Report) -> Vec<Slow> {
    let mut all: BTreeMap<usize, Excesses<'_>> = BTreeMap::new();
    for case in report.cases.iter().filter(|case| works_alone(case) && !case.is_left_out()) {
        let Some(measured) = &case.measured else { continue };
        for (rank, excess) in measured.per_rank.iter().zip(excesses(&medians(case))) {
            all.entry(rank.rank).or_default().push((excess, &case.id));
        }
    }
    let of = |(rank, excesses)| Slow::of(vec![at], vec![rank], hosts_of(report, &[rank]), excesses);
    by_node(report, all.into_iter().filter_map(of).collect())
}

/// Puts the ranks of a node together where all of them are slow, unless there is but one node.
fn by_node(report: &Report, mut rest: Vec<Slow>) -> Vec<Slow> {
    let environment = &report.environment;
    let mut nodes = Vec::new();
    for (index, node) in environment.nodes.iter().enumerate() {
        let of_node = environment.ranks.iter().filter(|rank| rank.node == index);
        let ranks: Vec<usize> = of_node.map(|rank| rank.rank).collect();
        let is_there = |found: &Slow| found.ranks.iter().all(|rank| ranks.contains(rank));
        let there: Vec<&Slow> = rest.iter().filter(|found| is_there(found)).collect();
        if environment.nodes.len() < 2 || ranks.len() < 2 || there.len() < ranks.len() {
            continue;
        }
        let excesses: Vec<f64> = there.iter().map(|found| found.excess_percent).collect();
        let excess_percent = stats::median(&excesses).unwrap_or(0.0);
        let first = there[0].clone();
        rest.retain(|found| !is_there(found));
        nodes.push(Slow { ranks, hosts: vec![node.host.clone()], excess_percent, ..first });
    }
    nodes.extend(rest);
    nodes
}

impl Slow {
    /// These, when they are slow.
    fn of(
        reports: Vec<usize>,
        ranks: Vec<usize>,
        hosts: Vec<String>,
        mut cases: Excesses<'_>,
    ) -> Option<Self> {
        let all: Vec<f64> = cases.iter().map(|(excess, _)| *excess).collect();
        let (looked_at, excess_percent) = (all.len(), stats::median(&all)?);
        cases.retain(|(excess, _)| *excess > SLOWER_PERCENT);
        cases.sort_by(|a, b| b.0.total_cmp(&a.0));
        let is_slow = 2 * cases.len() > looked_at;
        let cases = cases.into_iter().map(|(_, case)| case.to_owned()).collect();
        is_slow.then_some(Self { reports, ranks, hosts, cases, looked_at, excess_percent })
    }

    fn found(self) -> Finding {
        let rule = match self.ranks.len() {
            0 => SLOW_HOSTS,
            1 => SLOW_RANK,
            _ => SLOW_NODE,
        };
        let evidence = vec![
            figure("slower", self.excess_percent, "%"),
            count("cases", self.cases.len()),
            count("of", self.looked_at),
        ];
        let finding = grave(finding(rule, &self.reports, evidence), self.excess_percent);
        Finding { cases: self.cases, ranks: self.ranks, hosts: self.hosts, ..finding }
    }
}

/// How much each value exceeds the median of the others, percent; 0 where that is not positive.
pub(super) fn excesses(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let excess = |own: &f64| {
        let place = sorted.partition_point(|other| other.total_cmp(own).is_lt());
        let other = |at: usize| sorted.get(at + usize::from(at >= place)).copied().unwrap_or(0.0);
        let others = sorted.len().saturating_sub(1);
        let middle = f64::midpoint(other(others.saturating_sub(1) / 2), other(others / 2));
        if middle > 0.0 { 100.0 * (own / middle - 1.0) } else { 0.0 }
    };
    values.iter().map(excess).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_held_against_the_others() {
        assert_eq!(excesses(&[2.0, 1.0]), [100.0, -50.0]);
        // The others of 2 are 1, 1 and 4; of 4 they are 1, 1 and 2.
        assert_eq!(excesses(&[1.0, 4.0, 1.0, 2.0]), [-50.0, 300.0, -50.0, 100.0]);
        assert_eq!(excesses(&[0.0, 0.0, 5.0]), [-100.0, -100.0, 0.0]);
        assert_eq!(excesses(&[3.0]), [0.0]);
        assert!(excesses(&[]).is_empty());
    }
}
