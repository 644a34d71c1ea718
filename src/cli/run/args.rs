//! The flags of `run`, in the groups that its help shows. `-h` shows the first line of those that most runs need.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args};

use crate::cli::kernels::KernelArgs;

#[derive(Debug, Args)]
#[command(next_help_heading = "What to run")]
pub(in crate::cli) struct WorkArgs {
    /// Benchmarks, as for --benchmark [default: the usual ones]
    ///
    /// `tesserabench list-benchmarks` lists them and marks the usual ones.
    #[arg(value_name = "NAME", value_delimiter = ',')]
    pub(super) names: Vec<String>,
    /// Benchmarks: gemm,all_reduce or 'all_*'; repeatable
    #[arg(long, short, value_name = "NAME", value_delimiter = ',')]
    pub(super) benchmark: Vec<String>,
    /// Element types: f32,bf16 …; repeatable [default: f32]
    ///
    /// f32, f64, f16, bf16, fp8e4m3, fp8e5m2, i8 to u64.
    #[arg(long, short, value_name = "TYPE", value_delimiter = ',')]
    pub(super) precision: Option<Vec<String>>,
    /// How much the assembler optimises kernels for GPUs: O0 to O3; repeatable [default: O3]
    ///
    /// Each level is a case of its own.
    #[arg(long, value_name = "LEVEL", value_delimiter = ',', hide_short_help = true)]
    pub(super) optimization_level: Option<Vec<String>>,
    /// Sizes: bytes=8..64MiB*2, m=512,1024, small, large …
    ///
    /// KEY=VALUES sets a key of all chosen benchmarks that have it. Values are 64MiB, or 8,16, or 8..64MiB*2, or
    /// 8MiB..64MiB+8MiB. Repeat it for other keys, or for more values of a key. JSON is read too; small, medium and
    /// large are sizes for all keys that are not set.
    #[arg(long, value_name = "SIZE")]
    pub(super) problem_size: Vec<String>,
    /// Figures to show: latency, throughput, memory_bandwidth, compute_utilization, energy, occupancy, accuracy; or metrics
    ///
    /// In tables, pages and CSV; the median is always there, and the report as JSON holds all. [default: all]
    #[arg(long, value_name = "NAME", value_delimiter = ',', hide_short_help = true)]
    pub(super) measure: Option<Vec<String>>,
    /// Only this case, by its id or a glob such as 'gemm*'; repeatable
    ///
    /// Ids are printed by --dry-run and stand in every report. Cases that run at the same time stay together.
    #[arg(long, value_name = "ID", hide_short_help = true)]
    pub(super) case: Option<Vec<String>>,
    /// Print cases, memory and duration, and stop
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    #[command(flatten)]
    pub(super) kernels: KernelArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Ranks and mesh")]
pub(in crate::cli) struct RankArgs {
    /// Start this many ranks here or in this allocation
    #[arg(long, value_name = "N")]
    pub(in crate::cli) ranks: Option<usize>,
    /// Launcher of the ranks: auto, mpirun (Open MPI), mpiexec (MPICH), srun
    #[arg(
        long,
        value_name = "NAME",
        default_value = "auto",
        requires = "ranks",
        hide_short_help = true
    )]
    pub(in crate::cli) launcher: String,
    /// Print the command that would start the ranks, and stop
    #[arg(long, requires = "ranks", hide_short_help = true)]
    pub(in crate::cli) print_command: bool,
    /// Mesh of the ranks: tp=2,dp=2
    #[arg(long, value_name = "AXES")]
    pub(super) mesh: Option<String>,
    /// Mesh axes from fastest to slowest [default: tp-cp-ep-dp-pp]
    #[arg(long, value_name = "ORDER", hide_short_help = true)]
    pub(super) mesh_order: Option<String>,
    /// Mesh axis to measure: tp, tp+dp, world; repeatable
    ///
    /// The benchmarks run on every group of the axis.
    #[arg(long, value_name = "AXIS")]
    pub(super) axis: Option<Vec<String>>,
    /// Explicit groups of ranks: 0-3,8-11 are two groups, 0-3+8-11 is one
    #[arg(long, value_name = "RANKS", hide_short_help = true)]
    pub(super) groups: Option<String>,
    /// Also measure all groups of an axis at once, and report the slowdown of each
    #[arg(long, hide_short_help = true)]
    pub(super) concurrent_groups: bool,
    /// Measure every pair of ranks: all, batch=K, topology
    ///
    /// For benchmarks between two ranks. all: as many pairs at once as possible; batch=K: at most K at once;
    /// topology: pairs of a socket, then of a node, then across the network.
    #[arg(long, value_name = "SCHEDULE")]
    pub(super) pairs: Option<String>,
    /// Scaling study within this launch: strong, weak
    #[arg(long, value_name = "KIND")]
    pub(super) scaling: Option<String>,
    /// Numbers of ranks in the study, comma-separated [default: powers of two up to all]
    #[arg(long, value_name = "N,N", value_delimiter = ',', hide_short_help = true)]
    pub(super) scaling_ranks: Option<Vec<usize>>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "How to measure")]
