//! `profile`: a run whose ranks are started under a profiler, case by case, and what that saw.

mod tool;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, Parser as _};

use super::run::{AdvancedArgs, MeasuringArgs, RankArgs, WorkArgs, without};
use super::{Cli, Command, format, typed_words};
use crate::base::error::{Error, Exit, Result};
use crate::base::files::write_atomically;
use crate::base::plain::plain;
use crate::base::units::now;
use crate::machine::profiler::Profiler;
use crate::plan::config::from_name;
use crate::plan::{BackendSpec, Case, Plan};
use crate::render::{Format, say};
use crate::report::{PROFILE_SCHEMA, Profile, ProfiledCase};
use crate::run::{self, Profiling, REPORT, UnderProfiler};
use tool::Tool;

/// The summary, in the folder.
const SUMMARY: &str = "profile.json";

/// Flags that are not of a run.
const OWN: [&str; 6] =
    ["profiler", "profile_ranks", "output_dir", "format", "dry_run", "print_command"];

/// Iterations under `ncu` where none are asked for: it runs each kernel many times over.
const NCU_ITERATIONS: u32 = 5;

#[derive(Debug, Args)]
pub(super) struct ProfileArgs {
    /// The profiler: nsys, ncu, perf [default: nsys on GPUs, perf on CPUs]
    #[arg(long, value_name = "NAME")]
    profiler: Option<String>,
    /// Ranks under the profiler: 0,3 [default: all]
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    profile_ranks: Option<Vec<usize>>,
    /// Folder for the summary and a folder of files for each case
    #[arg(long, value_name = "DIR", default_value = "profile")]
    output_dir: PathBuf,
    /// How to print the summary
    #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = format::<Profile>())]
    format: Format,
    /// Deadline of each launch: 5m, or seconds [default: an hour]
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
    /// Go on with the other cases after one fails
    #[arg(long)]
    continue_on_error: bool,
    #[command(flatten)]
    work: WorkArgs,
    #[command(flatten)]
    ranks: RankArgs,
    #[command(flatten)]
    measuring: MeasuringArgs,
    #[command(flatten)]
    advanced: AdvancedArgs,
}

/// What `profile` hands to the process that becomes a rank.
#[derive(Debug, Args)]
pub(super) struct UnderArgs {
    /// The profiler
    profiler: String,
    /// Its program
    tool: PathBuf,
    /// Folder for its files
    folder: PathBuf,
    /// Ranks under it
    ranks: String,
    /// Events of perf
    events: String,
    /// The rank's program and its arguments
    #[arg(last = true, required = true)]
    program: Vec<OsString>,
}

/// Becomes a rank.
pub(super) fn under(args: &UnderArgs) -> Result<Exit> {
    let UnderArgs { profiler, tool, folder, ranks, events, program } = args;
    run::under_profiler(&UnderProfiler { profiler, program: tool, folder, ranks, events }, program)
}

