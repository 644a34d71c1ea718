//! What is compared: the cases of a side, or the points of its scaling studies, each with its launches.

use std::collections::HashMap;

use crate::base::caveat::Caveat;
use crate::base::error::Exit;
use crate::benchmark::metric::{EFFICIENCY, LATENCY, OPERATIONS};
use crate::benchmark::work::{Element, Placement};
use crate::plan::config::{ComparedMetric, Protocol, ScalingKind};
use crate::report::times_ms;
use crate::report::{Case, Definition, Latency, Outcome, Report, Scaling};
use crate::stats;

#[derive(Debug, Clone)]
pub(super) struct Subject<'a> {
    /// Name that both sides have for it.
    pub(super) id: String,
    pub(super) benchmark: &'a str,
    pub(super) unit: &'static str,
    /// Its figure in each launch that has a usable one.
    pub(super) launches: Vec<f64>,
    /// The same by the slowest rank's own times, in each launch that knows them.
    pub(super) local: Vec<f64>,
    /// What the clock could not tell.
    pub(super) unread: Unread,
    /// The step in which its samples were read, as a share of them, where so many of them are equal that it shows.
    pub(super) step: Option<f64>,
    /// How its times are defined and started.
    pub(super) methods: Vec<Method>,
    /// The case, in the first report of the side that measured it; else in the first that has it. None for
    /// points of studies.
    pub(super) case: Option<&'a Case>,
    /// How it went wrong in any launch, and the exit that has.
    pub(super) failure: Option<(Exit, String)>,
}

/// How a time is defined, how its starts were asked for, and whether it is what a run falls back to: when clocks are not
/// good enough, or common starts fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Method {
    pub(super) definition: Definition,
    pub(super) protocol: Protocol,
    pub(super) fell_back: bool,
}

impl Method {
    fn of(case: &Case) -> Option<Self> {
        let measured = case.measured.as_ref()?;
        let barriers = case.caveats.contains(&Caveat::BarrierStart);
        Some(Self {
            definition: measured.latency.definition,
            protocol: if barriers { Protocol::Synchronised } else { measured.protocol },
            fell_back: barriers || case.caveats.contains(&Caveat::LocalTimes),
        })
    }
}

/// Times of zero, as a clock too coarse gives: they have no ratio to anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Unread {
    /// Samples of zero.
    pub(super) samples: usize,
    /// Launches whose figure is of zero.
    pub(super) launches: usize,
}

impl Subject<'_> {
    /// The figure that stands for it: the median of its launches' medians.
    pub(super) fn figure(&self) -> Option<f64> {
        stats::median(&self.launches)
    }
}

/// The subjects of a side, in the order in which they first come. Where several reports have one, each adds
/// its launches.
pub(super) fn subjects(reports: &[Report], metric: ComparedMetric) -> Vec<Subject<'_>> {
    let mut subjects: Vec<Subject<'_>> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let all = reports.iter().flat_map(|report| -> Vec<Subject<'_>> {
        match metric {
            ComparedMetric::Efficiency => report.scaling.iter().flat_map(of_study).collect(),
            _ => report.cases.iter().map(|case| of_case(case, metric)).collect(),
        }
    });
    for subject in all {
        match places.get(&subject.id) {
            Some(&place) => {
                let known = &mut subjects[place];
                if known.launches.is_empty() && !subject.launches.is_empty() {
                    known.case = subject.case;
                }
                known.launches.extend(subject.launches);
                known.local.extend(subject.local);
                known.methods.extend(subject.methods);
                known.unread.samples += subject.unread.samples;
                known.unread.launches += subject.unread.launches;
                known.step = known.step.into_iter().chain(subject.step).reduce(f64::min);
                known.failure = known.failure.take().or(subject.failure);
            }
            None => {
                places.insert(subject.id.clone(), subjects.len());
                subjects.push(subject);
            }
        }
    }
    subjects
}

