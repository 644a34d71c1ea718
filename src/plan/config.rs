//! The configuration of a run, from a file or from flags.
//!
//! A [`Config`] is as written; [`Plan::resolve`](crate::plan::Plan::resolve) validates it and turns it into a plan.
//! Every key is optional. Files are untrusted: bounded in size and depth.

mod capacity;
mod chosen;
mod commented;
mod comparison;
mod hardware;
mod older;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::de::value::{self, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer as _};
use serde::{Deserialize, Serialize};

pub use capacity::CapacityConfig;
pub use chosen::Chosen;
pub use commented::commented;
pub use comparison::{ComparedMetric, ComparisonConfig, SeverityConfig, StatisticalTest};
pub use hardware::{Found, HardwareConfig};

use crate::base::error::{Error, Result};
use crate::base::files::read_bounded;
use crate::base::serde_words::in_plain_words;
use crate::base::yaml;

const FILE_LIMIT: u64 = 1 << 20;

/// How files end; a name without any ending is as good.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// A configuration file; flags override it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Files that are read, beside those that other keys name: no output may replace them.
    #[serde(skip)]
    pub inputs: Vec<PathBuf>,
    /// What the run is called; shown with its results.
    #[schemars(example = &"nightly")]
    pub name: Option<String>,
    /// What it is for, in a sentence.
    #[schemars(example = &"Two nodes after the driver's update")]
    pub description: Option<String>,
    /// The hardware, which is found out.
    pub hardware: HardwareConfig,
    /// `auto`, `cuda`, `host` or `simulated`.
    pub backend: Option<BackendChoice>,
    /// Let several ranks share a GPU, for trials.
    pub emulate_ranks: Option<bool>,
    /// The machine that `simulated` models: a name or a file.
    #[schemars(example = &"dgx-h100")]
    pub topology: Option<String>,
    /// Seed of all random numbers.
    #[schemars(example = 1)]
    pub seed: Option<u64>,
    /// Whether the best form of a kernel is searched before it is measured, where it has several; default `true`, and
    /// `false` for a quick run.
    #[serde(alias = "autotuning_enabled")]
    pub autotuning: Option<bool>,
    /// Deadline of the whole run: `5m`, or seconds as a number.
    #[serde(alias = "timeout_seconds")]
    #[schemars(example = &"5m")]
    pub timeout: Option<Quantity>,
    /// How the ranks of a case synchronise the start of an iteration.
    pub protocol: Option<Protocol>,
    /// Continue with the other cases after one fails.
    pub continue_on_error: Option<bool>,
    /// Number of failed cases after which the run stops.
    #[schemars(example = 3)]
    pub max_failures: Option<u32>,
    /// Deadlines of the steps of a run.
    pub deadlines: DeadlineConfig,
    /// Whether ranks send heartbeats; default `true`.
    pub heartbeats: Option<bool>,
    /// Thread level that MPI is initialised with.
    pub thread_level: Option<ThreadLevel>,
    /// What a rank may fill, for sizes that are words, such as `max` and `l2`; asked of the machine if absent.
    pub capacity: CapacityConfig,
    /// Iterations and time of a case.
    pub benchmarking: Benchmarking,
    /// The mesh of the ranks, and the groups to measure.
    pub mesh: MeshConfig,
    /// A scaling study within one launch.
    pub scaling: ScalingConfig,
    /// Element types: `f32`, `f64`, `i32` …
    #[serde(alias = "precision")]
    #[schemars(example = ["f32", "f64"])]
    pub precision_policies: Option<Vec<String>>,
    /// How much the assembler optimises kernels for GPUs: `O0` to `O3`, each in cases of its own; default `O3`.
    #[serde(alias = "ir_optimization_levels")]
    #[schemars(example = ["O0", "O3"])]
    pub optimization_levels: Option<Vec<String>>,
    /// Problem sizes for the keys that are not set: `small`, `medium`, `large`, or what the benchmarks have besides.
    #[schemars(example = &"large")]
    pub preset: Option<String>,
    /// Benchmarks: a list of names, or names with their problem sizes; the usual ones if absent.
    #[serde(deserialize_with = "chosen::read")]
    #[schemars(schema_with = "chosen::schema")]
    #[schemars(example = ["all_reduce", "gemm"])]
    pub benchmarks: Option<Chosen>,
    /// The figures that are shown, by the names of metrics or `throughput`, `memory_bandwidth`, `compute_utilization`,
    /// `energy`, `occupancy`, `accuracy`; all if absent. The report holds all in any case.
    #[serde(alias = "measurements")]
    #[schemars(example = ["latency", "energy"])]
    pub measure: Option<Vec<String>>,
    /// Only these cases, by id or glob; all if absent.
    #[schemars(example = ["all_reduce/f32/*"])]
    pub cases: Option<Vec<String>>,
    /// Folders with kernels of your own, or with such folders.
    #[schemars(example = ["my-kernels"])]
    pub kernel_paths: Vec<PathBuf>,
    /// Files to write.
    pub output: OutputConfig,
    /// Limits that the results are checked against.
    #[schemars(example = LimitConfig::example())]
    pub limits: Vec<LimitConfig>,
    /// How sides are compared.
    pub comparison: ComparisonConfig,
    /// Where reports are archived.
    pub history: HistoryConfig,
    /// A file for each; a key of older documents, like the next: none of them is left once a file is read.
    #[serde(skip_serializing)]
    #[schemars(skip)]
    pub output_formats: Option<Vec<String>>,
    /// Ranks along `tp`.
    #[serde(skip_serializing)]
    #[schemars(skip)]
    pub tensor_parallel_size: Option<u32>,
    /// Ranks along `dp`.
    #[serde(skip_serializing)]
    #[schemars(skip)]
    pub data_parallel_size: Option<u32>,
    /// Ranks along `pp`.
    #[serde(skip_serializing)]
    #[schemars(skip)]
    pub pipeline_parallel_size: Option<u32>,
}

