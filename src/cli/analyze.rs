//! `analyze`: what reports say when they are read together.

use std::path::{Path, PathBuf};

use clap::Args;

use super::sides::{LogArgs, Side};
use super::{files, format, write};
use crate::analysis::{self, Limits};
use crate::base::error::{Error, Exit, Result};
use crate::base::files::{refuse_overwriting, write_atomically};
use crate::base::units::counted;
use crate::plan::config::{Config, LimitConfig};
use crate::render::{Format, say};
use crate::report::{self, Analysis};
use crate::run::keep_reports;

#[derive(Debug, Args)]
pub(super) struct AnalyzeArgs {
    /// Reports, folders of reports, or results of nccl-tests or OSU; all are read together
    #[arg(required = true)]
    report: Vec<String>,
    #[command(flatten)]
    logs: LogArgs,
    /// Write limits that a machine like these must keep to, for a configuration file; needs reports of three or more
    #[arg(long, value_name = "FILE")]
    derive_limits: Option<PathBuf>,
    /// How far from the median of the reports a derived limit is, percent; further where they differ by more
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0, requires = "derive_limits")]
    margin: f64,
    /// Show all statistics of every case, and all rows
    #[arg(long)]
    statistical_analysis: bool,
    /// What is printed
    #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = format::<Analysis>())]
    format: Format,
    /// File to write, in the format that its ending names; repeatable
    #[arg(long, short, value_name = "FILE")]
    output: Vec<PathBuf>,
    /// Write a page with plots, analysis.html, unless --output names a page
    #[arg(long)]
    include_plots: bool,
    /// Replace a report of a run that stands where a file is written; else it is kept under a dated name
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &AnalyzeArgs, config: &Config) -> Result<Exit> {
    if !(args.margin > 0.0 && args.margin < 100.0) {
        return Err(Error::usage(format!(
            "a margin of {} % leaves no limit; write 5 for five percent",
            args.margin
        )));
    }
    let limits = Limits::resolve(&config.limits)?;
    let mut paths = args.output.clone();
    let is_page = |path: &PathBuf| Format::of::<Analysis>(path) == Some(Format::Html);
    if args.include_plots && !paths.iter().any(is_page) {
        paths.push("analysis.html".into());
    }
    let outputs = files::<Analysis>(&paths)?;
    let (mut side, asked) = (Side::default(), args.logs.asked()?);
    for named in &args.report {
        let Side { files, reports } = Side::load(named, &asked)?;
        files.into_iter().zip(reports).for_each(|(file, report)| side.add(file, report));
    }
    let written = || paths.iter().chain(&args.derive_limits).map(PathBuf::as_path);
    refuse_overwriting(written(), &side.files)?;
    let derived = args
        .derive_limits
        .as_ref()
        .map(|path| Ok((path, analysis::derive_limits(&side.reports, args.margin / 100.0)?)));
    let derived = derived.transpose()?;
    let analysis = analysis::survey(side.as_reports(), &limits);
    if !args.force {
        keep_reports(written())?;
    }
    write(&analysis, args.format, &outputs, args.statistical_analysis)?;
    if let Some((path, derived)) = derived {
        write_limits(&derived, (side.reports.len(), args.margin), path)?;
    }
    Ok(report::limits_exit(&analysis.limits, config.comparison.strict.unwrap_or(false)))
}

/// Writes limits from so many reports, with this margin in percent.
fn write_limits(
    limits: &[LimitConfig],
    (reports, margin): (usize, f64),
    path: &Path,
) -> Result<()> {
    let count = limits.len();
    let yaml = serde_saphyr::to_string(&limits);
    let yaml = yaml.map_err(|why| Error::internal(format!("cannot write limits: {why}")))?;
    let text = format!(
        "# From {}, {margin} % off their middle, or so far that one in a hundred healthy machines lies beyond.\nlimits:\n{}",
        counted(reports, "report"),
        yaml.lines().map(|line| format!("  {line}\n")).collect::<String>()
    );
    write_atomically(path, text.as_bytes())?;
    say(&format!("wrote {} to {}", counted(count, "limit"), path.display()));
    Ok(())
}
