//! What a tool's file holds: readings, and what is said of the machine.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::printed::Printed;
use crate::base::error::{Error, Result};
use crate::base::random::fingerprint;
use crate::base::units::counted;
use crate::benchmark::work::{Element, Placement};
use crate::benchmark::{Benchmark, Counts, Problem};
use crate::plan::config::{Protocol, Values};
use crate::plan::mesh::{self, Group};
use crate::report::Definition;

/// Most ranks of a log; more is a broken file.
pub(super) const RANK_LIMIT: usize = 1 << 16;

/// Most results of a file.
const READING_LIMIT: usize = 100_000;

/// What the user adds to what files say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked {
    /// How many ranks took part, where a file does not tell.
    pub ranks: Option<usize>,
    /// Which benchmark it is, where a file does not tell.
    pub benchmark: Option<&'static Benchmark>,
}

/// One file, or one tool's part of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    pub(super) tool: &'static str,
    pub(super) version: Option<String>,
    /// What its times are, for the caveat.
    pub(super) time: String,
    pub(super) readings: Vec<Reading>,
    /// Ranks of all of them together.
    pub(super) members: usize,
    /// Where ranks ran, as far as it is said.
    pub(super) places: Vec<Place>,
    /// By name, with versions.
    pub(super) libraries: BTreeMap<String, String>,
    /// Variables that change what is measured.
    pub(super) variables: BTreeMap<String, String>,
    /// What is missing, if something is.
    pub(super) cut: Option<String>,
    /// Whether that is because the program died.
    pub(super) died: bool,
    /// Whether the tool checks results unless it is told not to.
    pub(super) checks: bool,
    /// When it began and ended, UTC.
    pub(super) times: Option<[String; 2]>,
}

/// One result.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// Where it stands: `line 12`, `result 3`.
    pub(super) at: String,
    /// The tool's name of the test.
    pub(super) test: String,
    /// What was measured.
    pub(super) subject: Subject,
    pub(super) group: Group,
    pub(super) setup: Setup,
    pub(super) outcome: Outcome,
}

/// What was measured.
#[derive(Debug, Clone)]
pub(super) enum Subject {
    /// A benchmark of ours, so that the case is what a run of ours would make of it.
    Ours {
        benchmark: &'static Benchmark,
        settings: BTreeMap<String, Values>,
        precision: Option<Element>,
        placement: Option<Placement>,
    },
    /// A test that only the tool has. Its case is named after the tool and the test.
    Theirs { name: String, problem: Problem, precision: Option<Element>, counts: Counts },
}

/// How a table was measured, by what: runs in other ways are not put together.
pub(super) type Setup = BTreeMap<&'static str, String>;

/// What a result says.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// How long it took.
    Took(Took),
    /// That results are wrong, and how many where the tool says so.
    Wrong(String),
    /// Nothing that can be used, and why.
    LeftOut(String),
}

/// How long it took.
#[derive(Debug, Clone)]
pub(super) struct Took {
    pub(super) definition: Definition,
    pub(super) protocol: Protocol,
    /// Operations that the printed time is the mean of, where that is known.
    pub(super) batch: Option<u32>,
    /// Untimed iterations, where they are known.
    pub(super) warmup: Option<usize>,
    /// Time of one operation, us; where it is missing it follows from `algbw`.
    pub(super) time: Option<Printed>,
    /// GB/s, as is the next.
    pub(super) algbw: Option<Printed>,
    pub(super) busbw: Option<Printed>,
    /// The iterations by themselves, ns: on the slowest device where `definition` is a mean. Empty where the tool keeps
    /// them.
    pub(super) each: Vec<f64>,
    /// What it says of its iterations, where it has timed each.
    pub(super) spread: Option<Box<Spread>>,
    /// Quantiles over iterations, us, by percent.
    pub(super) quantiles: BTreeMap<u32, f64>,
    /// Largest memory of the process, where it is told.
    pub(super) host_peak_bytes: Option<u64>,
    /// Whether the tool has compared the results with what they should be, and found them right.
    pub(super) checked: bool,
}

/// What a tool says of iterations that it has timed one by one, us. What it does not say is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Spread {
    pub(super) iterations: usize,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    pub(super) mean: Option<f64>,
    pub(super) std_dev: Option<f64>,
}

impl Took {
    /// A time, us, of what a tool runs back to back; the rest is not told.
    pub(super) fn by_the_tool(time: Option<Printed>) -> Self {
        Self {
            definition: Definition::ByTheTool,
            protocol: Protocol::BackToBack,
            batch: None,
            warmup: None,
            time,
            algbw: None,
            busbw: None,
            each: Vec::new(),
            spread: None,
            quantiles: BTreeMap::new(),
            host_peak_bytes: None,
            checked: false,
        }
    }
}

/// Where a rank ran, under the names of nccl-tests' JSON.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Place {
    pub(super) rank: usize,
    /// The part of a split communicator.
    #[serde(default)]
    pub(super) group: usize,
    #[serde(rename = "hostname")]
    pub(super) host: String,
    /// Its device's number on the host.
    pub(super) device: usize,
    /// That device's place on the PCI bus.
    #[serde(rename = "device_hex")]
    pub(super) pci: Option<String>,
    #[serde(rename = "device_info")]
    pub(super) name: String,
    /// Whether it is a GPU though its place on the bus is not told.
    #[serde(skip)]
    pub(super) gpu: bool,
}

