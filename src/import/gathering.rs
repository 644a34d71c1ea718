//! From readings to the cases of a report: each named as a run of ours would name it, and checked.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::log::{Outcome, Reading, Setup, Spread, Subject, Took};
use super::printed::{Printed, meet};
use crate::analysis;
use crate::base::accuracy::Accuracy;
use crate::base::caveat::Caveat;
use crate::base::error::{Error, Kind, Result};
use crate::base::failure::CaseError;
use crate::base::plain::plain;
use crate::base::units::{counted, milliseconds, significant};
use crate::benchmark::work::{Element, Placement};
use crate::benchmark::{Benchmark, Counts, Problem, Setting};
use crate::machine::memory::RankMemory;
use crate::plan::config::{Benchmarking, Config, MeshConfig, Values};
use crate::plan::mesh::Group;
use crate::plan::place::Place;
use crate::plan::{Budget, Plan};
use crate::report::{self, Case, Definition, Latency, Measured};

#[derive(Default)]
pub(super) struct Gathering {
    cases: Vec<Gathered>,
    places: HashMap<String, usize>,
    /// Readings of a case that are far apart: how many times, and which.
    unlike: Vec<(f64, String)>,
    /// How many readings have the bus bandwidth under the name of algbw.
    misnamed: usize,
}

/// One case with all its readings.
struct Gathered {
    case: Case,
    tool: &'static str,
    test: String,
    file: String,
    setup: Setup,
    /// Where the first reading stands.
    at: String,
    element: Option<Element>,
    /// Mean times, ns; several where the case was measured several times.
    means: Vec<f64>,
    /// With the iterations of all readings; wrong where one of them is, else left out where one of them is.
    outcome: Outcome,
}

/// How much longer a reading may take than another of the same case until that is said.
const UNLIKE: f64 = 2.0;

