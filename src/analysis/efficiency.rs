//! How far each case is from what is possible.

use super::ceiling::ceiling;
use super::roofline::Roofs;
use crate::base::error::Kind;
use crate::base::failure::CaseError;
use crate::base::units::significant;
use crate::benchmark::metric::{ARITHMETIC, BUSBW, MEMORY, Metric};
use crate::machine::cache::MemoryLevel;
use crate::machine::device::Device;
use crate::machine::topology::Topology;
use crate::report::{Case, Efficiency, Outcome, Report};

/// How far above its peak the rate of a GPU may be by rounding, percent: what is above that cannot be.
const MOST_PERCENT: f64 = 102.0;

/// How much larger than the last cache tensors must be, so that what is left there from the run before cannot bring the
/// rate of memory above its peak.
const BEYOND_CACHE: u64 = 16;

/// Says of each case how far its rate is from what its devices or links can do, and from the best of this run.
pub fn hold_against_the_possible(report: &mut Report) {
    let machine = report.topology.as_deref().and_then(Topology::built_in);
    let roofs = Roofs::of(&report.cases);
    let efficiency = |case: &Case| efficiency(report, case, machine.as_ref(), &roofs);
    let all: Vec<Option<Efficiency>> = report.cases.iter().map(efficiency).collect();
    for (case, efficiency) in report.cases.iter_mut().zip(all) {
        case.efficiency = efficiency;
    }
    refuse_the_impossible(report);
}

/// The rate that says how well a case uses what it is bound by, and the share of it.
fn efficiency(
    report: &Report,
    case: &Case,
    machine: Option<&Topology>,
    roofs: &Roofs,
) -> Option<Efficiency> {
    let counts = case.counts?;
    let level = case.footprint.as_ref().and_then(|footprint| footprint.fits);
    let metric: &Metric = match counts {
        _ if counts.communicates => &BUSBW,
        _ if counts.memory_traffic_bytes.is_some() => &MEMORY,
        _ => &ARITHMETIC,
    };
    let rate = case.figure(metric)?;
    // Of a cache no peak is known, and what is read more often than it is there may come from one.
    let bytes = case.footprint.as_ref().map(|footprint| footprint.bytes);
    let is_reread = counts.memory_traffic_bytes > bytes;
    let in_cache = level.is_some_and(|level| level != MemoryLevel::Memory);
    let is_known = *metric != MEMORY || !(in_cache || is_reread);
    let known = ceiling(report, case, metric.peak?, machine).filter(|_| is_known);
    let share = |most: f64| 100.0 * rate / most;
    let of_peak_percent = known.as_ref().map(|peak| share(peak.value));
    let (peak, source) = known.map(|peak| (peak.value, peak.source)).unzip();
    let of_best_percent = roofs.share(case);
    let is_known = of_peak_percent.or(of_best_percent).is_some();
    let metric = metric.key.to_owned();
    is_known.then_some(Efficiency { metric, peak, source, of_peak_percent, of_best_percent })
}

/// Fails what no GPU can do: work that was not done, or a clock that is wrong, makes no record.
fn refuse_the_impossible(report: &mut Report) {
    let environment = &report.environment;
    for case in report.cases.iter_mut().filter(|case| case.outcome == Outcome::Measured) {
        let mut ranks = case.participants.iter().filter_map(|rank| environment.ranks.get(*rank));
        let Some(efficiency) = case.efficiency.as_ref().filter(|_| {
            let device = ranks.next().map(|rank| &rank.device);
            device.is_some_and(|device| device.kind == "cuda" && is_beyond_cache(case, device))
        }) else {
            continue;
        };
        let (Some(share), Some(source)) = (efficiency.of_peak_percent, &efficiency.source) else {
            continue;
        };
        if share > MOST_PERCENT {
            let detail = format!(
                "{} is {} % of what its devices can do ({source}); the work was not done, or a clock is wrong",
                efficiency.metric,
                significant(share)
            );
            case.outcome = Outcome::Failed;
            case.error = Some(CaseError::now(Kind::WrongResult, "measure", detail));
        }
    }
}