impl Log {
    pub(super) fn add(&mut self, reading: Reading) -> Result<()> {
        self.members += reading.group.ranks.len();
        mesh::refuse_members(self.members)?;
        if self.readings.len() >= READING_LIMIT {
            return Err(Error::usage(format!(
                "there are more than {READING_LIMIT} results; part them into files"
            )));
        }
        self.readings.push(reading);
        Ok(())
    }
}

/// The group of all of so many ranks.
pub(super) fn world(ranks: usize) -> Result<Group> {
    if !(1..=RANK_LIMIT).contains(&ranks) {
        return Err(Error::usage(format!("a number of ranks is 1 to {RANK_LIMIT}, not {ranks}")));
    }
    Ok(Group { axis: mesh::WORLD.to_owned(), ranks: (0..ranks).collect() })
}

/// Devices as ranks, by their numbers, of so many.
pub(super) fn of_devices(ranks: Vec<usize>, devices: usize) -> Group {
    let all = ranks.iter().copied().eq(0..devices);
    Group { axis: if all { mesh::WORLD } else { "groups" }.to_owned(), ranks }
}

/// The ranks that act together with the first one of those that are listed, each of which stands for as many as `each`
/// says; of no list as many as were asked for.
pub(super) fn group_of(places: &[Place], each: usize, asked: &Asked) -> Result<Group> {
    if let Some(missing) = missing_ranks(places).filter(|_| each == 1) {
        let most = places.iter().map(|place| place.rank).max().unwrap_or(0);
        return match asked.ranks {
            Some(ranks) if ranks > most && parts(places) == 1 => world(ranks),
            _ => Err(Error::usage(format!(
                "{missing} not listed; say how many ranks there were with --ranks"
            ))),
        };
    }
    let ranks = places.len().saturating_mul(each);
    match asked.ranks {
        Some(asked) if places.is_empty() => return world(asked),
        None if places.is_empty() => {
            return Err(Error::usage(
                "the file does not list the ranks; say how many there were with --ranks",
            ));
        }
        Some(asked) if asked != ranks => {
            return Err(Error::usage(format!(
                "the file lists {}, not {asked}; leave --ranks out",
                counted(ranks, "rank")
            )));
        }
        _ if each > 1 && parts(places) > 1 => {
            return Err(Error::usage(
                "its groups cannot be told apart, because it lists one rank of each process only",
            ));
        }
        _ if each > 1 => return world(ranks),
        _ => {}
    }
    let first = places.first().map_or(0, |place| place.group);
    let mut ranks: Vec<usize> =
        places.iter().filter(|place| place.group == first).map(|place| place.rank).collect();
    ranks.sort_unstable();
    if let Some(pair) = ranks.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::usage(format!("rank {} is listed twice", pair[0])));
    }
    if ranks.last().is_none_or(|last| *last >= RANK_LIMIT) {
        return Err(Error::usage(format!("ranks are not between 0 and {}", RANK_LIMIT - 1)));
    }
    let all = ranks.len() == places.len() && ranks.iter().copied().eq(0..ranks.len());
    let axis = if all { mesh::WORLD } else { "groups" };
    Ok(Group { axis: axis.to_owned(), ranks })
}

/// Ranks below the highest listed one whose own lines are missing: `rank 0 is`, `ranks 0 to 2 are`.
fn missing_ranks(places: &[Place]) -> Option<String> {
    let listed: BTreeSet<usize> = places.iter().map(|place| place.rank).collect();
    let first = (0..*listed.last()?).find(|rank| !listed.contains(rank))?;
    let next = *listed.range(first..).next()?;
    Some(match next - first {
        1 => format!("rank {first} is"),
        _ => format!("ranks {first} to {} are", next - 1),
    })
}

/// Who took part, for a setup.
pub(super) fn machine(places: &[Place]) -> Option<String> {
    let hosts: BTreeSet<&str> = places.iter().map(|place| place.host.as_str()).collect();
    let devices: BTreeSet<&str> = places.iter().map(|place| place.name.as_str()).collect();
    let join = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(", ");
    let all = || format!("{} x {} on {}", places.len(), join(devices), join(hosts));
    (!places.is_empty()).then(|| in_short(all()))
}

/// Most characters of a text that many results keep.
pub(super) const TEXT_LIMIT: usize = 1000;

/// A text that many results keep: of a long one its beginning, and what tells it from others.
pub(super) fn in_short(text: String) -> String {
    match text.char_indices().nth(TEXT_LIMIT) {
        None => text,
        Some((end, _)) => format!("{}… {:016x}", &text[..end], fingerprint(text.bytes())),
    }
}

/// Most bytes of JSON that says little of each result: its values take several times as much memory.
const JSON_LIMIT: usize = 64 << 20;

/// Refuses JSON that is too large for what it can hold.
pub(super) fn refuse_large(json: &str) -> Result<()> {
    if json.len() > JSON_LIMIT {
        return Err(Error::usage(format!(
            "it is JSON of more than {JSON_LIMIT} bytes; part it into files"
        )));
    }
    Ok(())
}

/// Most columns of a table of numbers under names.
const COLUMN_LIMIT: usize = 64;

/// The columns of a header line.
pub(super) fn named_columns(names: impl Iterator<Item = String>) -> Result<Vec<String>> {
    let columns: Vec<String> = names.take(COLUMN_LIMIT + 1).collect();
    if columns.len() > COLUMN_LIMIT {
        return Err(Error::usage(format!("the table has more than {COLUMN_LIMIT} columns")));
    }
    Ok(columns)
}

/// Number of parts that a communicator was split into.
pub(super) fn parts(places: &[Place]) -> usize {
    places.iter().map(|place| place.group).collect::<BTreeSet<usize>>().len()
}
