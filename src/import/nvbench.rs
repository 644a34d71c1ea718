//! The JSON of nvbench (`--json`).
//!
//! Its sources say what it holds: nvbench/json_printer.cu, whose format is 1.0.0 since 26e5119 (2021) and until 2026
//! (66212f1), and the summaries of nvbench/detail/measure_cold.cu, measure_hot.cu and measure_cpu_only.cxx: deviations
//! in seconds since 94fde77 (2025), medians since 0dc93b0 (2026).

use serde::Deserialize;
use serde_json::Value;

use super::format::{Format, Kind, Origin};
use super::log::{self, Log, Outcome, Place, Reading, Spread, Subject, Took};
use super::printed::Printed;
use crate::base::error::{Error, Result};
use crate::base::serde_words::in_plain_words;
use crate::benchmark::{Counts, Problem, Setting};

pub(super) const FORMAT: Format = Format {
    name: "nvbench (--json)",
    kind: Kind::Json { signs: &["\"benchmarks\"", "\"states\"", "\"nvbench\""], read },
};

/// The version of the format that is read.
const VERSION: u64 = 1;

#[derive(Deserialize)]
struct Document {
    meta: Meta,
    devices: Option<Vec<Device>>,
    benchmarks: Option<Vec<Bench>>,
}

#[derive(Deserialize)]
struct Meta {
    version: Versions,
}

#[derive(Deserialize)]
struct Versions {
    json: Number,
    nvbench: Option<Number>,
}

#[derive(Deserialize)]
struct Number {
    major: u64,
    string: Option<String>,
}

#[derive(Deserialize)]
struct Device {
    id: usize,
    name: String,
}

#[derive(Deserialize)]
struct Bench {
    name: String,
    states: Option<Vec<State>>,
}

#[derive(Deserialize)]
struct State {
    name: Option<String>,
    #[serde(default)]
    device: Option<usize>,
    // Null is possible, and nothing is not.
    #[serde(deserialize_with = "Option::deserialize")]
    axis_values: Option<Vec<Named>>,
    #[serde(deserialize_with = "Option::deserialize")]
    summaries: Option<Vec<Summary>>,
    #[serde(default)]
    is_skipped: bool,
    skip_reason: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
    value: Value,
}

#[derive(Deserialize)]
struct Summary {
    tag: String,
    data: Option<Vec<Named>>,
}

/// The kinds of measurement, what the case calls them, and what their times are.
const KINDS: [(&str, Option<&str>, &str); 3] = [
    ("nv/cold/time/gpu", None, "GPU times of isolated runs with an empty cache"),
    (
        "nv/batch/time/gpu",
        Some("batch"),
        "GPU times of runs back to back, whose time is their mean",
    ),
    ("nv/cpu_only/time/cpu", None, "CPU times of benchmarks without a GPU"),
];

fn read(text: &str, _: Origin<'_>) -> Result<Log> {
    log::refuse_large(text)?;
    let document: Document = serde_json::from_str(text).map_err(|why| {
        Error::usage(match why.is_data() {
            true => format!(
                "it is not the JSON of nvbench in version {VERSION}: {}",
                in_plain_words(&why.to_string())
            ),
            false => format!("it is not whole JSON: {why}"),
        })
    })?;
    let Versions { json, nvbench } = document.meta.version;
    if json.major != VERSION {
        return Err(Error::usage(format!(
            "it is the JSON of nvbench in version {}, and only {VERSION} is read",
            json.major
        )));
    }
    let mut log = Log { tool: "nvbench", ..Log::default() };
    log.version = nvbench.and_then(|version| version.string);
    let devices = document.devices.unwrap_or_default();
    for device in &devices {
        if device.id >= log::RANK_LIMIT {
            return Err(Error::usage(format!("{} is no number of a device", device.id)));
        }
        log.places.push(Place {
            rank: device.id,
            group: 0,
            host: String::new(),
            device: device.id,
            pci: None,
            name: device.name.clone(),
            gpu: true,
        });
    }
    let (mut times, mut central) = (Vec::new(), Vec::new());
    for bench in document.benchmarks.unwrap_or_default() {
        let name = log::in_short(bench.name);
        for (state, number) in bench.states.iter().flatten().zip(1..) {
            let at = format!("state {number} of {name}");
            let wrong = |why: Error| Error::usage(format!("{at}: {}", why.message));
            let known = log.readings.len();
            for (prefix, measure, time) in KINDS {
                let Some(took) = state.took(prefix).map_err(wrong)? else { continue };
                if !times.contains(&time) {
                    times.push(time);
                }
                if let Some(name) = took.1.filter(|name| !central.contains(name)) {
                    central.push(name);
                }
                let outcome = Outcome::Took(took.0);
                log.add(state.reading(&name, &at, measure, devices.len(), outcome)?)?;
            }
            if log.readings.len() == known {
                let why = match (state.is_skipped, &state.skip_reason) {
                    (true, Some(reason)) => format!("nvbench has skipped it: {reason}"),
                    (true, None) => "nvbench has skipped it".to_owned(),
                    (false, _) => {
                        log.cut.get_or_insert_with(|| format!("{at} has no times"));
                        format!("{at} has no times")
                    }
                };
                let outcome = Outcome::LeftOut(why);
                log.add(state.reading(&name, &at, None, devices.len(), outcome)?)?;
            }
        }
    }
    log.time = times.join("; ");
    if !central.is_empty() {
        log.time += &format!(" ({})", central.join(" and "));
    }
    Ok(log)
}

