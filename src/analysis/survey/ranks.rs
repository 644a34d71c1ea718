//! How the ranks of a case differ, and who is slow.

use std::collections::BTreeMap;

use super::rules::{FALSE_ONES, SLOWER_PERCENT};
use super::slow::{Excesses, Slow, excesses};
use super::subject::hosts_of;
use crate::analysis::case::works_alone;
use crate::analysis::own_times_ms;
use crate::report::{Case, Examined, RankSpread, Report, Straggler};
use crate::stats;

/// The median of each rank's own times, ms, and how far they are apart. `None` for fewer than two ranks.
pub(super) fn spread(case: &Case) -> Option<RankSpread> {
    let medians: Vec<f64> =
        case.measured.as_ref()?.per_rank.iter().map(|rank| rank.median_ms).collect();
    let middle = stats::median(&medians).filter(|middle| medians.len() > 1 && *middle > 0.0)?;
    let largest = medians.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let smallest = medians.iter().copied().fold(f64::INFINITY, f64::min);
    Some(RankSpread {
        percent: 100.0 * (largest - smallest) / middle,
        friedman_p: stats::friedman(&own_times_ms(case)).map(|found| found.p),
        stragglers: Vec::new(),
    })
}

/// Finds the stragglers of all cases together: each rank of each case is one of the tests whose p are adjusted.
/// `measured` are the cases of the report that each is examined by.
pub(super) fn find_stragglers(examined: &mut [Examined], measured: &[&Case]) {
    let candidates: Vec<(usize, Straggler)> = measured
        .iter()
        .enumerate()
        .flat_map(|(place, case)| candidates(case).into_iter().map(move |found| (place, found)))
        .collect();
    let p: Vec<f64> = candidates.iter().map(|(_, candidate)| candidate.p_adjusted).collect();
    for ((place, mut found), p) in candidates.into_iter().zip(stats::benjamini_hochberg(&p)) {
        let spread = examined[place].statistics.as_mut().and_then(|all| all.rank_spread.as_mut());
        if let Some(spread) = spread
            && p <= FALSE_ONES
            && found.excess_percent > SLOWER_PERCENT
        {
            found.p_adjusted = p;
            spread.stragglers.push(found);
        }
    }
}

/// Each rank with the probability of its share by chance, not yet adjusted.
fn candidates(case: &Case) -> Vec<Straggler> {
    let Some(measured) = &case.measured else { return Vec::new() };
    let ranks = measured.per_rank.len();
    if ranks < 2 {
        return Vec::new();
    }
    // Iterations that depend on each other count for fewer.
    let trials = measured.latency.effective_samples.min(measured.iterations as f64);
    let expected = 1.0 / ranks as f64;
    let excess = excess_percent(case);
    let all = measured.per_rank.iter().zip(excess);
    all.map(|(rank, excess_percent)| Straggler {
        rank: rank.rank,
        slowest_share: rank.slowest_share,
        expected_share: expected,
        excess_percent,
        p_adjusted: stats::binomial_tail(rank.slowest_share * trials, trials, expected),
    })
    .collect()
}

/// How much each rank's own median exceeds the median of the other ranks', percent.
fn excess_percent(case: &Case) -> Vec<f64> {
    let Some(measured) = &case.measured else { return Vec::new() };
    excesses(&measured.per_rank.iter().map(|rank| rank.median_ms).collect::<Vec<f64>>())
}

/// The slow ranks of a report by the cases in which each works for itself; where all ranks of one of several
/// nodes are slow, the node.
pub(super) fn slow(report: &Report) -> Vec<Slow> {
    let mut excesses: BTreeMap<usize, Excesses<'_>> = BTreeMap::new();
    for case in report.cases.iter().filter(|case| is_by_itself(case)) {
        let Some(measured) = &case.measured else { continue };
        for (rank, excess) in measured.per_rank.iter().zip(excess_percent(case)) {
            excesses.entry(rank.rank).or_default().push((excess, &case.id));
        }
    }
    let slow = excesses
        .into_iter()
        .filter_map(|(rank, of)| Slow::of(vec![rank], hosts_of(report, &[rank]), of));
    by_node(report, slow.collect())
}

/// Whether its ranks do something each for itself, undisturbed.
fn is_by_itself(case: &Case) -> bool {
    works_alone(case)
        && !case.caveats.iter().any(crate::base::caveat::Caveat::excludes_from_scaling)
}

/// Puts the ranks of a node together where all of them are slow, unless there is but one node.
fn by_node(report: &Report, slow: Vec<Slow>) -> Vec<Slow> {
    let environment = &report.environment;
    let mut rest = slow;
    let mut nodes = Vec::new();
    for (index, node) in environment.nodes.iter().enumerate() {
        let of_node = environment.ranks.iter().filter(|rank| rank.node == index);
        let of_node: Vec<usize> = of_node.map(|rank| rank.rank).collect();
        let is_there = |found: &Slow| found.ranks.iter().all(|rank| of_node.contains(rank));
        let there: Vec<Slow> = rest.iter().filter(|found| is_there(found)).cloned().collect();
        if environment.nodes.len() < 2 || of_node.len() < 2 || there.len() < of_node.len() {
            continue;
        }
        rest.retain(|found| !is_there(found));
        let excesses: Vec<f64> = there.iter().map(|found| found.excess_percent).collect();
        nodes.push(Slow {
            ranks: of_node,
            hosts: vec![node.host.clone()],
            cases: there[0].cases.clone(),
            looked_at: there[0].looked_at,
            excess_percent: stats::median(&excesses).unwrap_or(0.0),
        });
    }
    nodes.extend(rest);
    nodes
}
