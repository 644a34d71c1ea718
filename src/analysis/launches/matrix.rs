//! Pair matrices in several launches.

use crate::analysis::families::families;
use crate::benchmark::metric::BUSBW;
use crate::plan::mesh;
use crate::report::{Case, LinkClass, PairMatrix, Report, SlowLink};
use crate::stats;

/// The matrices of the launches, with the figures of the merged `cases`. A link is slow that was in more than
/// half of the launches: one that is now and then is not the link's fault.
pub(super) fn merged<'a>(launches: &'a [(usize, Report)], cases: &[Case]) -> Vec<PairMatrix> {
    let all = launches.iter().flat_map(|(_, report)| &report.pair_matrices);
    let families = families(all, |matrix: &&'a PairMatrix| {
        (&matrix.benchmark, &matrix.problem, matrix.precision, matrix.ranks)
    });
    families.iter().map(|family| of(family, cases)).collect()
}

fn of(family: &[&PairMatrix], cases: &[Case]) -> PairMatrix {
    let mut matrix = family[0].clone();
    let own = cases.iter().filter(|case| {
        let same = (&case.benchmark, &case.problem, case.precision)
            == (&matrix.benchmark, &matrix.problem, matrix.precision);
        case.axis == mesh::PAIRS && same
    });
    for case in own {
        let (Some(_), &[a, b]) = (&case.measured, &case.participants[..]) else { continue };
        let set = |rows: &mut [Vec<Option<f64>>], value| {
            if let Some(cell) = rows.get_mut(a).and_then(|row| row.get_mut(b)) {
                *cell = value;
            }
        };
        set(&mut matrix.median_ms, case.median_ms());
        set(&mut matrix.busbw_gbps, case.figure(&BUSBW));
    }
    for class in &mut matrix.classes {
        let same = |matrix: &&PairMatrix| {
            matrix.classes.iter().find(|other| other.distance == class.distance).cloned()
        };
        let all: Vec<LinkClass> = family.iter().filter_map(same).collect();
        class.median_ms = median(all.iter().map(|class| class.median_ms), class.median_ms);
        class.pairs = all.iter().map(|class| class.pairs).max().unwrap_or(class.pairs);
    }
    matrix.slow = slow(family);
    matrix
}

fn slow(family: &[&PairMatrix]) -> Vec<SlowLink> {
    let mut links: Vec<SlowLink> = Vec::new();
    for link in family.iter().flat_map(|matrix| &matrix.slow) {
        if links.iter().any(|known| known.ranks == link.ranks) {
            continue;
        }
        let same = |matrix: &&PairMatrix| {
            matrix.slow.iter().find(|other| other.ranks == link.ranks).cloned()
        };
        let all: Vec<SlowLink> = family.iter().filter_map(same).collect();
        if 2 * all.len() > family.len() {
            links.push(SlowLink {
                effect: median(all.iter().map(|link| link.effect), link.effect),
                persistence: median(all.iter().map(|link| link.persistence), link.persistence),
                ..link.clone()
            });
        }
    }
    links.sort_by(|a, b| b.effect.total_cmp(&a.effect));
    links
}

fn median(values: impl Iterator<Item = f64>, otherwise: f64) -> f64 {
    stats::median(&values.collect::<Vec<_>>()).unwrap_or(otherwise)
}
