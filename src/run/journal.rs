//! Finished cases on disk, each before the next one starts, and what a run is about: enough to resume it after
//! any death, or to write the report that it could not.
//!
//! Each line is a JSON object with one key: `run` first (the plan, and the report without cases), `launch` for
//! each start of the ranks, `case` for a case's first turn, `again` for a later one. When the report of a
//! complete run is written the journal is removed: one that is there belongs to an unfinished run.

use std::fs::{File, TryLockError};
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::error::{Error, Result};
use crate::base::failure::CaseError;
use crate::base::plain::plain;
use crate::base::serde_words::in_plain_words;
use crate::plan::Plan;
use crate::plan::stored::Outline;
use crate::report::{Case, Launch, Report, Turn};
use crate::world::fault::{self, Fault};
use crate::world::progress::Phase;

const SCHEMA: &str = "tesserabench.journal/2";

/// Most bytes of a line: a case with the samples of many ranks has far fewer.
const LINE_LIMIT: u64 = 256 << 20;

const FILE_LIMIT: u64 = 4 << 30;

const DIFFERENCES: usize = 3;

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry {
    /// What is run, and the report without cases; the first line.
    Run {
        schema: String,
        plan: Box<Plan>,
        report: Box<Report>,
    },
    Launch(Launch),
    /// A case that finished for the first time, when, and the length of the samples' file then.
    Case {
        case: Box<Case>,
        time: String,
        samples_bytes: u64,
    },
    /// A later turn of the case in this place of the plan.
    Again {
        case: usize,
        turn: Turn,
        error: Option<CaseError>,
        samples_bytes: u64,
    },
}

impl Entry {
    /// Adds the line to the report; `repeats` says whether cases run more than once.
    pub(super) fn add_to(self, report: &mut Report, repeats: bool) {
        match self {
            // Its report is the one that the others are added to.
            Self::Run { .. } => {}
            Self::Launch(launch) => report.run.launches.push(launch),
            Self::Case { case, time, .. } => report.push(*case, &time, repeats),
            Self::Again { case, turn, error, .. } => report.cases[case].turn(turn, error),
        }
    }
}

/// What a journal says.
#[derive(Debug)]
pub struct Recovered {
    /// What is run.
    pub plan: Plan,
    /// The report, with the finished cases.
    pub report: Report,
    /// Cases that are finished, through all cycles.
    pub done: usize,
    /// Length of the samples' file after them.
    pub samples_bytes: u64,
    /// Bytes of whole lines.
    length: u64,
    /// Bytes after them that are no whole line.
    pub torn: u64,
}

impl Journal {
    /// Where the journal of an output lies: `results.json.journal.jsonl`.
    pub fn path_for(output: &Path) -> PathBuf {
        let name = output.file_name().unwrap_or_default().to_string_lossy();
        output.with_file_name(format!("{name}.journal.jsonl"))
    }

    /// Begins a new journal of `output`, which nobody else can write while it is open; an earlier one is removed.
    pub(super) fn create(output: &Path, plan: &Plan, report: &Report) -> Result<Self> {
        let path = Self::path_for(output);
        // The lock on it is held until this run has the one on the new journal.
        let earlier = Self::open(output)?;
        if earlier.is_some() {
            std::fs::remove_file(&path).map_err(|why| Error::write(&path, &why))?;
        }
        let file = File::create_new(&path).map_err(|why| match why.kind() {
            ErrorKind::AlreadyExists if path.is_file() => is_busy(output),
            _ => Error::write(&path, &why),
        })?;
        lock(&file, output)?;
        let mut journal = Self { path, file };
        let (plan, report) = (Box::new(plan.clone()), Box::new(report.clone()));
        journal.append(&Entry::Run { schema: SCHEMA.to_owned(), plan, report })?;
        Ok(journal)
    }

    /// Goes on with the journal of `output` after its last whole line.
    pub(super) fn resume(output: &Path, recovered: &Recovered) -> Result<Self> {
        let path = Self::path_for(output);
        let file = Self::open(output)?.ok_or_else(|| Error::file("resume", &path, "it is gone"))?;
        file.set_len(recovered.length).map_err(|why| Error::write(&path, &why))?;
        Ok(Self { path, file })
    }

    /// The journal of `output`, if there is one, locked; a link is refused.
    fn open(output: &Path) -> Result<Option<File>> {
        let path = Self::path_for(output);
        let no_link = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        match File::options().append(true).custom_flags(no_link).open(&path) {
            Ok(file) => lock(&file, output).map(|()| Some(file)),
            Err(why) if why.kind() == ErrorKind::NotFound => Ok(None),
            Err(why) => Err(Error::write(&path, &why)),
        }
    }