pub(super) fn run(args: ProfileArgs, file: Option<&Path>) -> Result<Exit> {
    let asked = args.profiler.as_deref().map(named).transpose()?;
    let plan = plan_of(file, args.ranks.ranks)?;
    let profiler = suited(asked, &plan)?;
    let words = words(&args, profiler)?;
    let ranks = chosen_ranks(args.profile_ranks.as_deref(), plan.ranks)?;
    if args.work.dry_run {
        run::show_plan(&plan);
        return Ok(plan.exit());
    }
    let tool = Tool::find(profiler)?;
    let launcher = from_name("--launcher", &args.ranks.launcher)?;
    let profiling = Profiling {
        profiler,
        program: tool.program.clone(),
        ranks,
        events: tool.events.clone(),
        launcher: args.ranks.ranks.map(|_| launcher),
    };
    let sets: Vec<&[Case]> = plan.cases.chunk_by(Case::runs_with).collect();
    let folder = Folder::make(&args.output_dir, args.ranks.print_command)?;
    if args.ranks.print_command {
        for (place, set) in sets.iter().enumerate() {
            let here = folder.of(place);
            profiling.print(&plan, of_set(&words, set, &here), &here)?;
        }
        return Ok(Exit::Ok);
    }
    let mut profile = Profile {
        schema: PROFILE_SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: now(),
        command: ["tesserabench".to_owned()].into_iter().chain(typed_words()).collect(),
        profiler,
        profiler_version: tool.version.clone(),
        backend: plan.backend.name().to_owned(),
        ranks: plan.ranks,
        cases: Vec::new(),
        remarks: tool.remarks.clone(),
        exit: Exit::Ok.code(),
    };
    let (mut exit, mut failures) = (tool.exit(), 0);
    for (place, set) in sets.iter().enumerate() {
        let here = folder.of(place);
        std::fs::create_dir(&here).map_err(|why| Error::file("make", &here, why))?;
        let launched = profiling.launch(&plan, set, of_set(&words, set, &here), &here);
        let ended = launched.unwrap_or_else(|why| {
            tracing::error!("{}", plain(&why.message));
            why.kind.exit()
        });
        let ids: Vec<String> = set.iter().map(|case| case.id.clone()).collect();
        if ended != Exit::Ok {
            let id = ids.join(" ");
            profile.remarks.push(format!("{id} ended with {}: {}", ended.code(), ended.meaning()));
            failures += 1;
        }
        let mut read = Vec::new();
        for rank in &profiling.ranks {
            let (seen, lacks) = tool.read(&here, *rank)?;
            read.push(seen);
            if let (Some(why), Exit::Ok) = (lacks, ended) {
                profile.remarks.push(why.message);
                exit = exit.worst(why.kind.exit());
            }
        }
        profile.cases.push(ProfiledCase {
            cases: ids,
            folder: folder.name_of(place),
            report: here.join(REPORT).exists().then(|| REPORT.to_owned()),
            exit: ended.code(),
            ranks: read,
        });
        exit = exit.worst(ended);
        if failures >= plan.max_failures || ended == Exit::Interrupted {
            break;
        }
    }
    let left = sets.len() - profile.cases.len();
    if left > 0 {
        profile.remarks.push(format!("{left} of {} launches were not started", sets.len()));
    }
    profile.remarks.dedup();
    profile.exit = exit.code();
    let path = args.output_dir.join(SUMMARY);
    write_atomically(&path, Format::Json.write(&profile, true)?.as_bytes())?;
    super::write(&profile, args.format, &[], false)?;
    if args.format == Format::Table {
        say(&format!("wrote {}", path.display()));
    }
    Ok(exit)
}

/// The profiler of this name.
fn named(name: &str) -> Result<Profiler> {
    if name == "nvprof" {
        return Err(Error::usage(
            "nvprof knows no GPU above compute capability 7.5, and CUDA 13 has it no more; use --profiler nsys for what \
             ran when, or --profiler ncu for how well a kernel uses the GPU",
        ));
    }
    from_name("--profiler", name)
}

/// The words of `run` that each launch begins with; it names its own cases.
fn words(args: &ProfileArgs, profiler: Profiler) -> Result<Vec<OsString>> {
    let mut words = without(&[&OWN[..], &["case"]].concat(), std::env::args_os())?;
    if profiler.runs_kernels_alone() {
        words.push("--no-blocking-kernel".into());
    }
    if profiler == Profiler::Ncu && args.measuring.iterations.is_none() {
        words.push(format!("--iterations={NCU_ITERATIONS}").into());
    }
    Ok(words)
}

/// The words of a launch of some cases, whose files go to a folder.
fn of_set(words: &[OsString], set: &[Case], folder: &Path) -> Vec<OsString> {
    let cases = set.iter().map(|case| OsString::from(format!("--case={}", case.id)));
    let mut output = OsString::from("--output=");
    output.push(folder.join(REPORT));
    // A configuration file may ask for another format.
    words.iter().cloned().chain(cases).chain([output, "--format=json".into()]).collect()
}

/// The plan of the run that was typed.
fn plan_of(file: Option<&Path>, ranks: Option<usize>) -> Result<Plan> {
    let words = without(&OWN, std::env::args_os())?;
    let typed = [OsString::from("tesserabench")].into_iter().chain(words);
    let cli = Cli::try_parse_from(typed).map_err(|why| Error::internal(why.to_string()))?;
    let Command::Run(run) = cli.command else {
        return Err(Error::internal("the words of a rank are not those of run"));
    };
    Profiling::plan(run.over(super::config(file)?)?, ranks)
}

