//! The JSON of nccl-tests (`-J`), version 3.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::format::{Format, Kind, Origin};
use super::log::{self, Log, Outcome, Place, Reading, Subject, Took};
use super::nccl_header::nccl_version;
use super::nccl_text::{MEAN, benchmark_of, element, settings};
use super::printed::Printed;
use crate::base::error::{Error, Result};
use crate::base::serde_words::in_plain_words;
use crate::base::units::parse_utc;
use crate::benchmark::work::Placement;
use crate::machine::environment;
use crate::plan::config::Protocol;
use crate::report::Definition;

pub(super) const FORMAT: Format = Format {
    name: "nccl-tests (text, or JSON by -J)",
    kind: Kind::Json { signs: &["\"aggregated_iterations\""], read },
};

/// The versions of the format that are read: nccl-tests 2.17 to 2.19, and 2.20.
const VERSIONS: [u64; 2] = [3, 4];

#[derive(Deserialize)]
struct Document {
    version: u64,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: Vec<String>,
    nccl_version: Option<u64>,
    config: Setup,
    results: Vec<Row>,
    start_time: Option<String>,
    end_time: Option<String>,
}

#[derive(Deserialize)]
struct Setup {
    nthreads: usize,
    ngpus: usize,
    warmup_iters: Option<usize>,
    iterations: Option<u32>,
    aggregated_iterations: Option<u32>,
    /// The first device of each process; the others are not listed.
    #[serde(default)]
    devices: Vec<Place>,
}

#[derive(Deserialize)]
struct Row {
    size: u64,
    #[serde(rename = "type")]
    element: String,
    redop: Option<String>,
    root: Option<String>,
    out_of_place: Option<Half>,
    out_of_place_per_iter: Option<Each>,
    in_place: Option<Half>,
    in_place_per_iter: Option<Each>,
}

/// Numbers are values: what is none is the string "nan".
#[derive(Deserialize)]
struct Half {
    time: Option<Value>,
    alg_bw: Value,
    bus_bw: Value,
    nwrong: Option<Value>,
}

#[derive(Deserialize)]
struct Each {
    #[serde(default)]
    skipped_iterations: usize,
    times_us: Vec<f64>,
}

fn read(text: &str, Origin { asked, .. }: Origin<'_>) -> Result<Log> {
    let other = |why: &str| {
        Error::usage(format!(
            "it is not the output of nccl-tests -J in version {} or {}: {why}; if it is of another version, import the \
             text that the same run printed",
            VERSIONS[0], VERSIONS[1]
        ))
    };
    let document: Document = serde_json::from_str(text).map_err(|why| match why.is_data() {
        true => other(&in_plain_words(&why.to_string())),
        false => Error::usage(format!("it is not whole JSON: {why}")),
    })?;
    if !VERSIONS.contains(&document.version) {
        return Err(other(&format!("its version is {}", document.version)));
    }
    let variables = document.env.iter().filter_map(|pair| pair.split_once('='));
    let variables = variables.filter(|(name, _)| environment::is_recorded(name));
    let nccl = document.nccl_version.map(|code| ("nccl".to_owned(), nccl_version(code)));
    let mut log = Log {
        tool: "nccl-tests",
        time: MEAN.to_owned(),
        checks: true,
        libraries: nccl.into_iter().collect(),
        variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        ..Log::default()
    };
    let utc = |time: &str| {
        let time = format!("{}Z", time.replacen(' ', "T", 1));
        parse_utc(&time).map(|_| time)
    };
    let ends = document.start_time.as_deref().zip(document.end_time.as_deref());
    log.times = ends.and_then(|(start, end)| Some([utc(start)?, utc(end)?]));
    if document.end_time.is_none() {
        log.cut = Some("the test did not end: rows may be missing".to_owned());
    }
    let setup = &document.config;
    let each = setup.nthreads.checked_mul(setup.ngpus).filter(|each| *each > 0);
    let each =
        each.ok_or_else(|| Error::usage("its numbers of threads and GPUs are 0 or too large"))?;
    let group = log::group_of(&setup.devices, each, asked)?;
    log.keep_places(setup.devices.clone());
    let benchmark = benchmark_of(asked, document.args.first().map(String::as_str))?;
    for (row, number) in document.results.iter().zip(1..) {
        let halves = [
            (Placement::Out, &row.out_of_place, &row.out_of_place_per_iter),
            (Placement::In, &row.in_place, &row.in_place_per_iter),
        ];
        for (placement, half, each) in halves {
            let Some(half) = half else { continue };
            let at = format!("result {number}");
            let wrong = |why: Error| Error::usage(format!("{at}: {}", why.message));
            let root = row.root.as_deref().map(str::trim);
            let settings = settings(benchmark, row.size, row.redop.as_deref(), root);
            log.add(Reading {
                at: at.clone(),
                test: benchmark.name.to_string(),
                subject: Subject::Ours {
                    benchmark,
                    settings: settings.map_err(wrong)?,
                    precision: Some(element(&row.element).map_err(wrong)?),
                    placement: Some(placement),
                },
                group: group.clone(),
                setup: log::Setup::default(),
                outcome: setup.outcome(half, each.as_ref()).map_err(wrong)?,
            })?;
        }
    }
    Ok(log)
}

impl Setup {
    fn outcome(&self, half: &Half, each: Option<&Each>) -> Result<Outcome> {
        let number = |value: &Value| {
            let number = value.as_f64().filter(|number| *number >= 0.0);
            let number =
                number.ok_or_else(|| Error::usage(format!("{value} is no time or rate")))?;
            Ok::<_, Error>(Printed::with_decimals(number, 6))
        };
        let errors = half.nwrong.as_ref().and_then(Value::as_f64).filter(|errors| *errors > 0.0);
        if let Some(errors) = errors {
            return Ok(Outcome::Wrong(format!("elements found wrong: {errors}")));
        }
        if let Some(text) = [Some(&half.alg_bw), Some(&half.bus_bw), half.time.as_ref()]
            .into_iter()
            .flatten()
            .find(|value| value.is_string())
        {
            return Ok(Outcome::LeftOut(format!("a time or rate of it is {text}")));
        }
        let loops =
            self.iterations.and_then(|n| n.checked_mul(self.aggregated_iterations.unwrap_or(1)));
        let counted = each
            .map_or(&[][..], |each| each.times_us.get(each.skipped_iterations..).unwrap_or(&[]));
        if let Some(wrong) = counted.iter().find(|time| !(0.0..1e12).contains(*time)) {
            return Err(Error::usage(format!("{wrong} us is no time of an iteration")));
        }
        Ok(Outcome::Took(Took {
            definition: Definition::MeanOfRanksAndIterations,
            protocol: Protocol::BackToBack,
            batch: if counted.is_empty() { loops } else { self.aggregated_iterations },
            warmup: self.warmup_iters,
            time: half.time.as_ref().map(number).transpose()?,
            algbw: Some(number(&half.alg_bw)?),
            busbw: Some(number(&half.bus_bw)?),
            each: counted.iter().map(|us| us * 1e3).collect(),
            spread: None,
            quantiles: BTreeMap::new(),
            host_peak_bytes: None,
            checked: half.nwrong.as_ref().is_some_and(Value::is_number),
        }))
    }
}
