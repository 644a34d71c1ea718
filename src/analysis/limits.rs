//! Are the figures as good as they must be?

mod derive;

use std::collections::HashMap;

pub use derive::derive_limits;
use wildmatch::WildMatch;

use super::case::works_alone;
use super::ceiling::ceiling;
use crate::base::error::{Error, Result, suggestion};
use crate::base::metric::Direction;
use crate::benchmark::metric::{self, EFFICIENCY, Metric, Observed};
use crate::machine::topology::Topology;
use crate::plan::config::LimitConfig;
use crate::report::{Basis, Case, LimitCheck, LimitOutcome, Point, RankTimes, Report};
use crate::stats;

/// Fewest members whose median stands for a fleet.
const FLEET: usize = 3;

/// Limits that are known to make sense.
#[derive(Debug, Clone, Default)]
pub struct Limits(Vec<Limit>);

#[derive(Debug, Clone)]
struct Limit {
    /// Place in the configuration, from 1.
    number: usize,
    case: String,
    metric: &'static Metric,
    topology: Option<Topology>,
    bound: Bound,
}

/// Shares are of 1.
#[derive(Debug, Clone, Copy)]
enum Bound {
    Absolute(f64),
    OfCeiling(f64),
    OfFleet(f64),
}

/// A figure, where there is one, and whose it is.
struct Figure<'a> {
    id: &'a str,
    /// None for a point of a scaling study.
    case: Option<&'a Case>,
    /// Of one rank of the case.
    rank: Option<usize>,
    value: Option<f64>,
}

impl Limits {
    /// The limits of a configuration.
    ///
    /// # Errors
    /// Usage error for a limit without case, with an unknown metric or machine, with no bound or several, or with
    /// a bound on the side where a figure may be as good as it likes.
    pub fn resolve(limits: &[LimitConfig]) -> Result<Self> {
        let all = limits.iter().zip(1..).map(|(limit, number)| Limit::resolve(limit, number));
        all.collect::<Result<_>>().map(Self)
    }

    /// Holds every limit against a report. `fleet` are all reports that it is one of. A limit for another machine is
    /// passed over only where one for the same figure does apply.
    pub fn check(&self, report: &Report, fleet: &[Report]) -> Vec<LimitCheck> {
        let applies = |limit: &Limit| [report].into_iter().chain(fleet).any(|of| limit.applies(of));
        let check = |limit: &Limit| {
            let same = |other: &&Limit| (&other.case, other.metric) == (&limit.case, limit.metric);
            match limit.applies(report) {
                true => limit.check(report, fleet),
                false if self.0.iter().filter(same).any(applies) => Vec::new(),
                false => vec![limit.of_another_machine()],
            }
        };
        self.0.iter().flat_map(check).collect()
    }

    /// Holds every rank that works by itself against the bounds that its case is held against. Bounds of a fleet are
    /// not among them: [`Limits::check`] does that.
    pub(super) fn check_ranks(&self, report: &Report) -> Vec<LimitCheck> {
        let absolute = self.0.iter().filter(|limit| !matches!(limit.bound, Bound::OfFleet(_)));
        let of_limit = |limit: &Limit| {
            let checks = limit.figures(report).into_iter().flat_map(|figure| {
                let ceiling = figure.case.and_then(|case| limit.ceiling(report, case));
                let ranks = limit.of_ranks(&figure).into_iter();
                let checks = ranks.map(|rank| limit.checked(&rank, ceiling.clone(), 0));
                checks.collect::<Vec<_>>()
            });
            checks.collect::<Vec<_>>()
        };
        absolute.filter(|limit| limit.applies(report)).flat_map(of_limit).collect()
    }
}

