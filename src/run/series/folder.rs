//! The folder of a side's launches: a report each, with its samples and journal.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use super::side::Side;
use crate::base::error::{Error, Result};
use crate::machine::environment;
use crate::plan::Plan;
use crate::render::{Format, Output};
use crate::report::{Report, Samples};
use crate::run::journal::{self, Journal, Recovered, difference_from};
use crate::run::keep::keep_earlier;
use crate::run::recorder::OnExisting;
use crate::run::sidecar;

/// A file that lies there until all launches have finished.
const MARK: &str = "unfinished";

const TEXT: &str =
    "This series of launches is unfinished: resume it with --resume, or start anew with --force.\n";

impl Side {
    pub(super) fn output(&self, launch: usize) -> Output {
        let path = self.folder.join(format!("{}.json", launch + 1));
        Output { path, format: Format::Json }
    }

    pub(super) fn refuse_unfinished(&self) -> Result<()> {
        let mut held = 0;
        for launch in self.launches()? {
            let path = self.output(launch).path;
            held += usize::from(path.exists() || Recovered::measured(&path)? > 0);
        }
        if held == 0 || !self.folder.join(MARK).exists() {
            return Ok(());
        }
        Err(Error::usage(format!(
            "'{}' holds launches ({held}) of an unfinished series; resume it with --resume, or overwrite it with \
             --force",
            self.folder.display()
        )))
    }

    /// Makes the folder ready, for this series alone as long as what is returned lives. A finished series is kept under
    /// a dated name. What an unfinished one has left is removed, unless this one resumes it: its launches must not be
    /// taken for launches of this one.
    pub(super) fn begin(&self, on_existing: OnExisting) -> Result<File> {
        let wrong = |why| Error::file("write", &self.folder, why);
        let output = &self.outputs.files[0].path;
        // A series that is under way has no results yet that could be moved.
        if on_existing == OnExisting::Refuse {
            keep_earlier(&self.outputs)?;
        }
        std::fs::create_dir_all(&self.folder).map_err(wrong)?;
        let mark = self.folder.join(MARK);
        let lock = File::options().create(true).append(true).open(&mark).map_err(wrong)?;
        journal::lock(&lock, output)?;
        let mut old = Vec::new();
        if on_existing == OnExisting::Resume {
            if self.launches()?.is_empty() {
                tracing::warn!(
                    "there is nothing to resume: '{}' holds no launches; starting anew",
                    self.folder.display()
                );
            }
        } else {
            for output in self.launches()?.into_iter().map(|launch| self.output(launch)) {
                let journal = Journal::path_for(&output.path);
                old.extend([journal, output.beside(sidecar::ENDING), output.path]);
            }
        }
        // Of a single run, which is lost now.
        if on_existing == OnExisting::Overwrite {
            old.push(Journal::path_for(&self.outputs.files[0].path));
        }
        old.iter().filter(|file| file.exists()).try_for_each(|file| remove(file))?;
        lock.set_len(0).and_then(|()| (&lock).write_all(TEXT.as_bytes())).map_err(wrong)?;
        Ok(lock)
    }

    pub(super) fn end(&self) -> Result<()> {
        remove(&self.folder.join(MARK))
    }

    /// The launches that have left something there, from 0.
    fn launches(&self) -> Result<BTreeSet<usize>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(why) => return Err(Error::file("read", &self.folder, why)),
        };
        let number = |name: &str| {
            let (number, ending) = name.split_once('.')?;
            let known = ["json", "json.journal.jsonl", sidecar::ENDING].contains(&ending);
            number.parse::<usize>().ok().filter(|_| known)?.checked_sub(1)
        };
        Ok(entries.filter_map(|entry| number(entry.ok()?.file_name().to_str()?)).collect())
    }

    pub(super) fn report(&self, launch: usize) -> Result<Option<Report>> {
        let path = self.output(launch).path;
        if !path.exists() {
            return Ok(None);
        }
        let mut report = Report::load(&path)?;
        // Named from where the report of all launches lies.
        let folder = self.folder.file_name().unwrap_or_default().to_string_lossy();
        for case in &mut report.cases {
            if let Samples::Sidecar { file, .. } = &mut case.samples {
                *file = format!("{folder}/{file}");
            }
        }
        Ok(Some(report))
    }

    /// Whether a launch has finished and has these cases, or all; an error when its report is that of another run.
    pub(super) fn is_complete(
        &self,
        launch: usize,
        cases: Option<&BTreeSet<String>>,
    ) -> Result<bool> {
        let Some(report) = self.report(launch)?.filter(|report| !report.run.incomplete) else {
            return Ok(false);
        };
        let is_rebuilt = self.variant.program.is_none() && report.run.build != environment::build();
        let difference = match is_rebuilt {
            true => Some(format!("its program is {}", report.run.build)),
            false => difference_from(&self.plan_of(report.run.config.cases.clone())?, &report)?,
        };
        match difference {
            None => Ok(has_all(&report, cases, &self.plan)),
            Some(difference) => Err(Error::usage(format!(
                "'{}' is the report of another run ({difference}); resume with the arguments it was started \
                 with, or start anew with --force",
                self.output(launch).path.display()
            ))),
        }
    }
}

/// Whether the report has these cases, or all of the plan.
fn has_all(report: &Report, cases: Option<&BTreeSet<String>>, plan: &Plan) -> bool {
    let known: BTreeSet<&str> = report.cases.iter().map(|case| case.id.as_str()).collect();
    match cases {
        Some(cases) => cases.iter().all(|case| known.contains(case.as_str())),
        None => plan.cases.iter().all(|case| known.contains(case.id.as_str())),
    }
}

fn remove(file: &Path) -> Result<()> {
    std::fs::remove_file(file).map_err(|why| Error::file("remove", file, why))
}
