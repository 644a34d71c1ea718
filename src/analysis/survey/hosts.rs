//! Machines that are slower than others like them, each measured by itself.

use std::collections::BTreeMap;

use super::ranks::excesses;
use super::rules::SLOWER_PERCENT;
use super::subject::{Subject, hosts, surroundings};
use crate::analysis::comparison::differences::{Facts, between};
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

/// What cases that may be compared have in common, beside that their figures mean the same.
type Key<'a> = (&'a str, Facts);

/// Subjects with their medians, ms.
type Alike<'a> = Vec<(f64, &'a Subject<'a>)>;

/// By how much the hosts of some reports exceed the others in each case, percent.
type Excesses<'a> = Vec<(f64, &'a str)>;

/// The hosts that are slower than others in more than half of the cases that they share with at least two other
/// sets of hosts. `subjects` and `examined` go together.
pub(super) fn slow_hosts<'a>(
    subjects: &'a [Subject<'a>],
    examined: &'a [Examined],
) -> Vec<SlowHosts> {
    let mut around: BTreeMap<usize, Facts> = BTreeMap::new();
    let mut groups: BTreeMap<Key<'_>, Vec<Alike<'_>>> = BTreeMap::new();
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
        let groups = groups.entry(key).or_default();
        let own = (statistics.median_ms, subject);
        match groups.iter_mut().find(|alike| between(alike[0].1.case, subject.case).is_empty()) {
            Some(alike) => alike.push(own),
            None => groups.push(vec![own]),
        }
    }
    let mut found: BTreeMap<(Vec<usize>, Vec<String>), Excesses<'_>> = BTreeMap::new();
    let alike = groups.iter().flat_map(|((case, _), all)| all.iter().map(move |one| (case, one)));
    // Those of the same hosts are launches of one subject.
    for (case, measured) in alike.filter(|(_, measured)| measured.len() >= FEWEST) {
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
