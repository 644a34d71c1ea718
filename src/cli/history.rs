//! `history`: reports over time.

mod gate;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use wildmatch::WildMatch;

use super::{format, one_of, write};
use crate::base::error::{Error, Exit, Result};
use crate::base::files::write_atomically;
use crate::history::{
    Added, Answer, Asked, Content, DAYS, Entry, FOLDER, History, Label, Source, trends,
};
use crate::plan::config::Config;
use crate::render::{Format, counted, say};

/// Reports of which adding is told one by one.
const FEW: usize = 20;

/// Arguments of `history`.
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    /// Folder of the history [default: .tesserabench/history]
    #[arg(long, global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Keep reports; a run that is there already changes nothing
    Add(AddArgs),
    /// Show the reports
    List(ListArgs),
    /// Follow cases over time and find where they changed
    Trend(TrendArgs),
    /// Hold a report against a baseline: the last release, a pin, a commit; exit 3 when it is worse
    Gate(gate::GateArgs),
    /// Name a report, to compare others with it
    Pin(PinArgs),
    /// Remove old reports, but for those that are pinned, tagged, or the newest of their machine
    Prune(PruneArgs),
    /// Print the values for other programs
    Export(ExportArgs),
}

#[derive(Debug, Args)]
struct AddArgs {
    /// Reports, or folders of reports: also another history
    #[arg(required = true, value_name = "REPORT")]
    reports: Vec<PathBuf>,
    /// The commit that was measured, where the reports do not tell the right one
    #[arg(long, value_name = "REF")]
    git: Option<String>,
    /// The release that was measured; makes the report one that `last-release` finds
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only reports whose file, run, commit, tag, pin or machine matches this glob
    #[arg(long, value_name = "GLOB")]
    filter: Option<String>,
    /// Only the newest N
    #[arg(long, value_name = "N")]
    last: Option<usize>,
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = one_of::<Answer>(Format::ANY.into_iter()))]
    format: Format,
}

#[derive(Debug, Args)]
struct TrendArgs {
    /// Only cases whose id matches this glob
    #[arg(long, value_name = "GLOB")]
    case: Option<String>,
    /// The metric: latency, algbw_gbps, busbw_gbps, gbps, tflops …
    #[arg(long, value_name = "NAME", default_value = "latency")]
    metric: String,
    /// Only the newest N values of each case
    #[arg(long, value_name = "N")]
    last: Option<usize>,
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = format::<Answer>())]
    format: Format,
}

#[derive(Debug, Args)]
struct PinArgs {
    /// The name
    #[arg(required_unless_present = "remove")]
    name: Option<String>,
    /// Which report: its file, its run, or a commit, of which the newest; the newest of all when absent
    #[arg(value_name = "REPORT")]
    report: Option<String>,
    /// Take this name away instead
    #[arg(long, value_name = "NAME", conflicts_with_all = ["name", "report"])]
    remove: Option<String>,
}

#[derive(Debug, Args)]
struct PruneArgs {
    /// Remove what began so many days ago [default: 365]
    #[arg(long, value_name = "DAYS")]
    older_than: Option<u64>,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
struct ExportArgs {
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "openmetrics", value_parser = format::<Answer>())]
    format: Format,
    /// Only cases whose id matches this glob
    #[arg(long, value_name = "GLOB")]
    case: Option<String>,
    /// Only this metric
    #[arg(long, value_name = "NAME")]
    metric: Option<String>,
    /// All values, not only the latest of each series
    #[arg(long)]
    all: bool,
    /// File to write instead of printing
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(args: HistoryArgs, config: impl FnOnce() -> Result<Config>) -> Result<Exit> {
    let config = config()?;
    let folder = args.dir.or_else(|| config.history.folder.clone());
    let folder = folder.unwrap_or_else(|| FOLDER.into());
    let days = config.history.retention_days.unwrap_or(DAYS);
    match args.action {
        Action::Gate(args) => return gate::run(&folder, &args, config),
        Action::Add(args) => add(&folder, &args, days),
        Action::List(args) => list(&folder, &args),
        Action::Trend(args) => trend(&folder, args),
        Action::Pin(args) => pin(&folder, &args),
        Action::Prune(args) => prune(&folder, args.older_than.unwrap_or(days), args.dry_run),
        Action::Export(args) => export(&folder, args),
    }?;
    Ok(Exit::Ok)
}

