//! Other tools' results as our report: those of `formats.rs`.
//!
//! Files are untrusted: bounded in size, and an error names the line. Cases of tests that we have get the ids that a
//! run of ours would give them, so that they can be compared; others are named after the tool. Rates are computed from
//! size and time as for our own runs and must agree with the printed ones. What a file does not tell is null.

mod criterion;
mod death;
mod folder;
mod format;
mod formats;
mod gathering;
mod imb;
mod lines;
mod log;
mod memory_benchmark;
mod mscclpp;
mod nccl_header;
mod nccl_json;
mod nccl_text;
mod nvbandwidth;
mod nvbench;
mod osu;
mod perftest;
mod printed;
mod profiles;
#[cfg(test)]
mod tests;
mod text;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

pub use log::Asked;
pub use profiles::{perf_events, read_ncu, read_nsys, read_perf};

use crate::base::error::{Error, Exit, Result};
use crate::base::files::read_bytes;
use crate::base::random::fingerprint;
use crate::base::units::counted;
use crate::benchmark::collective;
use crate::machine::device::Device;
use crate::machine::environment::{Environment, Node, Rank};
use crate::plan::config::Config;
use crate::plan::mesh::{DEFAULT_ORDER, Mesh};
use crate::report::{ImportedFrom, MeshFacts, Report, begun};
use gathering::Gathering;
use log::{Log, Outcome, Place, Reading};

/// Most bytes of a file.
pub const FILE_LIMIT: u64 = 256 << 20;

/// A file that was read. Whoever tries what it may be tries these bytes: a pipe gives what it has only once.
pub struct File {
    /// What it is called in what is said of it.
    pub path: PathBuf,
    /// All that it holds.
    pub bytes: Vec<u8>,
}

impl File {
    /// Reads a file of at most `limit` bytes, or a folder of results of a tool.
    ///
    /// # Errors
    /// Usage error when it cannot be read or is larger, and for a folder that holds no results.
    pub fn read(path: &Path, limit: u64) -> Result<Self> {
        if path.is_dir() {
            let none =
                || Error::file("read the folder", path, "it holds no results of a known tool");
            return Self::of_folder(path, limit)?.ok_or_else(none);
        }
        Ok(Self { path: path.to_owned(), bytes: read_bytes(path, limit)? })
    }

    /// Reads a folder of results of a tool; `None` for any other folder.
    ///
    /// # Errors
    /// Usage error when it cannot be read or is larger.
    pub fn of_folder(path: &Path, limit: u64) -> Result<Option<Self>> {
        let bytes = formats::folder(path, limit)?;
        Ok(bytes.map(|bytes| Self { path: path.to_owned(), bytes }))
    }

    /// Whether it is the output of a test, even where it cannot be read as such: then what is wrong with it as a log is
    /// the answer.
    pub fn is_log(&self) -> bool {
        formats::is_known(&text::decode(&self.bytes))
    }
}