impl State {
    /// A figure of it; seconds, where it is a time.
    fn figure(&self, tag: &str) -> Result<Option<f64>> {
        let Some(summary) = self.summaries.iter().flatten().find(|one| one.tag == tag) else {
            return Ok(None);
        };
        let value = summary.data.iter().flatten().find(|named| named.name == "value");
        let Some(Named { value, .. }) = value else { return Ok(None) };
        let number = match value {
            Value::String(text) => text.parse().ok(),
            other => other.as_f64(),
        };
        number.map(Some).ok_or_else(|| Error::usage(format!("{tag} {value} is no number")))
    }

    /// Its time by a kind of measurement, and whether that is a median or a mean.
    fn took(&self, prefix: &str) -> Result<Option<(Took, Option<&'static str>)>> {
        let us = |name: &str| -> Result<Option<f64>> {
            let seconds = self.figure(&format!("{prefix}/{name}"))?;
            Ok(seconds.map(|seconds| 1e6 * seconds).filter(|us| us.is_finite()))
        };
        let (mean, median) = (us("mean")?, us("median")?);
        let Some(time) = median.or(mean) else { return Ok(None) };
        if !(0.0..=1e15).contains(&time) {
            return Err(Error::usage(format!("{time} us is no time")));
        }
        let kind = prefix.rsplit_once("/time/").map_or(prefix, |(kind, _)| kind);
        let samples =
            self.figure(&format!("{kind}/sample_size"))?.filter(|n| (1.0..1e12).contains(n));
        let mut took = Took::by_the_tool(Some(Printed::with_decimals(time, 9)));
        if kind == "nv/batch" {
            took.batch = samples.map(|samples| samples as u32).filter(|count| *count > 0);
            return Ok(Some((took, None)));
        }
        let relative = self.figure(&format!("{prefix}/stdev/relative"))?.zip(mean);
        let relative = relative.map(|(share, mean)| share * mean);
        let std_dev = us("stdev/absolute")?.or(relative).filter(|std_dev| std_dev.is_finite());
        took.spread = Some(Box::new(Spread {
            iterations: samples.map_or(1, |samples| samples as usize),
            min: us("min")?,
            max: us("max")?,
            mean: mean.filter(|mean| *mean > 0.0),
            std_dev: std_dev.filter(|std_dev| *std_dev >= 0.0),
        }));
        let central = if median.is_some() { "medians" } else { "means" };
        Ok(Some((took, Some(central))))
    }

    fn reading(
        &self,
        bench: &str,
        at: &str,
        measure: Option<&str>,
        devices: usize,
        outcome: Outcome,
    ) -> Result<Reading> {
        let mut problem = Problem::new();
        for Named { name, value } in self.axis_values.iter().flatten() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            problem.insert(name.clone(), Setting::of(&text));
        }
        if let Some(measure) = measure {
            problem.insert("measure".to_owned(), Setting::of(measure));
        }
        // The rate is that of the mean, and so are the bytes.
        let mut bytes = None;
        for kind in ["nv/cold", "nv/cpu_only"] {
            let unit = if kind == "nv/cold" { "gpu" } else { "cpu" };
            let rate = self.figure(&format!("{kind}/bw/global/bytes_per_second"))?;
            let mean = self.figure(&format!("{kind}/time/{unit}/mean"))?;
            let moved = rate.zip(mean).map(|(rate, mean)| (rate * mean).round());
            bytes = bytes.or(moved.filter(|bytes| (1.0..1e18).contains(bytes)));
        }
        let counts = Counts {
            memory_traffic_bytes: bytes.map(|bytes| bytes as u64),
            operations_per_run: 1,
            ..Counts::default()
        };
        let device = self.device.unwrap_or(0);
        if device >= log::RANK_LIMIT {
            return Err(Error::usage(format!("{at}: {device} is no number of a device")));
        }
        Ok(Reading {
            at: at.to_owned(),
            test: self.name.clone().unwrap_or_default(),
            subject: Subject::Theirs { name: bench.to_owned(), problem, precision: None, counts },
            group: log::of_devices(vec![device], devices),
            setup: log::Setup::default(),
            outcome,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::Asked;

    #[test]
    fn what_has_no_medians_or_means_names_none() {
        let time_of = |tag: &str| {
            let data = r#"[{"name": "value", "value": "0.001"}]"#;
            let text = format!(
                r#"{{"meta": {{"version": {{"json": {{"major": 1}}}}}},
                    "devices": [{{"id": 0, "name": "GPU"}}],
                    "benchmarks": [{{"name": "b", "states": [{{"name": "s", "device": 0, "is_skipped": false, "axis_values": [],
                    "summaries": [{{"tag": "{tag}", "data": {data}}}]}}]}}]}}"#
            );
            let origin = Origin { file: "nvbench.json", asked: &Asked::default() };
            read(&text, origin).unwrap().time
        };
        assert!(time_of("nv/batch/time/gpu/mean").ends_with("whose time is their mean"));
        assert!(time_of("nv/cold/time/gpu/mean").ends_with("with an empty cache (means)"));
        assert_eq!(time_of("nv/other"), "");
    }
}
