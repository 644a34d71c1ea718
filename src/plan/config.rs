//! Configuration: what may be asked for, from a file, from flags, or from defaults.
//!
//! A [`Config`] is as typed; [`Plan::resolve`](crate::plan::Plan::resolve) makes it a plan. Every key
//! is optional. Files are untrusted: bounded in size and depth.

mod comparison;
mod limits;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::de::{DeserializeOwned, IntoDeserializer as _, value::StrDeserializer};
use serde::{Deserialize, Serialize};

pub use comparison::{ComparedMetric, ComparisonConfig, SeverityConfig, StatisticalTest};
pub use limits::LimitConfig;

use crate::base::error::{Error, Result, nearest};
use crate::base::files::read_bounded;
use crate::benchmark::Preset;

/// Most bytes a configuration file may have.
const FILE_LIMIT: u64 = 1 << 20;

/// Deepest nesting a configuration file may have.
const DEPTH_LIMIT: usize = 32;

/// A configuration file; flags override it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `auto`, `cuda`, `host` or `simulated`.
    pub backend: Option<BackendChoice>,
    /// Let several ranks share a GPU, to try things out.
    pub emulate_ranks: Option<bool>,
    /// The machine that `simulated` computes: a name or a file.
    pub topology: Option<String>,
    /// Seed of all random numbers.
    pub seed: Option<u64>,
    /// Deadline of the whole run, seconds.
    pub timeout: Option<f64>,
    /// How the ranks of a case start together.
    pub protocol: Option<Protocol>,
    /// Go on with the other cases after one fails.
    pub continue_on_error: Option<bool>,
    /// After so many failed cases the others do not run.
    pub max_failures: Option<u32>,
    /// How long things may take.
    pub deadlines: DeadlineConfig,
    /// Whether ranks say where they are while they work: `true` unless said otherwise.
    pub heartbeats: Option<bool>,
    /// How many threads MPI is told of.
    pub thread_level: Option<ThreadLevel>,
    /// How much is measured.
    pub benchmarking: Benchmarking,
    /// The ranks' arrangement and the groups to measure.
    pub mesh: MeshConfig,
    /// A scaling study within the one launch.
    pub scaling: ScalingConfig,
    /// Element types: `f32`, `f64`, `i32` …
    pub precision_policies: Option<Vec<String>>,
    /// Sizes for the keys that are not set.
    pub preset: Option<Preset>,
    /// Benchmarks with their problem sizes; all benchmarks when absent.
    pub benchmarks: Option<BTreeMap<String, Option<BTreeMap<String, Values>>>>,
    /// Files to write.
    pub output: OutputConfig,
    /// What figures must keep to.
    pub limits: Vec<LimitConfig>,
    /// How sides are compared.
    pub comparison: ComparisonConfig,
    /// Where reports are kept over time.
    pub history: HistoryConfig,
}

/// How much is measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Benchmarking {
    /// 10 iterations, marked with a caveat; for a first look.
    pub quick: Option<bool>,
    /// Untimed iterations before the timed ones, at least; more until time is flat.
    pub warmup_iterations: Option<u32>,
    /// Valid timed iterations; at most these when there is a precision target.
    pub timing_iterations: Option<u32>,
    /// Operations in a sample; when absent 1, or 100 where one is too short to time.
    pub batch: Option<u32>,
    /// Measure until the interval of the median is this narrow: half its width as a share of the
    /// median, `1%` or `0.01`.
    pub precision_target: Option<Quantity>,
    /// Quantiles whose intervals must be as narrow, such as 0.95.
    pub precision_quantiles: Option<Vec<f64>>,
    /// Measure each case at least this long: `500ms`, `10s`, or seconds as a number.
    pub min_time: Option<Quantity>,
    /// Measure each case at most this long.
    pub max_time: Option<Quantity>,
    /// Run the cases again and again for so long.
    pub duration: Option<Quantity>,
    /// Run the cases so many times.
    pub repeat: Option<u32>,
    /// Compare results after so many iterations as well, beside before the first and after the last; what is timed on
    /// random data (matrix products on GPUs) is compared before the first only.
    pub check_every: Option<u32>,
    /// Start all ranks so many times, each time for all cases; more than once only where the program starts
    /// the ranks itself.
    pub launches: Option<u32>,
    /// Confidence of intervals, between 0 and 1.
    pub statistical_significance: Option<f64>,
    /// Coefficient of variation above which a case carries a caveat, percent.
    pub max_variance_percent: Option<f64>,
}

