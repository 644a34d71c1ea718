//! The configuration of a run, from a file or from flags.
//!
//! A [`Config`] is as written; [`Plan::resolve`](crate::plan::Plan::resolve) validates it and turns it into a plan.
//! Every key is optional. Files are untrusted: bounded in size and depth.

mod chosen;
mod comparison;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::de::value::{self, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer as _};
use serde::{Deserialize, Serialize};

pub use chosen::Chosen;
pub use comparison::{ComparedMetric, ComparisonConfig, SeverityConfig, StatisticalTest};

use crate::base::error::{Error, Result};
use crate::base::files::read_bounded;
use crate::base::serde_words::in_plain_words;
use crate::base::yaml;
use crate::benchmark::Preset;

const FILE_LIMIT: u64 = 1 << 20;

/// A configuration file; flags override it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Files that are read, beside those that other keys name: no output may replace them.
    #[serde(skip)]
    pub inputs: Vec<PathBuf>,
    /// `auto`, `cuda`, `host` or `simulated`.
    pub backend: Option<BackendChoice>,
    /// Let several ranks share a GPU, for trials.
    pub emulate_ranks: Option<bool>,
    /// The machine that `simulated` models: a name or a file.
    pub topology: Option<String>,
    /// Seed of all random numbers.
    pub seed: Option<u64>,
    /// Deadline of the whole run: `5m`, or seconds as a number.
    pub timeout: Option<Quantity>,
    /// How the ranks of a case synchronise the start of an iteration.
    pub protocol: Option<Protocol>,
    /// Continue with the other cases after one fails.
    pub continue_on_error: Option<bool>,
    /// Number of failed cases after which the run stops.
    pub max_failures: Option<u32>,
    /// Deadlines of the steps of a run.
    pub deadlines: DeadlineConfig,
    /// Whether ranks send heartbeats; default `true`.
    pub heartbeats: Option<bool>,
    /// Thread level that MPI is initialised with.
    pub thread_level: Option<ThreadLevel>,
    /// Iterations and time of a case.
    pub benchmarking: Benchmarking,
    /// The mesh of the ranks, and the groups to measure.
    pub mesh: MeshConfig,
    /// A scaling study within one launch.
    pub scaling: ScalingConfig,
    /// Element types: `f32`, `f64`, `i32` …
    pub precision_policies: Option<Vec<String>>,
    /// Problem sizes for the keys that are not set.
    pub preset: Option<Preset>,
    /// Benchmarks: a list of names, or names with their problem sizes; the usual ones if absent.
    #[serde(deserialize_with = "chosen::read")]
    #[schemars(schema_with = "chosen::schema")]
    pub benchmarks: Option<Chosen>,
    /// Only these cases, by id or glob; all if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cases: Option<Vec<String>>,
    /// Folders with kernels of your own, or with such folders.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kernel_paths: Vec<PathBuf>,
    /// Files to write.
    pub output: OutputConfig,
    /// Limits that the results are checked against.
    pub limits: Vec<LimitConfig>,
    /// How sides are compared.
    pub comparison: ComparisonConfig,
    /// Where reports are archived.
    pub history: HistoryConfig,
}

/// Iterations and time of a case.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Benchmarking {
    /// 10 iterations, marked with a caveat; for a first look.
    pub quick: Option<bool>,
    /// Untimed iterations before the timed ones, at least; more until time is flat.
    pub warmup_iterations: Option<u32>,
    /// Valid timed iterations; at most these when there is a precision target.
    pub timing_iterations: Option<u32>,
    /// Operations in a sample; default 1, or 100 if one is too short to time.
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
    /// Repeat the cases for this long.
    pub duration: Option<Quantity>,
    /// Run the cases this many times.
    pub repeat: Option<u32>,
    /// Verify results every this many iterations, besides before the first and after the last. Operations timed on
    /// random data (GEMM on GPUs) are verified before the first only.
    pub check_every: Option<u32>,
    /// Start all ranks this many times, each time for all cases. More than 1 requires that the program starts the
    /// ranks itself.
    pub launches: Option<u32>,
    /// Where sides are compared: cases that are doubtful are measured in up to this many launches; default three
    /// times the launches.
    pub max_launches: Option<u32>,
    /// Confidence of intervals, between 0 and 1.
    pub statistical_significance: Option<f64>,
    /// Coefficient of variation above which a case carries a caveat, percent.
    pub max_variance_percent: Option<f64>,
}

/// Deadlines: `30s`, `10m`, or seconds as a number. Defaults grow with ranks and iterations.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeadlineConfig {
    /// From the start of the process to the first case.
    pub startup: Option<Quantity>,
    /// Creating a communicator.
    pub communicator: Option<Quantity>,
    /// A case.
    pub case: Option<Quantity>,
    /// One wait of a rank for others, or one operation of several ranks.
    pub barrier: Option<Quantity>,
    /// Gathering a case's samples on rank 0 and writing them.
    pub gather: Option<Quantity>,
    /// Longest time without a heartbeat of a rank.
    pub silence: Option<Quantity>,
    /// Grace period of a case after a signal to stop.
    pub stop: Option<Quantity>,
}

/// The thread level that MPI is initialised with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ThreadLevel {
    /// `MPI_THREAD_SINGLE`, as in most benchmarks. Helper threads never call MPI.
    #[default]
    Single,
    /// `MPI_THREAD_FUNNELED`. Latency at 8 bytes rises by half in Open MPI 4.1.
    Funneled,
}