fn of_case(case: &Case, metric: ComparedMetric) -> Subject<'_> {
    let measured = case.measured.as_ref();
    let (times, medians, local): (Vec<f64>, Vec<f64>, Vec<f64>) = match &case.replication {
        Some(replication) => {
            let launches = &replication.launches;
            let local = launches.iter().filter_map(|one| one.local_median_ms);
            (
                launches.iter().flat_map(|one| one.times_ms.iter().copied()).collect(),
                launches.iter().map(|one| one.median_ms).collect(),
                local.collect(),
            )
        }
        None => {
            let local = measured.and_then(|measured| measured.by(Definition::SlowestRank));
            let median = measured.map(|measured| measured.latency.median);
            let own = local.map(|latency: &Latency| latency.median);
            (times_ms(case), median.into_iter().collect(), own.into_iter().collect())
        }
    };
    let is_usable = |value: &f64| *value > 0.0 && value.is_finite();
    let unread = Unread {
        samples: times.iter().filter(|time| !is_usable(time)).count(),
        launches: medians.iter().filter(|median| !is_usable(median)).count(),
    };
    let figures = |times: Vec<f64>| {
        let (unit, values) = match metric {
            ComparedMetric::Throughput => rates(case, times),
            ComparedMetric::Latency | ComparedMetric::Efficiency => (LATENCY.unit.name(), times),
        };
        (unit, values.into_iter().filter(is_usable).collect())
    };
    let ((unit, launches), (_, local)) = (figures(medians), figures(local));
    let failure = case.error.as_ref().map(|error| (error.kind.exit(), error.detail.clone()));
    Subject {
        id: case.id.clone(),
        benchmark: &case.benchmark,
        unit,
        launches,
        local,
        unread,
        step: step(times),
        methods: Method::of(case).into_iter().collect(),
        case: Some(case),
        failure: failure.filter(|_| matches!(case.outcome, Outcome::Failed | Outcome::TimedOut)),
    }
}

/// The smallest distance between samples as a share of their median, where more than half of them equal another.
fn step(mut times: Vec<f64>) -> Option<f64> {
    times.sort_by(f64::total_cmp);
    let (all, median) = (times.len(), stats::median(&times)?);
    // What equal times differ by is rounding.
    let least = 1e-9 * median;
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap > least);
    let (distinct, smallest) =
        gaps.fold((1, f64::INFINITY), |(count, smallest), gap| (count + 1, gap.min(smallest)));
    (2 * distinct < all && smallest.is_finite() && median > 0.0).then(|| smallest / median)
}

/// The rates at these times: that of the case's rates which people quote, else operations per second.
fn rates(case: &Case, times: Vec<f64>) -> (&'static str, Vec<f64>) {
    let (Some(median), Some((metric, value))) = (case.median_ms(), case.quoted_rate()) else {
        return (OPERATIONS.unit.name(), Vec::new());
    };
    // What the rate is of, for each ms.
    let work = value * median;
    (metric.unit.name(), times.into_iter().map(|time| work / time).collect())
}

fn of_study(study: &Scaling) -> impl Iterator<Item = Subject<'_>> {
    let kind = match study.kind {
        ScalingKind::Strong => "strong",
        ScalingKind::Weak => "weak",
    };
    let words = [
        Some(study.benchmark.as_str()),
        study.precision.map(Element::name),
        study.placement.map(Placement::name),
    ];
    let words = words.into_iter().flatten().map(str::to_owned);
    let problem = study.problem.iter().map(|(key, value)| format!("{key}={value}"));
    let name = words.chain(problem).collect::<Vec<_>>().join(" ");
    study.points.iter().filter_map(move |point| {
        let base = study.base.as_ref()?;
        let single = point.efficiency.into_iter().collect();
        let each = if point.efficiencies.is_empty() { single } else { point.efficiencies.clone() };
        let measured = !point.left_out && point.ranks != base.ranks;
        let launches: Vec<f64> = each.into_iter().filter(|value| *value > 0.0).collect();
        (measured && !launches.is_empty()).then(|| Subject {
            id: format!("{name} {kind} {}/{}", point.ranks, base.ranks),
            benchmark: &study.benchmark,
            unit: EFFICIENCY.unit.name(),
            launches,
            local: Vec::new(),
            unread: Unread::default(),
            step: None,
            methods: Vec::new(),
            case: None,
            failure: None,
        })
    })
}