/// How long things may take: `30s`, `10m`, or seconds as a number. Defaults grow with ranks and
/// iterations.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeadlineConfig {
    /// From the start until the first case.
    pub startup: Option<Quantity>,
    /// Making a communicator.
    pub communicator: Option<Quantity>,
    /// A case.
    pub case: Option<Quantity>,
    /// One wait of a rank for others, or one operation of several ranks.
    pub barrier: Option<Quantity>,
    /// Bringing a case's samples to rank 0 and to the disk.
    pub gather: Option<Quantity>,
    /// For so long a rank may say nothing.
    pub silence: Option<Quantity>,
    /// For so long a case may go on after a signal asked the run to stop.
    pub stop: Option<Quantity>,
}

/// How many threads MPI is told of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ThreadLevel {
    /// None but the one that calls it, as in most benchmarks; helper threads never call it.
    #[default]
    Single,
    /// Others that do not call it. Open MPI 4.1 then takes half as long again for 8 bytes.
    Funneled,
}

/// The ranks' arrangement and the groups to measure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MeshConfig {
    /// Sizes of the axes: `tp=2,dp=2`.
    pub shape: Option<String>,
    /// The axes from fastest to slowest: `tp-cp-ep-dp-pp`.
    pub order: Option<String>,
    /// Axes whose groups are measured: `tp`, `tp+dp`, `world`.
    pub axes: Option<Vec<String>>,
    /// Groups named by hand instead: `0-3,8-11`.
    pub groups: Option<String>,
    /// Measure the groups of an axis all at once too.
    pub concurrent_groups: Option<bool>,
    /// Measure every pair of ranks, in rounds of pairs that run at once: `all`, `batch=4`, `topology`.
    pub pairs: Option<String>,
}

/// A scaling study within the one launch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScalingConfig {
    /// `strong` or `weak`.
    pub kind: Option<ScalingKind>,
    /// Numbers of ranks to measure; powers of two up to all ranks when absent.
    pub ranks: Option<Vec<usize>>,
}

/// Where reports are kept over time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HistoryConfig {
    /// The folder: `.tesserabench/history` unless said otherwise.
    pub folder: Option<PathBuf>,
    /// Days after which reports may be removed: 365 unless said otherwise.
    pub retention_days: Option<u64>,
}

/// Files to write.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutputConfig {
    /// The files; the format follows from the ending.
    pub files: Option<Vec<PathBuf>>,
    /// The format of files whose ending says nothing: `json`, `csv`, `markdown`.
    pub format: Option<String>,
}

/// A number, or a number with its unit, as written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Quantity {
    /// Without a unit.
    Number(f64),
    /// `1%`, `500ms`, `8h`.
    Text(String),
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// The values of a problem key, as written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Values {
    /// One number.
    Number(u64),
    /// A size, a list or a range: `64MiB`, `8,16`, `8..64MiB*2`.
    Text(String),
    /// Several of these.
    List(Vec<Values>),
}

impl Values {
    /// All of them as one text, parted by commas.
    pub fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::List(list) => list.iter().map(Self::text).collect::<Vec<_>>().join(","),
        }
    }
}

/// Which backend measures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BackendChoice {
    /// The best this machine has: `cuda` where a driver and a GPU are found, else `host`.
    #[default]
    Auto,
    /// NVIDIA GPUs.
    Cuda,
    /// CPU kernels and MPI collectives.
    Host,
    /// A model of a machine, in virtual time.
    Simulated,
}

