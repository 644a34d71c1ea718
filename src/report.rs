//! The result of a run, as data: versioned JSON that everything else is made from.
//!
//! It knows neither backends nor formulas: figures arrive computed. The schema is
//! `tesserabench.report/1`; `tesserabench schema report` prints it.

mod analysis;
mod certificate;
mod check;
mod comparison;
mod efficiency;
mod empty;
mod fleet;
mod footprint;
mod kernel_results;
mod limits;
mod load;
mod machine;
mod pairs;
mod profile;
mod rate;
mod repeats;
mod run_summary;
mod scaling;
mod times;
mod timing;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use analysis::{
    ANALYSIS_SCHEMA, AcrossBackends, Analysis, BackendTime, Entry, Examined, Figure, Finding, Flag,
    Leaderboard, Origin, Over, RankSpread, RankedBy, Source, Statistics, Straggler, Study, Tally,
    Throughput,
};
pub use certificate::{CERTIFICATE_SCHEMA, Certificate, CertifiedDevice, CertifiedLimit, Grade};
pub use comparison::{
    COMPARISON_SCHEMA, Compared, Comparison, Difference, Look, MUCH_WORSE, Magnitude, Reach,
    RegressionSeverity, SESSION, Side, Verdict,
};
pub use efficiency::Efficiency;
pub use empty::{begun, empty};
pub use fleet::{Disparity, Fleet, Member, Shared};
pub use footprint::{Footprint, Roof};
pub use kernel_results::{
    KernelCase, KernelEntry, KernelManifest, KernelResults, Memory, Origins, Timing,
};
pub use limits::{Basis, LimitCheck, LimitOutcome, limits_exit, limits_told};
pub use load::FILE_LIMIT;
pub use pairs::{LinkClass, PairMatrix, SlowLink};
pub use profile::{
    CacheHits, CpuCounters, GpuKernel, PROFILE_SCHEMA, Profile, ProfiledCase, ProfiledRank,
    SimdShare,
};
pub use rate::MetricFacts;
pub use repeats::{Cycles, Drift, Launch, Replicate, Replication, Turn};
pub use run_summary::{Resources, RunSummary, SUMMARY_SCHEMA};
pub use scaling::{Base, Point, Scaling};
pub use times::{own_times_ms, times_ms};
pub use timing::{Definition, TimingOverhead};

use crate::base::accuracy::Accuracy;
use crate::base::caveat::Caveat;
pub use crate::base::caveat::Severity;
use crate::base::error::Exit;
use crate::base::failure::CaseError;
use crate::base::units::counted;
use crate::benchmark::kernel::FoundKernel;
use crate::benchmark::kernel::Tuning;
pub use crate::benchmark::metric::{Metrics, Overlap};
use crate::benchmark::work::{Element, Placement};
use crate::benchmark::{Counts, Problem};
use crate::machine::energy::Energy;
use crate::machine::environment::Environment;
use crate::machine::kernel::Compilation;
use crate::machine::memory::RankMemory;
use crate::machine::telemetry::Telemetry;
use crate::plan::config::{Config, Protocol};
use crate::plan::mesh::Axis;
pub use crate::stats::{Modes, Steadiness};

/// Names the format and its version.
pub const SCHEMA: &str = "tesserabench.report/1";

/// The result of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// `tesserabench.report/1`.
    pub schema: String,
    /// The run itself.
    pub run: Run,
    /// What a reader needs to believe the numbers.
    pub environment: Environment,
    /// The ranks' arrangement.
    pub mesh: MeshFacts,
    /// The machine that was simulated.
    pub topology: Option<String>,
    /// What measuring itself costs; null for imported results.
    pub floors: Option<TimingOverhead>,
    /// The cases, in the order in which they ran.
    pub cases: Vec<Case>,
    /// Scaling studies.
    pub scaling: Vec<Scaling>,
    /// Figures of every pair of ranks.
    #[serde(default)]
    pub pair_matrices: Vec<PairMatrix>,
    /// The configured limits, held against the figures.
    #[serde(default)]
    pub limits: Vec<LimitCheck>,
    /// What the figures mean, and which way they improve.
    pub metrics: Vec<MetricFacts>,
    /// Counts.
    pub summary: Summary,
    /// Every kind of caveat that any case carries, once.
    pub caveats: Vec<Caveat>,
}

