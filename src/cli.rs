//! The command line: arguments as typed, and the command that each asks for.

mod analyze;
mod ci_template;
mod clean_cache;
mod compare;
mod history;
mod import;
mod init_config;
mod inspect;
mod kernels;
mod list_benchmarks;
mod log;
mod manual;
mod profile;
mod refusal;
mod run;
mod schema;
mod sides;
mod support;
mod system_info;
mod verdict;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};
use serde::de::DeserializeOwned;

use crate::base::error::{Error, Exit, Result};
use crate::base::files::{survive_limits, write_atomically};
use crate::base::plain::plain;
use crate::plan::config::{Config, from_name};
use crate::render::{Format, Marker, Render, remark, said_all, say, terminal_width};
use crate::world;

/// Measures machines with many accelerators: collectives, kernels and scaling, one rank per device.
#[derive(Debug, Parser)]
#[command(name = "tesserabench", version, after_help = EXIT_CODES, term_width = help_width())]
struct Cli {
    /// Configuration file, YAML or JSON; flags override it
    #[arg(
        long,
        short = 'c',
        global = true,
        env = "TESSERABENCH_CONFIG",
        hide_env = true,
        value_name = "FILE"
    )]
    config: Option<PathBuf>,
    /// Say more on stderr, and show details; twice for everything
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Say only errors on stderr
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 ok, 1 internal error, 2 usage or bad input, 3 a regression, 4 inconclusive \
(with --strict), 5 wrong results, 6 environment unfit or not comparable, 7 a case failed or nothing was \
measured, 8 timed out, 9 a rank died, 10 interrupted.
mpirun and srun rewrite some of them; `tesserabench verdict REPORT` returns the run's own.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure; under mpirun or srun as one of its ranks
    Run(Box<run::RunArgs>),
    /// Show what can be measured; with -v, types and keys too
    ListBenchmarks {
        /// How to print
        #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = format::<list_benchmarks::List>())]
        format: Format,
        /// Only names that have this in them, or match this glob
        #[arg(long, value_name = "NAME|GLOB")]
        filter: Option<String>,
        #[command(flatten)]
        kernels: kernels::KernelArgs,
    },
    /// Read results of other tools (nccl-tests, OSU, IMB, nvbandwidth, perftest …) into a report
    Import(import::ImportArgs),
    /// Hold a candidate's report against a baseline's, case by case
    Compare(compare::CompareArgs),
    /// Keep reports over time: list them, find changes, name baselines
    History(history::HistoryArgs),
    /// Read reports together: statistics, reliability, scaling, who is fastest, and what is wrong
    Analyze(analyze::AnalyzeArgs),
    /// Pack what somebody else needs to look into a failed or slow case: figures, commands, logs, environment, topology
    SupportBundle(support::SupportArgs),
    /// Measure under a profiler: nsys or ncu on GPUs, perf on CPUs; a summary, and the files of each rank
    Profile(Box<profile::ProfileArgs>),
    /// Compile the kernels and show what they use; needs NVRTC, but no GPU
    Inspect(inspect::InspectArgs),
    /// Remove machine code of kernels and the like, which is made again when needed
    CleanCache(clean_cache::CleanCacheArgs),
    /// Write a commented configuration for this machine
    InitConfig(init_config::InitConfigArgs),
    /// Show this machine, its MPI and this build
    SystemInfo {
        /// How to print
        #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = format::<system_info::Info>())]
        format: Format,
        /// Try each GPU, or the CPUs where there is none: results, clocks, telemetry
        #[arg(long)]
        self_check: bool,
    },
    /// Print what a shell needs to complete commands and flags
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write pages for `man`
    Man {
        /// Folder to write them into
        #[arg(long, short, value_name = "DIR", default_value = "man1")]
        output_dir: PathBuf,
    },
    /// Print a JSON Schema
    Schema {
        /// Of which file
        #[arg(
            value_enum,
            value_name = "report|comparison|history|analysis|summary|profile|configuration|kernel"
        )]
        of: schema::Of,
    },
    /// Run a program that ends when this process's parent does; what --ranks starts launchers by
    #[command(hide = true)]
    WithParent {
        /// The parent's process number
        parent: u32,
        /// The program and its arguments
        #[arg(last = true, required = true)]
        program: Vec<std::ffi::OsString>,
    },
    /// Become a rank, perhaps under a profiler; what `profile` starts ranks by
    #[command(hide = true)]
    UnderProfiler(profile::UnderArgs),
    /// Print one line on each finished report or comparison, and return their worst exit code
    Verdict(verdict::VerdictArgs),
    /// Write what makes GitHub or GitLab measure each change and gate it
    CiTemplate(ci_template::CiTemplateArgs),
}

/// Parses a flag that names a format of such results.
fn format<R: Render>() -> impl TypedValueParser<Value = Format> {
    one_of::<R>(Format::all::<R>())
}

/// The same of results that have only some of the formats.
fn one_of<R: Render>(
    formats: impl Iterator<Item = Format>,
) -> impl TypedValueParser<Value = Format> {
    let values = formats.map(|format| PossibleValue::new(format.name()).help(format.purpose()));
    PossibleValuesParser::new(values).try_map(|name| Format::named::<R>(&name))
}

/// Parses a flag that names the marker of a comment.
fn marker(name: &str) -> std::result::Result<Marker, String> {
    Marker::named(name).map_err(|why| why.message)
}