pub(in crate::cli) struct MeasuringArgs {
    /// First look: 10 iterations, marked in the report
    ///
    /// Overrides what the configuration file says about iterations, warm-up and precision.
    #[arg(long)]
    pub(super) quick: bool,
    /// Timed iterations [default: 100]
    ///
    /// The maximum with --precision-target.
    #[arg(long, value_name = "N", visible_alias = "iters")]
    pub(in crate::cli) iterations: Option<u32>,
    /// Untimed iterations before, at least [default: 5]
    ///
    /// More follow until the time is steady.
    #[arg(long, value_name = "N")]
    pub(super) warmup: Option<u32>,
    /// Measure until the median is known to ± 1%
    ///
    /// Half the width of its confidence interval, as a share of it.
    #[arg(long, value_name = "SHARE")]
    pub(super) precision_target: Option<String>,
    /// Quantile whose confidence interval must be as narrow, such as 0.95; repeatable
    #[arg(long, value_name = "Q", hide_short_help = true)]
    pub(super) precision_quantile: Option<Vec<f64>>,
    /// Confidence of intervals: 0.99 or 99% [default: 0.95]
    #[arg(long, value_name = "SHARE", hide_short_help = true)]
    pub(super) confidence: Option<String>,
    /// Measure each case at least this long: 10s, 500ms, or seconds
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    pub(super) min_time: Option<String>,
    /// Measure each case at most this long [default: 10s with --precision-target]
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    pub(super) max_time: Option<String>,
    /// Repeat all cases for this long, and report the drift: 8h
    #[arg(long, value_name = "TIME")]
    pub(super) duration: Option<String>,
    /// Repeat all cases this many times, and report the drift
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub(super) repeat: Option<u32>,
    /// Operations per sample, back to back [default: 1, or 100 where one is too short to time]
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub(super) batch: Option<u32>,
    /// Also check results every N iterations
    ///
    /// They are always checked before the first and after the last (gemm on GPUs: before the first only).
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub(super) check_every: Option<u32>,
    /// How ranks start together: synchronised, barrier (as the OSU benchmarks), back-to-back (as nccl-tests)
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub(super) protocol: Option<String>,
    /// What runs the benchmarks: auto, cuda, host (cpu), simulated
    ///
    /// cpu,cuda measures with each in launches of its own, and puts the cases that both have measured side by side.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(super) backend: Vec<String>,
    /// Machine to simulate: a name or a file
    #[arg(long, value_name = "NAME|FILE")]
    pub(super) topology: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArgs {
    /// File to write, or - [default: results.json]
    ///
    /// The ending names the format: .json, .html, .csv, .md …; repeatable. - is standard output, in the format of --format:
    /// nothing else is printed there then.
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<Vec<PathBuf>>,
    /// Write a folder of results too: summary.md, report.html, kernels/NAME.json …
    ///
    /// Also env.json, kernel_manifest.json, summary.json and, with a baseline, regressions.md. Without --output the report is
    /// there, too.
    #[arg(long, value_name = "DIR")]
    pub(super) output_dir: Option<PathBuf>,
    /// Format of -, and of files whose ending names none: json, csv …
    #[arg(long, value_name = "FORMAT", hide_short_help = true)]
    pub(super) format: Option<String>,
    /// What the run is called; shown with its results
    #[arg(long, value_name = "TEXT", hide_short_help = true)]
    pub(super) name: Option<String>,
    /// What the run is for; shown with its results
    #[arg(long, value_name = "TEXT", hide_short_help = true)]
    pub(super) description: Option<String>,
    /// What names a comment, so that one is updated: written with .comment.md, and of comparisons
    ///
    /// [default: the kind of result]
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub(super) marker: Option<String>,
    /// Print annotations for GitHub too, and add to the step's summary
    ///
    /// Comparisons do so under GitHub Actions without it.
    #[arg(long, hide_short_help = true)]
    pub(super) github: bool,
    /// Print the table of nccl-tests, for tools that parse it
    ///
    /// Measures both placements unless one is given.
    #[arg(long)]
    pub(super) nccl_tests_table: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "When things go wrong")]
