//! How the ranks of a case differ, and which of them the others wait for.

use std::collections::BTreeMap;

use super::rules::{FALSE_ONES, SLOWER_PERCENT, count, figure, finding, says};
use super::slow::excesses;
use super::subject::{Subject, hosts_of};
use crate::base::caveat::Concern;
use crate::base::caveat::Severity::Warning;
use crate::report::own_times_ms;
use crate::report::{Case, Finding, RankSpread, Straggler};
use crate::stats;

pub(super) const STRAGGLER: Concern = Concern::new(
    "straggler",
    "straggler",
    Warning,
    says!(
        "a rank is the slowest in more iterations than 1 / ranks explains (binomial tail of the effective \
         iterations, adjusted p at most {FALSE_ONES}), and by more than {SLOWER_PERCENT} % of the others' median"
    ),
    "where the pattern gives all ranks the same part, look for what that rank has to itself: its cores, memory, link, \
     other processes; a root has more to do by nature",
);

/// The median of each rank's own times, ms.
pub(super) fn medians(case: &Case) -> Vec<f64> {
    let ranks = case.measured.iter().flat_map(|measured| &measured.per_rank);
    ranks.map(|rank| rank.median_ms).collect()
}

/// How far apart the ranks' own medians are, with each rank as a [candidate](candidates) for a straggler. `None` for
/// fewer than two ranks.
pub(super) fn spread(case: &Case) -> Option<RankSpread> {
    let medians = medians(case);
    let middle = stats::median(&medians).filter(|middle| medians.len() > 1 && *middle > 0.0)?;
    let largest = medians.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let smallest = medians.iter().copied().fold(f64::INFINITY, f64::min);
    Some(RankSpread {
        percent: 100.0 * (largest - smallest) / middle,
        friedman_p: stats::friedman(&own_times_ms(case)).map(|found| found.p),
        stragglers: candidates(case),
    })
}

/// Keeps the stragglers among the ranks of all cases: each is one of the tests whose p are adjusted.
pub(super) fn find_stragglers(subjects: &mut [Subject<'_>]) {
    let statistics = subjects.iter_mut().filter_map(|subject| subject.examined.statistics.as_mut());
    let mut spreads: Vec<&mut RankSpread> =
        statistics.filter_map(|all| all.rank_spread.as_mut()).collect();
    let all = spreads.iter().flat_map(|spread| &spread.stragglers);
    let p: Vec<f64> = all.map(|rank| rank.p_adjusted).collect();
    let ranks = spreads.iter_mut().flat_map(|spread| &mut spread.stragglers);
    ranks.zip(stats::benjamini_hochberg(&p)).for_each(|(rank, p)| rank.p_adjusted = p);
    for spread in spreads {
        spread
            .stragglers
            .retain(|rank| rank.p_adjusted <= FALSE_ONES && rank.excess_percent > SLOWER_PERCENT);
    }
}

/// Each rank with the probability of its share by chance, not yet adjusted.
fn candidates(case: &Case) -> Vec<Straggler> {
    let Some(measured) = &case.measured else { return Vec::new() };
    // Iterations that depend on each other count for fewer.
    let trials = measured.latency.effective_samples.min(measured.iterations as f64);
    let expected_share = 1.0 / measured.per_rank.len() as f64;
    let all = measured.per_rank.iter().zip(excesses(&medians(case)));
    all.map(|(rank, excess_percent)| Straggler {
        rank: rank.rank,
        slowest_share: rank.slowest_share,
        expected_share,
        excess_percent,
        p_adjusted: stats::binomial_tail(rank.slowest_share * trials, trials, expected_share),
    })
    .collect()
}

type InCase<'a> = (&'a Subject<'a>, &'a Straggler);

/// The stragglers, each rank of the same reports once, with the cases in which it is one.
pub(super) fn stragglers(subjects: &[Subject<'_>]) -> Vec<Finding> {
    let mut found: BTreeMap<(&[usize], usize), Vec<InCase<'_>>> = BTreeMap::new();
    for subject in subjects {
        let statistics = subject.examined.statistics.as_ref();
        let spread = statistics.and_then(|all| all.rank_spread.as_ref());
        for straggler in spread.iter().flat_map(|spread| &spread.stragglers) {
            let key = (subject.reports(), straggler.rank);
            found.entry(key).or_default().push((subject, straggler));
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