/// Whether the rate of memory is that of memory.
fn is_beyond_cache(case: &Case, device: &Device) -> bool {
    let is_of_memory = case.counts.is_some_and(|counts| counts.memory_traffic_bytes.is_some());
    let bytes = case.footprint.as_ref().map_or(0, |footprint| footprint.bytes);
    let last = device.caches.iter().map(|cache| cache.bytes).max();
    !is_of_memory || last.is_some_and(|last| bytes >= BEYOND_CACHE * last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::{analysed, empty_report, plan, recording};
    use crate::analysis::place_on_roofline;
    use crate::machine::cache::Cache;
    use crate::machine::environment::{Node, Rank};

    /// A report of cases on eight H100, each with its median in ns.
    fn report(yaml: &str, medians: &[f64]) -> Report {
        let plan = plan(yaml);
        let mut report = empty_report(&plan);
        let device = |rank: usize| Device {
            uuid: Some(format!("GPU-{rank}")),
            compute_capability: Some("9.0".to_owned()),
            multiprocessors: Some(132),
            clock_mhz: Some(1980),
            memory_clock_mhz: Some(2619),
            memory_bus_bits: Some(5120),
            caches: vec![Cache { level: MemoryLevel::L2, bytes: 50 << 20, shared_by: None }],
            ..Device::named("cuda", "GPU".to_owned())
        };
        let rank =
            |rank| Rank { rank, node: 0, local_rank: rank, device: device(rank), cores: None };
        report.environment.nodes = vec![Node { cores: Some(8), ..Node::default() }];
        report.environment.ranks = (0..8).map(rank).collect();
        let cases = plan.cases.iter().zip(medians);
        report.cases = cases
            .map(|(case, nanos)| analysed(&plan, case, recording(&plan, *nanos, *nanos), None))
            .collect();
        place_on_roofline(&mut report);
        hold_against_the_possible(&mut report);
        report
    }

    #[test]
    fn rates_are_held_against_what_all_devices_can_do() {
        // 2 GiB in 1 ms, 64 % of what an H100 can do; and a product of 2 TFLOP.
        let both = "benchmarks: {copy: {array: '1GiB,1MiB'}, gemm: {m: 10000}}";
        let report = report(both, &[1e6, 1e4, 4e7]);
        let of = |case: usize| report.cases[case].efficiency.as_ref();
        let copy = of(0).unwrap();
        assert_eq!((copy.metric.as_str(), copy.of_best_percent), ("gbps", None));
        assert!((copy.peak.unwrap() - 8.0 * 3352.3).abs() < 1.0, "{copy:?}");
        assert!((copy.of_peak_percent.unwrap() - 64.0).abs() < 0.2, "{copy:?}");
        let source = copy.source.as_deref().unwrap();
        assert_eq!(source, "8 times 2 x 2619 MHz x 5120 bits, which the driver tells");
        // What lies in a cache is held against no memory.
        assert_eq!(of(1), None);
        let gemm = of(2).unwrap();
        assert!((gemm.of_peak_percent.unwrap() - 100.0 * 50.0 / 66.9).abs() < 0.3, "{gemm:?}");
        assert!(report.cases.iter().all(|case| case.outcome == Outcome::Measured));
    }

    #[test]
    fn what_no_gpu_can_do_is_no_result() {
        // 2 GiB in 0.6 ms; the same in tensors that the cache may have held in part; more arithmetic than there is.
        let cases = "benchmarks: {copy: {array: '1GiB,100MiB'}, gemm: {m: 1000}}";
        let report = report(cases, &[6e5, 5.8e4, 2e4]);
        let outcomes: Vec<Outcome> = report.cases.iter().map(|case| case.outcome).collect();
        assert_eq!(outcomes, [Outcome::Failed, Outcome::Measured, Outcome::Failed]);
        let error = report.cases[0].error.as_ref().unwrap();
        assert_eq!(error.kind, Kind::WrongResult);
        assert!(error.detail.contains("gbps is 106.6 % of what its devices can do"), "{error:?}");
        assert!(report.cases[1].efficiency.as_ref().unwrap().of_peak_percent.unwrap() > 102.0);
        // Rows that are read again and again may lie in a cache: 32 GiB in 1 ms.
        let rows = "benchmarks: {embedding: {tokens: 1000000, dim: 4096, vocabulary: 4096}}";
        let report = self::report(rows, &[1e6]);
        assert_eq!(report.cases[0].outcome, Outcome::Measured);
        assert_eq!(report.cases[0].efficiency, None);
    }
}