/// Whether a file to write is standard output.
fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

/// The files that are to be written, with their formats.
fn files<R: Render>(paths: &[PathBuf]) -> Result<Vec<(&Path, Format)>> {
    if paths.iter().any(|path| is_stdout(path)) {
        return Err(Error::usage(
            "--output - is what --format prints; write --format json instead",
        ));
    }
    paths.iter().map(|path| Ok((path.as_path(), Format::of_file::<R>(path)?))).collect()
}

/// Prints a result in one format, with details only `in_full`, and writes it to files.
fn write<R: Render>(
    result: &R,
    format: Format,
    files: &[(&Path, Format)],
    in_full: bool,
) -> Result<()> {
    write_marked(result, format, files, in_full, None)
}

/// The same; comments have this marker.
fn write_marked<R: Render>(
    result: &R,
    format: Format,
    files: &[(&Path, Format)],
    in_full: bool,
    marker: Option<&Marker>,
) -> Result<()> {
    say(format.write_marked(result, in_full, marker)?.trim_end());
    for (path, of_file) in files {
        let text = of_file.write_marked(result, true, marker)?;
        write_atomically(path, text.as_bytes())?;
        let told = format!("wrote {}", path.display());
        // Other formats are for programs.
        if format == Format::Table { say(&told) } else { remark(&told) }
    }
    Ok(())
}

/// How wide help is: as the terminal, but no wider than is easily read; where there is none, as most are.
fn help_width() -> usize {
    terminal_width().unwrap_or(80).min(100)
}

/// Sets what a flag names, if it is given.
fn set_name<T: DeserializeOwned>(
    to: &mut Option<T>,
    flag: &str,
    name: &Option<String>,
) -> Result<()> {
    if let Some(name) = name {
        *to = Some(from_name(flag, name)?);
    }
    Ok(())
}

/// Parses the arguments, runs the command, and reports its exit.
pub fn main() -> ExitCode {
    survive_limits();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    log::start(cli.verbose, cli.quiet);
    let exit = dispatch(cli).unwrap_or_else(|error| {
        tell(|| tracing::error!("{}", plain(&error.message)));
        error.kind.exit()
    });
    let exit = if said_all() { exit } else { exit.worst(Exit::Unfit) };
    ExitCode::from(exit.code())
}

/// Says something once where several processes have the same to say.
fn tell(say: impl FnOnce()) {
    if world::is_first_process() {
        say();
    } else {
        world::wait_for_first_process();
    }
}

/// The words behind the program's name, for sentences about them.
fn typed_words() -> Vec<String> {
    std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect()
}

/// Prints what is wrong with the command line, or the page that it asks for.
fn refuse(error: &clap::Error) -> ExitCode {
    let mut printed = Ok(());
    match refusal::sentence(error, &typed_words()) {
        Some(sentence) => {
            log::start(0, false);
            tell(|| tracing::error!("{}", plain(&sentence)));
        }
        None => tell(|| printed = error.print()),
    }
    let lost = printed.is_err_and(|why| why.kind() != std::io::ErrorKind::BrokenPipe);
    let code = if lost { Exit::Unfit.code().into() } else { error.exit_code() };
    ExitCode::from(u8::try_from(code).unwrap_or(Exit::Usage.code()))
}

fn dispatch(cli: Cli) -> Result<Exit> {
    match cli.command {
        Command::Run(args) => run::run(*args, cli.config.as_deref()),
        Command::ListBenchmarks { format, filter, kernels } => {
            let paths = paths(cli.config.as_deref(), kernels)?;
            list_benchmarks::run(format, filter.as_deref(), cli.verbose > 0, &paths)
        }
        Command::Import(args) => import::run(args),
        Command::Compare(args) => compare::run(&args, config(cli.config.as_deref())?),
        Command::History(args) => history::run(args, config(cli.config.as_deref())?),
        Command::Analyze(args) => analyze::run(&args, &config(cli.config.as_deref())?),
        Command::SupportBundle(args) => support::run(&args),
        Command::InitConfig(args) => init_config::run(&args, cli.config.as_deref()),
        Command::CleanCache(args) => clean_cache::run(&args),
        Command::Inspect(args) => inspect::run(args, cli.config.as_deref()),
        Command::SystemInfo { format, self_check: true } => system_info::self_check::run(format),
        Command::SystemInfo { format, .. } => system_info::run(format, cli.config.as_deref()),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { output_dir } => manual::man(&output_dir),
        Command::Schema { of } => schema::run(of),
        Command::WithParent { parent, program } => crate::run::with_parent(parent, &program),
        Command::Profile(args) => profile::run(*args, cli.config.as_deref()),
        Command::UnderProfiler(args) => profile::under(&args),
        Command::Verdict(args) => verdict::run(&args),
        Command::CiTemplate(args) => ci_template::run(&args),
    }
}

/// Where a configuration and flags say that kernels are.
fn paths(path: Option<&Path>, flags: kernels::KernelArgs) -> Result<Vec<PathBuf>> {
    Ok(config(path)?.kernel_paths.into_iter().chain(flags.kernel_path).collect())
}

fn config(path: Option<&Path>) -> Result<Config> {
    path.map_or_else(|| Ok(Config::default()), Config::load)
}