/// Iterations and time of a case.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Benchmarking {
    /// 10 iterations, marked with a caveat; for a first look.
    pub quick: Option<bool>,
    /// Untimed iterations before the timed ones, at least; more until time is flat.
    #[schemars(example = 5)]
    pub warmup_iterations: Option<u32>,
    /// Valid timed iterations; at most these when there is a precision target.
    #[schemars(example = 100)]
    pub timing_iterations: Option<u32>,
    /// Operations in a sample; default 1, or 100 if one is too short to time.
    #[schemars(example = 1)]
    pub batch: Option<u32>,
    /// Measure until the interval of the median is this narrow: half its width as a share of the
    /// median, `1%` or `0.01`.
    #[schemars(example = &"1%")]
    pub precision_target: Option<Quantity>,
    /// Quantiles whose intervals must be as narrow, such as 0.95.
    #[schemars(example = [0.95])]
    pub precision_quantiles: Option<Vec<f64>>,
    /// Measure each case at least this long: `500ms`, `10s`, or seconds as a number.
    #[schemars(example = &"500ms")]
    pub min_time: Option<Quantity>,
    /// Measure each case at most this long.
    #[schemars(example = &"10s")]
    pub max_time: Option<Quantity>,
    /// Repeat the cases for this long.
    #[schemars(example = &"8h")]
    pub duration: Option<Quantity>,
    /// Run the cases this many times.
    #[schemars(example = 3)]
    pub repeat: Option<u32>,
    /// Verify results every this many iterations, besides before the first and after the last. Operations timed on
    /// random data (GEMM on GPUs) are verified before the first only.
    #[schemars(example = 100)]
    pub check_every: Option<u32>,
    /// Start all ranks this many times, each time for all cases. More than 1 requires that the program starts the
    /// ranks itself.
    #[schemars(example = 5)]
    pub launches: Option<u32>,
    /// Where sides are compared: cases that are doubtful are measured in up to this many launches; default three
    /// times the launches.
    #[schemars(example = 15)]
    pub max_launches: Option<u32>,
    /// Confidence of intervals, between 0 and 1.
    #[schemars(example = 0.95)]
    pub statistical_significance: Option<f64>,
    /// Coefficient of variation above which a case carries a caveat, percent.
    #[schemars(example = 5.0)]
    pub max_variance_percent: Option<f64>,
    /// See `autotuning`; a key of older documents, like the next.
    #[serde(skip_serializing)]
    #[schemars(skip)]
    pub autotuning_enabled: Option<bool>,
    /// See `timeout`.
    #[serde(skip_serializing)]
    #[schemars(skip)]
    pub timeout_seconds: Option<Quantity>,
}

