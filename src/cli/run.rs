//! `run`: measure, as the process that starts the ranks, or as one of them.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use wildmatch::WildMatch;

use super::{launch, panic, restart};
use crate::backend::{self, Sample};
use crate::benchmark;
use crate::config::{BackendChoice, Config, Quantity, Values, from_name};
use crate::error::{Error, Exit, Kind, Result, suggestion};
use crate::place::Place;
use crate::plan::Plan;
use crate::report::{self, Output};
use crate::session::{self, Desk};
use crate::supervision::{self, Note};
use crate::units::format_size;
use crate::world::{self, World};
use crate::{fault, progress};

/// Arguments of `run`, as typed.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Benchmark to run; repeat for more, globs allowed [default: the usual ones of list-benchmarks]
    #[arg(long, short, value_name = "NAME")]
    benchmark: Vec<String>,
    /// Element type: f32, f64, f16, bf16, fp8e4m3, fp8e5m2, i8 to u64; repeat for more [default: f32]
    #[arg(long, short, value_name = "POLICY")]
    precision: Vec<String>,
    /// KEY=VALUES for benchmarks that have the key, JSON, or small, medium, large.
    /// Values: 64MiB or 8,16 or 8..64MiB*2 or 8MiB..64MiB+8MiB
    #[arg(long, value_name = "SIZE")]
    problem_size: Vec<String>,
    /// First look: 10 iterations, marked in the report
    #[arg(long)]
    quick: bool,
    /// Arrangement of the ranks, such as tp=2,dp=2,pp=1
    #[arg(long, value_name = "AXES")]
    mesh: Option<String>,
    /// Axes from fastest to slowest [default: tp-cp-ep-dp-pp]
    #[arg(long, value_name = "ORDER")]
    mesh_order: Option<String>,
    /// Axis whose groups are measured: tp, tp+dp, world; repeat for more
    #[arg(long, value_name = "AXIS")]
    axis: Vec<String>,
    /// Groups named by hand: 0-3,8-11 are two, 0-3+8-11 is one
    #[arg(long, value_name = "RANKS")]
    groups: Option<String>,
    /// Measure the groups of an axis all at once too, and what that costs each
    #[arg(long)]
    concurrent_groups: bool,
    /// Measure every pair of ranks with benchmarks between pairs: all (as many at once as can be), batch=K
    /// (at most K at once), topology (those of a socket, then of a node, then across the network)
    #[arg(long, value_name = "SCHEDULE")]
    pairs: Option<String>,
    /// Start this many ranks on this machine or allocation
    #[arg(long, value_name = "N")]
    ranks: Option<usize>,
    /// What starts the ranks: auto, mpirun (Open MPI), mpiexec (MPICH), srun
    #[arg(long, value_name = "NAME", default_value = "auto", requires = "ranks")]
    launcher: launch::Choice,
    /// Print the command that would start the ranks, and stop
    #[arg(long, requires = "ranks")]
    print_command: bool,
    /// Scaling study within this launch: strong or weak
    #[arg(long, value_name = "KIND")]
    scaling: Option<String>,
    /// Numbers of ranks of the study [default: powers of two up to all]
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    scaling_ranks: Vec<usize>,
    /// What measures: auto, cuda, host, simulated
    #[arg(long, value_name = "NAME")]
    backend: Option<String>,
    /// Machine that is simulated: a name or a file
    #[arg(long, value_name = "NAME|FILE")]
    topology: Option<String>,
    /// Let several ranks share a GPU, to try things out; marked in the report
    #[arg(long)]
    emulate_ranks: bool,
    /// Untimed iterations first, at least; more until time is flat [default: 5]
    #[arg(long, value_name = "N")]
    warmup: Option<u32>,
    /// Timed iterations; at most these with --precision-target [default: 100]
    #[arg(long, value_name = "N")]
    iterations: Option<u32>,
    /// Operations in a sample, back to back [default: 1, or 100 where one is too short to time]
    #[arg(long, value_name = "N")]
    batch: Option<u32>,
    /// Measure until the interval of the median is this narrow: 1% means ± 1 %
    #[arg(long, value_name = "SHARE")]
    precision_target: Option<String>,
    /// Quantile whose interval must be as narrow too, such as 0.95; repeat for more
    #[arg(long, value_name = "Q")]
    precision_quantile: Vec<f64>,
    /// Measure each case at least this long: 10s, 500ms, or seconds
    #[arg(long, value_name = "TIME")]
    min_time: Option<String>,
    /// Measure each case at most this long [default: 10s with --precision-target]
    #[arg(long, value_name = "TIME")]
    max_time: Option<String>,
    /// Measure this long in all, shared equally by the cases
    #[arg(long, value_name = "TIME")]
    duration: Option<String>,
    /// Check results after so many iterations, beside before the first and after the last
    #[arg(long, value_name = "N")]
    check_every: Option<u32>,
    /// How ranks start together: synchronised, barrier (as the OSU benchmarks), back-to-back (as nccl-tests)
    #[arg(long, value_name = "NAME")]
    protocol: Option<String>,
    /// Deadline of the whole run, seconds [default: 3600, and the time asked for with other flags]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    timeout: Option<f64>,
    /// Go on with the other cases after one fails
    #[arg(long)]
    continue_on_error: bool,
    /// Seed of all random numbers [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// File to write, .json, .csv or .md; repeat for more [default: results.json]
    #[arg(long, short, value_name = "FILE")]
    output: Vec<PathBuf>,
    /// Format of files whose ending says nothing: json, csv, markdown
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print nccl-tests' table, for what parses it; without a placement both are measured
    #[arg(long)]
    nccl_tests_table: bool,
    /// Print cases, groups and memory, and stop
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
pub(super) fn run(args: RunArgs, config: impl FnOnce() -> Result<Config>) -> Result<Exit> {
    fault::plant()?;
    let launched = world::innermost_launch();
    if supervision::is_supervised() {
        return rank(&args, config);
    }
    let around = launched.as_ref().and_then(|launch| launch.size).unwrap_or(1);
    if args.ranks.is_some() && around > 1 {
        return Err(Error::usage(format!(
            "--ranks starts ranks, but this process is already one of {around} that {} started; leave \
             --ranks out, or start tesserabench by itself",
            launched.map_or("a launcher", |launch| launch.name)
        )));
    }
    if args.ranks.is_none() && !args.dry_run {
        return rank(&args, config);
    }
    let config = settled(args.apply(config()?)?);
    let plan = Plan::resolve(&config, &Place::together(args.ranks.unwrap_or(around)))?;
    if args.dry_run {
        show(&plan);
        return Ok(Exit::Ok);
    }
    Output::resolve(&config)?;
    launch::run(&plan, args.launcher, args.print_command)
}

