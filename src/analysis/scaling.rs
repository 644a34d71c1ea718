//! Scaling efficiency against a separate measurement on fewer ranks of the same launch.

use crate::config::ScalingKind;
use crate::plan::{Case, Study};
use crate::random::Stream;
use crate::report::{Base, Point, Scaling};
use crate::stats;
use crate::units::milliseconds;

/// A measured point of a study: its case, its headline times, whether it counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The case.
    pub case: Case,
    /// Headline times of valid iterations, ns.
    pub nanos: Vec<f64>,
    /// A caveat keeps it out of efficiencies and fits.
    pub left_out: bool,
}

/// The studies that the measured points make, in the order of their first points.
pub fn studies(points: &[Series], confidence: f64, seed: u64) -> Vec<Scaling> {
    let mut studies: Vec<Vec<&Series>> = Vec::new();
    for point in points.iter().filter(|point| point.case.study.is_some()) {
        match studies.iter_mut().find(|study| key(&study[0].case) == key(&point.case)) {
            Some(study) => study.push(point),
            None => studies.push(vec![point]),
        }
    }
    studies.into_iter().filter_map(|study| scaling(&study, confidence, seed)).collect()
}

fn key(case: &Case) -> (&str, &Option<Study>, Option<&str>, Option<&str>) {
    let precision = case.precision.map(crate::work::Element::name);
    let placement = case.placement.map(crate::work::Placement::name);
    (&case.benchmark, &case.study, precision, placement)
}

fn scaling(points: &[&Series], confidence: f64, seed: u64) -> Option<Scaling> {
    let first = &points.first()?.case;
    let study = first.study.as_ref()?;
    let rule = Rule::of(first, study.kind);
    // Ranks that exchange data need a partner: one rank alone is no base for them.
    let least = if first.work.communicates() { 2 } else { 1 };
    let ranks = |series: &Series| series.case.group.ranks.len();
    let qualifies = |series: &&&Series| !series.left_out && ranks(series) >= least;
    let base = points.iter().filter(qualifies).min_by_key(|series| ranks(series)).copied();
    let points: Vec<Point> = points
        .iter()
        .map(|series| {
            let base = base.filter(|_| qualifies(&series));
            point(series, base, rule, confidence, seed)
        })
        .collect();
    let speedups: Vec<(f64, f64)> = points
        .iter()
        .filter_map(|point| {
            let base = base.map(ranks)? as f64;
            Some((point.ranks as f64 / base, point.speedup?))
        })
        .collect();
    let fixed_size = rule == Rule::Strong;
    Some(Scaling {
        benchmark: first.benchmark.clone(),
        kind: study.kind,
        problem: study.problem.clone(),
        precision: first.precision,
        placement: first.placement,
        definition: rule.definition().to_owned(),
        base: base.map(|base| Base { ranks: ranks(base), case: base.case.id.clone() }),
        points,
        amdahl_serial_fraction: stats::amdahl_serial_fraction(&speedups).filter(|_| fixed_size),
    })
}

/// How the ideal time depends on the number of ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Each rank does less: the ideal time is T(base)·base/p.
    Strong,
    /// Each rank does the same: the ideal time is T(base).
    Weak,
    /// The same message among more ranks: the ideal time grows with the bus factor.
    Bandwidth,
}

impl Rule {
    fn of(case: &Case, kind: ScalingKind) -> Self {
        match (case.work.communicates(), case.work.bus_factor(2), kind) {
            (true, Some(_), _) => Self::Bandwidth,
            (true, None, _) | (false, _, ScalingKind::Weak) => Self::Weak,
            (false, _, ScalingKind::Strong) => Self::Strong,
        }
    }

    fn definition(self) -> &'static str {
        match self {
            Self::Strong => {
                "strong: speed-up T(base)/T(p), efficiency T(base)*base/(T(p)*p), the problem divided \
                 among p ranks"
            }
            Self::Weak => "weak: efficiency T(base)/T(p), the same work on each of p ranks",
            Self::Bandwidth => {
                "bandwidth: efficiency busbw(p)/busbw(base), the same message among p ranks"
            }
        }
    }

    /// The ideal time at `p` ranks over the time at `base` ranks.
    fn ideal(self, case: &Case, base: usize, p: usize) -> f64 {
        match self {
            Self::Strong => base as f64 / p as f64,
            Self::Weak => 1.0,
            Self::Bandwidth => {
                let factor = |ranks| case.work.bus_factor(ranks).unwrap_or(1.0);
                factor(p) / factor(base)
            }
        }
    }
}

