//! Scaling efficiency against a separate measurement on fewer ranks of the same launch.

use super::families::families;
use crate::benchmark::work::{Element, Placement};
use crate::benchmark::{Counts, Problem};
use crate::plan::config::ScalingKind;
use crate::plan::{Case, Plan, Study};
use crate::report::{self, Base, Point, Scaling};
use crate::stats::{self, Estimate};

#[derive(Debug, Clone, Copy)]
pub(super) struct StudyPoint<'a> {
    pub(super) case: &'a str,
    pub(super) counts: &'a Counts,
    pub(super) ranks: usize,
    pub(super) median_ms: f64,
    pub(super) ci: Option<[f64; 2]>,
    /// A caveat keeps it out of efficiencies and fits.
    pub(super) left_out: bool,
}

/// The studies that the measured cases make, in the order of their first points.
pub fn studies<'a>(plan: &'a Plan, cases: &'a [report::Case]) -> Vec<Scaling> {
    let point = |(case, measured): (&'a Case, &'a report::Case)| {
        Some((case, case.study.as_ref()?, StudyPoint::of(measured)?))
    };
    let points = plan.cases.iter().zip(cases).filter_map(point);
    let key = |case: &'a Case| (&case.benchmark, &case.study, case.precision, case.placement);
    let families = families(points, |(case, ..)| key(case));
    let scaled = families.into_iter().filter_map(|family| {
        let (first, study, _) = family[0];
        let points: Vec<StudyPoint<'_>> = family.into_iter().map(|(.., point)| point).collect();
        let Study { kind, problem, .. } = study;
        scaling(&first.benchmark, *kind, problem, (first.precision, first.placement), &points)
    });
    scaled.collect()
}

/// The study of these points, in which the problem stays. `None` when there are none.
pub(super) fn scaling(
    benchmark: &str,
    kind: ScalingKind,
    problem: &Problem,
    (precision, placement): (Option<Element>, Option<Placement>),
    points: &[StudyPoint<'_>],
) -> Option<Scaling> {
    let counts = points.first()?.counts;
    let rule = Rule::of(counts, kind);
    // Ranks that exchange data need a partner: one rank alone is no base for them.
    let least = if counts.communicates { 2 } else { 1 };
    let qualifies = |series: &&StudyPoint<'_>| !series.left_out && series.ranks >= least;
    let base = points.iter().filter(qualifies).min_by_key(|series| series.ranks);
    let of = |series| point(series, base.filter(|_| qualifies(&series)), rule);
    let points: Vec<Point> = points.iter().map(of).collect();
    let time = |point: &Point| point.speedup.map(|_| (point.ranks as f64, point.median_ms));
    let times: Vec<(f64, f64)> = points.iter().filter_map(time).collect();
    Some(Scaling {
        benchmark: benchmark.to_owned(),
        kind,
        problem: problem.clone(),
        precision,
        placement,
        definition: rule.definition().to_owned(),
        base: base.map(|base| Base { ranks: base.ranks, case: base.case.to_owned() }),
        points,
        amdahl_serial_fraction: stats::amdahl_serial_fraction(&times)
            .filter(|_| rule == Rule::Strong),
    })
}

/// How the ideal time depends on the number of ranks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Each rank does less: the ideal time is T(base)·base/p.
    Strong,
    /// Each rank does the same: the ideal time is T(base).
    Weak,
    /// The same message among more ranks: the ideal time grows with what crosses each link.
    Bandwidth,
}