impl Gathering {
    /// Adds a reading of a file of `tool`, whose times are `time`.
    pub(super) fn add(
        &mut self,
        (tool, time, file): (&'static str, &str, &str),
        reading: Reading,
    ) -> Result<()> {
        let mut case = planned(tool, &reading)?;
        let element = case.precision;
        let Reading { mut test, subject, mut outcome, setup, at, .. } = reading;
        // Different names can be the same in an id.
        if let Subject::Theirs { name, problem, .. } = subject {
            test = format!("{test}: {name} {problem:?}");
        }
        let mean = match (&outcome, &case.counts) {
            (Outcome::Took(took), Some(counts)) => {
                let (mean, misnamed) = nanos(counts, took)?;
                self.misnamed += usize::from(misnamed);
                mean
            }
            _ => None,
        };
        if mean.is_none() && matches!(outcome, Outcome::Took(_)) {
            let why = format!("{at}: what is printed has too few digits to tell its time");
            outcome = Outcome::LeftOut(why);
        }
        let Some(place) = self.places.get(&case.id) else {
            self.places.insert(case.id.clone(), self.cases.len());
            case.caveats.push(Caveat::Imported { tool: tool.to_owned(), time: time.to_owned() });
            let (means, file) = (mean.into_iter().collect(), file.to_owned());
            self.cases.push(Gathered {
                case,
                tool,
                test,
                file,
                setup,
                at,
                element,
                means,
                outcome,
            });
            return Ok(());
        };
        let known = &mut self.cases[*place];
        known.refuse_unlike(&case.id, (tool, &test, file), &setup, &outcome)?;
        if case.problem.get("bytes").and_then(Setting::number) == Some(0) {
            outcome = Outcome::LeftOut(format!(
                "{} and {at} are both of 0 bytes: sizes that the test has rounded down",
                known.at
            ));
        }
        if let (Some(mean), Some(first)) = (mean, known.means.first()) {
            let times = (mean / first).max(first / mean);
            if times >= UNLIKE {
                let us = [first, &mean].map(|nanos| significant(nanos / 1e3));
                let what = format!(
                    "{}: {} us ({}) and {} us ({at})",
                    known.case.id, us[0], known.at, us[1]
                );
                self.unlike.push((times, what));
            }
        }
        known.means.extend(mean);
        match (&mut known.outcome, outcome) {
            (Outcome::Took(known), Outcome::Took(took)) => {
                known.each.extend(took.each);
                known.checked &= took.checked;
                known.host_peak_bytes = known.host_peak_bytes.max(took.host_peak_bytes);
            }
            (Outcome::Took(_), other) | (Outcome::LeftOut(_), other @ Outcome::Wrong(_)) => {
                known.outcome = other;
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn cases(mut self) -> Result<Vec<Case>> {
        self.unlike.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        if let Some((times, worst)) = self.unlike.first() {
            tracing::warn!(
                "repeated results differ {UNLIKE} times or more in {}, most in {worst}, {times:.1} times; see \
                 whether all were run in the same way",
                counted(self.unlike.len(), "place")
            );
        }
        if self.misnamed > 0 {
            tracing::warn!(
                "algbw is printed as busbw in {}; the rates are those of size and time",
                counted(self.misnamed, "result")
            );
        }
        let budget = Budget::resolve(&Benchmarking::default())?;
        Ok(self.cases.into_iter().map(|gathered| gathered.conclude(&budget)).collect())
    }
}

/// The case of a reading, with what it counts.
fn planned(tool: &str, reading: &Reading) -> Result<Case> {
    match &reading.subject {
        Subject::Theirs { .. } => Ok(foreign(tool, reading)),
        Subject::Ours { benchmark, settings, precision, placement } => {
            own(tool, benchmark, settings.clone(), *precision, *placement, &reading.group)
        }
    }
}

/// Whether a run of ours could measure this on so many ranks.
pub(super) fn is_possible(subject: &Subject, group: &Group) -> bool {
    match subject {
        Subject::Theirs { .. } => true,
        Subject::Ours { benchmark, settings, precision, placement } => {
            own("", benchmark, settings.clone(), *precision, *placement, group).is_ok()
        }
    }
}

/// Most characters of a part of a foreign case's name.
const WORD_LIMIT: usize = 120;

/// The case of a test that only the tool has: `perftest.ib_write_bw/bytes=65536/world:0-1`.
fn foreign(tool: &str, reading: &Reading) -> Case {
    let Reading { subject, group, .. } = reading;
    let Subject::Theirs { name, problem, precision, counts } = subject else {
        return Case::default();
    };
    let word = |setting: &Setting| match setting {
        Setting::Word(text) => Setting::Word(in_an_id(text)),
        number => number.clone(),
    };
    let problem: Problem =
        problem.iter().map(|(key, value)| (in_an_id(key), word(value))).collect();
    let benchmark = format!("{tool}.{}", in_an_id(name));
    let settings: Vec<String> =
        problem.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mut parts = vec![benchmark.clone()];
    parts.extend(precision.map(|element| element.name().to_owned()));
    parts.extend((!settings.is_empty()).then(|| settings.join(",")));
    parts.push(group.to_string());
    Case {
        id: parts.join("/"),
        benchmark,
        problem,
        precision: *precision,
        axis: group.axis.clone(),
        group: group.to_string(),
        participants: group.ranks.clone(),
        group_size: group.ranks.len(),
        counts: Some(*counts),
        ..Case::default()
    }
}

/// A name of the tool's as a part of an id: without what parts ids, and what cannot be printed.
fn in_an_id(text: &str) -> String {
    let fits = |c: char| match c {
        '/' | ',' | '=' | '\\' => '_',
        c if c.is_whitespace() => '_',
        c => c,
    };
    let text = plain(text.trim()).chars().take(WORD_LIMIT).map(fits).collect::<String>();
    if text.is_empty() { "_".to_owned() } else { text }
}

/// The case that a run of ours would make of it.
fn own(
    tool: &str,
    benchmark: &Benchmark,
    mut settings: BTreeMap<String, Values>,
    precision: Option<Element>,
    placement: Option<Placement>,
    group: &Group,
) -> Result<Case> {
    if let Some(placement) = placement {
        let text = Values::Text(placement.name().to_owned());
        settings.insert("placement".to_owned(), text);
    }
    // Its blocks grow with the distance between ranks; ours do not, so this is no case of ours.
    let other_blocks = ["nccl-tests", "rccl-tests"].contains(&tool)
        && benchmark.keys.iter().any(|key| key.name == "spread");
    if other_blocks {
        settings.insert("spread".to_owned(), Values::Number(0));
    }
    let config = Config {
        benchmarks: Some([(benchmark.name.to_string(), Some(settings))].into()),
        precision_policies: precision.map(|element| vec![element.name().to_owned()]),
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
/// that its rounding is all there is. And whether algbw is printed as busbw is.
fn nanos(counts: &Counts, took: &Took) -> Result<(Option<f64>, bool)> {
    let by = |[low, high]: [f64; 2], what: f64| [what / high, what / low];
    // 1e-3: bytes per microsecond are 1e-3 GB/s.
    let bytes = counts.algorithm_bytes.map(|bytes| bytes as f64 * 1e-3);
    let timed = took.time.filter(|time| time.value > 0.0).zip(bytes);
    let algbw = timed.map(|(time, bytes)| by(time.ends(), bytes));
    let printed = took.algbw.map(Printed::ends);
    let busbw = algbw.or(printed).zip(counts.bus_factor);
    let busbw = busbw.map(|(ends, factor)| ends.map(|end| end * factor));
    let theirs = took.busbw.map(Printed::ends);
    // Some builds print the bus bandwidth under both names.
    let both = printed.zip(busbw).filter(|(a, b)| took.time.is_some() && meet(*a, *b));
    if both.is_some() && printed == theirs && algbw.zip(printed).is_some_and(|(a, b)| !meet(a, b)) {
        return Ok((took.time.map(|time| time.value * 1e3), true));
    }
    for (what, ours, theirs) in [("algbw", algbw, printed), ("busbw", busbw, theirs)] {
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
    Ok((us.filter(|us| *us > 0.0).map(|us| us * 1e3), false))
}

fn differs(what: &str, [low, high]: [f64; 2], [from, to]: [f64; 2]) -> Error {
    Error::usage(format!(
        "{what} is printed as {:.6} GB/s, but size and time give {low:.6} to {high:.6}; the file is changed, or \
         its size means something else",
        (from + to) / 2.0
    ))
}

impl Gathered {
    /// Refuses a reading that is no repetition of this case: equal names do not make equal runs.
    fn refuse_unlike(
        &self,
        id: &str,
        (tool, test, file): (&str, &str, &str),
        setup: &Setup,
        outcome: &Outcome,
    ) -> Result<()> {
        let kind = |took: &Took| (took.definition, took.each.is_empty());
        let other_kind = match (outcome, &self.outcome) {
            (Outcome::Took(took), Outcome::Took(known)) => kind(took) != kind(known),
            _ => false,
        };
        let keys: BTreeSet<&str> = setup.keys().chain(self.setup.keys()).copied().collect();
        let said =
            |setup: &Setup, key: &str| setup.get(key).map_or("nothing", String::as_str).to_owned();
        let change = keys.into_iter().find(|key| setup.get(key) != self.setup.get(key));
        let why = if file != self.file {
            format!("{} has it too, and files are runs of their own", self.file)
        } else if (self.tool, &*self.test) != (tool, test) || other_kind {
            format!("{} has it with times of another kind", self.at)
        } else if let Some(key) = change {
            let (now, then) = (said(setup, key), said(&self.setup, key));
            let alone = if self.case.participants.len() == 1 { " (each ran alone)" } else { "" };
            format!(
                "{} has it too, and the {key} differs: {then} there, {now} here{alone}",
                self.at
            )
        } else {
            return Ok(());
        };
        Err(Error::usage(format!(
            "{id}: {why}; import each run into a report of its own, and give all of them to analyze or compare"
        )))
    }

    fn conclude(self, budget: &Budget) -> Case {
        let mut case = self.case;
        match self.outcome {
            Outcome::Wrong(detail) => {
                case.outcome = report::Outcome::Failed;
                let error = CaseError::now(Kind::WrongResult, "verify", detail);
                case.error = Some(CaseError { time: None, ..error });
            }
            Outcome::LeftOut(why) => {
                case.outcome = report::Outcome::Skipped;
                case.reason = Some(why);
            }
            Outcome::Took(took) => {
                let bytes = case.counts.and_then(|counts| counts.algorithm_bytes);
                let elements = bytes.zip(self.element).map(|(bytes, one)| bytes / one.bytes());
                // As many as one rank's result has, of those that the tool compared.
                let checked = elements.filter(|_| took.checked);
                case.accuracy = checked.map(|checked| Accuracy { checked, ..Accuracy::default() });
                case.measured =
                    Some(Box::new(measured(&self.means, took, &case.participants, budget)));
                case.renew_metrics();
            }
        }
        case
    }
}

/// The figures but for the metrics, which follow from the counts.
fn measured(means: &[f64], took: Took, ranks: &[usize], budget: &Budget) -> Measured {
    let of = |nanos: &[f64], definition| {
        let latency = analysis::latency(nanos, definition, budget, 0.0);
        // Nobody knows how well the clocks agreed.
        Latency { clock_error_ms: None, ..latency }
    };
    let mut mean = of(means, took.definition);
    let quantile = |percent| took.quantiles.get(&percent).map(|us| milliseconds(us * 1e3));
    let mut iterations = took.each.len().max(means.len());
    // Those of one reading among several are not those of all.
    if means.len() == 1 {
        [mean.p50, mean.p90, mean.p95, mean.p99] = [50, 90, 95, 99].map(quantile);
        if let Some(spread) = took.spread {
            mean.take(*spread);
            iterations = iterations.max(spread.iterations);
        }
    }
    let (latency, device_time) = match took.definition {
        _ if took.each.is_empty() => (None, None),
        Definition::ByTheTool => (Some(of(&took.each, took.definition)), None),
        _ => {
            let device = of(&took.each, Definition::SlowestDevice);
            (Some(device.clone()), Some(device))
        }
    };
    let memory = ranks.first().zip(took.host_peak_bytes);
    Measured {
        protocol: took.protocol,
        warmup: took.warmup,
        iterations,
        batch: took.batch,
        latency_local: device_time.is_some().then(|| mean.clone()),
        latency: latency.unwrap_or(mean),
        device_time,
        host_time: None,
        memory: memory
            .map(|(&rank, host_peak_bytes)| RankMemory { rank, host_peak_bytes, device: None })
            .into_iter()
            .collect(),
        ..Measured::default()
    }
}

impl Latency {
    /// Takes what a tool says of its iterations. The median stays.
    fn take(&mut self, spread: Spread) {
        let ms = |us: f64| milliseconds(us * 1e3);
        self.min = spread.min.map_or(self.min, ms).min(self.median);
        self.max = spread.max.map_or(self.max, ms).max(self.median);
        self.mean = spread.mean.map_or(self.mean, ms);
        self.std_dev = spread.std_dev.map(ms);
        self.variance = self.std_dev.map(|std_dev| std_dev * std_dev);
        self.cv_percent = self.std_dev.map(|std_dev| 100.0 * std_dev / self.mean);
    }
}
