//! From readings to the cases of a report: each named as a run of ours would name it, and checked.

use std::collections::HashMap;

use super::log::{Outcome, Reading, Took};
use super::printed::{Printed, meet};
use crate::analysis;
use crate::base::caveat::Caveat;
use crate::base::error::{Error, Kind, Result};
use crate::base::failure::CaseError;
use crate::base::units::milliseconds;
use crate::benchmark::{Counts, Setting};
use crate::plan::config::{Benchmarking, Config, MeshConfig, Values};
use crate::plan::place::Place;
use crate::plan::{Budget, Plan};
use crate::report::{self, Case, Definition, Latency, Measured};

#[derive(Default)]
pub(super) struct Gathering {
    cases: Vec<Gathered>,
    places: HashMap<String, usize>,
}

/// One case with all its readings.
struct Gathered {
    case: Case,
    tool: &'static str,
    test: String,
    /// Mean times, ns; several where the case was measured several times.
    means: Vec<f64>,
    /// With the iterations of all readings; wrong where one of them is.
    outcome: Outcome,
}

impl Gathering {
    /// Adds a reading of `tool`, whose times are `time`.
    pub(super) fn add(&mut self, tool: &'static str, time: &str, reading: Reading) -> Result<()> {
        let mut case = planned(tool, &reading)?;
        let mean = match (&reading.outcome, &case.counts) {
            (Ok(took), Some(counts)) => nanos(counts, took)?,
            _ => None,
        };
        let Reading { test, outcome, .. } = reading;
        let Some(place) = self.places.get(&case.id) else {
            self.places.insert(case.id.clone(), self.cases.len());
            case.caveats.push(Caveat::Imported { tool: tool.to_owned(), time: time.to_owned() });
            let means = mean.into_iter().collect();
            self.cases.push(Gathered { case, tool, test, means, outcome });
            return Ok(());
        };
        let known = &mut self.cases[*place];
        let kind = |took: &Took| (took.definition, took.each.is_empty());
        let other = match (&outcome, &known.outcome) {
            (Ok(took), Ok(known)) => kind(took) != kind(known),
            _ => false,
        };
        if (known.tool, &known.test) != (tool, &test) || other {
            return Err(Error::usage(format!(
                "{} is there already with times of another kind; import it into a report of its own",
                case.id
            )));
        }
        known.means.extend(mean);
        match (&mut known.outcome, outcome) {
            (Ok(known), Ok(took)) => known.each.extend(took.each),
            (Ok(_), wrong) => known.outcome = wrong,
            (Err(_), _) => {}
        }
        Ok(())
    }

    pub(super) fn cases(self) -> Result<Vec<Case>> {
        let budget = Budget::resolve(&Benchmarking::default())?;
        Ok(self.cases.into_iter().map(|gathered| gathered.conclude(&budget)).collect())
    }
}

/// The case that a run of ours would make of it, with what it counts.
fn planned(tool: &str, reading: &Reading) -> Result<Case> {
    let Reading { benchmark, group, .. } = reading;
    let mut settings = reading.settings.clone();
    if let Some(placement) = reading.placement {
        let text = Values::Text(placement.name().to_owned());
        settings.insert("placement".to_owned(), text);
    }
    // Its blocks grow with the distance between ranks; ours do not, so this is no case of ours.
    let other_blocks =
        tool == "nccl-tests" && benchmark.keys.iter().any(|key| key.name == "spread");
    if other_blocks {
        settings.insert("spread".to_owned(), Values::Number(0));
    }
    let config = Config {
        benchmarks: Some([(benchmark.name.to_string(), Some(settings))].into()),
        precision_policies: reading.precision.map(|element| vec![element.name().to_owned()]),
        mesh: MeshConfig {
            groups: Some(group.rank_ranges().replace(',', "+")),
            ..MeshConfig::default()
        },
        ..Config::default()
    };
    let ranks = group.ranks.iter().max().map_or(0, |last| last + 1);
    let mut plan = Plan::resolve(&config, &Place::on_one_node(ranks))?;
    let many = || Error::usage("it is more than one case");
    let mut case = plan.cases.pop().filter(|_| plan.cases.is_empty()).ok_or_else(many)?;
    case.work.check(group.ranks.len())?;
    let mut counts = case.work.counts(group.ranks.len());
    if other_blocks {
        // What it prints is what the rank with the most has.
        counts.algorithm_bytes = case.problem.get("bytes").and_then(Setting::number);
        case.problem.insert("spread".to_owned(), Setting::Word(tool.to_owned()));
        case.id = case.id.replacen("spread=0", &format!("spread={tool}"), 1);
    }
    // The plan calls groups that are named by hand so; the axis is what the file says.
    if let Some(rest) = case.id.strip_suffix(&case.group.to_string()) {
        case.id = format!("{rest}{group}");
    }
    case.group = group.clone();
    Ok(Case::empty(&case, counts))
}