pub(super) struct FailureArgs {
    /// Go on with an unfinished run: measure what is missing
    #[arg(long)]
    pub(super) resume: bool,
    /// Overwrite the finished cases of an unfinished run
    #[arg(long, conflicts_with = "resume")]
    pub(super) force: bool,
    /// Deadline of the whole run: 5m, or seconds
    ///
    /// [default: an hour, and the time that other flags ask for]
    #[arg(long, value_name = "TIME")]
    pub(super) timeout: Option<String>,
    /// Other deadlines: case=10m, barrier=2m …
    ///
    /// NAME=TIME, comma-separated or repeated, of startup, communicator, case, barrier (one wait for other ranks),
    /// gather, silence (time without a heartbeat), stop (grace period after a signal). By default they grow with
    /// ranks and iterations.
    #[arg(long, value_name = "NAME=TIME", value_delimiter = ',', hide_short_help = true)]
    pub(super) deadline: Vec<String>,
    /// Deadline of each case: --deadline case=TIME
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    pub(super) case_timeout: Option<String>,
    /// Go on with the other cases after one fails
    #[arg(long)]
    pub(super) continue_on_error: bool,
    /// Stop after this many failed cases
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub(super) max_failures: Option<u32>,
    /// Whether ranks send heartbeats, so that a rank that hangs is named [default: on]
    ///
    /// off: no threads beside MPI's.
    #[arg(long, value_name = "on|off", value_parser = on_or_off(), hide_short_help = true)]
    pub(super) heartbeats: Option<bool>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Several launches, and comparing")]
#[command(group = ArgGroup::new("compares").multiple(true).args(["against", "env", "compare_baseline"]))]
pub(super) struct SeriesArgs {
    /// Start all ranks this many times, and report what differs
    ///
    /// [default: 1, or 5 with --against or --compare-baseline]
    #[arg(long, value_name = "K")]
    pub(super) launches: Option<u32>,
    /// Measure doubtful cases in up to this many launches
    ///
    /// Of those cases only, in two steps. [default: three times the launches; as many as --launches: no more]
    #[arg(long, value_name = "N", requires = "compares", hide_short_help = true)]
    pub(super) max_launches: Option<u32>,
    /// Also measure this program, or configuration, in turns
    #[arg(long, value_name = "BINARY|CONFIG")]
    pub(super) against: Option<PathBuf>,
    /// Measure with each of these values of a variable
    ///
    /// In launches of their own; repeat it for combinations. A comma within a value is written \,
    #[arg(long, value_name = "KEY=A,B")]
    pub(super) env: Vec<String>,
    /// Compare with this baseline; exit 3 on a regression
    ///
    /// last-release, a pin or a commit of the history, or a report; with 5 launches unless --launches is given.
    #[arg(long, value_name = "WHAT")]
    pub(super) compare_baseline: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Advanced")]
pub(in crate::cli) struct AdvancedArgs {
    /// Seed of all random numbers [default: 1]
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub(super) seed: Option<u64>,
    /// Take each kernel in its first form, instead of searching the fastest for this device
    #[arg(long, hide_short_help = true)]
    pub(super) no_autotune: bool,
    /// Do not hold rounds back on a GPU until they start, so that tools can run one kernel at a time
    ///
    /// For compute-sanitizer, cuda-gdb and their like. Times have launching in them, and are marked.
    #[arg(long, hide_short_help = true)]
    pub(super) no_blocking_kernel: bool,
    /// Let several ranks share a GPU, for trials only; marked in the report
    #[arg(long, hide_short_help = true)]
    pub(super) emulate_ranks: bool,
    /// Thread level that MPI is initialised with: single, funneled [default: single]
    #[arg(long, value_name = "LEVEL", hide_short_help = true)]
    pub(super) thread_level: Option<String>,
}

fn on_or_off() -> impl TypedValueParser<Value = bool> {
    PossibleValuesParser::new(["on", "off"]).map(|word| word == "on")
}