/// The run itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// Unique name.
    pub id: String,
    /// When it began, UTC; for imported results when they were read, unless every file tells: see [`Run::began`].
    pub started: String,
    /// When it ended, UTC.
    pub finished: String,
    /// The starts of all ranks: one for each of `--launches`, and one more each time that the run was resumed.
    #[serde(default)]
    pub launches: Vec<Launch>,
    /// The command line.
    pub command: Vec<String>,
    /// Version of this program.
    pub version: String,
    /// Content hash of the binary's sources, compiler and MPI, with the commit it was built from.
    pub build: String,
    /// Commit checked out in the working folder.
    pub git: Option<String>,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Which backend measured.
    pub backend: String,
    /// Whether the times come from a model instead of a clock.
    pub simulated: bool,
    /// Whether ranks shared a GPU, so that collectives between them say nothing about a machine.
    pub emulated: bool,
    /// The files of other tools that the results come from; null for our own.
    pub imported_from: Option<Vec<ImportedFrom>>,
    /// Whether cases of the plan are missing.
    pub incomplete: bool,
    /// The exit code that `verdict` returns.
    pub exit: u8,
    /// The configuration after flags were applied.
    pub config: Config,
    /// Kernels that do not come with the program: those that are in a case, and those that could not be used though
    /// their path was named.
    #[serde(default)]
    pub kernels: Vec<FoundKernel>,
}

/// A file with another tool's results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImportedFrom {
    /// Such as `nccl-tests` or `perftest`; `tesserabench` for a table of ours in nccl-tests' form.
    pub tool: String,
    /// The tool's version, where the file names it.
    pub version: Option<String>,
    /// The file, as it was named.
    pub file: String,
    /// When its first test began and its last one ended, UTC, where the file tells.
    #[serde(default)]
    pub times: Option<[String; 2]>,
}

impl Run {
    /// When it began, UTC; `None` where a file that it was imported from does not tell.
    pub fn began(&self) -> Option<&str> {
        let Some(files) = &self.imported_from else { return Some(&self.started) };
        let began = files.iter().map(|file| Some(file.times.as_ref()?[0].as_str()));
        // What is unknown comes first.
        began.min().flatten()
    }
}

/// The ranks' arrangement.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeshFacts {
    /// The axes from fastest to slowest, as asked for.
    pub order: String,
    /// The axes with their sizes.
    pub axes: Vec<Axis>,
}

impl MeshFacts {
    /// `tp=2,dp=2`, as it is asked for.
    pub fn shape(&self) -> String {
        let axes = self.axes.iter().map(|axis| format!("{}={}", axis.name, axis.size));
        axes.collect::<Vec<_>>().join(",")
    }
}

/// How a case ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It has times.
    #[default]
    Measured,
    /// The backend cannot do it; `reason` says why.
    Skipped,
    /// It went wrong; `error` says how.
    Failed,
    /// It was not over when a deadline passed; `error` says where it stood.
    TimedOut,
}

/// One case.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Case {
    /// Name that stays the same from run to run.
    pub id: String,
    /// Name of the benchmark.
    pub benchmark: String,
    /// One rank's problem; sizes in bytes, sides in elements. Keys with their usual value are left out.
    pub problem: Problem,
    /// Element type.
    pub precision: Option<Element>,
    /// In place or out of place.
    pub placement: Option<Placement>,
    /// The mesh axis the ranks differ in.
    pub axis: String,
    /// The group, as `tp:0-1`.
    pub group: String,
    /// World ranks that took part.
    pub participants: Vec<usize>,
    /// How many they are.
    pub group_size: usize,
    /// What it counts; null in reports of versions that did not say it, whose figures stand without.
    pub counts: Option<Counts>,
    /// The memory that it takes; null for work without, and where a report does not tell.
    #[serde(default)]
    pub footprint: Option<Footprint>,
    /// How far its rate is from what is possible; null where neither that nor another such rate is known.
    #[serde(default)]
    pub efficiency: Option<Efficiency>,
    /// Whether the other groups of its axis ran at once with it.
    #[serde(default)]
    pub concurrent: bool,
    /// How much longer it took than by itself, where others ran at once with it: a ratio of medians.
    pub contention_ratio: Option<f64>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it was skipped.
    pub reason: Option<String>,
    /// What went wrong.
    pub error: Option<CaseError>,
    /// Figures, when it was measured.
    #[serde(flatten, deserialize_with = "load::figures")]
    pub measured: Option<Box<Measured>>,
    /// The stamps themselves, those of invalid rounds included.
    #[serde(default)]
    pub samples: Samples,
    /// How results compared with their reference; absent when nothing was checked.
    pub accuracy: Option<Accuracy>,
    /// The case in each of several launches; absent where there was one.
    pub replication: Option<Replication>,
    /// What came of the same case when it ran again, where it did; the figures are the first run's.
    pub cycles: Option<Cycles>,
    /// Reasons why the figures may mislead.
    pub caveats: Vec<Caveat>,
}