fn add(folder: &Path, args: &AddArgs, days: u64) -> Result<()> {
    let label = Label::new(args.git.as_deref(), args.tag.as_deref())?;
    let mut sources = Vec::new();
    for path in &args.reports {
        sources.extend(Source::of(path)?);
    }
    let mut history = History::open_or_begin(folder)?;
    let (mut new, mut known) = (0, 0);
    let few = sources.len() <= FEW;
    let told = |source: &Source, added: &Added| {
        let (count, what) = match added {
            Added::New(file) => (&mut new, format!("as {file}")),
            Added::Completed(file) => {
                (&mut new, format!("as {file}, instead of its run's incomplete report"))
            }
            Added::Known(file) => {
                (&mut known, format!("not added: its run is there already, in {file}"))
            }
        };
        *count += 1;
        if few {
            say(&format!("{}: {what}", source.path.display()));
        }
    };
    history.add(&sources, &label, told)?;
    if new + known == 0 {
        return Err(Error::usage(format!(
            "none of {} files is a report; `tesserabench run` writes reports, `tesserabench import` makes them of \
             other tools' results",
            sources.len()
        )));
    }
    let there = if known > 0 {
        format!(", had {} already", counted(known, "report"))
    } else {
        String::new()
    };
    let all = history.entries().len();
    say(&format!(
        "added {}{there}; now it has {all}, in '{}'",
        counted(new, "report"),
        folder.display()
    ));
    let old = history.outdated(days, now()).len();
    if old > 0 {
        say(&format!(
            "{} older than {days} days can go by `tesserabench history prune`",
            counted(old, "report")
        ));
    }
    Ok(())
}

fn list(folder: &Path, args: &ListArgs) -> Result<()> {
    let history = History::open(folder)?;
    let glob = WildMatch::new(args.filter.as_deref().unwrap_or("*"));
    let matches = |entry: &&Entry| {
        let record = &entry.record;
        let texts = [&entry.file, &record.run, &record.machine].into_iter();
        let mut texts = texts.chain(&record.git).chain(&entry.tag).chain(&entry.pins);
        texts.any(|text| glob.matches(text))
    };
    let found: Vec<Entry> = history.entries().iter().filter(matches).cloned().collect();
    let skipped = found.len().saturating_sub(args.last.unwrap_or(usize::MAX));
    let reports = found[skipped..].to_vec();
    let damaged = history.damaged().to_vec();
    write(&Answer::from(Content::List { reports, damaged }), args.format, &[], false)
}

fn trend(folder: &Path, args: TrendArgs) -> Result<()> {
    let asked = Asked { case: args.case, metric: Some(args.metric), last: args.last };
    // Others need not wait while changes are looked for.
    let series = History::open(folder)?.series(&asked)?;
    let answer = Answer::from(Content::Trend { trends: trends(series) });
    write(&answer, args.format, &[], false)
}

fn pin(folder: &Path, args: &PinArgs) -> Result<()> {
    let mut history = History::open(folder)?;
    if let Some(name) = &args.remove {
        history.unpin(name)?;
        say(&format!("'{name}' is no pin any more"));
    } else if let Some(name) = &args.name {
        let entry = history.one(args.report.as_deref())?.clone();
        history.pin(name, &entry.record.run)?;
        say(&format!("'{name}' is {}, of {}", entry.name(), entry.record.started));
    }
    Ok(())
}

fn prune(folder: &Path, days: u64, dry_run: bool) -> Result<()> {
    let mut history = History::open(folder)?;
    let old = history.outdated(days, now());
    if !dry_run {
        history.remove(&old)?;
    }
    let did = if dry_run { "would remove" } else { "removed" };
    old.iter().for_each(|entry| say(&format!("{did} {}", entry.name())));
    say(&format!("{did} {} older than {days} days", counted(old.len(), "report")));
    Ok(())
}

fn export(folder: &Path, args: ExportArgs) -> Result<()> {
    let last = (!args.all).then_some(1);
    let asked = Asked { case: args.case, metric: args.metric, last };
    let series = History::open(folder)?.series(&asked)?;
    let answer = Answer::from(Content::Export { series });
    let Some(path) = args.output else {
        return write(&answer, args.format, &[], false);
    };
    write_atomically(&path, args.format.write(&answer, true)?.as_bytes())?;
    say(&format!("wrote {}", path.display()));
    Ok(())
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
