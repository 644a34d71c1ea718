//! Machines that are slower than others like them, each measured by itself.

use std::collections::BTreeMap;

use super::ranks::excesses;
use super::rules::SLOWER_PERCENT;
use super::subject::{Subject, hosts, surroundings};
use crate::analysis::comparison::differences::Facts;
use crate::report::Examined;
use crate::stats;

/// Fewest sets of hosts of which one can be told to be the odd one.
const FEWEST: usize = 3;

/// Hosts that are slower than others.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SlowHosts {
    pub(super) reports: Vec<usize>,
    pub(super) hosts: Vec<String>,
    /// The cases that they are slower in, the worst first.
    pub(super) cases: Vec<String>,
    /// Cases that were compared.
    pub(super) looked_at: usize,
    /// Median over these of how much they exceed the other hosts, percent.
    pub(super) excess_percent: f64,
}

/// What cases that may be compared have in common: everything but the hosts.
type Key<'a> = (&'a str, Facts);

/// By how much the hosts of some reports exceed the others in each case, percent.
type Excesses<'a> = Vec<(f64, &'a str)>;

/// The hosts that are slower than others in more than half of the cases that they share with at least two other
/// sets of hosts. `subjects` and `examined` go together.
pub(super) fn slow_hosts(subjects: &[Subject<'_>], examined: &[Examined]) -> Vec<SlowHosts> {
    let mut around: BTreeMap<usize, Facts> = BTreeMap::new();
    let mut alike: BTreeMap<Key<'_>, Vec<(f64, &Subject<'_>)>> = BTreeMap::new();
    for (subject, case) in subjects.iter().zip(examined) {
        let (Some(statistics), Some(&at)) = (&case.statistics, subject.reports.first()) else {
            continue;
        };
        let facts = around.entry(at).or_insert_with(|| {
            let mut facts = surroundings(subject.report);
            facts.retain(|(what, _), _| what != "hosts");
            facts
        });
        let key = (case.id.as_str(), facts.clone());
        alike.entry(key).or_default().push((statistics.median_ms, subject));
    }
    let mut found: BTreeMap<(Vec<usize>, Vec<String>), Excesses<'_>> = BTreeMap::new();
    for ((case, _), measured) in alike.iter().filter(|(_, measured)| measured.len() >= FEWEST) {
        let medians: Vec<f64> = measured.iter().map(|(median, _)| *median).collect();
        for ((_, subject), excess) in measured.iter().zip(excesses(&medians)) {
            let key = (subject.reports.clone(), hosts(subject.report));
            found.entry(key).or_default().push((excess, *case));
        }
    }
    let of = |((reports, hosts), mut cases): ((Vec<usize>, Vec<String>), Excesses<'_>)| {
        let all: Vec<f64> = cases.iter().map(|(excess, _)| *excess).collect();
        cases.retain(|(excess, _)| *excess > SLOWER_PERCENT);
        cases.sort_by(|a, b| b.0.total_cmp(&a.0));
        (2 * cases.len() > all.len()).then(|| SlowHosts {
            reports,
            hosts,
            cases: cases.into_iter().map(|(_, case)| case.to_owned()).collect(),
            looked_at: all.len(),
            excess_percent: stats::median(&all).unwrap_or(0.0),
        })
    };
    found.into_iter().filter_map(of).collect()
}