/// This process's life as a rank.
fn rank(args: &RunArgs, config: impl FnOnce() -> Result<Config>) -> Result<Exit> {
    // What is wrong with it is rank 0's to say.
    let config = config().and_then(|config| args.apply(config));
    if let Ok(config) = &config
        && matches!(config.backend.unwrap_or_default(), BackendChoice::Auto | BackendChoice::Cuda)
    {
        restart::for_cuda(config.emulate_ranks.unwrap_or(false))?;
    }
    panic::guard(|| {
        let mut world = World::join().unwrap_or_else(|why| {
            if super::speaks() {
                world::end(&why)
            }
            super::listen();
            world::abort(why.exit())
        });
        progress::enter(progress::Phase::Join);
        let host = &world.members()[world.rank()].host;
        supervision::tell(&Note::Rank {
            rank: world.rank(),
            pid: std::process::id(),
            host: host.clone(),
        });
        let ended = measure(&mut world, config, args.nccl_tests_table);
        if let Err(why) = &ended {
            // Every other error is one that all ranks have agreed on.
            if why.kind == Kind::Internal {
                world::end(why);
            }
            if world.is_root() {
                tracing::error!("{why}");
            }
        }
        let exit = ended.unwrap_or_else(|why| why.exit());
        if world.is_root() {
            supervision::announce_exit(exit);
        }
        world.leave();
        // The launcher would complain of any other code; the supervisor has been told.
        Ok(if supervision::is_supervised() { Exit::Ok } else { exit })
    })
}

fn measure(world: &mut World, config: Result<Config>, as_nccl_tests: bool) -> Result<Exit> {
    let prepared = world.is_root().then(|| {
        let config = settled(config?);
        let plan = Plan::resolve(&config, &world.places())?;
        let outputs = Output::resolve(&config)?;
        Ok((plan, Desk { config, outputs }))
    });
    let (plan, desk) = world.unanimous(prepared.transpose())?.unzip();
    let plan: Plan = world.broadcast(plan)?;
    world.set_deadline(Duration::from_secs_f64(plan.timeout_s));
    let files: Vec<String> = desk
        .iter()
        .flat_map(|desk| desk.outputs.iter().map(|output| output.path.display().to_string()))
        .collect();
    let total = plan.cases.len();
    let bar = bar(total, world.is_root() && !supervision::is_supervised());
    let (exit, report) = session::run(world, &plan, desk, |done, id| {
        supervision::tell(&Note::Case { done, total, id: id.to_owned() });
        bar.set_position(done as u64);
        bar.set_message(id.to_owned());
    })?;
    bar.finish_and_clear();
    if let Some(report) = report {
        let wrote = format!("wrote {}", files.join(", "));
        if as_nccl_tests {
            report::print_nccl_tests(&report);
            report::say(&format!("# {wrote}"));
        } else {
            report::print(&report);
            report::say(&wrote);
        }
    }
    Ok(exit)
}

