//! Where the tensors of each case lie, and which side of the run's own roofline bounds it (Williams, Waterman, Patterson,
//! 2009).

use std::collections::BTreeMap;

use crate::benchmark::work::Element;
use crate::machine::cache::MemoryLevel;
use crate::machine::capacity::Capacity;
use crate::machine::environment::Environment;
use crate::report::{Case, Report, Roof};

/// Says of each case which level its tensors fit, and what bounds it.
///
/// What bounds a kernel that counts arithmetic follows from its own for each byte of its tensors: where the highest rate
/// of arithmetic of its type and the highest rate of memory of its level meet is the ridge. Both are those of this run;
/// without one of them nothing is said. A kernel that counts no arithmetic is bound by memory.
pub fn place_on_roofline(report: &mut Report) {
    let environment = &report.environment;
    for case in &mut report.cases {
        let capacity = capacity(environment, &case.participants);
        if let Some(footprint) = &mut case.footprint {
            footprint.fits = capacity.level_of(footprint.bytes);
        }
    }
    let roofs = Roofs::of(&report.cases);
    let bounds: Vec<Option<Roof>> = report.cases.iter().map(|case| roofs.bound(case)).collect();
    for (case, bound) in report.cases.iter_mut().zip(bounds) {
        if let Some(footprint) = &mut case.footprint {
            footprint.bound = bound;
        }
    }
}

/// What each of these ranks has of the caches of its device.
fn capacity(environment: &Environment, ranks: &[usize]) -> Capacity {
    let known = || ranks.iter().filter_map(|rank| environment.ranks.get(*rank));
    let of_rank = |rank: &crate::machine::environment::Rank| {
        let here = known().filter(|other| other.node == rank.node).count();
        let cores = environment.nodes.get(rank.node).and_then(|node| node.cores).unwrap_or(1);
        let caches = rank.device.caches.iter();
        let caches = caches.map(|cache| (cache.level, cache.share(here, cores))).collect();
        Capacity { memory: None, caches }
    };
    known().map(of_rank).reduce(|one, other| one.least(&other)).unwrap_or_default()
}

/// The rates of a rank that a run reached, in bytes or operations each ms: the highest, and how many there are.
#[derive(Default)]
pub(super) struct Roofs {
    arithmetic: BTreeMap<Option<Element>, (f64, usize)>,
    memory: BTreeMap<MemoryLevel, (f64, usize)>,
}

impl Roofs {
    pub(super) fn of(cases: &[Case]) -> Self {
        let mut roofs = Self::default();
        let raise = |(highest, count): &mut (f64, usize), rate: f64| {
            *highest = highest.max(rate);
            *count += 1;
        };
        for case in cases {
            if let Some(rate) = flops(case) {
                raise(roofs.arithmetic.entry(case.precision).or_default(), rate);
            }
            if let Some((rate, level)) = traffic(case).zip(level(case)) {
                raise(roofs.memory.entry(level).or_default(), rate);
            }
        }
        roofs
    }

    fn bound(&self, case: &Case) -> Option<Roof> {
        let counts = case.counts.filter(|counts| !counts.communicates)?;
        case.median_ms()?;
        if counts.memory_traffic_bytes.is_some() {
            return Some(Roof::Memory);
        }
        let intensity = counts.flops? / case.footprint.as_ref()?.bytes as f64;
        let ridge = self.arithmetic.get(&case.precision)?.0 / self.memory.get(&level(case)?)?.0;
        Some(if intensity < ridge { Roof::Memory } else { Roof::Compute })
    }

    /// A rank's rate as a share of the highest of its kind, percent, where there is another.
    pub(super) fn share(&self, case: &Case) -> Option<f64> {
        let counts = case.counts.filter(|counts| !counts.communicates)?;
        let (rate, (highest, count)) = match counts.memory_traffic_bytes {
            Some(_) => (traffic(case)?, self.memory.get(&level(case)?)?),
            None => (flops(case)?, self.arithmetic.get(&case.precision)?),
        };
        (*count > 1).then(|| 100.0 * rate / highest)
    }
}

