//! Sides of a comparison, as they are named on the command line.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::analysis::Reports;
use crate::base::error::{Error, Result};
use crate::base::files::is_plain_entry;
use crate::benchmark;
use crate::import::{self, Asked};
use crate::plan::config::Config;
use crate::report::{FILE_LIMIT, Report};

/// What logs of other tools may not tell.
#[derive(Debug, Clone, Args)]
pub(super) struct LogArgs {
    /// How many ranks there were, where the log of another tool does not tell
    #[arg(long, value_name = "N")]
    ranks: Option<usize>,
    /// Which benchmark the log of another tool is of, where it does not tell, as before nccl-tests 2.17
    #[arg(long, short, value_name = "NAME")]
    benchmark: Option<String>,
}

impl LogArgs {
    pub(super) fn asked(&self) -> Result<Asked> {
        let benchmark = self.benchmark.as_deref().map(benchmark::named).transpose()?;
        Ok(Asked { ranks: self.ranks, benchmark })
    }
}

/// Reports that count as one side, and the files they come from.
#[derive(Default)]
pub(super) struct Side {
    pub(super) files: Vec<String>,
    pub(super) reports: Vec<Report>,
}

impl Side {
    /// Reads a side: a report, a folder of reports, or several of either parted by commas. A file that is no
    /// report of ours may be another tool's.
    pub(super) fn load(named: &str, asked: &Asked) -> Result<Self> {
        let mut side = Self::default();
        for name in named.split(',').filter(|name| !name.is_empty()) {
            let path = PathBuf::from(name);
            if !path.is_dir() {
                side.add(name.to_owned(), read(&path, asked)?);
                continue;
            }
            let reports = match reports_in(&path) {
                Ok(reports) => reports,
                Err(none) => {
                    let folder = import::File::of_folder(&path, FILE_LIMIT)?.ok_or(none)?;
                    let report = import::import([Ok(folder)], asked, &Config::default())?;
                    side.add(name.to_owned(), report);
                    continue;
                }
            };
            for found in reports {
                // The folder holds what this program writes beside reports, too.
                match read(&found, asked) {
                    Ok(report) => side.add(found.display().to_string(), report),
                    Err(why) => tracing::warn!("passed over: {}", why.message),
                }
            }
        }
        if side.reports.is_empty() {
            return Err(Error::usage(format!(
                "'{named}' names no report; name a file or a folder"
            )));
        }
        Ok(side)
    }

    /// Adds a report, unless a launch of it is there already: read twice it would count as two.
    pub(super) fn add(&mut self, file: String, report: Report) {
        // Files of other tools get the names of their runs when they are read.
        let own = report.run.imported_from.is_none();
        let is_known =
            |known: &Report| own && known.runs().any(|run| report.runs().any(|r| r == run));
        match self.reports.iter().position(is_known) {
            Some(known) => tracing::warn!(
                "'{file}' is of the same run as '{}' and is left out",
                self.files[known]
            ),
            None => {
                self.files.push(file);
                self.reports.push(report);
            }
        }
    }

    /// Refuses to hold a file against itself, or against a copy.
    ///
    /// # Errors
    /// Usage error when both sides have a report in common.
    pub(super) fn refuse_same(&self, other: &Self) -> Result<()> {
        for (file, report) in self.files.iter().zip(&self.reports) {
            let same = |(name, known): &(&String, &Report)| {
                let [one, two] = [file, *name].map(|name| std::fs::canonicalize(name).ok());
                one.is_some() && one == two || report == *known
            };
            if let Some((name, _)) = other.files.iter().zip(&other.reports).find(same) {
                return Err(Error::usage(format!(
                    "both sides are the same file ('{file}' and '{name}'); name another measurement"
                )));
            }
        }
        Ok(())
    }

    pub(super) fn as_reports(&self) -> Reports<'_> {
        Reports { files: &self.files, reports: &self.reports }
    }
}

fn reports_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let wrong = |why: std::io::Error| Error::file("read the folder", folder, why);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path.extension().is_some_and(|ending| ending == "json") && is_plain_entry(&path) {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(Error::file("use the folder", folder, "it has no .json file"));
    }
    paths.sort();
    Ok(paths)
}

fn read(path: &Path, asked: &Asked) -> Result<Report> {
    let file = import::File::read(path, FILE_LIMIT)?;
    let text = str::from_utf8(&file.bytes);
    let text = text.map_err(|_| Error::file("read", path, "it is not UTF-8 text"));
    let own = match text.and_then(|text| Report::from_text(text, path)) {
        Ok(report) => return Ok(report),
        Err(why) => why,
    };
    let is_log = file.is_log();
    match import::import([Ok(file)], asked, &Config::default()) {
        Ok(report) => {
            tracing::info!("'{}' was read as another tool's results", path.display());
            Ok(report)
        }
        Err(why) => Err(if is_log { why } else { own }),
    }
}
