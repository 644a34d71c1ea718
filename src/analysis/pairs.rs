//! Every pair of ranks: a matrix for each problem, and the links in it that are slow.

use super::families::families;
use crate::plan::Plan;
use crate::plan::mesh;
use crate::plan::place::Distance;
use crate::report::{Case, Latency, LinkClass, PairMatrix, SlowLink};
use crate::stats;

/// A link is slow when it takes this much longer than the median of its class, percent. A choice: nobody opens a
/// cabinet for less.
pub(super) const EFFECT_PERCENT: f64 = 10.0;

/// Fewer pairs than this do not tell which of them is the odd one.
const FEWEST: usize = 3;

struct MeasuredPair<'a> {
    ranks: [usize; 2],
    distance: Distance,
    latency: &'a Latency,
    case: &'a Case,
}

/// The matrices that measured pairs make, in the order of their first cases.
pub fn matrices<'a>(plan: &Plan, cases: &'a [Case]) -> Vec<PairMatrix> {
    let pair = |case: &'a Case| {
        let (Some(measured), &[a, b]) = (&case.measured, &case.participants[..]) else {
            return None;
        };
        let distance = plan.places[a].distance(plan.places[b]);
        Some(MeasuredPair { ranks: [a, b], distance, latency: &measured.latency, case })
    };
    let key =
        |pair: &MeasuredPair<'a>| (&pair.case.benchmark, &pair.case.problem, pair.case.precision);
    let pairs = cases.iter().filter(|case| case.axis == mesh::PAIRS).filter_map(pair);
    let families = families(pairs, key);
    families.iter().map(|family| matrix(family, plan.ranks)).collect()
}

fn matrix(links: &[MeasuredPair<'_>], ranks: usize) -> PairMatrix {
    let table = |of: &dyn Fn(&MeasuredPair<'_>) -> Option<f64>| {
        let mut rows = vec![vec![None; ranks]; ranks];
        for link in links {
            rows[link.ranks[0]][link.ranks[1]] = of(link);
        }
        rows
    };
    let bandwidth = |link: &MeasuredPair<'_>| link.case.measured.as_ref()?.metrics.busbw_gbps;
    let of_class = |distance: Distance| links.iter().filter(move |link| link.distance == distance);
    let classes: Vec<LinkClass> = Distance::ALL
        .into_iter()
        .filter_map(|distance| {
            let medians: Vec<f64> = of_class(distance).map(|link| link.latency.median).collect();
            let median_ms = stats::median(&medians)?;
            Some(LinkClass { distance, pairs: medians.len(), median_ms })
        })
        .collect();
    let told = classes.iter().filter(|class| class.pairs >= FEWEST);
    let mut slow: Vec<SlowLink> = told
        .flat_map(|class| of_class(class.distance).filter_map(|link| slow(link, class)))
        .collect();
    slow.sort_by(|a, b| b.effect.total_cmp(&a.effect));
    let first = links[0].case;
    PairMatrix {
        benchmark: first.benchmark.clone(),
        problem: first.problem.clone(),
        precision: first.precision,
        ranks,
        median_ms: table(&|link| Some(link.latency.median)),
        busbw_gbps: table(&bandwidth),
        classes,
        slow,
    }
}

fn slow(link: &MeasuredPair<'_>, class: &LinkClass) -> Option<SlowLink> {
    let bound = (1.0 + EFFECT_PERCENT / 100.0) * class.median_ms;
    // Ranks that took turns say nothing about a link.
    let crowded = link.case.is_left_out();
    if crowded || link.latency.median <= bound {
        return None;
    }
    let blocks = &link.latency.blocks;
    let above = blocks.iter().filter(|median| **median > bound).count();
    Some(SlowLink {
        ranks: link.ranks,
        distance: link.distance,
        effect: link.latency.median / class.median_ms,
        // Too few iterations for blocks are one block.
        persistence: if blocks.is_empty() { 1.0 } else { above as f64 / blocks.len() as f64 },
        case: link.case.id.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::{analysed, plan, recording};
    use crate::base::caveat::Caveat;

    #[test]
    fn a_slow_link_is_marked_against_its_class() {
        // Four devices a node: 12 pairs within, 16 across.
        let mut plan = plan("mesh: {pairs: topology}\nbenchmarks: {latency: {bytes: 8}}");
        for (rank, place) in plan.places.iter_mut().enumerate() {
            place.node = rank / 4;
        }
        let nanos = |ranks: &[usize]| match ranks {
            [4, 6] => 1.5e6,
            [a, b] if a / 4 == b / 4 => 1e6,
            // All links across the network are equally slow: none of them is odd.
            _ => 9e6,
        };
        let cases = |crowding: Option<Caveat>| -> Vec<Case> {
            let analysed = |case: &crate::plan::Case| {
                let nanos = nanos(&case.group.ranks);
                analysed(&plan, case, recording(&plan, nanos, nanos), crowding.clone())
            };
            plan.cases.iter().map(analysed).collect()
        };
        let matrices = super::matrices(&plan, &cases(None));
        assert_eq!(matrices.len(), 1);
        let matrix = &matrices[0];
        let pairs: Vec<(Distance, usize)> =
            matrix.classes.iter().map(|class| (class.distance, class.pairs)).collect();
        assert_eq!(pairs, [(Distance::Node, 12), (Distance::Network, 16)]);
        assert_eq!(matrix.slow.len(), 1);
        let slow = &matrix.slow[0];
        assert_eq!((slow.ranks, slow.distance, slow.persistence), ([4, 6], Distance::Node, 1.0));
        assert!((slow.effect - 1.5).abs() < 0.01, "{}", slow.effect);
        assert_eq!((matrix.median_ms[0][0], matrix.median_ms[6][4]), (None, None));
        assert!(matrix.median_ms[4][6] > matrix.median_ms[4][5]);
        let crowded = cases(Some(Caveat::Oversubscribed { ranks: 8, cores: 2 }));
        assert!(super::matrices(&plan, &crowded)[0].slow.is_empty());
    }
}
