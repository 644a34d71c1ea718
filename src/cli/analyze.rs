//! `analyze`: what reports say when they are read together.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::sides::Side;
use crate::analysis;
use crate::error::{Error, Exit, Result};
use crate::report::{self, Analysis, write_atomically};

/// Arguments of `analyze`.
#[derive(Debug, Args)]
pub(super) struct AnalyzeArgs {
    /// Reports, folders of reports, or results of nccl-tests or OSU; all are read together
    #[arg(required = true)]
    report: Vec<String>,
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
pub(super) fn run(args: &AnalyzeArgs) -> Result<Exit> {
    let outputs: Vec<(&PathBuf, Form)> =
        args.output.iter().map(|path| Ok((path, form(path)?))).collect::<Result<_>>()?;
    let sides: Vec<Side> =
        args.report.iter().map(|named| Side::load(named)).collect::<Result<_>>()?;
    let side = together(sides);
    let analysis = analysis::survey(side.as_reports());
    report::say(render(&analysis, args.format, args.statistical_analysis)?.trim_end());
    for (path, form) in outputs {
        write_atomically(path, render(&analysis, form, true)?.as_bytes())?;
    }
    Ok(Exit::Ok)
}

/// The form that a file's ending asks for.
fn form(path: &Path) -> Result<Form> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("json") => Ok(Form::Json),
        Some("md" | "markdown") => Ok(Form::Markdown),
        _ => Err(Error::file("write", path, "its ending is none of .json and .md")),
    }
}

/// All reports, each run once: a copy of a report is no other launch.
fn together(sides: Vec<Side>) -> Side {
    let mut all = Side { files: Vec::new(), reports: Vec::new() };
    for (file, report) in
        sides.into_iter().flat_map(|side| side.files.into_iter().zip(side.reports))
    {
        // Files of other tools are read now, and get their names now.
        let own = report.run.imported_from.is_none();
        let same = |known: &report::Report| own && known.run.id == report.run.id;
        match all.reports.iter().position(same) {
            Some(known) => tracing::warn!(
                "'{file}' is of the same run as '{}' and is left out",
                all.files[known]
            ),
            None => {
                all.files.push(file);
                all.reports.push(report);
            }
        }
    }
    all
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