impl Limit {
    fn resolve(config: &LimitConfig, number: usize) -> Result<Self> {
        let wrong = |why: String| Error::usage(format!("limit {number} {why}"));
        if config.case.is_empty() {
            return Err(wrong("names no case; write case: 'all_reduce*'".to_owned()));
        }
        let known = || metric::ALL.iter().copied().chain([&EFFICIENCY]);
        let metric = known().find(|metric| metric.key == config.metric).ok_or_else(|| {
            wrong(format!(
                "has the metric '{}', which is unknown ({})",
                config.metric,
                suggestion(&config.metric, known().map(|metric| metric.key))
            ))
        })?;
        let share = |percent: f64| percent / 100.0;
        let bounds = [
            config.at_least.map(Bound::Absolute),
            config.at_most.map(Bound::Absolute),
            config.percent_of_ceiling.map(share).map(Bound::OfCeiling),
            config.percent_of_fleet.map(share).map(Bound::OfFleet),
        ];
        let mut given = bounds.into_iter().flatten();
        let (Some(bound), None) = (given.next(), given.next()) else {
            return Err(wrong(
                "needs one bound: at_least, at_most, percent_of_ceiling or percent_of_fleet"
                    .to_owned(),
            ));
        };
        let (Bound::Absolute(value) | Bound::OfCeiling(value) | Bound::OfFleet(value)) = bound;
        if !(value.is_finite() && value > 0.0) {
            return Err(wrong(format!("has the bound {value}, which is not positive")));
        }
        let against = match metric.direction {
            Direction::HigherIsBetter => {
                config.at_most.map(|_| "at_most, but more of it is better: use at_least")
            }
            Direction::LowerIsBetter => {
                config.at_least.map(|_| "at_least, but less of it is better: use at_most")
            }
        };
        if let Some(against) = against {
            return Err(wrong(format!("bounds {} by {against}", config.metric)));
        }
        let topology = config.topology.as_deref().map(Topology::load).transpose()?;
        Ok(Self { number, case: config.case.clone(), metric, topology, bound })
    }

    /// Whether the report is of the machine that the limit is for.
    fn applies(&self, report: &Report) -> bool {
        let Some(topology) = &self.topology else { return true };
        let mut ranks = report.environment.ranks.iter();
        report.topology.as_ref() == Some(&topology.name)
            || ranks.any(|rank| rank.device.name == topology.device.name)
    }

    fn of_another_machine(&self) -> LimitCheck {
        let name = self.topology.as_ref().map_or("", |topology| &topology.name);
        self.unchecked(format!("it does not apply: this machine is not {name}"))
    }

    fn unchecked(&self, why: String) -> LimitCheck {
        let nothing = Figure { id: &self.case, case: None, rank: None, value: None };
        LimitCheck { why: Some(why), ..self.checked(&nothing, None, 0) }
    }

    fn check(&self, report: &Report, fleet: &[Report]) -> Vec<LimitCheck> {
        let figures = self.figures(report);
        if figures.is_empty() {
            let glob = WildMatch::new(&self.case);
            let is_there = report.cases.iter().any(|case| glob.matches(&case.id));
            let why = if is_there { "no measured case has this figure" } else { "no such case" };
            return vec![self.unchecked(why.to_owned())];
        }
        let all = figures.iter();
        if !matches!(self.bound, Bound::OfFleet(_)) {
            let ceiling = |figure: &Figure<'_>| self.ceiling(report, figure.case?);
            return all.map(|figure| self.checked(figure, ceiling(figure), 0)).collect();
        }
        let mut theirs: HashMap<&str, Vec<f64>> = HashMap::new();
        for figure in fleet.iter().flat_map(|report| self.figures(report)) {
            theirs.entry(figure.id).or_default().extend(figure.value);
        }
        let of_fleet = |id: &str| theirs.get(id).map_or(&[][..], Vec::as_slice);
        all.flat_map(|figure| self.against_fleet(figure, of_fleet(figure.id))).collect()
    }

