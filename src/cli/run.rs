//! `run`: its arguments, and the request that they make.

mod flags;
mod variation;
mod words;

use std::path::PathBuf;

use clap::Args;

use super::compare::RuleArgs;
use crate::base::error::{Exit, Result};
use crate::plan::config::{Config, from_name};
use crate::run::{self, OnExisting, Request};

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Benchmark to run, globs allowed; repeatable [default: those that list-benchmarks marks as usual]
    #[arg(long, short, value_name = "NAME")]
    benchmark: Vec<String>,
    /// Element type: f32, f64, f16, bf16, fp8e4m3, fp8e5m2, i8 to u64; repeatable [default: f32]
    #[arg(long, short, value_name = "POLICY")]
    precision: Option<Vec<String>>,
    /// Problem sizes as KEY=VALUES for the benchmarks that have the key, as JSON, or small, medium, large.
    /// Values: 64MiB or 8,16 or 8..64MiB*2 or 8MiB..64MiB+8MiB
    #[arg(long, value_name = "SIZE")]
    problem_size: Vec<String>,
    /// First look: 10 iterations, marked in the report
    #[arg(long)]
    quick: bool,
    /// Mesh of the ranks, such as tp=2,dp=2,pp=1
    #[arg(long, value_name = "AXES")]
    mesh: Option<String>,
    /// Mesh axes from fastest to slowest [default: tp-cp-ep-dp-pp]
    #[arg(long, value_name = "ORDER")]
    mesh_order: Option<String>,
    /// Mesh axis whose groups are measured: tp, tp+dp, world; repeatable
    #[arg(long, value_name = "AXIS")]
    axis: Option<Vec<String>>,
    /// Explicit groups of ranks: 0-3,8-11 are two groups, 0-3+8-11 is one
    #[arg(long, value_name = "RANKS")]
    groups: Option<String>,
    /// Also measure all groups of an axis at once, and report the slowdown of each
    #[arg(long)]
    concurrent_groups: bool,
    /// Measure every pair of ranks with point-to-point benchmarks: all (as many pairs at once as possible), batch=K
    /// (at most K at once), topology (pairs of a socket, then of a node, then across the network)
    #[arg(long, value_name = "SCHEDULE")]
    pairs: Option<String>,
    /// Start this many ranks on this machine or in this allocation
    #[arg(long, value_name = "N")]
    ranks: Option<usize>,
    /// Launcher of the ranks: auto, mpirun (Open MPI), mpiexec (MPICH), srun
    #[arg(long, value_name = "NAME", default_value = "auto", requires = "ranks")]
    launcher: String,
    /// Start all ranks this many times, one launch after another, and report what differs between launches [default:
    /// 1, or 8 with --against or --compare-baseline]
    #[arg(long, value_name = "K")]
    launches: Option<u32>,
    /// Also measure another program, or another configuration file, in alternating launches
    #[arg(long, value_name = "BINARY|CONFIG")]
    against: Option<PathBuf>,
    /// Measure with each of these values of an environment variable, in separate launches; repeat for combinations
    #[arg(long, value_name = "KEY=A,B")]
    env: Vec<String>,
    /// Print the command that would start the ranks, and stop
    #[arg(long, requires = "ranks")]
    print_command: bool,
    /// Scaling study within this launch: strong or weak
    #[arg(long, value_name = "KIND")]
    scaling: Option<String>,
    /// Numbers of ranks in the study, comma-separated [default: powers of two up to all]
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    scaling_ranks: Option<Vec<usize>>,
    /// Backend that runs the benchmarks: auto, cuda, host, simulated
    #[arg(long, value_name = "NAME")]
    backend: Option<String>,
    /// Machine to simulate: a name or a file
    #[arg(long, value_name = "NAME|FILE")]
    topology: Option<String>,
    /// Let several ranks share a GPU, for trials only; marked in the report
    #[arg(long)]
    emulate_ranks: bool,
    /// Minimum number of untimed iterations; more follow until the time is steady [default: 5]
    #[arg(long, value_name = "N")]
    warmup: Option<u32>,
    /// Timed iterations; the maximum with --precision-target [default: 100]
    #[arg(long, value_name = "N")]
    iterations: Option<u32>,
    /// Operations per sample, back to back [default: 1, or 100 where one is too short to time]
    #[arg(long, value_name = "N")]
    batch: Option<u32>,
    /// Measure until the median's confidence interval is this narrow: 1% means ± 1 %
    #[arg(long, value_name = "SHARE")]
    precision_target: Option<String>,
    /// Quantile whose confidence interval must be as narrow, such as 0.95; repeatable
    #[arg(long, value_name = "Q")]
    precision_quantile: Option<Vec<f64>>,
    /// Measure each case at least this long: 10s, 500ms, or seconds
    #[arg(long, value_name = "TIME")]
    min_time: Option<String>,
    /// Measure each case at most this long [default: 10s with --precision-target]
    #[arg(long, value_name = "TIME")]
    max_time: Option<String>,
    /// Repeat all cases for this long, and report how the results drift: 8h
    #[arg(long, value_name = "TIME")]
    duration: Option<String>,
    /// Repeat all cases this many times, and report how the results drift
    #[arg(long, value_name = "N")]
    repeat: Option<u32>,
    /// Also check results every N iterations; they are always checked before the first and after the last (gemm on
    /// GPUs: before the first only)
    #[arg(long, value_name = "N")]
    check_every: Option<u32>,
    /// How ranks start together: synchronised, barrier (as the OSU benchmarks), back-to-back (as nccl-tests)
    #[arg(long, value_name = "NAME")]
    protocol: Option<String>,
    /// Deadline of the whole run, seconds [default: 3600, plus the time that other flags ask for]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    timeout: Option<f64>,
    /// Other deadlines, comma-separated or repeated: startup=TIME, communicator=, case=, barrier= (one wait for other
    /// ranks), gather=, silence= (time without a heartbeat), stop= (grace period after a signal) [default: they
    /// grow with ranks and iterations]
    #[arg(long, value_name = "NAME=TIME", value_delimiter = ',')]
    deadline: Vec<String>,
    /// Deadline of each case: --deadline case=TIME
    #[arg(long, value_name = "TIME")]
    case_timeout: Option<String>,
    /// Whether ranks send heartbeats, so that a rank that hangs is named: on, off (no threads beside MPI's)
    /// [default: on]
    #[arg(long, value_name = "on|off", value_parser = on_or_off)]
    heartbeats: Option<bool>,
    /// Thread level that MPI is initialised with: single, funneled [default: single]
    #[arg(long, value_name = "LEVEL")]
    thread_level: Option<String>,
    /// Continue with the other cases after one fails
    #[arg(long)]
    continue_on_error: bool,
    /// Stop after this many failed cases
    #[arg(long, value_name = "N")]
    max_failures: Option<u32>,
    /// Resume an unfinished run: measure only the cases that it has not finished
    #[arg(long)]
    resume: bool,
    /// Overwrite the finished cases of an unfinished run
    #[arg(long, conflicts_with = "resume")]
    force: bool,
    /// Seed of all random numbers [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Compare with this baseline, with 8 launches unless --launches is given: last-release, a pin or a commit of
    /// the history, or a report; exit 3 on a regression
    #[arg(long, value_name = "WHAT")]
    compare_baseline: Option<String>,
    #[command(flatten)]
    rules: RuleArgs,
    /// File to write, in the format that its ending names; repeatable [default: results.json]
    #[arg(long, short, value_name = "FILE")]
    output: Option<Vec<PathBuf>>,
    /// Format of files whose ending names none, such as json
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print the table of nccl-tests, for tools that parse it; measures both placements unless one is given
    #[arg(long)]
    nccl_tests_table: bool,
    /// Print cases, groups and memory, and stop
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command: what these arguments and the configuration file ask for.
pub(super) fn run(args: RunArgs, config: Result<Config>) -> Result<Exit> {
    run::run(Request {
        ranks: args.ranks,
        launcher: from_name("--launcher", &args.launcher)?,
        sides: args.sides()?,
        on_existing: match (args.resume, args.force) {
            (true, _) => OnExisting::Resume,
            (_, true) => OnExisting::Overwrite,
            _ => OnExisting::Refuse,
        },
        print_command: args.print_command,
        dry_run: args.dry_run,
        nccl_tests_table: args.nccl_tests_table,
        // A command that is printed prints no command when it is run.
        arguments: std::env::args_os().skip(1).filter(|word| word != "--print-command").collect(),
        config: config.and_then(|config| args.apply(config)),
        compare_baseline: args.compare_baseline,
    })
}

fn on_or_off(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("write on or off".to_owned()),
    }
}