fn level(case: &Case) -> Option<MemoryLevel> {
    case.footprint.as_ref()?.fits
}

fn flops(case: &Case) -> Option<f64> {
    Some(case.counts?.flops? / case.median_ms()?)
}

fn traffic(case: &Case) -> Option<f64> {
    Some(case.counts?.memory_traffic_bytes? as f64 / case.median_ms()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::{analysed, empty_report, plan, recording};
    use crate::machine::cache::Cache;
    use crate::machine::device::Device;
    use crate::machine::environment::{Node, Rank};

    /// A report of kernels on a node of 8 ranks and cores with an L1 of 32 KiB and an L2 of 4 MiB for all, each case with
    /// its median in ns.
    fn report(yaml: &str, medians: &[f64]) -> Report {
        let plan = plan(yaml);
        let mut report = empty_report(&plan);
        let cache = |level, bytes, shared_by| Cache { level, bytes, shared_by: Some(shared_by) };
        let caches = vec![cache(MemoryLevel::L1, 32 << 10, 1), cache(MemoryLevel::L2, 4 << 20, 8)];
        let device = Device { caches, ..Device::named("cpu", "CPU".to_owned()) };
        let rank =
            |rank| Rank { rank, node: 0, local_rank: rank, device: device.clone(), cores: None };
        report.environment.nodes = vec![Node { cores: Some(8), ..Node::default() }];
        report.environment.ranks = (0..8).map(rank).collect();
        let cases = plan.cases.iter().zip(medians);
        report.cases = cases
            .map(|(case, nanos)| analysed(&plan, case, recording(&plan, *nanos, *nanos), None))
            .collect();
        place_on_roofline(&mut report);
        report
    }

    #[test]
    fn a_case_lies_where_a_rank_s_share_holds_its_tensors() {
        let yaml = "benchmarks: {copy: {array: '16KiB,256KiB,512KiB'}, barrier: }";
        let report = report(yaml, &[1e3; 4]);
        let fits = report.cases.iter().filter_map(|case| case.footprint.as_ref()?.fits);
        // Eight ranks share the L2: 512 KiB for each.
        let expected = [MemoryLevel::L1, MemoryLevel::L2, MemoryLevel::Memory];
        assert_eq!(fits.collect::<Vec<_>>(), expected);
        let barrier = report.cases.iter().find(|case| case.benchmark == "barrier").unwrap();
        assert_eq!(barrier.footprint, None);
    }

    #[test]
    fn a_run_s_own_rates_say_what_bounds_a_product() {
        let bounds = |yaml: &str, medians: &[f64]| -> Vec<Option<&str>> {
            let report = self::report(yaml, medians);
            let of = |case: &Case| case.footprint.as_ref().unwrap().bound.map(Roof::name);
            report.cases.iter().map(of).collect()
        };
        let (memory, compute) = (Some("memory"), Some("compute"));
        // All behind the caches. The copy reaches 10 GB/s and the square product 99 GFLOP/s, so that the ridge is at 9.9
        // FLOP/B; the square one has 85, the thin one 4.
        let both = "benchmarks: {copy: {array: 50MB}, gemm: {m: 512, n: '512,8'}}";
        assert_eq!(bounds(both, &[1e7, 2.7e6, 1e7]), [memory, compute, memory]);
        // Beside the best of the run: the copy is the only one of memory.
        let report = report(both, &[1e7, 2.7e6, 1e7]);
        let roofs = Roofs::of(&report.cases);
        let shares: Vec<Option<f64>> = report.cases.iter().map(|case| roofs.share(case)).collect();
        assert_eq!((shares[0], shares[1]), (None, Some(100.0)));
        assert!((shares[2].unwrap() - 100.0 * (8.0 / 512.0) * 0.27).abs() < 0.01, "{shares:?}");
        // Without a copy there is no ridge.
        assert_eq!(bounds("benchmarks: {gemm: {m: 512}}", &[1e6]), [None]);
    }
}