/// How the ranks of a case start an iteration together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// All spin to a common start time; needs a common clock, else ranks fall back to `barrier`.
    #[default]
    Synchronised,
    /// A barrier before each iteration, as in the OSU benchmarks.
    Barrier,
    /// A barrier before each 20 operations, which follow each other without a pause and are timed as one
    /// (as in nccl-tests), or each by itself with `batch: 1` (as in OSU's between two ranks).
    #[serde(rename = "back-to-back")]
    BackToBack,
}

/// What stays constant while the number of ranks grows.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ScalingKind {
    /// The whole problem: each rank's share shrinks.
    Strong,
    /// Each rank's share: the whole grows.
    Weak,
}

impl Config {
    /// Reads a YAML or JSON file (one parser reads both).
    ///
    /// # Errors
    /// Usage error for a file that cannot be read, is larger or deeper than the limits, is malformed,
    /// or has an unknown key, naming the nearest known one.
    pub fn load(path: &Path) -> Result<Self> {
        let text = read_bounded(path, FILE_LIMIT)?;
        Self::parse(&text).map_err(|why| Error::file("use the configuration", path, why))
    }

    pub(crate) fn parse(text: &str) -> Result<Self> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! {
                max_depth: DEPTH_LIMIT,
            },
            with_snippet: false,
        };
        serde_saphyr::from_str_with_options(text, options)
            .map_err(|why| Error::usage(plain(&why.to_string())))
    }
}

/// The value of an enum that is called `text`: what both flags and files use.
///
/// # Errors
/// Usage error naming the nearest known name.
pub fn from_name<T: DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    let deserializer: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
    T::deserialize(deserializer)
        .map_err(|why| Error::usage(format!("{what}: {}", plain(&why.to_string()))))
}

/// Makes serde's "unknown field `x`, expected one of `a`, `b` at line 2" name the nearest known one.
fn plain(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let (text, place) =
        line.split_once(" at line").map_or((line, ""), |(text, place)| (text, place));
    let Some((head, known)) = text.split_once(", expected ").filter(|_| line.contains("unknown "))
    else {
        return line.to_owned();
    };
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let known = known.split(|c| !is_name(c)).filter(|w| !["", "one", "of", "or"].contains(w));
    match nearest(head.split('`').nth(1).unwrap_or_default(), known) {
        Some(name) if place.is_empty() => format!("{head}; did you mean `{name}`?"),
        Some(name) => format!("{head} at line{place}; did you mean `{name}`?"),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Config::parse(text).unwrap_err().message
    }

    #[test]
    fn yaml_and_json_are_read_alike() {
        let yaml = Config::parse("seed: 7\nbenchmarks:\n  gemm: {m: [512, 1KiB]}\n  barrier:\n");
        let json = Config::parse(
            r#"{"seed": 7, "benchmarks": {"gemm": {"m": [512, "1KiB"]}, "barrier": null}}"#,
        );
        assert_eq!(yaml.unwrap(), json.unwrap());
        assert_eq!(Config::parse("").unwrap(), Config::default());
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let message = error("benchmarking:\n  warmup_iteration: 3\n");
        assert!(message.contains("`warmup_iteration`"), "{message}");
        assert!(message.contains("did you mean `warmup_iterations`?"), "{message}");
        assert!(error("backend: hosts\n").contains("`host`"));
    }

    #[test]
    fn hostile_files_are_refused() {
        let deep = "[".repeat(10_000);
        assert!(error(&format!("benchmarks: {deep}")).len() < 300);
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
        for i in 1..12 {
            let alias = format!("*a{},", i - 1).repeat(9);
            bomb += &format!("a{i}: &a{i} [{}]\n", alias.trim_end_matches(','));
        }
        assert!(error(&bomb).len() < 300);
    }

    #[test]
    fn names_of_enums() {
        assert_eq!(from_name::<Protocol>("--protocol", "barrier").unwrap(), Protocol::Barrier);
        let message = from_name::<Protocol>("--protocol", "barier").unwrap_err().message;
        assert!(message.contains("did you mean `barrier`?"), "{message}");
    }
}
