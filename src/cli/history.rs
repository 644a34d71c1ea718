//! `history`: reports over time.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use wildmatch::WildMatch;

use super::compare::{NoiseArgs, RuleArgs, TellArgs};
use super::sides::Side;
use super::{files, format, one_of, write};
use crate::analysis::{self, Reports, Rules};
use crate::base::error::{Error, Exit, Result};
use crate::base::files::{is_plain, write_atomically};
use crate::base::units::counted;
use crate::history::{
    Added, Answer, Asked, Baseline, Content, DAYS, Entry, FOLDER, History, Label, Source, trends,
};
use crate::import::{self, FILE_LIMIT, File};
use crate::plan::config::Config;
use crate::render::{Format, say};
use crate::report::Report;
use crate::run::keep_reports;

/// Reports of which adding is told one by one.
const FEW: usize = 20;

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
    Add {
        /// Reports, or folders of reports: also another history
        #[arg(required = true, value_name = "REPORT")]
        reports: Vec<PathBuf>,
        /// The commit that was measured, where the reports do not tell the right one
        #[arg(long, value_name = "REF")]
        git: Option<String>,
        /// The release that was measured; makes the report one that `last-release` finds
        #[arg(long, value_name = "TAG")]
        tag: Option<String>,
    },
    /// Show the reports
    List {
        /// Only reports whose file, run, commit, tag, pin or machine matches this glob
        #[arg(long, value_name = "GLOB", default_value = "*", hide_default_value = true)]
        filter: String,
        /// Only the newest N
        #[arg(long, value_name = "N")]
        last: Option<usize>,
        /// How to print
        #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = one_of::<Answer>(Format::ANY.into_iter()))]
        format: Format,
    },
    /// Follow cases over time and find where they changed
    Trend {
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
        /// File to write, in the format that its ending names, such as .html for a page with plots; repeatable
        #[arg(long, short, value_name = "FILE")]
        output: Vec<PathBuf>,
    },
    /// Hold a report against a baseline: the last release, a pin, a commit; exit 3 when it is worse
    Gate {
        /// The report, in the history or not; several launches in several files parted by commas
        report: String,
        /// What it is held against: last-release, a pin, a file, a run, or a commit, of which the nearest before it
        /// that has reports of this machine
        #[arg(long, value_name = "WHAT", default_value = "last-release")]
        baseline: String,
        #[command(flatten)]
        rules: RuleArgs,
        /// As of `compare`; without it, what the history's own reports of one commit tell
        #[command(flatten)]
        noise: NoiseArgs,
        #[command(flatten)]
        tell: TellArgs,
    },
    /// Name a report, to compare others with it
    Pin {
        /// The name
        #[arg(required_unless_present = "remove")]
        name: Option<String>,
        /// Which report: its file, its run, or a commit, of which the newest; the newest of all when absent
        #[arg(value_name = "REPORT")]
        report: Option<String>,
        /// Take this name away instead
        #[arg(long, value_name = "NAME", conflicts_with_all = ["name", "report"])]
        remove: Option<String>,
    },
    /// Remove old reports, but for those that are pinned, tagged, or the newest of their machine
    Prune {
        /// Remove what began so many days ago [default: 365]
        #[arg(long, value_name = "DAYS")]
        older_than: Option<u64>,
        /// Only say what would be removed
        #[arg(long)]
        dry_run: bool,
    },
    /// Print the values for other programs
    Export {
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
    },
}

