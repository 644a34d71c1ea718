//! Output of nvbandwidth: tables, and JSON (`-j`).
//!
//! Its sources say what it prints: `nvbandwidth.cpp` and `common.h` of v0.4 (67daa2d), `output.cpp`, `inline_common.h` and
//! `json_output.cpp` of v0.5 (d30ed1e) to v0.8 (66746a3). It prints bandwidths and no sizes of buffers, so a case's time
//! is that of a gigabyte.

use serde::Deserialize;

use super::format::{Format, Kind, Origin};
use super::lines::Line;
use super::log::{self, Log, Outcome, Place, Reading, Setup, Subject, Took};
use super::printed::Printed;
use crate::base::error::{Error, Result};
use crate::base::serde_words::in_plain_words;
use crate::base::units::counted;
use crate::benchmark::{Counts, Problem};

/// What the report calls it.
const TOOL: &str = "nvbandwidth";

/// Begins its output.
const VERSION: &str = "nvbandwidth Version:";

pub(super) const TEXT: Format = Format {
    name: "nvbandwidth (text, or JSON by -j)",
    kind: Kind::Lines { signs: &[VERSION], read },
};

pub(super) const JSON: Format = Format {
    name: TEXT.name,
    kind: Kind::Json { signs: &["\"nvbandwidth\"", "\"testcases\""], read: read_json },
};

/// What its figures are.
const TIME: &str = "those of 1e9 bytes at the printed bandwidth, or printed latencies: each the median of its samples \
                    unless -m chose the mean; sizes of buffers are not printed";

/// Most GPUs of a table.
const GPU_LIMIT: usize = 4096;

/// Bytes of an operation.
const GIGABYTE: u64 = 1_000_000_000;

fn empty() -> Log {
    Log { tool: TOOL, time: TIME.to_owned(), ..Log::default() }
}

/// A table of a test.
struct Matrix {
    /// The test, as the line of its sum names it.
    name: String,
    /// What its rows and columns are.
    description: String,
    columns: usize,
    rows: Vec<Row>,
}

struct Row {
    at: String,
    values: Vec<Value>,
}

enum Value {
    /// Not measured, as a GPU against itself.
    Absent,
    Number(Printed),
    /// What is no number that can be used.
    Odd(String),
}

impl Value {
    fn parse(text: &str) -> Result<Self> {
        if text == "N/A" {
            return Ok(Self::Absent);
        }
        let odd = ["nan", "-nan", "inf"].contains(&text);
        match Printed::parse(text) {
            Some(number) => Ok(Self::Number(number)),
            None if odd => Ok(Self::Odd(text.to_owned())),
            None => Err(Error::usage(format!("'{text}' is no number and not N/A"))),
        }
    }
}

impl Matrix {
    /// Adds its figures to the log, whose GPUs are `devices`.
    fn conclude(self, devices: usize, log: &mut Log) -> Result<()> {
        let named = log::in_short(self.name);
        let description = log::in_short(self.description);
        let of_pairs = self.rows.len() > 1 && self.rows.len() == self.columns;
        let is_latency = description.ends_with("(ns)");
        let setup: Setup = log::machine(&log.places).map(|m| ("machine", m)).into_iter().collect();
        let places = self.rows.iter().enumerate().flat_map(|(number, row)| {
            row.values.iter().enumerate().map(move |(column, value)| (number, column, row, value))
        });
        for (row, column, Row { at, .. }, value) in places {
            let outcome = match value {
                Value::Absent => continue,
                Value::Odd(text) => Outcome::LeftOut(format!("{at}: it is printed as {text}")),
                Value::Number(number) if is_latency => {
                    Outcome::Took(Took::by_the_tool(Some(number.times(1e-3))))
                }
                Value::Number(number) => {
                    Outcome::Took(Took { algbw: Some(*number), ..Took::by_the_tool(None) })
                }
            };
            let mut ranks = match self.columns {
                _ if of_pairs => vec![row, column],
                // Tests of pairs of processes have a row for each.
                1 => vec![row],
                _ => vec![column],
            };
            ranks.sort_unstable();
            ranks.dedup();
            let mut problem = Problem::new();
            if of_pairs {
                problem.insert("row".to_owned(), (row as u64).into());
                problem.insert("column".to_owned(), (column as u64).into());
            }
            let moved = (!is_latency).then_some(GIGABYTE);
            let counts = Counts {
                algorithm_bytes: moved,
                bus_factor: moved.filter(|_| of_pairs).map(|_| 1.0),
                operations_per_run: 1,
                communicates: of_pairs,
                ..Counts::default()
            };
            log.add(Reading {
                at: at.clone(),
                test: description.clone(),
                subject: Subject::Theirs { name: named.clone(), problem, precision: None, counts },
                group: log::of_devices(ranks, devices),
                setup: setup.clone(),
                outcome,
            })?;
        }
        Ok(())
    }

