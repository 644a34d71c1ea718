//! `analyze`: what reports say when they are read together.

use std::path::{Path, PathBuf};

use clap::Args;

use super::sides::{LogArgs, Side};
use super::{files, format, marker, write_marked};
use crate::analysis::{self, Limits, Rules};
use crate::base::error::{Error, Exit, Result};
use crate::base::files::{probe_folder, refuse_overwriting, write_atomically};
use crate::base::plain::file_name;
use crate::base::units::counted;
use crate::history::{Baseline, FOLDER};
use crate::plan::config::{Config, LimitConfig};
use crate::render::{
    FILES, Format, Marker, PAGE, Render as _, publish_on_github, refuse_foreign, remark, say,
};
use crate::report::{self, Analysis, Certificate, Comparison, LimitCheck, Report};
use crate::run::{keep_folder, keep_reports, write_folder};

#[derive(Debug, Args)]
pub(super) struct AnalyzeArgs {
    /// Reports, folders of reports, or results of other tools; all are read together
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
    /// Write a folder of results of the one report: summary.md, report.html, kernels/NAME.json …
    ///
    /// Also env.json, kernel_manifest.json, summary.json and, with a baseline, regressions.md.
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// Compare the one report with this baseline; exit 3 on a regression
    ///
    /// last-release, a pin or a commit of the history, or a report.
    #[arg(long, value_name = "WHAT", requires = "output_dir")]
    compare_baseline: Option<String>,
    /// Write a sheet for each node into this folder: NODE.html to print and NODE.md; needs limits in --config
    #[arg(long, value_name = "DIR")]
    certificates: Option<PathBuf>,
    /// What names a comment, so that one is updated: written with .comment.md [default: the kind of result]
    #[arg(long, value_name = "NAME", value_parser = marker, hide_short_help = true)]
    marker: Option<Marker>,
    /// Print annotations for GitHub too, and add to the step's summary [default: under GitHub Actions]
    #[arg(long)]
    github: bool,
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
    if let (Some(folder), true) = (&args.certificates, config.limits.is_empty()) {
        return Err(Error::usage(format!(
            "there is no limit to certify '{}' by; name a configuration with limits: --config limits.yaml",
            folder.display()
        )));
    }
    args.certificates.iter().try_for_each(|folder| probe_folder(folder))?;
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
    let certified = args.certificates.as_deref().map(|path| {
        let all = analysis::certificates(side.as_reports(), &limits, &config.limits);
        let names = sheet_names(&all);
        let files = names.iter().flat_map(|name| sheet_files(path, name)).map(|(_, file)| file);
        refuse_overwriting(files, &side.files)?;
        Ok((path, names.into_iter().zip(all).collect::<Vec<_>>()))
    });
    let certified = certified.transpose()?;
    let folder = args.output_dir.as_deref().map(|path| Folder::of(path, args, &side, config));
    let folder = folder.transpose()?;
    let derived = args
        .derive_limits
        .as_ref()
        .map(|path| Ok((path, analysis::derive_limits(&side.reports, args.margin / 100.0)?)));
    let derived = derived.transpose()?;
    let analysis = analysis::survey(side.as_reports(), &limits);
    if !args.force {
        keep_reports(written())?;
        args.output_dir.iter().try_for_each(|path| keep_folder(path))?;
    }
    let (in_full, marker) = (args.statistical_analysis, args.marker.as_ref());
    write_marked(&analysis, args.format, &outputs, in_full, marker)?;
    publish_on_github(&analysis, args.github)?;
    if let Some((path, derived)) = derived {
        write_limits(&derived, (side.reports.len(), args.margin), path)?;
    }
    let exit = report::limits_exit(&analysis.limits, config.comparison.strict.unwrap_or(false));
    let compared = folder.map(|folder| folder.write(&analysis.limits, args.format)).transpose()?;
    let certified = certified.map(|(path, sheets)| write_certificates(path, &sheets, args.format));
    let all = [compared, certified.transpose()?].into_iter().flatten();
    Ok(all.fold(exit, Exit::worst))
}

/// The sheets' names without their endings: the nodes', each with a number where another sheet has the name already.
fn sheet_names(certificates: &[Certificate]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for certificate in certificates {
        let node = file_name(&certificate.node.host);
        let numbered = (2..).map(|number| format!("{node}.{number}"));
        let mut free = std::iter::once(node.clone()).chain(numbered);
        names.extend(free.find(|name| {
            // Some disks know no capital letters.
            !names.iter().any(|other| other.eq_ignore_ascii_case(name))
        }));
    }
    names
}

/// The files of a sheet, first the one to print.
fn sheet_files(folder: &Path, name: &str) -> [(Format, PathBuf); 2] {
    [Format::Html, Format::Markdown].map(|format| {
        (format, folder.join(format!("{name}.{}", format.ending().unwrap_or_default())))
    })
}

/// Writes a sheet for each node; the worst that one comes to.
fn write_certificates(
    folder: &Path,
    all: &[(String, Certificate)],
    printed: Format,
) -> Result<Exit> {
    std::fs::create_dir_all(folder).map_err(|why| Error::file("make the folder", folder, why))?;
    let mut exit = Exit::Ok;
    for (name, certificate) in all {
        let files = sheet_files(folder, name);
        for (format, path) in &files {
            write_atomically(path, format.write(certificate, true)?.as_bytes())?;
        }
        let told = certificate.document().verdict;
        let told = format!("wrote {}: {told}", files[0].1.display());
        if printed == Format::Table {
            say(&told)
        } else {
            remark(&told)
        }
        exit = exit.worst(certificate.exit());
    }
    Ok(exit)
}

/// The folder of results that is to be written.
struct Folder<'a> {
    path: &'a Path,
    report: Report,
    comparison: Option<Comparison>,
}

impl<'a> Folder<'a> {
    fn of(path: &'a Path, args: &AnalyzeArgs, side: &Side, config: &Config) -> Result<Self> {
        let [report] = &side.reports[..] else {
            return Err(Error::usage(format!(
                "--output-dir is of one report, and there are {} here; name one, or write a page of all with -o FILE.html",
                side.reports.len()
            )));
        };
        probe_folder(path)?;
        refuse_foreign(path)?;
        refuse_overwriting(FILES.map(|file| path.join(file)), &side.files)?;
        let history = config.history.folder.clone().unwrap_or_else(|| FOLDER.into());
        let compare = |what: &String| {
            let (files, reports) = Baseline::find(&history, what)?.reports(&side.reports)?;
            let baseline = Side { files, reports };
            baseline.refuse_same(side)?;
            refuse_overwriting(FILES.map(|file| path.join(file)), &baseline.files)?;
            let rules = Rules::resolve(config)?;
            Ok(analysis::compare(baseline.as_reports(), side.as_reports(), &rules))
        };
        let comparison = args.compare_baseline.as_ref().map(compare).transpose()?;
        Ok(Self { path, report: report.clone(), comparison })
    }

    /// Writes it with the limits as they are now; what the comparison ends in.
    fn write(mut self, limits: &[LimitCheck], format: Format) -> Result<Exit> {
        if !limits.is_empty() {
            self.report.limits = limits.to_vec();
        }
        let compared: Vec<&Comparison> = self.comparison.iter().collect();
        write_folder(self.path, &self.report, &compared)?;
        let told = format!("wrote {}", self.path.join(PAGE).display());
        if format == Format::Table {
            say(&told)
        } else {
            remark(&told)
        }
        self.comparison.map_or(Ok(Exit::Ok), |comparison| Exit::of(comparison.exit))
    }
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
