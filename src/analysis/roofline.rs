//! Where the tensors of each case lie, and which side of the run's own roofline bounds it (Williams, Waterman, Patterson,
//! 2009).

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
    let bounds: Vec<Option<Roof>> =
        report.cases.iter().map(|case| bound(case, &report.cases)).collect();
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

fn bound(case: &Case, all: &[Case]) -> Option<Roof> {
    let counts = case.counts.filter(|counts| !counts.communicates)?;
    case.median_ms()?;
    if counts.memory_traffic_bytes.is_some() {
        return Some(Roof::Memory);
    }
    let footprint = case.footprint.as_ref()?;
    let intensity = counts.flops? / footprint.bytes as f64;
    let ridge = arithmetic(all, case.precision)? / memory(all, footprint.fits?)?;
    Some(if intensity < ridge { Roof::Memory } else { Roof::Compute })
}

/// The highest rate of arithmetic of a rank in a type, operations each ms.
fn arithmetic(all: &[Case], precision: Option<Element>) -> Option<f64> {
    let same = all.iter().filter(|case| case.precision == precision);
    same.filter_map(|case| Some(case.counts?.flops? / case.median_ms()?)).reduce(f64::max)
}

/// The highest rate of a rank in a level of memory, bytes each ms.
fn memory(all: &[Case], level: MemoryLevel) -> Option<f64> {
    let lies = |case: &&Case| case.footprint.as_ref().is_some_and(|of| of.fits == Some(level));
    let rate = |case: &Case| Some(case.counts?.memory_traffic_bytes? as f64 / case.median_ms()?);
    all.iter().filter(lies).filter_map(rate).reduce(f64::max)
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
            let report = report(yaml, medians);
            let of = |case: &Case| case.footprint.as_ref().unwrap().bound.map(Roof::name);
            report.cases.iter().map(of).collect()
        };
        let (memory, compute) = (Some("memory"), Some("compute"));
        // All behind the caches. The copy reaches 10 GB/s and the square product 99 GFLOP/s, so that the ridge is at 9.9
        // FLOP/B; the square one has 85, the thin one 4.
        let both = "benchmarks: {copy: {array: 50MB}, gemm: {m: 512, n: '512,8'}}";
        assert_eq!(bounds(both, &[1e7, 2.7e6, 1e7]), [memory, compute, memory]);
        // Without a copy there is no ridge.
        assert_eq!(bounds("benchmarks: {gemm: {m: 512}}", &[1e6]), [None]);
    }
}