    /// Refuses an output that another run is writing.
    pub(super) fn refuse_busy(output: &Path) -> Result<()> {
        Self::open(output).map(drop)
    }

    /// Adds a line; it is on disk when this returns. If it cannot be, the next start drops what is there of it.
    pub(super) fn append(&mut self, entry: &Entry) -> Result<()> {
        let mut bytes = serde_json::to_vec(entry)
            .map_err(|why| Error::internal(format!("cannot write the journal: {why}")))?;
        bytes.push(b'\n');
        if fault::is_planted(Fault::Torn, Phase::Write) {
            let _ = self.file.write_all(&bytes[..bytes.len() / 2]);
            fault::kill_self();
        }
        fault::full_disk()
            .and_then(|()| self.file.write_all(&bytes))
            .and_then(|()| self.file.sync_data())
            .map_err(|why| Error::write(&self.path, &why))
    }

    /// Removes the journal: everything in it stands in the report.
    pub(super) fn finish(self) -> Result<()> {
        std::fs::remove_file(&self.path).map_err(|why| Error::file("remove", &self.path, why))
    }
}

/// Takes the lock that a run holds on a file of `output` as long as it lives.
pub(super) fn lock(file: &File, output: &Path) -> Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(is_busy(output)),
        Err(TryLockError::Error(why)) => {
            tracing::warn!(
                "the files of '{}' cannot be locked ({why}); start no other run with this output meanwhile",
                output.display()
            );
            Ok(())
        }
    }
}

fn is_busy(output: &Path) -> Error {
    Error::usage(format!(
        "another run is writing '{}'; wait until it has ended, or name another file with --output",
        output.display()
    ))
}

/// Of a first line only the names of the benchmarks; all else is passed over, and takes no memory.
#[derive(Deserialize)]
struct Outlined {
    run: OutlinedRun,
}

#[derive(Deserialize)]
struct OutlinedRun {
    plan: Outline,
}

/// Refuses a journal whose first line cannot be understood because it is of a benchmark that is not here.
fn refuse_absent(path: &Path, line: &[u8]) -> Result<()> {
    let Ok(Outlined { run }) = serde_json::from_slice(line) else { return Ok(()) };
    run.plan.absent_benchmark().map_or(Ok(()), |name| {
        let why = format!("it is of the kernel '{}', which is not here", plain(name));
        let way = "name its folder with --kernel-path, or move it away to start anew";
        Err(Error::file("resume from", path, format!("{why}; {way}")))
    })
}

impl Recovered {
    /// Reads the journal of `output`, if there is one that got as far as saying what the run is about.
    ///
    /// # Errors
    /// Usage error when it cannot be read, is of another version, or is damaged before its last line.
    pub fn read(output: &Path) -> Result<Option<Self>> {
        let path = Journal::path_for(output);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(Error::file("read", &path, why)),
        };
        let damaged = |line: usize, why: String| {
            let why = format!("its line {line} is damaged ({why}); move it away to start anew");
            Error::file("resume from", &path, why)
        };
        let size = file.metadata().map_or(0, |facts| facts.len());
        if size > FILE_LIMIT {
            return Err(damaged(0, format!("{size} bytes are too many")));
        }
        let mut reader = BufReader::new(file);
        let mut recovered: Option<Self> = None;
        let mut length = 0;
        let mut bytes = Vec::new();
        for number in 1.. {
            bytes.clear();
            let read = reader.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut bytes);
            let read = read.map_err(|why| Error::file("read", &path, why))? as u64;
            if read == 0 {
                break;
            }
            let entry = match bytes.ends_with(b"\n") {
                true => {
                    serde_json::from_slice(&bytes).map_err(|why| in_plain_words(&why.to_string()))
                }
                false => Err("it has no end".to_owned()),
            };
            // Only the end of a file can be torn.
            if entry.is_err() && length + read == size {
                recovered.iter_mut().for_each(|recovered| recovered.torn = read);
                break;
            }
            if entry.is_err() && number == 1 {
                refuse_absent(&path, &bytes)?;
            }
            let added = entry.and_then(|entry| match &mut recovered {
                Some(recovered) => recovered.add(entry),
                None => Self::begin(entry).map(|begun| recovered = Some(begun)),
            });
            added.map_err(|why| damaged(number, why))?;
            length += read;
            recovered.iter_mut().for_each(|recovered| recovered.length = length);
        }
        Ok(recovered)
    }

    /// How many measured cases the journal of `output` holds.
    pub(super) fn measured(output: &Path) -> Result<usize> {
        let cases = Self::read(output)?.map_or_else(Vec::new, |left| left.report.cases);
        Ok(cases.iter().filter(|case| case.measured.is_some()).count())
    }

    fn begin(entry: Entry) -> Result<Self, String> {
        let Entry::Run { schema, plan, report } = entry else {
            return Err("it does not say what is run".to_owned());
        };
        if schema != SCHEMA {
            return Err(format!("its schema is '{schema}', not '{SCHEMA}'"));
        }
        plan.check().map_err(|why| why.to_string())?;
        let (plan, report) = (*plan, *report);
        Ok(Self { plan, report, done: 0, samples_bytes: 0, length: 0, torn: 0 })
    }

    /// Adds a later line, which must be the next one of the plan.
    fn add(&mut self, entry: Entry) -> Result<(), String> {
        let repeats = self.plan.repeats();
        match &entry {
            Entry::Run { .. } => return Err("a second run".to_owned()),
            Entry::Launch(_) => {}
            Entry::Case { case, samples_bytes, .. } => {
                let planned = self.plan.cases.get(self.done);
                let Some(planned) = planned.filter(|planned| planned.id == case.id) else {
                    return Err(format!("case '{}' is out of order", case.id));
                };
                // The figures of a run's end follow from both.
                if (&planned.group.axis, &planned.group.ranks) != (&case.axis, &case.participants) {
                    return Err(format!("case '{}' has other ranks than its plan", case.id));
                }
                case.check()?;
                self.samples_bytes = *samples_bytes;
                self.done += 1;
            }
            Entry::Again { case, turn, samples_bytes, .. } => {
                let cases = self.plan.cases.len().max(1);
                let (cycle, place) = (self.done / cases, self.done % cases);
                let is_next = (*case, turn.cycle) == (place, cycle);
                if !is_next || !repeats || cycle == 0 {
                    return Err("a turn is out of order".to_owned());
                }
                self.samples_bytes = *samples_bytes;
                self.done += 1;
            }
        }
        entry.add_to(&mut self.report, repeats);
        Ok(())
    }
}