impl Rule {
    fn of(counts: &Counts, kind: ScalingKind) -> Self {
        match (counts.communicates, counts.bus_factor, kind) {
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

    /// The ideal time of `point` over the time of `base`.
    fn ideal(self, base: &StudyPoint<'_>, point: &StudyPoint<'_>) -> f64 {
        match self {
            Self::Strong => base.ranks as f64 / point.ranks as f64,
            Self::Weak => 1.0,
            Self::Bandwidth => {
                // What crosses the busiest link; some patterns have more messages among more ranks.
                let moved = |counts: &Counts| {
                    counts.algorithm_bytes.unwrap_or(0) as f64 * counts.bus_factor.unwrap_or(0.0)
                };
                let (more, less) = (moved(point.counts), moved(base.counts));
                if more > 0.0 && less > 0.0 { more / less } else { 1.0 }
            }
        }
    }
}

fn point(series: &StudyPoint<'_>, base: Option<&StudyPoint<'_>>, rule: Rule) -> Point {
    let StudyPoint { ranks, median_ms: median, left_out, .. } = *series;
    let case = series.case.to_owned();
    let mut point = Point { ranks, case, median_ms: median, left_out, ..Point::default() };
    let Some(base) = base.filter(|base| median > 0.0 && base.median_ms > 0.0) else {
        return point;
    };
    let ideal = rule.ideal(base, series);
    let efficiency = ideal * base.median_ms / median;
    let more = ranks as f64 / base.ranks as f64;
    point.efficiency = Some(efficiency);
    point.speedup = match rule {
        Rule::Strong => Some(base.median_ms / median),
        // Scaled speed-up (Gustafson, 1988): work done in the same time.
        Rule::Weak if !series.counts.communicates => Some(efficiency * more),
        Rule::Weak | Rule::Bandwidth => None,
    };
    if rule == Rule::Strong {
        point.karp_flatt =
            stats::karp_flatt((base.ranks as f64, base.median_ms), (ranks as f64, median));
    }
    // Cases of different launches may have one name.
    if !std::ptr::eq(base, series) {
        let ratio = base.estimate().zip(series.estimate());
        let ratio = ratio.and_then(|(base, own)| stats::ratio_interval(base, own));
        point.ci = ratio.map(|ratio| ratio.map(|end| ideal * end));
    }
    point
}

impl<'a> StudyPoint<'a> {
    /// The point by the median of a case; `None` where it was not measured or does not say what it counts.
    pub(super) fn of(case: &'a report::Case) -> Option<Self> {
        Some(Self {
            case: &case.id,
            counts: case.counts.as_ref()?,
            ranks: case.group_size,
            median_ms: case.median_ms()?,
            ci: case.interval_ms(),
            left_out: case.is_left_out(),
        })
    }

    fn estimate(&self) -> Option<Estimate> {
        let [low, high] = self.ci?;
        Some(Estimate { value: self.median_ms, low, high })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::{analysed, plan, recording};
    use crate::base::caveat::Caveat;

    /// The studies of a plan whose cases take `nanos(ranks)`.
    fn of(yaml: &str, nanos: impl Fn(usize) -> f64, left_out_from: usize) -> Vec<Scaling> {
        let plan = plan(yaml);
        let measured = |case: &Case| {
            let ranks = case.group.ranks.len();
            let crowding = Caveat::Oversubscribed { ranks, cores: 1 };
            let recording = recording(&plan, nanos(ranks), nanos(ranks));
            analysed(&plan, case, recording, (ranks >= left_out_from).then_some(crowding))
        };
        let cases: Vec<report::Case> = plan.cases.iter().map(measured).collect();
        studies(&plan, &cases)
    }

    #[test]
    fn strong_scaling_by_amdahls_law() {
        let yaml = "scaling: {kind: strong}\nbenchmarks: {gemm: {m: 64}}";
        let studies = of(yaml, |p| 1e6 * (0.1 + 0.9 / p as f64), 8);
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
        let study = &of(yaml, |p| if p == 8 { 2e6 } else { 1e6 }, 99)[0];
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
        let study = &of(yaml, |p| 1e6 * (p as f64 - 1.0).max(0.5) / p as f64, 99)[0];
        assert_eq!(study.base.as_ref().unwrap().ranks, 2);
        assert_eq!(study.points[0].efficiency, None);
        for point in &study.points[1..] {
            assert!((point.efficiency.unwrap() - 1.0).abs() < 1e-9, "{point:?}");
        }
    }

    #[test]
    fn pairs_that_do_not_hinder_each_other_scale_fully() {
        let yaml =
            "scaling: {kind: weak}\nbenchmarks: {bandwidth: {bytes: 64}, incast: {bytes: 64}}";
        // Each pair takes the same time; a port takes one message after another.
        for study in of(yaml, |_| 1e6, 99) {
            let last = study.points.last().unwrap();
            let expected = if study.benchmark == "bandwidth" { 1.0 } else { 7.0 };
            assert!((last.efficiency.unwrap() - expected).abs() < 1e-9, "{study:?}");
        }
    }
}
