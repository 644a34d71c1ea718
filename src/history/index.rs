//! What is needed of the reports to list them and to follow a case over time, without reading them.
//!
//! The index is made from the files and holds nothing else. Whatever is wrong with it, it is made anew.

use std::collections::{BTreeMap, BTreeSet};

use redb::backends::InMemoryBackend;
use redb::{
    Database, ReadableDatabase as _, ReadableTable as _, StorageError, TableDefinition,
    WriteTransaction,
};
use serde::{Deserialize, Serialize};

use super::entry::{Key, Record, figures};
use super::folder::{Folder, Stamp};
use super::lock::Lock;
use super::quiet::quietly;
use crate::base::error::{Error, Result};
use crate::report::Report;

/// Of the tables below and of what is taken from a report.
const VERSION: u64 = 2;

/// Numbers by name.
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
/// By file: its number, its [`Stamp`], and [`Found`] as JSON.
const FILES: TableDefinition<&str, (u32, Stamp, &[u8])> = TableDefinition::new("files");
/// By case, metric, machine and method: the number of the series.
const SERIES: TableDefinition<(&str, &str, &str, &str), u32> = TableDefinition::new("series");
/// By series and file: the value.
const VALUES: TableDefinition<(u32, u32), f64> = TableDefinition::new("values");

/// Memory for pages of the index, bytes.
const CACHE: usize = 64 << 20;

/// Reports that are read before what they say is written.
const BATCH: usize = 64;

#[derive(Debug)]
pub(super) struct Index {
    database: Database,
    /// For messages.
    path: String,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Found {
    Report(Record),
    Damaged(String),
}

/// A file with what it says.
pub(super) struct Read {
    pub(super) file: String,
    pub(super) stamp: Stamp,
    pub(super) found: Found,
    pub(super) figures: Vec<(Key, f64)>,
}

impl Read {
    pub(super) fn of(file: String, stamp: Stamp, report: &Report) -> Self {
        match Record::of(report) {
            Ok(record) => {
                Self { file, stamp, found: Found::Report(record), figures: figures(report) }
            }
            Err(why) => Self { file, stamp, found: Found::Damaged(why), figures: Vec::new() },
        }
    }
}

/// Files as they were when they were read.
type Files = BTreeSet<(String, Stamp)>;

/// The values of a series by number of the report.
pub(super) type Values = BTreeMap<u32, f64>;

impl Index {
    /// Opens the index of a folder, brings it up to date with the files and says so.
    pub(super) fn open(folder: &Folder, lock: &Lock) -> Result<Self> {
        let (index, wrong) = Self::found_or_made(folder, lock)?;
        index.catch_up(folder, wrong)?;
        for (file, why) in index.damaged()? {
            tracing::warn!("passed over '{}': {why}", folder.report(&file).display());
        }
        Ok(index)
    }

    /// The index, and what was wrong with the one that should be there. Where none can be written it is one for
    /// this process alone.
    fn found_or_made(folder: &Folder, lock: &Lock) -> Result<(Self, Option<String>)> {
        let path = folder.index();
        let in_memory = |why: &str| {
            let wrong = format!("cannot be written ({why}) and is kept in memory");
            Ok((Self::in_memory(folder)?, Some(wrong)))
        };
        if let Lock::Impossible(why) = lock {
            return in_memory(why);
        }
        let mut wrong = "is not there".to_owned();
        if path.exists() {
            match Self::attempt(folder) {
                Ok(index) => return Ok((index, None)),
                Err(why) => wrong = format!("cannot be used ({why})"),
            }
            if let Err(why) = std::fs::remove_file(&path) {
                return in_memory(&why.to_string());
            }
        }
        match Self::attempt(folder) {
            Ok(index) => Ok((index, Some(wrong))),
            Err(why) => in_memory(&why),
        }
    }

    /// Opens the index as it is. redb asserts what it reads: it panics where a file is cut.
    fn attempt(folder: &Folder) -> Result<Self, String> {
        quietly(|| Self::sound(folder)).unwrap_or_else(|| Err("it is torn".to_owned()))
    }