/// Deadlines: `30s`, `10m`, or seconds as a number. Defaults grow with ranks and iterations.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeadlineConfig {
    /// From the start of the process to the first case.
    #[schemars(example = &"5m")]
    pub startup: Option<Quantity>,
    /// Creating a communicator.
    #[schemars(example = &"60s")]
    pub communicator: Option<Quantity>,
    /// A case.
    #[schemars(example = &"10m")]
    pub case: Option<Quantity>,
    /// One wait of a rank for others, or one operation of several ranks.
    #[schemars(example = &"60s")]
    pub barrier: Option<Quantity>,
    /// Gathering a case's samples on rank 0 and writing them.
    #[schemars(example = &"60s")]
    pub gather: Option<Quantity>,
    /// Longest time without a heartbeat of a rank.
    #[schemars(example = &"60s")]
    pub silence: Option<Quantity>,
    /// Grace period of a case after a signal to stop.
    #[schemars(example = &"5s")]
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
    #[schemars(example = &"tp=2,dp=2")]
    pub shape: Option<String>,
    /// Order of the axes, fastest first: `tp-cp-ep-dp-pp`.
    #[schemars(example = &"tp-cp-ep-dp-pp")]
    pub order: Option<String>,
    /// Axes whose groups are measured: `tp`, `tp+dp`, `world`.
    #[schemars(example = ["tp", "dp", "world"])]
    pub axes: Option<Vec<String>>,
    /// Explicit groups instead of axes: `0-3,8-11`.
    #[schemars(example = &"0-3,8-11")]
    pub groups: Option<String>,
    /// Measure the groups of an axis concurrently as well.
    pub concurrent_groups: Option<bool>,
    /// Measure every pair of ranks, in rounds of concurrent pairs: `all`, `batch=4`, `topology`.
    #[schemars(example = &"topology")]
    pub pairs: Option<String>,
}

/// A scaling study within one launch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScalingConfig {
    /// `strong` or `weak`.
    pub kind: Option<ScalingKind>,
    /// Numbers of ranks to measure; default: powers of two, and all ranks.
    #[schemars(example = [1, 2, 4, 8])]
    pub ranks: Option<Vec<usize>>,
}

/// Where reports are archived.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HistoryConfig {
    /// The folder; default `.tesserabench/history`.
    #[schemars(example = &".tesserabench/history")]
    pub folder: Option<PathBuf>,
    /// Days after which reports may be removed; default 365.
    #[schemars(example = 365)]
    pub retention_days: Option<u64>,
}

/// Files to write.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutputConfig {
    /// The files; the extension selects the format.
    #[schemars(example = ["results.json", "results.md"])]
    pub files: Option<Vec<PathBuf>>,
    /// The format of files whose ending names none.
    #[schemars(example = &"json")]
    pub format: Option<String>,
    /// A folder of results beside the files. Only a flag names it: launches that follow a file have folders of their own.
    #[serde(skip)]
    pub folder: Option<PathBuf>,
    /// What names a comment, so that one is updated. Only a flag names it.
    #[serde(skip)]
    pub marker: Option<String>,
    /// Whether a report is published on GitHub. Only a flag asks for it.
    #[serde(skip)]
    pub github: bool,
    /// See `output_formats`.
    #[serde(skip_serializing)]
    #[schemars(skip)]
    pub default_format: Option<String>,
    /// Samples are kept in any case.
    #[serde(skip_serializing)]
    #[schemars(skip)]
    pub include_raw_data: Option<bool>,
    /// Whether a page with plots is written.
    #[serde(skip_serializing)]
    #[schemars(skip)]
    pub generate_plots: Option<bool>,
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
    /// Lower bound as a percentage of the peak of the machine named by `topology`, else of what GPUs tell of themselves.
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

impl LimitConfig {
    fn example() -> [Self; 1] {
        let (case, metric) = ("all_reduce/*".to_owned(), "busbw_gbps".to_owned());
        [Self { case, metric, at_least: Some(100.0), ..Self::default() }]
    }
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
    /// CPU kernels and MPI collectives; `cpu` is another name for it.
    #[serde(alias = "cpu")]
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
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        if let Some(other) = ending.filter(|ending| !ENDINGS.contains(&&**ending)) {
            let why = format!(
                "it is named as .{other}, and configurations are YAML or JSON (.yaml, .yml, .json); `tesserabench \
                 init-config` writes one"
            );
            return Err(Error::file("use the configuration", path, why));
        }
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
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        yaml::read::<Self>(text)?.without_older_keys()
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
        // It lists every key.
        assert!(error(&bomb).len() < 600);
    }

    #[test]
    fn names_of_enums() {
        assert_eq!(from_name::<Protocol>("--protocol", "barrier").unwrap(), Protocol::Barrier);
        let message = from_name::<Protocol>("--protocol", "barier").unwrap_err().message;
        assert!(message.contains("did you mean 'barrier'?"), "{message}");
    }
}