pub(super) fn run(args: HistoryArgs, mut config: Config) -> Result<Exit> {
    let folder = args.dir.or_else(|| config.history.folder.clone());
    let folder = folder.unwrap_or_else(|| FOLDER.into());
    let days = config.history.retention_days.unwrap_or(DAYS);
    match args.action {
        Action::Add { reports, git, tag } => {
            // A pipe gives what it has only once: of it `add` says what it is not.
            let is_foreign = |path: &&PathBuf| {
                let file = || File::read(path, FILE_LIMIT);
                is_plain(path) && Report::load(path).is_err() && file().is_ok_and(|f| f.is_log())
            };
            if let Some(log) = reports.iter().find(is_foreign) {
                return Err(Error::usage(format!(
                    "'{0}' is a log of another tool; make a report of it first: tesserabench import {0}",
                    log.display()
                )));
            }
            add(&folder, &reports, &Label::new(git.as_deref(), tag.as_deref())?, days)?;
        }
        Action::List { filter, last, format } => {
            let history = History::open(&folder)?;
            let glob = WildMatch::new(&filter);
            let matches = |entry: &&Entry| {
                let record = &entry.record;
                let texts = [&entry.file, &record.run, &record.machine].into_iter();
                let mut texts = texts.chain(&record.git).chain(&entry.tag).chain(&entry.pins);
                texts.any(|text| glob.matches(text))
            };
            let mut found: Vec<Entry> = history.entries().iter().filter(matches).cloned().collect();
            let reports = found.split_off(found.len().saturating_sub(last.unwrap_or(usize::MAX)));
            print(Content::List { reports, damaged: history.damaged().to_vec() }, format)?;
        }
        Action::Trend { case, metric, last, format, output } => {
            let outputs = files::<Answer>(&output)?;
            // Others need not wait while changes are looked for.
            let asked = Asked { case, metric: Some(metric), last };
            let series = History::open(&folder)?.series(&asked)?;
            let answer = Answer::from(Content::Trend { trends: trends(series) });
            keep_reports(output.iter().map(PathBuf::as_path))?;
            write(&answer, format, &outputs, false)?;
        }
        Action::Gate { report, baseline, rules, noise, tell } => {
            rules.apply(&mut config.comparison)?;
            let mut rules = Rules::resolve(&config)?;
            tell.files()?;
            let asked = import::Asked::default();
            let candidate = Side::load(&report, &asked)?;
            let baseline = Baseline::find(&folder, &baseline)?;
            let (files, reports) = baseline.reports(&candidate.reports)?;
            rules.noise_floor = match noise.floor(&reports, rules.metric, &asked)? {
                None => baseline.noise_floor(&reports, &candidate.reports, &rules)?,
                given => given,
            };
            tell.refuse_overwriting(&files, &candidate.files)?;
            let baseline = Reports { files: &files, reports: &reports };
            return tell.tell(&analysis::compare(baseline, candidate.as_reports(), &rules));
        }
        Action::Pin { name, report, remove } => {
            let mut history = History::open(&folder)?;
            if let Some(name) = remove {
                history.unpin(&name)?;
                say(&format!("'{name}' is no pin any more"));
            } else if let Some(name) = name {
                let entry = history.one(report.as_deref())?.clone();
                history.pin(&name, &entry.record.run)?;
                say(&format!("'{name}' is {}, of {}", entry.name(), entry.record.started));
            }
        }
        Action::Prune { older_than, dry_run } => {
            let mut history = History::open(&folder)?;
            let days = older_than.unwrap_or(days);
            let old = history.outdated(days, now());
            if !dry_run {
                history.remove(&old)?;
            }
            let did = if dry_run { "would remove" } else { "removed" };
            old.iter().for_each(|entry| say(&format!("{did} {}", entry.name())));
            say(&format!(
                "{did} {} older than {}",
                counted(old.len(), "report"),
                counted(days, "day")
            ));
        }
        Action::Export { format, case, metric, all, output } => {
            let asked = Asked { case, metric, last: (!all).then_some(1) };
            let series = Content::Export { series: History::open(&folder)?.series(&asked)? };
            let Some(path) = output else { return print(series, format).map(|()| Exit::Ok) };
            let text = format.write(&Answer::from(series), true)?;
            keep_reports([path.as_path()].into_iter())?;
            write_atomically(&path, text.as_bytes())?;
            say(&format!("wrote {}", path.display()));
        }
    }
    Ok(Exit::Ok)
}

fn print(content: Content, format: Format) -> Result<()> {
    write(&Answer::from(content), format, &[], false)
}

fn add(folder: &Path, reports: &[PathBuf], label: &Label, days: u64) -> Result<()> {
    let mut sources = Vec::new();
    for path in reports {
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
    history.add(&sources, label, told)?;
    if new + known == 0 {
        return Err(Error::usage(format!(
            "no report among {}; `tesserabench run` writes reports, `tesserabench import` makes them of \
             other tools' results",
            counted(sources.len(), "file")
        )));
    }
    let there = match known {
        0 => String::new(),
        known => format!(", had {} already", counted(known, "report")),
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
            "{} older than {} can go by `tesserabench history prune`",
            counted(old, "report"),
            counted(days, "day")
        ));
    }
    Ok(())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
