//! What the reports say, in a file from which it is read faster than from the reports.
//!
//! Each line is `[CHECK,LINE]`, where CHECK is the fingerprint of the CHECK before it and of LINE. The index holds
//! nothing that the reports do not say: if it is torn or of another version, it is made anew from them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::entry::{Damaged, Key, Record, figures};
use super::folder::{Folder, Lock, Stamp, json_files};
use crate::base::error::{Error, Result};
use crate::base::files::{is_plain, write_atomically};
use crate::base::random::fingerprint;
use crate::base::units::counted;
use crate::report::Report;

/// The first line. Its number changes with the lines, and with what is taken from a report.
const HEADER: &str = "\"tesserabench.index/3\"";

#[derive(Debug, Default)]
pub(super) struct Index {
    path: PathBuf,
    /// In the order in which they were added.
    pub(super) rows: Vec<Row>,
    /// With their numbers. None is ever taken out.
    pub(super) series: BTreeMap<Key, usize>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) file: String,
    stamp: Stamp,
    pub(super) record: Record,
    /// By number of the series.
    pub(super) figures: Vec<(usize, f64)>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line<'a> {
    Series(usize, Cow<'a, Key>),
    Report(Cow<'a, Row>),
}

impl Index {
    /// Opens the index of a folder, brings it up to date with the files and says so. Also returns the files that are
    /// no usable reports; they are read again each time, because the reason may be another file, or a missing
    /// permission.
    pub(super) fn open(folder: &Folder, lock: &Lock) -> Result<(Self, Vec<Damaged>)> {
        let path = folder.path.join("index.jsonl");
        let (mut index, wrong) = match Self::read(&path) {
            Ok(index) => (index, None),
            Err(why) => (Self { path, ..Self::default() }, Some(why)),
        };
        let mut unread: BTreeSet<(String, Stamp)> =
            json_files(&folder.reports())?.into_iter().collect();
        let forgotten = index.retain(|row| unread.remove(&(row.file.clone(), row.stamp)));
        let (known, count, mut damaged) = (index.rows.len(), unread.len(), Vec::new());
        for (file, stamp) in unread {
            let report = Report::load(&folder.report(&file)).map_err(|why| why.message);
            if let Err(reason) = report.and_then(|report| index.add(&file, stamp, &report)) {
                tracing::warn!("passed over '{}': {reason}", folder.report(&file).display());
                damaged.push(Damaged { file, reason });
            }
        }
        if forgotten == 0 && index.rows.len() == known {
            return Ok((index, damaged));
        }
        let unsaved = match lock {
            Lock::Held { .. } => index.save().err().map(|why| why.message),
            Lock::Impossible(why) => Some(why.clone()),
        };
        if wrong.is_none() && unsaved.is_none() {
            tracing::info!("index updated: {count} read, {forgotten} forgotten");
        } else {
            let wrong = wrong.as_deref().unwrap_or("is out of date");
            let kept = unsaved.map_or("".into(), |why| format!(", kept in memory only ({why})"));
            let path = index.path.display();
            tracing::warn!(
                "the index '{path}' {wrong}: {} read anew{kept}",
                counted(count, "file")
            );
        }
        Ok((index, damaged))
    }

    /// The index as it was saved; otherwise what is wrong with it.
    fn read(path: &Path) -> Result<Self, String> {
        if !is_plain(path) {
            return Err("is no plain file".to_owned());
        }
        let text = std::fs::read(path).map_err(|why| match why.kind() {
            ErrorKind::NotFound => "is not there".to_owned(),
            _ => format!("cannot be read ({why})"),
        })?;
        Self::parse(path, &text).ok_or_else(|| "is torn or of another version".to_owned())
    }

    fn parse(path: &Path, text: &[u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(text).ok()?.strip_suffix('\n')?.split('\n');
        lines.next().filter(|line| *line == HEADER)?;
        let mut index = Self { path: path.to_owned(), ..Self::default() };
        let mut last = 0;
        for line in lines {
            let (check, line) = line.strip_prefix('[')?.strip_suffix(']')?.split_once(',')?;
            last = self::check(last, line);
            if check.parse() != Ok(last) {
                return None;
            }
            match serde_json::from_str(line).ok()? {
                Line::Series(number, key) => drop(index.series.insert(key.into_owned(), number)),
                Line::Report(row) => index.rows.push(row.into_owned()),
            }
        }
        Some(index)
    }

    /// Adds a report; otherwise returns why it is none for a history.
    pub(super) fn add(&mut self, file: &str, stamp: Stamp, report: &Report) -> Result<(), String> {
        let record = Record::of(report)?;
        if let Some(other) = self.run(&record.run) {
            return Err(format!("its run '{}' is in '{}' already", record.run, other.file));
        }
        let mut number = |key| {
            let next = self.series.len();
            *self.series.entry(key).or_insert(next)
        };
        let figures =
            figures(report).into_iter().map(|(key, value)| (number(key), value)).collect();
        self.rows.push(Row { file: file.to_owned(), stamp, record, figures });
        Ok(())
    }

    pub(super) fn run(&self, run: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.record.run == run)
    }

    /// Forgets all other rows, and returns how many.
    pub(super) fn retain(&mut self, keep: impl FnMut(&Row) -> bool) -> usize {
        let before = self.rows.len();
        self.rows.retain(keep);
        before - self.rows.len()
    }

    pub(super) fn save(&self) -> Result<()> {
        let (mut text, mut check) = (format!("{HEADER}\n"), 0);
        let series = self.series.iter();
        let series = series.map(|(key, number)| Line::Series(*number, Cow::Borrowed(key)));
        let reports = self.rows.iter().map(|row| Line::Report(Cow::Borrowed(row)));
        for line in series.chain(reports) {
            let line = serde_json::to_string(&line)
                .map_err(|why| Error::internal(format!("cannot write the index: {why}")))?;
            check = self::check(check, &line);
            let _ = writeln!(text, "[{check},{line}]");
        }
        write_atomically(&self.path, text.as_bytes())
    }
}

fn check(last: u64, line: &str) -> u64 {
    fingerprint(last.to_le_bytes().into_iter().chain(line.bytes()))
}
