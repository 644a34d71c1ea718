//! Finished cases on disk, each before the next one starts.
//!
//! The first line names the plan, each further line is a case. When the report is written the journal
//! is removed: a journal that is there belongs to a run that did not end well.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::report::Case;

/// Names the format and its version.
const SCHEMA: &str = "tesserabench.journal/1";

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

#[derive(Serialize)]
struct Header<'a> {
    schema: &'a str,
    run: &'a str,
    plan: String,
}

impl Journal {
    /// Where the journal of an output lies: `results.json.journal.jsonl`.
    pub fn path_for(output: &Path) -> PathBuf {
        let name = output.file_name().unwrap_or_default().to_string_lossy();
        output.with_file_name(format!("{name}.journal.jsonl"))
    }

    /// Starts the journal of `output` anew.
    ///
    /// # Errors
    /// Usage error when it cannot be written.
    pub fn create(output: &Path, run: &str, plan: u64) -> Result<Self> {
        let path = Self::path_for(output);
        let file = File::create(&path).map_err(|why| Error::file("write", &path, why))?;
        let mut journal = Self { path, file };
        journal.append(&Header { schema: SCHEMA, run, plan: format!("{plan:016x}") })?;
        Ok(journal)
    }

    /// Adds a finished case; it is on disk when this returns.
    ///
    /// # Errors
    /// Usage error when it cannot be written, as on a full disk.
    pub fn add(&mut self, case: &Case) -> Result<()> {
        self.append(case)
    }

    fn append(&mut self, value: &impl Serialize) -> Result<()> {
        let mut line = serde_json::to_vec(value)
            .map_err(|why| Error::internal(format!("cannot write the journal: {why}")))?;
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        written.map_err(|why| Error::file("write", &self.path, why))
    }

    /// Removes the journal: everything in it stands in the report.
    ///
    /// # Errors
    /// Usage error when it cannot be removed.
    pub fn finish(self) -> Result<()> {
        std::fs::remove_file(&self.path).map_err(|why| Error::file("remove", &self.path, why))
    }
}