    /// The sum of its figures, and by how much rounding may have changed it.
    fn sum(&self) -> [f64; 2] {
        let number = |value: &Value| match value {
            Value::Number(number) => Some(number.ends()),
            _ => None,
        };
        let all = self.rows.iter().flat_map(|row| &row.values).filter_map(number);
        all.fold([0.0, 0.0], |[low, high], [from, to]| [low + from, high + to])
    }
}

/// Reads the tables of one process's lines; `None` when there is none.
fn read(lines: &[Line<'_>], _: Origin<'_>) -> Result<Option<Log>> {
    let is_own = |line: &Line<'_>| line.text.trim_start().starts_with(VERSION);
    let Some(first) = lines.iter().position(is_own) else { return Ok(None) };
    let mut reader = Reader { log: empty(), test: None, host: None, matrix: None };
    for line in &lines[first..] {
        reader.line(*line).map_err(|why| line.refused(why))?;
    }
    reader.end();
    Ok(Some(reader.log))
}

struct Reader {
    log: Log,
    /// The test that has been begun and has no table yet, and its line.
    test: Option<(String, usize)>,
    /// A line that may be the name of a host.
    host: Option<String>,
    matrix: Option<Open>,
}

/// A table that is being read.
struct Open {
    matrix: Matrix,
    /// The line of its description.
    line: usize,
}

impl Reader {
    fn line(&mut self, line: Line<'_>) -> Result<()> {
        let text = line.text.trim();
        let words: Vec<&str> = text.split_whitespace().take(GPU_LIMIT + 4).collect();
        if let Some(rest) = text.strip_prefix(VERSION) {
            self.end();
            let version = Some(rest.trim().trim_start_matches('v').to_owned());
            if self.log.version.as_ref().is_some_and(|known| Some(known) != version.as_ref()) {
                return Err(Error::usage("another version of it begins; part them into files"));
            }
            self.log.version = version;
            self.log.places.clear();
        } else if let ["SUM", name, sum] = words[..] {
            self.close(line, name, sum)?;
        } else if let ["&&&&", "PERF", name, sum, ..] = words[..] {
            self.close(line, name, sum)?;
        } else if let Some(name) = text.strip_prefix("Running ") {
            self.end();
            self.test = Some((name.trim_end_matches('.').to_owned(), line.number));
        } else if let Some(why) = text.strip_prefix("Error:").or(text.strip_prefix("ERROR:")) {
            let (name, _) = self.test.take().unwrap_or_default();
            self.cut(format!("line {}: {name} failed: {}", line.number, why.trim()));
        } else if text.starts_with("Waived:") || text.starts_with("Waiving ") {
            tracing::info!("line {}: a test does not suit this machine: {text}", line.number);
            self.test = None;
        } else if let Some(open) = &mut self.matrix {
            open.row(line, &words)?;
        } else if self.test.is_some() && is_description(text) {
            self.matrix = Some(Open {
                matrix: Matrix {
                    name: String::new(),
                    description: text.to_owned(),
                    columns: 0,
                    rows: Vec::new(),
                },
                line: line.number,
            });
        } else {
            self.facts(text)?;
        }
        Ok(())
    }

    /// What stands before the tests.
    fn facts(&mut self, text: &str) -> Result<()> {
        let number = |key: &str| text.strip_prefix(key).map(str::trim);
        if let Some(version) = number("CUDA Runtime Version:") {
            self.log.libraries.insert("cuda".to_owned(), version.to_owned());
        } else if let Some(version) = number("Driver Version:") {
            self.log.libraries.insert("driver".to_owned(), version.to_owned());
        } else if let Some(rest) = text.strip_prefix("Device ") {
            let host = self.host.clone().unwrap_or_default();
            let place = device(rest, &host);
            self.place(place.ok_or_else(|| Error::usage(format!("'{text}' names no device")))?)?;
        } else if let Some(rest) = text.strip_prefix("Process ") {
            let place = process(rest);
            self.place(place.ok_or_else(|| Error::usage(format!("'{text}' names no process")))?)?;
        } else if !text.contains([' ', ':']) {
            self.host = Some(log::in_short(text.to_owned()));
        }
        Ok(())
    }

    fn place(&mut self, place: Place) -> Result<()> {
        if self.log.places.len() >= GPU_LIMIT || place.rank != self.log.places.len() {
            return Err(Error::usage(format!("device {} is out of order", place.rank)));
        }
        self.log.places.push(place);
        Ok(())
    }

    /// The table is whole.
    fn close(&mut self, line: Line<'_>, name: &str, sum: &str) -> Result<()> {
        let Some(Open { mut matrix, line: begun }) = self.matrix.take() else {
            return Err(Error::usage(format!("the sum of {name} has no table above it")));
        };
        let whole = Printed::parse(sum).filter(|_| line.ends || has_decimals(sum));
        let [low, high] = matrix.sum();
        // What each printed figure and their sum have lost.
        match whole.map(Printed::ends) {
            Some([from, to]) if from <= high * (1.0 + 1e-9) && low <= to * (1.0 + 1e-9) => {}
            _ => self.cut(format!(
                "line {}: the figures of {name} from line {begun} on add up to {:.2}, and {sum} is printed: \
                 some are missing or changed",
                line.number,
                (low + high) / 2.0
            )),
        }
        name.clone_into(&mut matrix.name);
        // Bidirectional tests have several tables.
        if let Some((_, test)) = &mut self.test {
            *test = line.number;
        }
        let devices = self.log.places.len();
        matrix.conclude(devices, &mut self.log)?;
        self.test = self.test.take().map(|(name, _)| (name, 0));
        Ok(())
    }

    /// What has been begun and is over without its end.
    fn end(&mut self) {
        let test = self.test.take();
        if let Some(Open { mut matrix, line }) = self.matrix.take() {
            let name = test.map(|(name, _)| name).unwrap_or_default();
            self.cut(format!("line {line}: the table of {name} has no end"));
            matrix.name = name;
            let devices = self.log.places.len();
            // Rows that are there are whole; only their number is not known.
            if matrix.description.contains("CPU(row)") || matrix.rows.len() > 1 {
                let added = matrix.conclude(devices, &mut self.log);
                added.err().into_iter().for_each(|why| self.cut(why.message));
            }
        } else if let Some((name, line)) = test.filter(|(_, line)| *line > 0) {
            self.cut(format!("line {line}: {name} has no results"));
        }
    }

    fn cut(&mut self, why: String) {
        self.log.cut.get_or_insert(why);
    }
}

impl Open {
    fn row(&mut self, line: Line<'_>, words: &[&str]) -> Result<()> {
        let matrix = &mut self.matrix;
        if matrix.columns == 0 {
            matrix.columns = words.len();
            return refuse_many(words.len());
        }
        refuse_many(matrix.rows.len())?;
        // A label may have several words.
        let Some(first) = words.len().checked_sub(matrix.columns).filter(|first| *first > 0) else {
            let why = Error::usage(format!(
                "the row has {}, and the table {}; mend or remove it",
                counted(words.len(), "field"),
                counted(matrix.columns + 1, "column")
            ));
            return if line.ends { Err(why) } else { Ok(()) };
        };
        let last = words.last().copied().unwrap_or_default();
        if !line.ends && !has_decimals(last) && last != "N/A" {
            return Ok(());
        }
        let values = words[first..].iter().map(|word| Value::parse(word));
        let values = values.collect::<Result<_>>()?;
        matrix.rows.push(Row { at: format!("line {}", line.number), values });
        Ok(())
    }
}

fn refuse_many(gpus: usize) -> Result<()> {
    if gpus > GPU_LIMIT {
        return Err(Error::usage(format!("a table is of more than {GPU_LIMIT} GPUs")));
    }
    Ok(())
}

fn has_decimals(text: &str) -> bool {
    text.split_once('.').is_some_and(|(_, decimals)| decimals.len() == 2)
}

/// Whether the line says what rows and columns are.
fn is_description(text: &str) -> bool {
    let ends = ["(GB/s)", "(ns)"].iter().any(|unit| text.ends_with(unit));
    let told = ends || text.contains("(column)") || text.starts_with("Bisect ");
    told && text.len() < log::TEXT_LIMIT
}

/// `0: NVIDIA H100 80GB HBM3 (00000000:18:00)`; before v0.6 without a place on the bus.
fn device(text: &str, host: &str) -> Option<Place> {
    let (number, name) = text.split_once(':')?;
    let (number, name) = (number.trim().parse().ok()?, name.trim());
    let bus = name.strip_suffix(')').and_then(|name| name.rsplit_once(" ("));
    let bus = bus.filter(|(_, bus)| bus.split(':').count() == 3);
    let (name, pci) = bus.map_or((name, None), |(name, bus)| (name, Some(bus.to_owned())));
    Some(Place {
        rank: number,
        group: 0,
        host: host.to_owned(),
        device: number,
        pci,
        name: name.to_owned(),
        gpu: true,
    })
}

/// `0 (node-a): device 0: NVIDIA H100 80GB HBM3 (00000000:18:00)`.
fn process(text: &str) -> Option<Place> {
    let (number, rest) = text.split_once('(')?;
    let (host, rest) = rest.split_once("): device ")?;
    let place = device(rest, host)?;
    Some(Place { rank: number.trim().parse().ok()?, ..place })
}

#[derive(Deserialize)]
struct Document {
    nvbandwidth: Root,
}

#[derive(Deserialize)]
struct Root {
    version: Option<String>,
    #[serde(rename = "CUDA Runtime Version")]
    cuda: Option<u64>,
    #[serde(rename = "Driver Version")]
    driver: Option<String>,
    #[serde(rename = "GPU Device list", default)]
    devices: Vec<String>,
    error: Option<String>,
    #[serde(default)]
    testcases: Vec<Test>,
}

#[derive(Deserialize)]
struct Test {
    name: String,
    status: String,
    error: Option<String>,
    #[serde(default)]
    bandwidth_description: String,
    #[serde(default)]
    bandwidth_matrix: Vec<Vec<String>>,
    sum: Option<f64>,
}

fn read_json(text: &str, _: Origin<'_>) -> Result<Log> {
    log::refuse_large(text)?;
    let document: Document = serde_json::from_str(text).map_err(|why| {
        Error::usage(match why.is_data() {
            true => format!(
                "it is not the output of nvbandwidth -j: {}",
                in_plain_words(&why.to_string())
            ),
            false => format!("it is not whole JSON: {why}"),
        })
    })?;
    let root = document.nvbandwidth;
    let mut log = empty();
    log.version = root.version.map(|version| version.trim_start_matches('v').to_owned());
    let cuda = root.cuda.map(|version| ("cuda".to_owned(), version.to_string()));
    log.libraries.extend(cuda);
    log.libraries.extend(root.driver.map(|version| ("driver".to_owned(), version)));
    for text in &root.devices {
        // `0: NAME (BUS): (HOST)`.
        let parts = text.strip_suffix(')').and_then(|text| text.rsplit_once(": ("));
        let place = parts.and_then(|(text, host)| device(text, host));
        let place = place.filter(|place| place.rank == log.places.len());
        refuse_many(log.places.len())?;
        let wrong = || Error::usage(format!("'{text}' names no device"));
        log.places.push(place.ok_or_else(wrong)?);
    }
    log.cut = root.error.map(|why| format!("it failed: {why}"));
    let mut known = std::collections::BTreeSet::new();
    for test in root.testcases {
        let status = test.status.as_str();
        if status == "Waived" {
            tracing::info!("{} does not suit this machine", test.name);
            continue;
        }
        if status != "Passed" || test.error.is_some() || test.bandwidth_matrix.is_empty() {
            let why = test.error.as_deref().map_or(String::new(), |why| format!(": {why}"));
            let told = format!("{} has no results; its status is {status}{why}", test.name);
            log.cut.get_or_insert(told);
            continue;
        }
        if !known.insert(test.name.clone()) {
            return Err(Error::usage(format!("{} is there twice", test.name)));
        }
        test.conclude(&mut log)?;
    }
    Ok(log)
}

impl Test {
    /// Adds its figures: of a bidirectional test three tables stand below each other.
    fn conclude(self, log: &mut Log) -> Result<()> {
        let columns = self.bandwidth_matrix.iter().map(Vec::len).max().unwrap_or(0);
        refuse_many(columns)?;
        let several = self.bandwidth_description.contains("Total bandwidth");
        let tables = if several { 3 } else { 1 };
        let rows = self.bandwidth_matrix.len();
        let uneven = self.bandwidth_matrix.iter().any(|row| row.len() != columns);
        if columns == 0 || uneven || !rows.is_multiple_of(tables) {
            return Err(Error::usage(format!("{}: its rows are not of one length", self.name)));
        }
        let way = if self.name.contains("write") { "write" } else { "read" };
        let endings = [format!("_{way}1"), format!("_{way}2"), "_total".to_owned()];
        let devices = if log.places.is_empty() { columns } else { log.places.len() };
        for (table, rows) in self.bandwidth_matrix.chunks(rows / tables).enumerate() {
            let ending = if several { endings[table].as_str() } else { "" };
            let mut matrix = Matrix {
                name: format!("{}{ending}", self.name),
                description: self.bandwidth_description.clone(),
                columns,
                rows: Vec::new(),
            };
            for row in rows {
                let at = format!("{} in row {}", matrix.name, matrix.rows.len());
                let values = row.iter().map(|text| Value::parse(text)).collect::<Result<_>>();
                let values =
                    values.map_err(|why: Error| Error::usage(format!("{at}: {}", why.message)))?;
                matrix.rows.push(Row { at, values });
            }
            if let Some(sum) = self.sum.filter(|_| table + 1 == tables) {
                let [low, high] = matrix.sum();
                // The figures are printed with six digits, the sum with all.
                if !(low * (1.0 - 1e-5)..=high * (1.0 + 1e-5)).contains(&sum) {
                    log.cut.get_or_insert(format!(
                        "the figures of {} do not add up to the sum {sum}",
                        matrix.name
                    ));
                }
            }
            matrix.conclude(devices, log)?;
        }
        Ok(())
    }
}