    /// An index in which every page is as it was written.
    fn sound(folder: &Folder) -> Result<Self, String> {
        let path = folder.index();
        let opened = || -> Result<(Self, u64), redb::Error> {
            let new = !path.exists();
            let mut database = Database::builder().set_cache_size(CACHE).create(&path)?;
            if !new {
                database.check_integrity()?;
            }
            let index = Self { database, path: path.display().to_string() };
            let version = index.prepare()?;
            Ok((index, version))
        };
        match opened().map_err(|why| why.to_string())? {
            (index, VERSION) => Ok(index),
            (_, other) => Err(format!("it is of version {other}, not {VERSION}")),
        }
    }

    /// An index for this process alone.
    fn in_memory(folder: &Folder) -> Result<Self> {
        let path = folder.index().display().to_string();
        let made = || -> Result<Self, redb::Error> {
            let database = Database::builder().create_with_backend(InMemoryBackend::new())?;
            let index = Self { database, path: path.clone() };
            index.prepare()?;
            Ok(index)
        };
        made().map_err(|why| Error::internal(format!("cannot make an index in memory: {why}")))
    }

    /// Makes the tables that are missing, and returns the version.
    fn prepare(&self) -> Result<u64, redb::Error> {
        let transaction = self.database.begin_write()?;
        let mut meta = transaction.open_table(META)?;
        let version = meta.get("version")?.map(|version| version.value());
        if version.is_none() {
            meta.insert("version", VERSION)?;
            transaction.open_table(FILES)?;
            transaction.open_table(SERIES)?;
            transaction.open_table(VALUES)?;
        }
        drop(meta);
        transaction.commit()?;
        Ok(version.unwrap_or(VERSION))
    }

    /// Reads the files that the index lacks, forgets those that are gone, and says so. One that was damaged is read
    /// again: what was wrong with it may have been another file, or a right to read it.
    fn catch_up(&self, folder: &Folder, wrong: Option<String>) -> Result<()> {
        let there: Files = folder.files()?.into_iter().collect();
        let (known, damaged) = self.stamped_files()?;
        let gone = known.difference(&there).chain(&damaged);
        let gone: Vec<&str> = gone.map(|(file, _)| file.as_str()).collect();
        let new: Vec<&(String, Stamp)> = there.difference(&known).collect();
        if new.is_empty() && gone.is_empty() {
            return Ok(());
        }
        match wrong {
            Some(wrong) => {
                tracing::warn!(
                    "the index '{}' {wrong}: made anew from {} files",
                    self.path,
                    new.len()
                );
            }
            None => tracing::info!("index updated: {} read, {} forgotten", new.len(), gone.len()),
        }
        self.forget(&gone)?;
        for batch in new.chunks(BATCH) {
            let read = batch.iter().map(|(file, stamp)| match Report::load(&folder.report(file)) {
                Ok(report) => Read::of(file.clone(), *stamp, &report),
                Err(why) => {
                    let found = Found::Damaged(why.message);
                    Read { file: file.clone(), stamp: *stamp, found, figures: Vec::new() }
                }
            });
            self.insert(read.collect())?;
        }
        Ok(())
    }

    /// Adds files. One with a run that is there already is damaged.
    pub(super) fn insert(&self, read: Vec<Read>) -> Result<()> {
        let mut runs: BTreeMap<String, String> =
            self.records()?.into_values().map(|(file, record)| (record.run, file)).collect();
        let inserted = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_write()?;
            for mut read in read {
                if let Found::Report(record) = &read.found {
                    if let Some(other) = runs.get(&record.run) {
                        let why = format!("its run '{}' is in '{other}' already", record.run);
                        read.found = Found::Damaged(why);
                        read.figures = Vec::new();
                    } else {
                        runs.insert(record.run.clone(), read.file.clone());
                    }
                }
                insert(&transaction, &read)?;
            }
            Ok(transaction.commit()?)
        };
        inserted().map_err(|why| self.broken(&why))
    }