/// The figures of a measured case. What an imported file does not tell is null.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Measured {
    /// How the ranks started each iteration.
    pub protocol: Protocol,
    /// Untimed iterations before the first valid one.
    pub warmup: Option<usize>,
    /// Valid iterations; the statistics are over these.
    pub iterations: usize,
    /// Rounds left out because a rank came late to the start.
    pub invalid: usize,
    /// Operations in one sample.
    pub batch: Option<u32>,
    /// Time that warming up took, seconds.
    pub warmup_seconds: Option<f64>,
    /// Time that measuring took, seconds.
    pub measuring_seconds: Option<f64>,
    /// The headline times. All cases of one benchmark, type and placement have the same definition.
    pub latency: Latency,
    /// The times by the other definition that the host's clock allows.
    pub latency_local: Option<Latency>,
    /// The time on the devices themselves, of the slowest; null where they do not tell.
    pub device_time: Option<Latency>,
    /// The time by the host's clock, of the slowest rank: releasing the device and noticing its end are in it. Null where
    /// the other times are by that clock, or the device's are not all there is.
    #[serde(default)]
    pub host_time: Option<Latency>,
    /// Each rank's own times.
    pub per_rank: Vec<RankTimes>,
    /// How far apart the ranks were.
    pub skew: Option<Skew>,
    /// Rates.
    pub metrics: Metrics,
    /// The computation that was made while data moved, where one was.
    pub overlap: Option<Overlap>,
    /// What of its kernel was chosen for the device; null where nothing can be.
    #[serde(default)]
    pub tuning: Option<Tuning>,
    /// How its kernel came to be machine code; null where this program has none compiled.
    #[serde(default)]
    pub compile: Option<Compilation>,
    /// What the GPUs said of themselves around the measuring, by rank; empty without GPUs.
    pub telemetry: Vec<Telemetry>,
    /// Energy of it all; null where no counter can be read.
    #[serde(default)]
    pub energy: Option<Energy>,
    /// How much memory each rank's process took at most; empty where that says nothing.
    #[serde(default)]
    pub memory: Vec<RankMemory>,
}

/// Times of one operation over the iterations.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// Which time.
    pub definition: Definition,
    /// Always `ms`.
    pub unit: String,
    /// Median.
    pub median: f64,
    /// Interval of the median within this launch, from order statistics, widened for dependent iterations; launches differ
    /// by more. Null when iterations are too few, and when they have two `modes`.
    pub ci: Option<[f64; 2]>,
    /// Confidence asked for.
    pub confidence: f64,
    /// Half of the interval's width, as percent of the median.
    pub half_width_percent: Option<f64>,
    /// Whether all intervals are as narrow as asked for; null when nothing was asked for.
    pub target_met: Option<bool>,
    /// Arithmetic mean.
    pub mean: f64,
    /// Unbiased variance, ms²; like the next two, null for one iteration, which has no spread.
    pub variance: Option<f64>,
    /// Its root.
    pub std_dev: Option<f64>,
    /// `std_dev` as percent of the mean.
    pub cv_percent: Option<f64>,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
    /// Quantiles (Hyndman–Fan type 8); null when there are too few iterations for an interval.
    pub p50: Option<f64>,
    /// 90 %.
    pub p90: Option<f64>,
    /// 95 %.
    pub p95: Option<f64>,
    /// 99 %.
    pub p99: Option<f64>,
    /// Intervals of the quantiles that have one, and of those asked for with the precision target.
    pub quantile_ci: BTreeMap<String, [f64; 2]>,
    /// For each quantile without an interval, the iterations it needs; not for a median between two `modes`.
    pub iterations_needed: BTreeMap<String, usize>,
    /// Values beyond Tukey's outer fences (3 interquartile ranges); counted, not left out.
    pub outliers: usize,
    /// Autocorrelation at lag 1.
    pub autocorrelation: Option<f64>,
    /// How many independent iterations would tell as much about the median.
    pub effective_samples: f64,
    /// Whether the times keep one level; null when there are too few iterations to tell.
    pub steady_state: Option<Steadiness>,
    /// The valid iteration since which they keep the last level.
    pub steady_since: Option<usize>,
    /// The two levels, ms, around which the times lie, where the median may be in either; it has no interval then. Null
    /// where there is one level.
    #[serde(default)]
    pub modes: Option<Modes>,
    /// Medians of ten blocks of iterations, one after another; empty when there are fewer than 20.
    #[serde(default)]
    pub blocks: Vec<f64>,
    /// Bound of the clocks' error in each time: 0 for one clock, null where only stamps of one rank are compared.
    pub clock_error_ms: Option<f64>,
}

/// One rank's own times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RankTimes {
    /// World rank.
    pub rank: usize,
    /// Median of its end minus start, ms.
    pub median_ms: f64,
    /// 95 % quantile; null when there are too few iterations.
    pub p95_ms: Option<f64>,
    /// Share of iterations in which it was the slowest.
    pub slowest_share: f64,
}