    /// Against what the fleet reaches in the same case, and the ranks of the case against each other.
    fn against_fleet(&self, figure: &Figure<'_>, fleet: &[f64]) -> Vec<LimitCheck> {
        let check = |figure: &Figure<'_>, members: &[f64]| {
            let median = stats::median(members).filter(|_| members.len() >= FLEET);
            self.checked(figure, median.map(|median| (median, String::new())), members.len())
        };
        let ranks = self.of_ranks(figure);
        let values: Vec<f64> = ranks.iter().filter_map(|figure| figure.value).collect();
        let mut checks = Vec::new();
        // Too few reports are said, unless the ranks are enough.
        if fleet.len() >= FLEET || values.len() < FLEET {
            checks.push(check(figure, fleet));
        }
        if values.len() >= FLEET {
            checks.extend(ranks.iter().map(|figure| check(figure, &values)));
        }
        checks
    }

    /// Holds the limit against a figure. A share is of the reference, which has a source; of a fleet's `members` it is
    /// the median.
    fn checked(
        &self,
        figure: &Figure<'_>,
        reference: Option<(f64, String)>,
        members: usize,
    ) -> LimitCheck {
        let (reference, source) = reference.unzip();
        let scaled = |share: f64| match self.metric.direction {
            Direction::HigherIsBetter => reference.map(|reference| reference * share),
            Direction::LowerIsBetter => reference.map(|reference| reference / share),
        };
        let value = figure.value;
        let (bound, basis) = match self.bound {
            Bound::Absolute(bound) => (value.map(|_| bound), Basis::Absolute),
            Bound::OfCeiling(share) => {
                let percent = 100.0 * share;
                (scaled(share), Basis::Ceiling { percent, ceiling: reference, source })
            }
            Bound::OfFleet(share) => {
                (scaled(share), Basis::Fleet { percent: 100.0 * share, members })
            }
        };
        let missing = value.zip(bound).map(|(value, bound)| match self.metric.direction {
            Direction::HigherIsBetter => 1.0 - value / bound,
            Direction::LowerIsBetter => value / bound - 1.0,
        });
        let why = match self.bound {
            Bound::Absolute(_) => "there is no such figure",
            Bound::OfCeiling(_) => "no ceiling of it is known there",
            Bound::OfFleet(_) => "there is no fleet to hold it against",
        };
        LimitCheck {
            limit: self.number,
            case: figure.id.to_owned(),
            of: figure.rank.map(|rank| format!("rank {rank}")),
            rank: figure.rank,
            metric: self.metric.key.to_owned(),
            unit: self.metric.unit.name().to_owned(),
            direction: self.metric.direction,
            value,
            bound,
            basis,
            outcome: match missing {
                None => LimitOutcome::Unchecked,
                Some(missing) if missing > 0.0 => LimitOutcome::Broken,
                Some(_) => LimitOutcome::Kept,
            },
            missing_percent: missing.map(|missing| 100.0 * missing),
            why: missing.is_none().then(|| why.to_owned()),
        }
    }

    fn figures<'a>(&self, report: &'a Report) -> Vec<Figure<'a>> {
        let glob = WildMatch::new(&self.case);
        let figure = |id: &'a str, case: Option<&'a Case>, value: Option<f64>| {
            let matching = value.is_some() && glob.matches(id);
            matching.then_some(Figure { id, case, rank: None, value })
        };
        if *self.metric == EFFICIENCY {
            let points = report.scaling.iter().flat_map(|study| &study.points);
            let counted = points.filter(|point| !point.left_out);
            let of = |point: &'a Point| figure(&point.case, None, point.efficiency);
            return counted.filter_map(of).collect();
        }
        let of = |case: &'a Case| figure(&case.id, Some(case), case.figure(self.metric));
        report.cases.iter().filter_map(of).collect()
    }

    /// What each rank of a case reaches, where the ranks work by themselves: none waits for another there.
    fn of_ranks<'a>(&self, figure: &Figure<'a>) -> Vec<Figure<'a>> {
        let Some(case) = figure.case.filter(|case| works_alone(case)) else { return Vec::new() };
        let Some(measured) = &case.measured else { return Vec::new() };
        let of_rank = |rank: &RankTimes| {
            let memory = measured.memory.iter().find(|memory| memory.rank == rank.rank);
            let observed = Observed {
                host_peak_bytes: memory.map(|memory| memory.host_peak_bytes),
                operation_joules: None,
                ..case.observed(rank.median_ms)?
            };
            Some(Figure {
                rank: Some(rank.rank),
                value: Some(self.metric.figure(&observed)?),
                ..*figure
            })
        };
        let ranks = measured.per_rank.iter().filter(|rank| rank.median_ms > 0.0);
        ranks.filter_map(of_rank).collect()
    }

    /// What the case can reach at best, and where that was read.
    fn ceiling(&self, report: &Report, case: &Case) -> Option<(f64, String)> {
        let figure = ceiling(report, case, self.metric.peak?, self.topology.as_ref())?;
        Some((figure.value, figure.source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::{analysed, empty_report, plan, recording};
    use crate::base::random::Stream;
    use crate::machine::device::Device;
    use crate::machine::environment::Rank;
    use LimitOutcome::{Broken, Kept, Unchecked};

    /// A case of triad whose operation takes about 1 ms.
    fn report(scale: f64) -> Report {
        let plan = plan("benchmarks: {triad: {array: 1MiB}}");
        let mut report = empty_report(&plan);
        let nanos = scale * 1e6;
        report.cases.push(analysed(&plan, &plan.cases[0], recording(&plan, nanos, nanos), None));
        report
    }

    fn check(yaml: &str, report: &Report, fleet: &[Report]) -> Vec<LimitCheck> {
        let limits: Vec<LimitConfig> = serde_saphyr::from_str(yaml).unwrap();
        Limits::resolve(&limits).unwrap().check(report, fleet)
    }

    fn outcomes(checks: &[LimitCheck]) -> Vec<LimitOutcome> {
        checks.iter().map(|check| check.outcome).collect()
    }

    #[test]
    fn absolute_bounds_say_by_how_much_they_are_broken() {
        let report = report(1.0);
        let of = |yaml: &str| check(yaml, &report, &[]);
        assert_eq!(outcomes(&of("[{case: 'triad*', metric: latency, at_most: 1.1}]")), [Kept]);
        let broken = of("[{case: 'triad*', metric: latency, at_most: 0.5}]");
        assert_eq!(outcomes(&broken), [Broken]);
        assert!((broken[0].missing_percent.unwrap() - 100.4).abs() < 0.01, "{broken:?}");
        let rate = report.cases[0].measured.as_ref().unwrap().metrics.gbps.unwrap();
        let at_least =
            |bound: f64| of(&format!("[{{case: 'triad*', metric: gbps, at_least: {bound}}}]"));
        assert_eq!(outcomes(&at_least(rate * 0.99)), [Kept]);
        assert_eq!(outcomes(&at_least(rate * 1.01)), [Broken]);
    }

    #[test]
    fn what_cannot_be_checked_is_no_pass() {
        let report = report(1.0);
        let of = |yaml: &str| outcomes(&check(yaml, &report, &[]));
        assert_eq!(of("[{case: 'gemm*', metric: latency, at_most: 1}]"), [Unchecked]);
        assert_eq!(of("[{case: 'triad*', metric: tflops, at_least: 1}]"), [Unchecked]);
        assert_eq!(of("[{case: 'triad*', metric: efficiency, at_least: 0.8}]"), [Unchecked]);
        assert_eq!(of("[{case: 'triad*', metric: latency, percent_of_fleet: 95}]"), [Unchecked]);
        let other = "[{case: 'triad*', metric: gbps, topology: dgx-h100, percent_of_ceiling: 90}]";
        assert_eq!(of(other), [Unchecked]);
    }

    #[test]
    fn why_it_was_not_checked_is_said() {
        let mut report = report(1.0);
        let why = |yaml: &str, report: &Report| -> Vec<Option<String>> {
            check(yaml, report, &[]).into_iter().map(|check| check.why).collect()
        };
        let said = |why: &str| vec![Some(why.to_owned())];
        let of = |case: &str, metric: &str, bound: &str| {
            format!("[{{case: '{case}', metric: {metric}, {bound}}}]")
        };
        assert_eq!(why(&of("gemm*", "latency", "at_most: 1"), &report), said("no such case"));
        let unknown = said("no measured case has this figure");
        assert_eq!(why(&of("triad*", "tflops", "at_least: 1"), &report), unknown);
        let fleet = said("there is no fleet to hold it against");
        assert_eq!(why(&of("triad*", "latency", "percent_of_fleet: 95"), &report), fleet);
        assert_eq!(why(&of("triad*", "latency", "at_most: 99"), &report), [None]);
        let machine = |name: &str| {
            format!("{{case: 'triad*', metric: gbps, topology: {name}, percent_of_ceiling: 0.001}}")
        };
        let other = said("it does not apply: this machine is not dgx-h100");
        assert_eq!(why(&format!("[{}]", machine("dgx-h100")), &report), other);
        // Each machine has a limit of its own: that of this one says it all.
        report.topology = Some("dgx-a100".to_owned());
        let both = format!("[{}, {}]", machine("dgx-h100"), machine("dgx-a100"));
        assert_eq!(why(&both, &report), [None]);
    }

    #[test]
    fn a_ceiling_is_that_of_all_devices() {
        let mut report = report(1.0);
        report.topology = Some("dgx-h100".to_owned());
        let of = |metric: &str| {
            let yaml = format!(
                "[{{case: '*', metric: {metric}, topology: dgx-h100, percent_of_ceiling: 90}}]"
            );
            check(&yaml, &report, &[])
        };
        let memory = of("gbps");
        assert_eq!(outcomes(&memory), [Broken]);
        assert!((memory[0].bound.unwrap() - 0.9 * 8.0 * 3350.0).abs() < 1e-9);
        let Basis::Ceiling { percent: 90.0, ceiling, .. } = memory[0].basis else { panic!() };
        assert_eq!(ceiling, Some(26800.0));
        assert_eq!(outcomes(&of("latency")), [Unchecked]);
    }

    #[test]
    fn without_a_described_machine_a_ceiling_is_what_devices_tell() {
        let mut report = report(1.0);
        let yaml = "[{case: 'triad*', metric: gbps, percent_of_ceiling: 90}]";
        assert_eq!(outcomes(&check(yaml, &report, &[])), [Unchecked]);
        let gpu = |rank| Device {
            uuid: Some(format!("GPU-{rank}")),
            memory_clock_mhz: Some(1000),
            memory_bus_bits: Some(8),
            ..Device::named("cuda", "GPU".to_owned())
        };
        let rank = |rank| Rank { rank, node: 0, local_rank: rank, device: gpu(rank), cores: None };
        report.environment.ranks = (0..8).map(rank).collect();
        let checks = check(yaml, &report, &[]);
        assert_eq!(outcomes(&checks), [Kept]);
        assert_eq!(checks[0].bound, Some(0.9 * 8.0 * 2.0));
    }

    #[test]
    fn a_fleet_shows_its_slow_member() {
        let fleet = [1.0, 1.01, 0.99, 1.2].map(report);
        let yaml = "[{case: 'triad*', metric: gbps, percent_of_fleet: 95}]";
        let all: Vec<_> =
            fleet.iter().flat_map(|report| outcomes(&check(yaml, report, &fleet))).collect();
        assert_eq!(all, [Kept, Kept, Kept, Broken]);
        let mut lone = report(1.0);
        let rank = |rank: usize| RankTimes {
            rank,
            median_ms: if rank == 5 { 1.0 } else { 0.9 },
            p95_ms: None,
            slowest_share: 0.0,
        };
        lone.cases[0].measured.as_mut().unwrap().per_rank = (0..8).map(rank).collect();
        let checks = check(yaml, &lone, &[]);
        let broken: Vec<_> = checks.iter().filter(|check| check.outcome == Broken).collect();
        assert_eq!((checks.len(), broken.len()), (8, 1));
        assert_eq!(broken[0].of.as_deref(), Some("rank 5"));
    }

    #[test]
    fn limits_that_make_no_sense_are_refused() {
        for (yaml, why) in [
            ("[{metric: latency, at_most: 1}]", "names no case"),
            ("[{case: x, metric: latncy, at_most: 1}]", "'latency'"),
            ("[{case: x, metric: latency}]", "needs one bound"),
            ("[{case: x, metric: latency, at_most: 1, percent_of_fleet: 9}]", "needs one bound"),
            ("[{case: x, metric: latency, at_least: 1}]", "use at_most"),
            ("[{case: x, metric: gbps, at_most: 1}]", "use at_least"),
            ("[{case: x, metric: gbps, at_least: -1}]", "not positive"),
            ("[{case: x, metric: gbps, topology: nowhere, percent_of_ceiling: 90}]", "nowhere"),
        ] {
            let limits: Vec<LimitConfig> = serde_saphyr::from_str(yaml).unwrap();
            let message = Limits::resolve(&limits).unwrap_err().message;
            assert!(message.contains(why), "{yaml}: {message}");
        }
    }

    #[test]
    fn derived_limits_hold_for_the_fleet_but_not_for_a_sick_machine() {
        let fleet = [1.0, 1.01, 0.99, 1.5].map(report);
        let limits = Limits::resolve(&derive_limits(&fleet, 0.05).unwrap()).unwrap();
        let all: Vec<_> =
            fleet.iter().flat_map(|report| outcomes(&limits.check(report, &[]))).collect();
        assert_eq!(all, [Kept, Kept, Kept, Broken]);
        assert!(derive_limits(&fleet[..2], 0.05).is_err());
    }

    #[test]
    fn derived_limits_hold_for_a_further_healthy_machine() {
        // One in a hundred is expected to break its limit; Binomial(100, 0.01) exceeds 6 with probability 1e-4.
        let mut random = Stream::new(1, "fleet", &[]);
        let mut machine = || {
            let noise = (0..12).map(|_| random.unit()).sum::<f64>() - 6.0;
            report((0.02 * noise).exp())
        };
        let broken = (0..100).filter(|_| {
            let fleet: Vec<Report> = (0..4).map(|_| machine()).collect();
            let limits = Limits::resolve(&derive_limits(&fleet, 0.0).unwrap()).unwrap();
            outcomes(&limits.check(&machine(), &[])).contains(&Broken)
        });
        let broken = broken.count();
        assert!(broken <= 6, "{broken} of 100");
    }
}