/// The mesh of the ranks, and the groups to measure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MeshConfig {
    /// Sizes of the axes: `tp=2,dp=2`.
    pub shape: Option<String>,
    /// Order of the axes, fastest first: `tp-cp-ep-dp-pp`.
    pub order: Option<String>,
    /// Axes whose groups are measured: `tp`, `tp+dp`, `world`.
    pub axes: Option<Vec<String>>,
    /// Explicit groups instead of axes: `0-3,8-11`.
    pub groups: Option<String>,
    /// Measure the groups of an axis concurrently as well.
    pub concurrent_groups: Option<bool>,
    /// Measure every pair of ranks, in rounds of concurrent pairs: `all`, `batch=4`, `topology`.
    pub pairs: Option<String>,
}

/// A scaling study within one launch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScalingConfig {
    /// `strong` or `weak`.
    pub kind: Option<ScalingKind>,
    /// Numbers of ranks to measure; default: powers of two, and all ranks.
    pub ranks: Option<Vec<usize>>,
}

/// Where reports are archived.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HistoryConfig {
    /// The folder; default `.tesserabench/history`.
    pub folder: Option<PathBuf>,
    /// Days after which reports may be removed; default 365.
    pub retention_days: Option<u64>,
}

/// Files to write.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutputConfig {
    /// The files; the extension selects the format.
    pub files: Option<Vec<PathBuf>>,
    /// The format of files whose ending names none.
    pub format: Option<String>,
}

/// One limit, with exactly one bound. A run that breaks it exits with code 3.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitConfig {
    /// The cases it applies to, by id or glob.
    pub case: String,
    /// The metric: `latency`, `busbw_gbps`, `tflops` …, or `efficiency` for points of scaling studies.
    pub metric: String,
    /// The machine it applies to: a name or a file, as for `--topology`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topology: Option<String>,
    /// Lower bound, in the metric's unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// Upper bound, in the metric's unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// Lower bound as a percentage of the peak of the machine named by `topology`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent_of_ceiling: Option<f64>,
    /// Lower bound as a percentage of the median: of all reports in `analyze`, and of all ranks if each works by
    /// itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent_of_fleet: Option<f64>,
}

/// A number with or without a unit, as written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "a time, such as 5m, 500ms or seconds as a number, or a share, such as 1%"
)]
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
#[serde(untagged, expecting = "a size, a list or a range, such as 64MiB, [8, 16] or 8..64MiB*2")]
pub enum Values {
    /// One number.
    Number(u64),
    /// A size, a list or a range: `64MiB`, `8,16`, `8..64MiB*2`.
    Text(String),
    /// Several of these.
    List(Vec<Values>),
}

impl Values {
    /// All values as comma-separated text.
    pub fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::List(list) => list.iter().map(Self::text).collect::<Vec<_>>().join(","),
        }
    }
}

/// The backend that measures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BackendChoice {
    /// `cuda` if a driver and a GPU are found, else `host`.
    #[default]
    Auto,
    /// NVIDIA GPUs.
    Cuda,
    /// CPU kernels and MPI collectives.
    Host,
    /// A performance model of a machine, in virtual time.
    Simulated,
}

/// How the ranks of a case synchronise the start of an iteration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// All ranks spin until a common start time. Without a common clock, ranks fall back to `barrier`.
    #[default]
    Synchronised,
    /// A barrier before each iteration, as in the OSU benchmarks.
    Barrier,
    /// A barrier before every 20 back-to-back operations, which are timed together (as in nccl-tests), or
    /// individually with `batch: 1` (as in OSU's point-to-point benchmarks).
    #[serde(rename = "back-to-back")]
    BackToBack,
}

/// What stays constant while the number of ranks grows.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ScalingKind {
    /// The total problem; each rank's share shrinks.
    Strong,
    /// The problem per rank; the total grows.
    Weak,
}

impl Config {
    /// Reads a YAML or JSON file (one parser reads both).
    ///
    /// # Errors
    /// Usage error for a file that cannot be read, exceeds the limits, or is malformed; for an unknown key it
    /// suggests the nearest known one.
    pub fn load(path: &Path) -> Result<Self> {
        let text = read_bounded(path, FILE_LIMIT)?;
        let config = Self::parse(&text);
        let config = config.map_err(|why| Error::file("use the configuration", path, why))?;
        Ok(Self { inputs: vec![path.to_owned()], ..config })
    }

    /// Every file that is read.
    pub fn all_inputs(&self) -> impl Iterator<Item = PathBuf> {
        let settings = self.benchmarks.iter().flat_map(Chosen::values).flatten();
        let matrices = settings.filter_map(|settings| settings.get("matrix")).map(Values::text);
        let named = self.topology.iter().cloned().chain(matrices).map(PathBuf::from);
        self.inputs.iter().cloned().chain(named)
    }

    pub(crate) fn parse(text: &str) -> Result<Self> {
        if text.trim().is_empty() { Ok(Self::default()) } else { yaml::read(text) }
    }
}

/// Parses the name of an enum value, the same in flags and files.
///
/// # Errors
/// Usage error that suggests the nearest known name.
pub fn from_name<T: DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    let deserializer: StrDeserializer<'_, value::Error> = text.into_deserializer();
    T::deserialize(deserializer)
        .map_err(|why| Error::usage(format!("{what}: {}", in_plain_words(&why.to_string()))))
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
        let names = Config::parse("benchmarks: [gemm, barrier]").unwrap();
        assert_eq!(names, Config::parse("benchmarks: {gemm: , barrier: }").unwrap());
        assert_eq!(Config::parse("benchmarks:").unwrap(), Config::default());
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let message = error("benchmarking:\n  warmup_iteration: 3\n");
        assert!(message.contains("'warmup_iteration'"), "{message}");
        assert!(message.contains("did you mean 'warmup_iterations'?"), "{message}");
        assert!(error("backend: hosts\n").contains("'host'"));
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
        assert!(message.contains("did you mean 'barrier'?"), "{message}");
    }
}
