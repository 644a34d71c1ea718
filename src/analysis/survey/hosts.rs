//! Machines that are slower than others like them, each measured by itself.

use std::collections::BTreeMap;

use super::slow::{Excesses, Slow, excesses};
use super::subject::{Subject, hosts, surroundings};
use crate::analysis::comparison::differences::{Facts, between};
use crate::report::Examined;

/// Fewest sets of hosts of which one can be told to be the odd one.
const FEWEST: usize = 3;

/// What cases that may be compared have in common, beside that their figures mean the same.
type Key<'a> = (&'a str, Facts);

/// Subjects with their medians, ms.
type Alike<'a> = Vec<(f64, &'a Subject<'a>)>;

/// The hosts that are slower than others in more than half of the cases that they share with at least two other
/// sets of hosts, with their reports. `subjects` and `examined` go together.
pub(super) fn slow_hosts<'a>(
    subjects: &'a [Subject<'a>],
    examined: &'a [Examined],
) -> Vec<(Vec<usize>, Slow)> {
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
    let of = |((reports, hosts), cases)| Some((reports, Slow::of(Vec::new(), hosts, cases)?));
    found.into_iter().filter_map(of).collect()
}
