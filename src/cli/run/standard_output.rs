//! `--output -`: a file like any other until the run is over, which is printed then. Ranks are processes of their
//! own, and a run that dies leaves a report too.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::RunArgs;
use super::words::without;
use crate::base::error::{Error, Result};
use crate::cli::is_stdout;
use crate::render::{Format, said_all, say};
use crate::report::Report;
use crate::world;

/// Where the file is, and what belongs to it.
const FOLDER: &str = ".tesserabench";

/// The file to print.
pub(super) struct Redirected {
    path: PathBuf,
    /// When a run wrote it that did not come to print it.
    earlier: Option<SystemTime>,
}

fn written(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|facts| facts.modified()).ok()
}

impl RunArgs {
    /// Replaces - among the files to write by a file to print.
    pub(super) fn redirect(&mut self) -> Result<Option<Redirected>> {
        let files = self.output.output.get_or_insert_default();
        let at = files.iter().position(|path| is_stdout(path));
        if let Some(at) = at.filter(|_| self.work.dry_run || self.ranks.print_command) {
            files.remove(at);
        }
        if files.is_empty() {
            self.output.output = None;
            return Ok(None);
        }
        let Some(output) = at.and_then(|at| files.get_mut(at)) else { return Ok(None) };
        let refused = |why: &str| Err(Error::usage(format!("--output - {why}")));
        let format =
            self.output.format.as_deref().map_or(Ok(Format::Json), Format::named::<Report>)?;
        let Some(ending) = format.ending() else {
            return refused("prints a report for programs; leave it out to see the table");
        };
        if self.output.nccl_tests_table {
            return refused("and --nccl-tests-table are both for standard output; leave one out");
        }
        let series = &self.series;
        if series.against.is_some() || series.compare_baseline.is_some() || !series.env.is_empty() {
            return refused("prints one report, and there are several here; name a file");
        }
        std::fs::create_dir_all(FOLDER)
            .map_err(|why| Error::file("make", Path::new(FOLDER), why))?;
        *output = Path::new(FOLDER).join(format!("stdout.{ending}"));
        Ok(Some(Redirected { earlier: written(output), path: output.clone() }))
    }

    /// The command line of the ranks, which write that file.
    pub(super) fn redirected_words(&self) -> Result<Vec<OsString>> {
        let mut words = without(&["output"], std::env::args_os())?;
        let files = self.output.output.iter().flatten();
        words.extend(files.flat_map(|path| ["--output".into(), path.into()]));
        Ok(words)
    }
}

impl Redirected {
    /// Prints the file, once, and removes it. A run that has measured nothing has written none.
    pub(super) fn print(&self) -> Result<()> {
        let file = self.path.as_path();
        if !world::is_first_process() || written(file) == self.earlier {
            return Ok(());
        }
        let text = std::fs::read_to_string(file).map_err(|why| Error::file("read", file, why))?;
        say(text.trim_end());
        if !said_all() {
            return Err(Error::unfit(format!("the report is kept as '{}'", file.display())));
        }
        std::fs::remove_file(file).map_err(|why| Error::file("remove", file, why))?;
        // Unless something else is in it.
        let _ = std::fs::remove_dir(FOLDER);
        Ok(())
    }
}
