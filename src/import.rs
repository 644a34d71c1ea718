//! Other tools' results as our report: nccl-tests (text and JSON) and the OSU micro-benchmarks.
//!
//! Files are untrusted: bounded in size, and an error names the line. Cases have the ids that a run of ours
//! would give them, so that they can be compared; rates are computed from size and time as for our own runs
//! and must agree with the printed ones. What a file does not tell is null.

mod gathering;
mod lines;
mod log;
mod nccl_header;
mod nccl_json;
mod nccl_text;
mod osu;
mod printed;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

pub use log::Asked;

use crate::base::error::{Error, Exit, Result};
use crate::base::files::read_bounded;
use crate::machine::device::Device;
use crate::machine::environment::{Environment, Node, Rank};
use crate::plan::config::Config;
use crate::plan::mesh::{DEFAULT_ORDER, Mesh};
use crate::report::{ImportedFrom, MeshFacts, Report, begun};
use gathering::Gathering;
use log::{Log, Place};

/// Most bytes of a file.
const FILE_LIMIT: u64 = 256 << 20;

/// Makes one report of several files; equal cases become iterations of one. `config` is kept in the report.
///
/// # Errors
/// Usage error in one sentence for a file that is of no known tool, and for what cannot be read in it.
pub fn import(files: &[PathBuf], asked: &Asked, config: &Config) -> Result<Report> {
    let mut gathering = Gathering::default();
    let (mut origins, mut environment) = (Vec::new(), Environment::default());
    let mut cut = false;
    for file in files {
        let text = read_bounded(file, FILE_LIMIT)?;
        let name = file.display().to_string();
        let wrong = |why: Error| Error::file("import", file, why);
        let log = read(&text, file, asked).map_err(wrong)?;
        if let Some(how) = &log.cut {
            tracing::warn!("{name}: {how}");
            cut = true;
        }
        environment.learn(&log);
        origins.push(ImportedFrom { tool: log.tool.to_owned(), version: log.version, file: name });
        for reading in log.readings {
            let at = reading.at.clone();
            let there = |why: Error| wrong(Error::usage(format!("{at}: {}", why.message)));
            gathering.add(log.tool, &log.time, reading).map_err(there)?;
        }
    }
    let cases = gathering.cases()?;
    let ranks = cases.iter().flat_map(|case| &case.participants).max().map_or(1, |last| last + 1);
    let mesh = MeshFacts { order: DEFAULT_ORDER.to_owned(), axes: Mesh::flat(ranks).axes };
    let mut report = begun("imported", config, environment, mesh);
    report.run.finished.clone_from(&report.run.started);
    report.run.imported_from = Some(origins);
    report.cases = cases;
    report.conclude(report.cases.len(), Exit::Ok);
    report.run.incomplete = cut;
    Ok(report)
}

/// What a file holds, by its content.
fn read(text: &str, file: &Path, asked: &Asked) -> Result<Log> {
    let mut logs = Vec::new();
    if text.trim_start().starts_with('{') {
        logs.push(nccl_json::read(text, asked)?);
    } else {
        let name = file.display().to_string();
        for lines in lines::streams(text)? {
            logs.extend(nccl_text::read(&lines, &name, asked)?);
            logs.extend(osu::read(&lines, asked)?);
        }
    }
    if logs.len() > 1 && logs.iter().any(|log| !log.readings.is_empty()) {
        logs.retain(|log| !log.readings.is_empty());
    }
    let wrong = match logs.as_slice() {
        [] => "it is not the output of nccl-tests (text, or JSON by -J) or of the OSU micro-benchmarks".to_owned(),
        [log] if log.readings.is_empty() => format!("it is of {}, but has no result", log.tool),
        [_] => return Ok(logs.remove(0)),
        _ => format!(
            "it holds the results of {} programs that ran side by side or of several tools; part them into files",
            logs.len()
        ),
    };
    Err(Error::usage(wrong))
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
    let kind = if pci.is_some() { "cuda" } else { "cpu" };
    Device { pci, ..Device::named(kind, place.name.clone()) }
}