/// The configuration with the backend that `auto` means on this machine.
fn settled(config: Config) -> Config {
    match config.backend.unwrap_or_default() {
        BackendChoice::Auto => {
            let found = backend::cuda_devices();
            let choice = if found.is_ok() { BackendChoice::Cuda } else { BackendChoice::Host };
            tracing::debug!("backend auto is {choice:?}: {found:?}");
            Config { backend: Some(choice), ..config }
        }
        _ => config,
    }
}

/// A progress bar when a person watches, else nothing.
pub(super) fn bar(total: usize, shown: bool) -> ProgressBar {
    if !shown || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}");
    ProgressBar::new(total as u64)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

impl RunArgs {
    /// The configuration with these flags over it.
    fn apply(&self, mut config: Config) -> Result<Config> {
        fn set<T: Clone>(to: &mut Option<T>, flag: &Option<T>) {
            if flag.is_some() {
                to.clone_from(flag);
            }
        }
        fn set_list<T: Clone>(to: &mut Option<Vec<T>>, flags: &[T]) {
            if !flags.is_empty() {
                *to = Some(flags.to_vec());
            }
        }
        fn set_quantity(to: &mut Option<Quantity>, flag: &Option<String>) {
            set(to, &flag.clone().map(Quantity::Text));
        }
        fn set_name<T: serde::de::DeserializeOwned>(
            to: &mut Option<T>,
            what: &str,
            flag: Option<&str>,
        ) -> Result<()> {
            if let Some(text) = flag {
                *to = Some(from_name(what, text)?);
            }
            Ok(())
        }
        set_name(&mut config.backend, "--backend", self.backend.as_deref())?;
        set_name(&mut config.protocol, "--protocol", self.protocol.as_deref())?;
        set_name(&mut config.scaling.kind, "--scaling", self.scaling.as_deref())?;
        set_name(&mut config.output.format, "--format", self.format.as_deref())?;
        set(&mut config.topology, &self.topology);
        set(&mut config.seed, &self.seed);
        set(&mut config.timeout, &self.timeout);
        set(&mut config.benchmarking.warmup_iterations, &self.warmup);
        set(&mut config.benchmarking.timing_iterations, &self.iterations);
        set(&mut config.benchmarking.batch, &self.batch);
        set(&mut config.benchmarking.check_every, &self.check_every);
        set_quantity(&mut config.benchmarking.precision_target, &self.precision_target);
        set_quantity(&mut config.benchmarking.min_time, &self.min_time);
        set_quantity(&mut config.benchmarking.max_time, &self.max_time);
        set_quantity(&mut config.benchmarking.duration, &self.duration);
        set_list(&mut config.benchmarking.precision_quantiles, &self.precision_quantile);
        set(&mut config.benchmarking.quick, &self.quick.then_some(true));
        set(&mut config.emulate_ranks, &self.emulate_ranks.then_some(true));
        set(&mut config.continue_on_error, &self.continue_on_error.then_some(true));
        set(&mut config.mesh.shape, &self.mesh);
        set(&mut config.mesh.order, &self.mesh_order);
        set(&mut config.mesh.groups, &self.groups);
        set(&mut config.mesh.pairs, &self.pairs);
        set(&mut config.mesh.concurrent_groups, &self.concurrent_groups.then_some(true));
        set_list(&mut config.mesh.axes, &self.axis);
        set_list(&mut config.scaling.ranks, &self.scaling_ranks);
        set_list(&mut config.precision_policies, &self.precision);
        set_list(&mut config.output.files, &self.output);
        self.choose_benchmarks(&mut config)?;
        for text in &self.problem_size {
            apply_problem_size(&mut config, text)?;
        }
        if self.nccl_tests_table {
            place_both(&mut config);
        }
        Ok(config)
    }

    /// `--benchmark` chooses; settings that the file has for the chosen ones stay.
    fn choose_benchmarks(&self, config: &mut Config) -> Result<()> {
        if self.benchmark.is_empty() {
            return Ok(());
        }
        let names = benchmark::CATALOGUE.map(|benchmark| benchmark.name);
        let known = config.benchmarks.take().unwrap_or_default();
        let mut chosen = BTreeMap::new();
        for pattern in &self.benchmark {
            let matcher = WildMatch::new(pattern);
            let mut matching: Vec<&str> =
                names.into_iter().filter(|name| matcher.matches(name)).collect();
            if matching.is_empty() {
                matching.push(benchmark::named(pattern)?.name);
            }
            for name in matching {
                let settings = known.get(name).cloned().flatten();
                chosen.insert(name.to_owned(), settings);
            }
        }
        config.benchmarks = Some(chosen);
        Ok(())
    }
}