/// How a plan and its report differ from older ones: `budget.iterations is 50, was 100`; `None` when the run can go on
/// from there. How long things may take, and how many may fail, may change.
pub(super) fn difference(new: (&Plan, &Report), old: (&Plan, &Report)) -> Result<Option<String>> {
    let identity = |(plan, report): (&Plan, &Report)| {
        let value = serde_json::to_value(plan);
        let mut value =
            value.map_err(|why| Error::internal(format!("cannot compare plans: {why}")))?;
        if let Value::Object(keys) = &mut value {
            keys.retain(|key, _| key != "deadlines" && key != "max_failures");
            keys.insert("build".to_owned(), report.run.build.clone().into());
            let hosts = report.environment.nodes.iter().map(|node| node.host.clone());
            keys.insert("hosts".to_owned(), hosts.collect());
        }
        Ok(value)
    };
    let mut found = Vec::new();
    differences("", &identity(new)?, &identity(old)?, &mut found);
    let more = found.len().saturating_sub(DIFFERENCES);
    found.truncate(DIFFERENCES);
    if more > 0 {
        found.push(format!("and {more} more"));
    }
    Ok((!found.is_empty()).then(|| found.join(", ")))
}

/// How a plan differs from that of a report, as [`difference`] says it.
pub(super) fn difference_from(plan: &Plan, report: &Report) -> Result<Option<String>> {
    let (ranks, old) = (plan.places.len(), report.environment.ranks.len());
    if ranks != old {
        return Ok(Some(format!("ranks is {ranks}, was {old}")));
    }
    let kernels = report.run.kernels.clone();
    let old = Plan { kernels, ..Plan::resolve(&report.run.config, &plan.places)? };
    difference((plan, report), (&old, report))
}

/// Where two values differ, the innermost places of both.
fn differences(place: &str, new: &Value, old: &Value, found: &mut Vec<String>) {
    let inner =
        |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            let keys = new.keys().chain(old.keys().filter(|key| !new.contains_key(*key)));
            for key in keys {
                let [new, old] = [new, old].map(|of| of.get(key).unwrap_or(&Value::Null));
                differences(&inner(key), new, old, found);
            }
        }
        (Value::Array(new), Value::Array(old)) if new.len() == old.len() => {
            for (i, (new, old)) in new.iter().zip(old).enumerate() {
                differences(&inner(&i.to_string()), new, old, found);
            }
        }
        _ if new == old => {}
        _ => found.push(format!("{place} is {}, was {}", short(new), short(old))),
    }
}

fn short(value: &Value) -> String {
    match value {
        Value::Array(list) => match list.iter().map(Value::as_str).collect::<Option<Vec<_>>>() {
            Some(names) if names.len() <= 4 => names.join("+"),
            _ => format!("{} of them", list.len()),
        },
        Value::Object(_) => "something else".to_owned(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests;