/// The time of one operation, ns, once all that is printed fits together; `None` where it is so short
/// that its rounding is all there is.
fn nanos(counts: &Counts, took: &Took) -> Result<Option<f64>> {
    let by = |[low, high]: [f64; 2], what: f64| [what / high, what / low];
    // 1e-3: bytes per microsecond are 1e-3 GB/s.
    let bytes = counts.algorithm_bytes.map(|bytes| bytes as f64 * 1e-3);
    let timed = took.time.filter(|time| time.value > 0.0).zip(bytes);
    let algbw = timed.map(|(time, bytes)| by(time.ends(), bytes));
    let printed = took.algbw.map(Printed::ends);
    let busbw = algbw.or(printed).zip(counts.bus_factor);
    let busbw = busbw.map(|(ends, factor)| ends.map(|end| end * factor));
    for (what, ours, theirs) in
        [("algbw", algbw, printed), ("busbw", busbw, took.busbw.map(Printed::ends))]
    {
        if let (Some(ours), Some(theirs)) = (ours, theirs)
            && !meet(ours, theirs)
        {
            return Err(differs(what, ours, theirs));
        }
    }
    let us = match (took.time, took.algbw, bytes) {
        (Some(time), ..) => Some(time.value),
        (None, Some(algbw), Some(bytes)) if algbw.is_fine() => Some(bytes / algbw.value),
        _ => None,
    };
    Ok(us.filter(|us| *us > 0.0).map(|us| us * 1e3))
}

fn differs(what: &str, [low, high]: [f64; 2], [from, to]: [f64; 2]) -> Error {
    Error::usage(format!(
        "{what} is printed as {:.6} GB/s, but size and time give {low:.6} to {high:.6}; the file is changed, or \
         its size means something else",
        (from + to) / 2.0
    ))
}

impl Gathered {
    fn conclude(self, budget: &Budget) -> Case {
        let mut case = self.case;
        match self.outcome {
            Err(detail) => {
                case.outcome = report::Outcome::Failed;
                let error = CaseError::now(Kind::WrongResult, "verify", detail);
                case.error = Some(CaseError { time: None, ..error });
            }
            Ok(_) if self.means.is_empty() => {
                case.outcome = report::Outcome::Skipped;
                case.reason =
                    Some("what is printed has too few digits to tell its time".to_owned());
            }
            Ok(took) => {
                case.measured = Some(measured(&self.means, took, budget));
                case.renew_metrics();
            }
        }
        case
    }
}

/// The figures but for the metrics, which follow from the counts.
fn measured(means: &[f64], took: Took, budget: &Budget) -> Measured {
    let of = |nanos: &[f64], definition| {
        let latency = analysis::latency(nanos, definition, budget, 0.0);
        // Nobody knows how well the clocks agreed.
        Latency { clock_error_ms: None, ..latency }
    };
    let mut mean = of(means, took.definition);
    let quantile = |percent| took.quantiles.get(&percent).map(|us| milliseconds(us * 1e3));
    // Those of one reading among several are not those of all.
    if means.len() == 1 {
        [mean.p50, mean.p90, mean.p95, mean.p99] = [50, 90, 95, 99].map(quantile);
    }
    let (latency, local) = if took.each.is_empty() {
        (mean, None)
    } else {
        (of(&took.each, Definition::SlowestDevice), Some(mean))
    };
    Measured {
        protocol: took.protocol,
        warmup: took.warmup,
        iterations: took.each.len().max(means.len()),
        batch: took.batch,
        device_time: local.as_ref().map(|_| latency.clone()),
        latency_local: local,
        latency,
        ..Measured::default()
    }
}