/// The benchmarks to run with their settings; the usual ones where none is named.
fn chosen(config: &mut Config) -> &mut BTreeMap<String, Option<BTreeMap<String, Values>>> {
    let usual = || benchmark::usual().map(|name| (name.to_owned(), None)).collect();
    config.benchmarks.get_or_insert_with(usual)
}

/// Both placements where a benchmark has both and none was asked for: the halves of nccl-tests' table.
fn place_both(config: &mut Config) {
    for (name, settings) in chosen(config) {
        if benchmark::find(name).is_some_and(|benchmark| benchmark.placements) {
            let both = || Values::Text("out,in".to_owned());
            settings.get_or_insert_default().entry("placement".to_owned()).or_insert_with(both);
        }
    }
}

/// One `--problem-size`: a preset, JSON, or `key=values`.
fn apply_problem_size(config: &mut Config, text: &str) -> Result<()> {
    let wrong = |why: &str| {
        Error::usage(format!(
            "--problem-size '{text}' {why}; write bytes=8..64MiB*2, m=512,1024, {{\"m\": 512}}, or small, \
             medium, large"
        ))
    };
    let settings: BTreeMap<String, Values> = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|why| wrong(&format!("is not JSON ({why})")))?
    } else if let Some((key, values)) = text.split_once('=') {
        BTreeMap::from([(key.trim().to_owned(), Values::Text(values.to_owned()))])
    } else {
        config.preset = Some(from_name("--problem-size", text)?);
        return Ok(());
    };
    let chosen = chosen(config);
    for (key, values) in settings {
        let mut used = false;
        for (name, settings) in chosen.iter_mut() {
            let Some(benchmark) = benchmark::find(name) else { continue };
            let placement = key == "placement" && benchmark.placements;
            if placement || benchmark.keys.iter().any(|known| known.name == key) {
                settings.get_or_insert_default().insert(key.clone(), values.clone());
                used = true;
            }
        }
        if !used {
            let keys = chosen.keys().filter_map(|name| benchmark::find(name));
            let keys: Vec<&str> =
                keys.flat_map(|benchmark| benchmark.keys.iter().map(|key| key.name)).collect();
            return Err(wrong(&format!(
                "sets a key that none of the benchmarks has ({})",
                suggestion(&key, keys)
            )));
        }
    }
    Ok(())
}

/// Prints what the plan would run.
fn show(plan: &Plan) {
    let rows = plan.cases.iter().map(|case| {
        vec![
            case.id.clone(),
            case.group.ranks.len().to_string(),
            case.study.as_ref().map_or("-", |_| "yes").to_owned(),
            format_size(case.work.footprint(case.group.ranks.len())),
        ]
    });
    let largest = plan
        .cases
        .iter()
        .map(|case| case.work.footprint(case.group.ranks.len()))
        .max()
        .unwrap_or(0);
    let budget = &plan.budget;
    let rounds = u64::from(budget.iterations);
    let samples: u64 = plan.cases.iter().map(|case| rounds * case.group.ranks.len() as u64).sum();
    let most = budget.max_seconds.map_or_else(String::new, |most| format!(", at most {most} s"));
    let (often, about) = match (&budget.target, budget.min_seconds > 0.0) {
        (Some(target), _) => {
            let percent = 100.0 * target.half_width;
            (format!("until ± {percent} %, at most {rounds} iterations{most}"), "at most ")
        }
        (None, true) => {
            (format!("{rounds} iterations or more, for {} s", budget.min_seconds), "at least ")
        }
        (None, false) => (format!("{rounds} iterations{most}"), ""),
    };
    let cases = if plan.cases.len() == 1 { "case" } else { "cases" };
    let totals = [
        format!(
            "{} {cases} on {} ranks, backend {}; {often} each",
            plan.cases.len(),
            plan.ranks,
            plan.backend.name(),
        ),
        format!(
            "most memory of one rank: {} for the work, {about}{:.1} MB for its samples",
            format_size(largest),
            (rounds * size_of::<Sample>() as u64) as f64 * 1e-6
        ),
        // scripts/compare-with-peers gather: 13 bytes a row after compression.
        format!(
            "samples: {about}{samples}, about {:.1} MB as compressed CSV",
            samples as f64 * 13e-6
        ),
    ];
    let header = vec!["case", "ranks", "scaling", "memory of a rank"];
    report::print_table(header, rows.collect(), 3..5);
    for line in totals {
        report::say(&line);
    }
}
