//! `analyze`: what reports say when they are read together.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::sides::Side;
use crate::analysis::{self, Limits};
use crate::base::error::{Error, Exit, Result};
use crate::base::files::write_atomically;
use crate::plan::config::Config;
use crate::report::{self, Analysis, Report};

/// Arguments of `analyze`.
#[derive(Debug, Args)]
pub(super) struct AnalyzeArgs {
    /// Reports, folders of reports, or results of nccl-tests or OSU; all are read together
    #[arg(required = true)]
    report: Vec<String>,
    /// Write limits that a machine like these must keep to, for a configuration file; needs reports of three or more
    #[arg(long, value_name = "FILE")]
    derive_limits: Option<PathBuf>,
    /// How far from the median of the reports a derived limit is, percent; further where they differ by more
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0, requires = "derive_limits")]
    margin: f64,
    /// Show all statistics of every case
    #[arg(long)]
    statistical_analysis: bool,
    /// What is printed
    #[arg(long, value_name = "FORM", default_value = "table")]
    format: Form,
    /// File to write, .json or .md; repeat for more
    #[arg(long, short, value_name = "FILE")]
    output: Vec<PathBuf>,
}

/// A form of an analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people.
    Table,
    /// All of it.
    Json,
    /// For people, in a file; with all statistics.
    Markdown,
}

/// Runs the command.
pub(super) fn run(args: &AnalyzeArgs, config: &Config) -> Result<Exit> {
    if !(args.margin > 0.0 && args.margin < 100.0) {
        return Err(Error::usage(format!(
            "a margin of {} % leaves no limit; write 5 for five percent",
            args.margin
        )));
    }
    let limits = Limits::resolve(&config.limits)?;
    let outputs: Vec<(&PathBuf, Form)> =
        args.output.iter().map(|path| Ok((path, form(path)?))).collect::<Result<_>>()?;
    let mut side = Side::default();
    for named in &args.report {
        let Side { files, reports } = Side::load(named)?;
        files.into_iter().zip(reports).for_each(|(file, report)| side.add(file, report));
    }
    let analysis = analysis::survey(side.as_reports(), &limits);
    report::say(render(&analysis, args.format, args.statistical_analysis)?.trim_end());
    for (path, form) in outputs {
        write_atomically(path, render(&analysis, form, true)?.as_bytes())?;
    }
    if let Some(path) = &args.derive_limits {
        derive(&side.reports, args.margin, path)?;
    }
    Ok(report::limits_exit(&analysis.limits, config.comparison.strict.unwrap_or(false)))
}

/// Writes what machines like these must keep to.
fn derive(reports: &[Report], margin: f64, path: &Path) -> Result<()> {
    let limits = analysis::derive_limits(reports, margin / 100.0)?;
    let count = limits.len();
    let yaml = serde_saphyr::to_string(&limits);
    let yaml = yaml.map_err(|why| Error::internal(format!("cannot write limits: {why}")))?;
    let text = format!(
        "# From {} reports, {margin} % off their medians, or three standard deviations where these are more.\nlimits:\n{}",
        reports.len(),
        yaml.lines().map(|line| format!("  {line}\n")).collect::<String>()
    );
    write_atomically(path, text.as_bytes())?;
    report::say(&format!("wrote {count} limits to {}", path.display()));
    Ok(())
}

/// The form that a file's ending asks for.
fn form(path: &Path) -> Result<Form> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("json") => Ok(Form::Json),
        Some("md" | "markdown") => Ok(Form::Markdown),
        _ => Err(Error::file("write", path, "its ending is none of .json and .md")),
    }
}

fn render(analysis: &Analysis, form: Form, statistics: bool) -> Result<String> {
    match form {
        Form::Table => Ok(report::analysis_table(analysis, statistics)),
        Form::Markdown => Ok(report::analysis_markdown(analysis)),
        Form::Json => serde_json::to_string_pretty(analysis)
            .map(|text| text + "\n")
            .map_err(|why| Error::internal(format!("cannot write the analysis: {why}"))),
    }
}
