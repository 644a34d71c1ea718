//! Folders of Criterion, such as `target/criterion`.
//!
//! src/analysis/mod.rs, src/report.rs and src/lib.rs of Criterion say what they hold: of 0.2 to 0.3.3 (0.3.0 is b75386d)
//! samples as a pair of lists, of 0.3.4 (1bf6f4b) to 0.7 (567405d) as an object. What was measured last is in `new`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::folder::Files;
use super::format::{Format, Kind, Origin};
use super::log::{self, Log, Outcome, Reading, Setup, Subject, Took};
use super::printed::Printed;
use crate::base::error::{Error, Result};
use crate::base::serde_words::in_plain_words;
use crate::benchmark::{Counts, Problem, Setting};

/// What names the benchmark, and what holds its samples.
const BENCHMARK: &str = "new/benchmark.json";
const SAMPLES: &str = "new/sample.json";

pub(super) const FORMAT: Format = Format {
    name: "Criterion (its folder)",
    kind: Kind::Folder { files: &[BENCHMARK, SAMPLES], read },
};

/// What its times are.
const TIME: &str = "those of samples, each the mean of the iterations in it";

/// Most samples of all benchmarks.
const SAMPLE_LIMIT: usize = 1 << 24;

#[derive(Deserialize)]
struct Id {
    group_id: String,
    function_id: Option<String>,
    value_str: Option<String>,
    throughput: Option<BTreeMap<String, serde_json::Value>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Samples {
    /// Since 0.3.4.
    Named {
        iters: Vec<f64>,
        times: Vec<f64>,
    },
    Pair(Vec<f64>, Vec<f64>),
}

fn read(files: &Files, _: Origin<'_>) -> Result<Log> {
    let mut log = Log { tool: "criterion", time: TIME.to_owned(), ..Log::default() };
    let folders: BTreeSet<&str> = files
        .keys()
        .filter_map(|path| path.strip_suffix(BENCHMARK).or_else(|| path.strip_suffix(SAMPLES)))
        .collect();
    let mut count = 0;
    for folder in folders {
        let of = |name: &str| files.get(&format!("{folder}{name}"));
        let (Some(id), Some(samples)) = (of(BENCHMARK), of(SAMPLES)) else {
            let missing = if of(SAMPLES).is_none() { SAMPLES } else { BENCHMARK };
            log.cut.get_or_insert_with(|| format!("{folder}{missing} is missing"));
            continue;
        };
        let id: Id = parse(&format!("{folder}{BENCHMARK}"), id)?;
        let at = format!("{folder}{SAMPLES}");
        let samples: Samples = parse(&at, samples)?;
        let outcome =
            samples.outcome().map_err(|why| Error::usage(format!("{at}: {}", why.message)))?;
        if let Outcome::Took(took) = &outcome {
            count += took.each.len();
        }
        if count > SAMPLE_LIMIT {
            return Err(Error::usage(format!("it has more than {SAMPLE_LIMIT} samples")));
        }
        log.add(id.reading(at, outcome)?)?;
    }
    Ok(log)
}

fn parse<T: DeserializeOwned>(path: &str, text: &str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|why| Error::usage(format!("{path}: {}", in_plain_words(&why.to_string()))))
}

impl Samples {
    fn outcome(self) -> Result<Outcome> {
        let (Self::Named { iters, times } | Self::Pair(iters, times)) = self;
        if iters.len() != times.len() {
            return Err(Error::usage(format!(
                "there are {} numbers of iterations and {} times",
                iters.len(),
                times.len()
            )));
        }
        let fits = |value: &f64| (0.0..1e18).contains(value);
        if !times.iter().all(fits) || !iters.iter().all(|count| fits(count) && *count >= 1.0) {
            return Err(Error::usage("a time or a number of iterations is none"));
        }
        let each: Vec<f64> = times.iter().zip(&iters).map(|(time, count)| time / count).collect();
        // Each counts by itself; this only stands for them.
        let mean = each.iter().sum::<f64>() / each.len().max(1) as f64;
        if mean <= 0.0 {
            return Ok(Outcome::LeftOut("its samples are none, or take no time".to_owned()));
        }
        // In flat sampling all are as long.
        let first = iters.first().copied().unwrap_or(1.0);
        let batch = iters.iter().all(|count| *count == first).then_some(first as u32);
        Ok(Outcome::Took(Took {
            batch: batch.filter(|batch| *batch > 0),
            each,
            ..Took::by_the_tool(Some(Printed::with_decimals(mean / 1e3, 9)))
        }))
    }
}

impl Id {
    fn reading(self, at: String, outcome: Outcome) -> Result<Reading> {
        let mut problem = Problem::new();
        let parts = [("function", &self.function_id), ("parameter", &self.value_str)];
        for (key, part) in parts {
            problem.extend(part.as_ref().map(|text| (key.to_owned(), Setting::of(text))));
        }
        let amount = |name: &str| self.throughput.as_ref()?.get(name)?.as_u64();
        let bytes = amount("Bytes").or_else(|| amount("BytesDecimal"));
        let bytes = bytes.or_else(|| Some(amount("Bits")? / 8));
        let counts = Counts {
            algorithm_bytes: bytes.filter(|bytes| *bytes > 0),
            operations_per_run: 1,
            ..Counts::default()
        };
        Ok(Reading {
            test: at.clone(),
            at,
            subject: Subject::Theirs { name: self.group_id, problem, precision: None, counts },
            group: log::world(1)?,
            setup: Setup::new(),
            outcome,
        })
    }
}