/// How far apart the ranks were: medians over iterations, for a whole sample.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Skew {
    /// Last start minus first start, ms.
    pub entry_ms: f64,
    /// Last end minus first end, ms.
    pub exit_ms: f64,
    /// Last end minus last start, ms: what is left when the wait for the last to come is taken off.
    pub after_last_arrival_ms: f64,
    /// Bound of the clocks' error in these three, ms; 0 where all ranks read one clock.
    pub clock_error_ms: f64,
    /// Largest over mean of the ranks' own times, minus 1.
    pub imbalance: f64,
}

/// The stamps themselves, invalid rounds included.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Samples {
    /// In the report, while they are few.
    Inline {
        /// Start of each sample by rank and round, ns since the case's first start.
        start_ns: Vec<Vec<i64>>,
        /// End of each sample, likewise.
        end_ns: Vec<Vec<i64>>,
        /// Time on the device of each sample, likewise; null where a device does not tell.
        device_ns: Option<Vec<Vec<i64>>>,
        /// Time by the host's clock of each sample, likewise; null where start and end are by that clock.
        #[serde(default)]
        host_ns: Option<Vec<Vec<i64>>>,
        /// Rounds with a late rank.
        invalid_rounds: Vec<usize>,
    },
    /// There are none.
    #[default]
    None,
    /// In a compressed CSV file beside the report: `case,cycle,round,rank,start_ns,end_ns,device_ns,late,host_ns`.
    Sidecar {
        /// Name of the file, in the report's folder or, of one of several launches, in a folder there.
        file: String,
        /// Rows of this case.
        rows: usize,
    },
}

/// Counts of cases by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Cases of the plan.
    pub cases: usize,
    /// With times.
    pub measured: usize,
    /// Not possible on this backend.
    pub skipped: usize,
    /// Gone wrong, or not over in time.
    pub failed: usize,
}

impl Report {
    /// The names of its run and of the runs of its launches, where it is of several.
    pub fn runs(&self) -> impl Iterator<Item = &str> {
        let launches = self.run.launches.iter().filter_map(|launch| launch.run.as_deref());
        std::iter::once(self.run.id.as_str()).chain(launches)
    }

    /// Fills in what follows from the cases: counts, caveats, and the exit, which is not milder than `exit`.
    pub fn conclude(&mut self, planned: usize, exit: Exit) {
        self.summary = self.counts(planned);
        self.caveats = Vec::new();
        for caveat in self.cases.iter().flat_map(|case| &case.caveats) {
            if !self.caveats.iter().any(|known| known.mark() == caveat.mark()) {
                self.caveats.push(caveat.clone());
            }
        }
        self.run.incomplete = self.cases.len() < planned || exit != Exit::Ok;
        self.run.exit = self.exit(exit).code();
    }

    /// The cases by outcome, of so many planned.
    fn counts(&self, planned: usize) -> Summary {
        let count = |outcome| self.cases.iter().filter(|case| case.outcome == outcome).count();
        Summary {
            cases: planned,
            measured: count(Outcome::Measured),
            skipped: count(Outcome::Skipped),
            failed: count(Outcome::Failed) + count(Outcome::TimedOut),
        }
    }

    fn exit(&self, ended: Exit) -> Exit {
        let of_case = |case: &Case| case.error.as_ref().map_or(Exit::Ok, |error| error.kind.exit());
        // Of a run that was ended before it measured anything, that is not what was wrong.
        let nothing = self.summary.measured == 0 && ended == Exit::Ok;
        let least = if nothing { Exit::CaseFailed } else { ended };
        let strict = self.run.config.comparison.strict.unwrap_or(false);
        let limits = limits_exit(&self.limits, strict);
        self.cases.iter().map(of_case).chain([limits]).fold(least, Exit::worst)
    }

    /// One line on how the run ended.
    pub fn verdict(&self) -> String {
        let Summary { cases, measured, skipped, failed } = self.summary;
        let exit = Exit::from_code(self.run.exit).map_or("unknown exit", Exit::meaning);
        let incomplete = if self.run.incomplete { ", incomplete" } else { "" };
        let measured_or = if self.run.simulated { "computed from a model" } else { "measured" };
        format!(
            "{exit}: {measured} of {} {measured_or}, {skipped} skipped, {failed} failed{incomplete}{}",
            counted(cases, "case"),
            limits_told(&self.limits)
        )
    }
}

impl Case {
    /// Whether a caveat keeps it out of efficiencies and fits.
    pub fn is_left_out(&self) -> bool {
        self.caveats.iter().any(Caveat::excludes_from_scaling)
    }
}

impl Measured {
    /// The times by this definition of the host's clocks or the devices', where there are any.
    pub fn by(&self, definition: Definition) -> Option<&Latency> {
        let known = [Some(&self.latency), self.latency_local.as_ref(), self.device_time.as_ref()];
        known.into_iter().flatten().find(|latency| latency.definition == definition)
    }
}