fn point(series: &Series, base: Option<&Series>, rule: Rule, confidence: f64, seed: u64) -> Point {
    let ranks = series.case.group.ranks.len();
    let median = stats::median(&series.nanos).unwrap_or(0.0);
    let mut point = Point {
        ranks,
        case: series.case.id.clone(),
        median_ms: milliseconds(median),
        speedup: None,
        efficiency: None,
        ci: None,
        karp_flatt: None,
        left_out: series.left_out,
    };
    let Some(base) = base else { return point };
    let base_ranks = base.case.group.ranks.len();
    let base_median = stats::median(&base.nanos).unwrap_or(0.0);
    if median <= 0.0 || base_median <= 0.0 {
        return point;
    }
    let ideal = rule.ideal(&series.case, base_ranks, ranks);
    let efficiency = ideal * base_median / median;
    let more = ranks as f64 / base_ranks as f64;
    point.efficiency = Some(efficiency);
    point.speedup = match rule {
        Rule::Strong => Some(base_median / median),
        // Scaled speed-up (Gustafson, 1988): work done in the same time.
        Rule::Weak if !series.case.work.communicates() => Some(efficiency * more),
        Rule::Weak | Rule::Bandwidth => None,
    };
    if rule == Rule::Strong {
        point.karp_flatt = stats::karp_flatt(more, base_median / median);
    }
    if base.case.id != series.case.id {
        let mut random = Stream::new(seed, &series.case.id, &[]);
        point.ci = stats::ratio_of_medians(&base.nanos, &series.nanos, confidence, &mut random)
            .map(|ratio| [ideal * ratio.low, ideal * ratio.high]);
    }
    point
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::plan::Plan;

    fn series(yaml: &str, nanos: impl Fn(usize) -> f64, left_out_from: usize) -> Vec<Series> {
        let config: Config = serde_saphyr::from_str(yaml).unwrap();
        let cases = Plan::resolve(&config, 8).unwrap().cases.into_iter();
        let of = |case: Case| {
            let ranks = case.group.ranks.len();
            let base = nanos(ranks);
            Series {
                case,
                nanos: (0..40).map(|i| base * (1.0 + 0.001 * f64::from(i % 5))).collect(),
                left_out: ranks >= left_out_from,
            }
        };
        cases.map(of).collect()
    }

    #[test]
    fn strong_scaling_by_amdahls_law() {
        let yaml = "scaling: {kind: strong}\nbenchmarks: {gemm: {m: 64}}";
        let studies = studies(&series(yaml, |p| 1e6 * (0.1 + 0.9 / p as f64), 8), 0.95, 1);
        let study = &studies[0];
        assert_eq!(study.base.as_ref().unwrap().ranks, 1);
        assert_eq!(study.points.iter().map(|point| point.ranks).collect::<Vec<_>>(), [1, 2, 4, 8]);
        let four = &study.points[2];
        let speedup = 1.0 / (0.1 + 0.9 / 4.0);
        assert!((four.speedup.unwrap() - speedup).abs() < 1e-9);
        assert!((four.efficiency.unwrap() - speedup / 4.0).abs() < 1e-9);
        assert!((four.karp_flatt.unwrap() - 0.1).abs() < 1e-9);
        let [low, high] = four.ci.unwrap();
        assert!(low <= four.efficiency.unwrap() && four.efficiency.unwrap() <= high);
        assert!((study.amdahl_serial_fraction.unwrap() - 0.1).abs() < 1e-9);
        assert_eq!((study.points[3].efficiency, study.points[3].left_out), (None, true));
    }

    #[test]
    fn weak_scaling_keeps_each_ranks_work() {
        let yaml = "scaling: {kind: weak}\nbenchmarks: {triad: {array: 64}}";
        let study = &studies(&series(yaml, |p| if p == 8 { 2e6 } else { 1e6 }, 99), 0.95, 1)[0];
        let efficiencies: Vec<f64> =
            study.points.iter().map(|point| point.efficiency.unwrap()).collect();
        assert_eq!(efficiencies, [1.0, 1.0, 1.0, 0.5]);
        assert_eq!(study.points[3].speedup, Some(4.0));
        assert_eq!(study.amdahl_serial_fraction, None);
    }

    #[test]
    fn a_collective_is_measured_against_two_ranks() {
        let yaml = "scaling: {kind: weak}\nbenchmarks: {all_reduce: {bytes: 64}}";
        // busbw = 2(n-1)/n * bytes / t stays equal for these times.
        let study =
            &studies(&series(yaml, |p| 1e6 * (p as f64 - 1.0).max(0.5) / p as f64, 99), 0.95, 1)[0];
        assert_eq!(study.base.as_ref().unwrap().ranks, 2);
        assert_eq!(study.points[0].efficiency, None);
        for point in &study.points[1..] {
            assert!((point.efficiency.unwrap() - 1.0).abs() < 1e-9, "{point:?}");
        }
    }
}
