//! From readings to the cases of a report: each named as a run of ours would name it, and checked.

use std::collections::HashMap;

use super::log::{Outcome, Rates, Reading, Took};
use super::printed::{Printed, meet};
use crate::analysis;
use crate::base::caveat::Caveat;
use crate::base::error::{Error, Kind, Result};
use crate::base::failure::CaseError;
use crate::base::units::milliseconds;
use crate::benchmark::work::Work;
use crate::benchmark::{Counts, Setting};
use crate::plan::config::{Config, MeshConfig, Values};
use crate::plan::place::Place;
use crate::plan::{self, Budget, Plan};
use crate::report::{self, Case, Definition, Latency, Measured, Metrics};

/// Most ranks of an alltoallv whose every block is looked at.
const BLOCK_LIMIT: usize = 1024;

#[derive(Default)]
pub(super) struct Gathering {
    cases: Vec<Gathered>,
    places: HashMap<String, usize>,
}

/// One case with all its readings.
struct Gathered {
    case: plan::Case,
    /// With the confidence of intervals.
    budget: Budget,
    tool: &'static str,
    test: String,
    time: String,
    counts: Counts,
    /// Mean times, ns; several where the case was measured several times.
    means: Vec<f64>,
    took: Option<Took>,
    wrong: Option<String>,
}

impl Gathering {
    /// Adds a reading of `tool`, whose times are `time`.
    pub(super) fn add(&mut self, tool: &'static str, time: &str, reading: Reading) -> Result<()> {
        let (case, budget) = planned(tool, &reading)?;
        let counts = counts(tool, &reading, &case)?;
        let place = *self.places.entry(case.id.clone()).or_insert_with(|| {
            let (test, time) = (reading.test.clone(), time.to_owned());
            let (means, took, wrong) = (Vec::new(), None, None);
            let new = Gathered { case, budget, tool, test, time, counts, means, took, wrong };
            self.cases.push(new);
            self.cases.len() - 1
        });
        let known = &mut self.cases[place];
        let kind = |took: &Took| (took.definition, took.each.is_empty());
        let other = match (&reading.outcome, &known.took) {
            (Outcome::Took(took), Some(known)) => kind(took) != kind(known),
            _ => false,
        };
        if (known.tool, &known.test) != (tool, &reading.test) || other {
            return Err(Error::usage(format!(
                "{} is there already with times of another kind; import it into a report of its own",
                known.case.id
            )));
        }
        match reading.outcome {
            Outcome::Wrong(what) => known.wrong = Some(what),
            Outcome::Took(took) => {
                known.means.extend(nanos(&known.counts, &took.rates)?);
                match &mut known.took {
                    Some(known) => known.each.extend(took.each),
                    None => known.took = Some(*took),
                }
            }
        }
        Ok(())
    }

    pub(super) fn cases(self) -> Vec<Case> {
        self.cases.into_iter().map(Gathered::conclude).collect()
    }
}

/// The case that a run of ours would make of it.
fn planned(tool: &str, reading: &Reading) -> Result<(plan::Case, Budget)> {
    let group = &reading.group;
    let name = reading.benchmark.name.to_string();
    let mut settings = reading.settings.clone();
    if let Some(placement) = reading.placement {
        let text = Values::Text(placement.name().to_owned());
        settings.insert("placement".to_owned(), text);
    }
    // Its blocks grow with the distance between ranks; ours do not, so this is no case of ours.
    let other_blocks = (&*reading.benchmark.name, tool) == ("alltoallv", "nccl-tests");
    if other_blocks {
        settings.insert("spread".to_owned(), Values::Number(0));
    }
    let config = Config {
        benchmarks: Some([(name, Some(settings))].into()),
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
    if other_blocks {
        case.problem.insert("spread".to_owned(), Setting::Word(tool.to_owned()));
        case.id = case.id.replacen("spread=0", &format!("spread={tool}"), 1);
    }
    // The plan calls groups that are named by hand so; the axis is what the file says.
    if let Some(rest) = case.id.strip_suffix(&case.group.to_string()) {
        case.id = format!("{rest}{group}");
    }
    case.group = group.clone();
    Ok((case, plan.budget))
}

/// What the case counts, as the tool does.
fn counts(tool: &str, reading: &Reading, case: &plan::Case) -> Result<Counts> {
    let ranks = case.group.ranks.len();
    case.work.check(ranks)?;
    match (&*reading.benchmark.name, tool, &case.work) {
        // nccl-tests prints what the rank with the most has, and OSU's blocks are equal.
        ("alltoallv", "nccl-tests" | "osu", Work::Exchange(exchange)) => Ok(Counts {
            algorithm_bytes: case.problem.get("bytes").and_then(Setting::number),
            bus_factor: exchange.bus_factor(ranks),
            operations_per_run: exchange.operations(),
            communicates: true,
            ..Counts::default()
        }),
        ("alltoallv", ..) if ranks > BLOCK_LIMIT => {
            Err(Error::usage(format!("alltoallv of more than {BLOCK_LIMIT} ranks")))
        }
        _ => Ok(case.work.counts(ranks)),
    }
}

/// The time of one operation, ns, once all that is printed fits together; `None` where it is so short
/// that its rounding is all there is.
fn nanos(counts: &Counts, rates: &Rates) -> Result<Option<f64>> {
    let by = |[low, high]: [f64; 2], what: f64| [what / high, what / low];
    // 1e-3: bytes per microsecond are 1e-3 GB/s.
    let bytes = counts.algorithm_bytes.map(|bytes| bytes as f64 * 1e-3);
    let algbw = match (rates.time, bytes) {
        (Some(time), Some(bytes)) if time.value > 0.0 => Some(by(time.ends(), bytes)),
        _ => None,
    };
    let printed = rates.algbw.map(Printed::ends);
    if let (Some(ours), Some(theirs)) = (algbw, printed)
        && !meet(ours, theirs)
    {
        return Err(differs("algbw", ours, theirs));
    }
    if let (Some(of), Some(theirs), Some(factor)) =
        (algbw.or(printed), rates.busbw, counts.bus_factor)
    {
        let ours = of.map(|end| end * factor);
        if !meet(ours, theirs.ends()) {
            return Err(differs("busbw", ours, theirs.ends()));
        }
    }
    let us = match (rates.time, rates.algbw, bytes) {
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
    fn conclude(self) -> Case {
        let caveat = Caveat::Imported { tool: self.tool.to_owned(), time: self.time };
        let mut result = Case::empty(&self.case, self.counts);
        result.caveats.push(caveat);
        match (self.wrong, self.took) {
            (Some(detail), _) => {
                result.outcome = report::Outcome::Failed;
                let error = CaseError::now(Kind::WrongResult, "verify", detail);
                result.error = Some(CaseError { time: None, ..error });
            }
            (None, Some(took)) if !self.means.is_empty() => {
                result.measured = Some(measured(&self.means, took, &self.budget));
                result.renew_metrics();
            }
            (None, _) => {
                result.outcome = report::Outcome::Skipped;
                result.reason =
                    Some("what is printed has too few digits to tell its time".to_owned());
            }
        }
        result
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
        invalid: 0,
        batch: took.batch,
        warmup_seconds: None,
        measuring_seconds: None,
        device_time: local.as_ref().map(|_| latency.clone()),
        latency_local: local,
        per_rank: Vec::new(),
        skew: None,
        metrics: Metrics::default(),
        overlap: None,
        telemetry: Vec::new(),
        memory: Vec::new(),
        latency,
    }
}