    /// Forgets files.
    pub(super) fn forget(&self, files: &[&str]) -> Result<()> {
        let forgotten = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_write()?;
            let mut numbers = BTreeSet::new();
            let mut table = transaction.open_table(FILES)?;
            for file in files {
                let known = table.remove(*file)?;
                numbers.extend(known.map(|known| known.value().0));
            }
            drop(table);
            let mut values = transaction.open_table(VALUES)?;
            values.retain(|(_, number), _| !numbers.contains(&number))?;
            drop(values);
            Ok(transaction.commit()?)
        };
        if files.is_empty() { Ok(()) } else { forgotten().map_err(|why| self.broken(&why)) }
    }

    /// The reports, by number.
    pub(super) fn records(&self) -> Result<BTreeMap<u32, (String, Record)>> {
        let report = |(file, number, _, found)| match found {
            Found::Report(record) => Some((number, (file, record))),
            Found::Damaged(_) => None,
        };
        Ok(self.files()?.into_iter().filter_map(report).collect())
    }

    /// The files that are no usable reports, with the reasons.
    pub(super) fn damaged(&self) -> Result<Vec<(String, String)>> {
        let damaged = |(file, _, _, found)| match found {
            Found::Report(_) => None,
            Found::Damaged(why) => Some((file, why)),
        };
        Ok(self.files()?.into_iter().filter_map(damaged).collect())
    }

    /// The values of the series that are wanted, by number of the report.
    pub(super) fn series(&self, wanted: impl Fn(&Key) -> bool) -> Result<Vec<(Key, Values)>> {
        let read = || -> Result<Vec<(Key, Values)>, redb::Error> {
            let transaction = self.database.begin_read()?;
            let (series, values) =
                (transaction.open_table(SERIES)?, transaction.open_table(VALUES)?);
            let mut found = Vec::new();
            for item in series.iter()? {
                let (key, number) = item?;
                let (case, metric, machine, method) = key.value();
                let [case, metric, machine, method] =
                    [case, metric, machine, method].map(str::to_owned);
                let key = Key { case, metric, machine, method };
                if !wanted(&key) {
                    continue;
                }
                let number = number.value();
                let range = values.range((number, 0)..=(number, u32::MAX))?;
                let pairs = range.map(|item| item.map(|(at, value)| (at.value().1, value.value())));
                let pairs: Values = pairs.collect::<Result<_, StorageError>>()?;
                found.push((key, pairs));
            }
            Ok(found)
        };
        read().map_err(|why| self.broken(&why))
    }

    /// The reports and the damaged files as they were when they were read.
    fn stamped_files(&self) -> Result<(Files, Files)> {
        let (mut reports, mut damaged) = (Files::new(), Files::new());
        for (file, _, stamp, found) in self.files()? {
            match found {
                Found::Report(_) => reports.insert((file, stamp)),
                Found::Damaged(_) => damaged.insert((file, stamp)),
            };
        }
        Ok((reports, damaged))
    }

    fn files(&self) -> Result<Vec<(String, u32, Stamp, Found)>> {
        let read = || -> Result<Vec<(String, u32, Stamp, Found)>, redb::Error> {
            let table = self.database.begin_read()?.open_table(FILES)?;
            let mut files = Vec::new();
            for item in table.iter()? {
                let (file, value) = item?;
                let (number, stamp, found) = value.value();
                let found = serde_json::from_slice(found)
                    .map_err(|why| redb::Error::Corrupted(why.to_string()))?;
                files.push((file.value().to_owned(), number, stamp, found));
            }
            Ok(files)
        };
        read().map_err(|why| self.broken(&why))
    }

    fn broken(&self, why: &redb::Error) -> Error {
        Error::usage(format!(
            "cannot use the index '{}': {why}; delete it, and it is made anew from the reports",
            self.path
        ))
    }
}

fn insert(transaction: &WriteTransaction, read: &Read) -> Result<(), redb::Error> {
    let mut meta = transaction.open_table(META)?;
    let mut next = |name: &str| -> Result<u32, redb::Error> {
        let number = meta.get(name)?.map_or(0, |number| number.value());
        meta.insert(name, number + 1)?;
        u32::try_from(number).map_err(|why| redb::Error::Corrupted(why.to_string()))
    };
    let number = next("files")?;
    let found =
        serde_json::to_vec(&read.found).map_err(|why| redb::Error::Corrupted(why.to_string()))?;
    transaction.open_table(FILES)?.insert(&*read.file, (number, read.stamp, &*found))?;
    let mut series = transaction.open_table(SERIES)?;
    let mut values = transaction.open_table(VALUES)?;
    for (Key { case, metric, machine, method }, value) in &read.figures {
        let key = (&**case, &**metric, &**machine, &**method);
        let known = series.get(key)?.map(|known| known.value());
        let id = match known {
            Some(id) => id,
            None => {
                let id = next("series")?;
                series.insert(key, id)?;
                id
            }
        };
        values.insert((id, number), *value)?;
    }
    Ok(())
}