/// Makes one report of several files. A case that a log has several times, measured in the same way, becomes one with
/// as many iterations. `config` is kept in the report, which is incomplete where a log is.
///
/// # Errors
/// Usage error in one sentence for a file that is of no known tool, for what cannot be read in it, and for runs that do
/// not belong together.
pub fn import(
    files: impl IntoIterator<Item = Result<File>>,
    asked: &Asked,
    config: &Config,
) -> Result<Report> {
    let mut gathering = Gathering::default();
    let (mut origins, mut environment) = (Vec::new(), Environment::default());
    let mut known: Vec<(u64, String)> = Vec::new();
    let (mut ended, mut remarks) = (Exit::Ok, Vec::new());
    for file in files {
        let File { path, bytes } = file?;
        let wrong = |why: Error| Error::file("import", &path, why);
        if bytes.len() as u64 > FILE_LIMIT {
            return Err(wrong(Error::usage(format!("it is larger than {FILE_LIMIT} bytes"))));
        }
        let name = path.display().to_string();
        let print = fingerprint(bytes.iter().copied());
        if let Some((_, same)) = known.iter().find(|(other, _)| *other == print) {
            tracing::warn!("{name} is left out: it is the same as {same}, byte for byte");
            continue;
        }
        let log = formats::read(&text::decode(&bytes), &path, asked).map_err(wrong)?;
        known.push((print, name.clone()));
        if let Some(how) = &log.cut {
            tracing::warn!("{name}: {how}");
        }
        ended = ended.worst(log.ended());
        environment.learn(&log);
        remarks.extend(log.remarks(&name));
        for reading in log.readings {
            let at = reading.at.clone();
            let there = |why: Error| wrong(Error::usage(format!("{at}: {}", why.message)));
            gathering.add((log.tool, &log.time, &name), reading).map_err(there)?;
        }
        let (tool, version, times) = (log.tool.to_owned(), log.version, log.times);
        origins.push(ImportedFrom { tool, version, file: name, times });
    }
    let cases = gathering.cases()?;
    remarks.iter().for_each(|remark| tracing::warn!("{remark}"));
    let ranks = cases.iter().flat_map(|case| &case.participants).max().map_or(1, |last| last + 1);
    let mesh = MeshFacts { order: DEFAULT_ORDER.to_owned(), axes: Mesh::flat(ranks).axes };
    let mut report = begun("imported", config, environment, mesh);
    report.run.finished.clone_from(&report.run.started);
    // Times in UTC are in the order of their texts.
    let times: Option<Vec<[String; 2]>> = origins.iter().map(|from| from.times.clone()).collect();
    let (started, finished): (Vec<String>, Vec<String>) =
        times.into_iter().flatten().map(|[started, finished]| (started, finished)).unzip();
    if let Some(ends) = started.into_iter().min().zip(finished.into_iter().max()) {
        (report.run.started, report.run.finished) = ends;
    }
    report.run.imported_from = Some(origins);
    report.cases = cases;
    // That results are wrong matters more than that some are missing.
    let wrong = report.cases.iter().any(|case| case.error.is_some());
    report.conclude(report.cases.len(), if wrong { Exit::Ok } else { ended });
    report.run.incomplete = ended != Exit::Ok;
    Ok(report)
}

impl Log {
    /// How the run that wrote it ended, as far as it tells.
    fn ended(&self) -> Exit {
        match &self.cut {
            _ if self.died => Exit::RankDied,
            Some(_) => Exit::Interrupted,
            None => Exit::Ok,
        }
    }

    /// What a reader of its figures should know.
    fn remarks(&self, name: &str) -> Vec<String> {
        let lone = |reading: &&Reading| {
            reading.group.ranks.len() == 1 && collective::find(&reading.test).is_some()
        };
        let lone = self.readings.iter().find(lone).map(|reading| {
            format!(
                "{name}: {}: one rank ran alone, so nothing was exchanged; if there should be more, the test was \
                 built or started without its MPI",
                reading.at
            )
        });
        let took = self.readings.iter().filter_map(|reading| match &reading.outcome {
            Outcome::Took(took) => Some(took.checked),
            _ => None,
        });
        let (count, unchecked) =
            took.fold((0, 0), |(all, not), checked| (all + 1, not + usize::from(!checked)));
        let unchecked = (unchecked > 0 && self.checks).then(|| {
            format!(
                "{name}: not checked when measured: {unchecked} of {}",
                counted(count, "result")
            )
        });
        lone.into_iter().chain(unchecked).collect()
    }
}

impl Environment {
    /// Takes what a log says of the machine; of several the one with the most ranks.
    fn learn(&mut self, log: &Log) {
        self.libraries.extend(log.libraries.clone());
        self.variables.extend(log.variables.clone());
        if log.places.len() <= self.ranks.len() {
            return;
        }
        (self.nodes, self.ranks) = (Vec::new(), Vec::new());
        // The number of each host, and how many of its ranks have been seen.
        let mut known: HashMap<&str, (usize, usize)> = HashMap::new();
        for place in &log.places {
            let (node, local_rank) = known.entry(&place.host).or_insert_with(|| {
                self.nodes.push(Node { host: place.host.clone(), ..Node::default() });
                (self.nodes.len() - 1, 0)
            });
            let (rank, device) = (place.rank, device(place));
            self.ranks.push(Rank {
                rank,
                node: *node,
                local_rank: *local_rank,
                device,
                cores: None,
            });
            *local_rank += 1;
        }
    }
}

fn device(place: &Place) -> Device {
    // Our own table has this for what is on no bus.
    let pci = place.pci.clone().filter(|pci| pci != "0000:00:00");
    let kind = if pci.is_some() || place.gpu { "cuda" } else { "cpu" };
    Device { pci, ..Device::named(kind, place.name.clone()) }
}
