//! What is compared: the cases of a side, or the points of its scaling studies, each with its launches.

use std::collections::HashMap;

use super::evidence::Launches;
use crate::analysis::times_ms;
use crate::base::caveat::Caveat;
use crate::base::error::Exit;
use crate::benchmark::metric::{EFFICIENCY, LATENCY, OPERATIONS};
use crate::benchmark::work::{Element, Placement};
use crate::plan::config::{ComparedMetric, Protocol, ScalingKind};
use crate::report::{Case, Definition, Latency, Outcome, Report, Scaling};
use crate::stats;

#[derive(Debug, Clone)]
pub(super) struct Subject<'a> {
    /// Name that both sides have for it.
    pub(super) id: String,
    pub(super) benchmark: &'a str,
    pub(super) unit: &'static str,
    /// Its values in each launch that measured it.
    pub(super) launches: Launches,
    /// The same by the slowest rank's own times, in each launch that knows them.
    pub(super) local: Launches,
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

impl Subject<'_> {
    /// The figure that stands for it: the median of its launches' medians.
    pub(super) fn figure(&self) -> Option<f64> {
        let medians: Vec<f64> =
            self.launches.iter().filter_map(|values| stats::median(values)).collect();
        stats::median(&medians)
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
    let times: Launches = match &case.replication {
        Some(replication) => {
            replication.launches.iter().map(|one| about(&one.times_ms, one.median_ms)).collect()
        }
        None => {
            let measured = case.measured.iter();
            measured.map(|measured| about(&times_ms(case), measured.latency.median)).collect()
        }
    };
    let own = |latency: &Latency| vec![latency.median];
    let local: Launches = match &case.replication {
        Some(replication) => {
            replication.launches.iter().filter_map(|one| Some(vec![one.local_median_ms?])).collect()
        }
        None => {
            let measured = case.measured.iter();
            measured.filter_map(|measured| measured.by(Definition::SlowestRank)).map(own).collect()
        }
    };
    let figures = |times| match metric {
        ComparedMetric::Throughput => rates(case, times),
        ComparedMetric::Latency | ComparedMetric::Efficiency => (LATENCY.unit.name(), times),
    };
    let ((unit, launches), (_, local)) = (figures(times), figures(local));
    // A time of zero, as a clock too coarse may give, has no ratio to anything.
    let positive = |values: &Vec<f64>| {
        !values.is_empty() && values.iter().all(|value| *value > 0.0 && value.is_finite())
    };
    let failure = case.error.as_ref().map(|error| (error.kind.exit(), error.detail.clone()));
    Subject {
        id: case.id.clone(),
        benchmark: &case.benchmark,
        unit,
        launches: launches.into_iter().filter(positive).collect(),
        local: local.into_iter().filter(positive).collect(),
        methods: Method::of(case).into_iter().collect(),
        case: Some(case),
        failure: failure.filter(|_| matches!(case.outcome, Outcome::Failed | Outcome::TimedOut)),
    }
}

/// Times about the median that is stated for them: where they are medians of blocks, theirs is another.
fn about(times: &[f64], median_ms: f64) -> Vec<f64> {
    match stats::median(times) {
        Some(median) if median > 0.0 => {
            times.iter().map(|time| time * (median_ms / median)).collect()
        }
        _ => vec![median_ms],
    }
}

/// The rates at these times: that of the case's rates which people quote, else operations per second.
fn rates(case: &Case, times: Launches) -> (&'static str, Launches) {
    let (Some(median), Some((metric, value))) = (case.median_ms(), case.quoted_rate()) else {
        return (OPERATIONS.unit.name(), Vec::new());
    };
    // What the rate is of, for each ms.
    let work = value * median;
    let of = |times: Vec<f64>| times.into_iter().map(|time| work / time).collect();
    (metric.unit.name(), times.into_iter().map(of).collect())
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
        let launches: Launches =
            each.into_iter().filter(|value| *value > 0.0).map(|value| vec![value]).collect();
        (measured && !launches.is_empty()).then(|| Subject {
            id: format!("{name} {kind} {}/{}", point.ranks, base.ranks),
            benchmark: &study.benchmark,
            unit: EFFICIENCY.unit.name(),
            launches,
            local: Launches::new(),
            methods: Vec::new(),
            case: None,
            failure: None,
        })
    })
}