/// The profiler that is asked for, or the one of the backend.
fn suited(asked: Option<Profiler>, plan: &Plan) -> Result<Profiler> {
    let refused = |why: &str| Err(Error::usage(why.to_owned()));
    let profiler = match (&plan.backend, asked) {
        (BackendSpec::Simulated(_), _) => {
            return refused(
                "a simulated run computes its times from a model, so there is nothing to profile; choose --backend \
                 host or cuda",
            );
        }
        (BackendSpec::Host, None | Some(Profiler::Perf)) => Profiler::Perf,
        (BackendSpec::Host, Some(_)) => {
            return refused(
                "nsys and ncu profile NVIDIA GPUs, and this run measures CPUs; use --profiler perf, or --backend cuda",
            );
        }
        (BackendSpec::Cuda { .. }, asked) => asked.unwrap_or(Profiler::Nsys),
    };
    let exchanges = |case: &Case| case.work.communicates() && case.group.ranks.len() > 1;
    if profiler.runs_kernels_alone() && plan.cases.iter().any(exchanges) {
        return refused(
            "ncu runs kernels one by one and each several times, so ranks that exchange data would wait for each other \
             for ever; use --profiler nsys, or name benchmarks that exchange nothing",
        );
    }
    Ok(profiler)
}

fn chosen_ranks(asked: Option<&[usize]>, ranks: usize) -> Result<Vec<usize>> {
    let Some(asked) = asked else { return Ok((0..ranks).collect()) };
    match asked.iter().find(|rank| **rank >= ranks) {
        Some(rank) => Err(Error::usage(format!(
            "--profile-ranks names rank {rank}, and the ranks are 0 to {}; start more with --ranks",
            ranks - 1
        ))),
        None => {
            let mut chosen = asked.to_vec();
            chosen.sort_unstable();
            chosen.dedup();
            Ok(chosen)
        }
    }
}

/// The folder of a profile.
struct Folder(PathBuf);

impl Folder {
    /// Makes it, without what an earlier profile has left there; `only_named` makes and removes nothing.
    fn make(path: &Path, only_named: bool) -> Result<Self> {
        let absolute = std::path::absolute(path).map_err(|why| Error::file("make", path, why))?;
        if only_named {
            return Ok(Self(absolute));
        }
        let wrong = |why: std::io::Error| Error::file("make", path, why);
        std::fs::create_dir_all(&absolute).map_err(wrong)?;
        let entries: std::io::Result<Vec<_>> =
            std::fs::read_dir(&absolute).map_err(wrong)?.collect();
        let is_case = |name: &str| {
            let number = name.strip_prefix("case-");
            number.is_some_and(|digits| digits.parse::<usize>().is_ok())
        };
        let names = entries.map_err(wrong)?.into_iter().map(|entry| entry.file_name());
        let names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        // Without a summary a folder of such a name may be anybody's.
        let has_summary = names.iter().any(|name| name == SUMMARY);
        let is_own = |name: &&String| has_summary && (*name == SUMMARY || is_case(name));
        if let Some(foreign) = names.iter().find(|name| !is_own(name)) {
            return Err(Error::file(
                "write a profile to the folder",
                path,
                format!(
                    "it holds '{}', which no finished profile has left; name another with --output-dir",
                    plain(foreign)
                ),
            ));
        }
        let summary = absolute.join(SUMMARY);
        if has_summary {
            // First, so that none tells of other cases if this run is killed.
            std::fs::remove_file(&summary).map_err(|why| Error::file("remove", &summary, why))?;
        }
        for name in names.iter().filter(|name| is_case(name)) {
            let earlier = absolute.join(name);
            std::fs::remove_dir_all(&earlier)
                .map_err(|why| Error::file("remove", &earlier, why))?;
        }
        Ok(Self(absolute))
    }

    fn name_of(&self, place: usize) -> String {
        format!("case-{}", place + 1)
    }

    fn of(&self, place: usize) -> PathBuf {
        self.0.join(self.name_of(place))
    }
}
