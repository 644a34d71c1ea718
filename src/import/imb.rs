//! Output of the Intel MPI Benchmarks.
//!
//! Their sources say what they print: `IMB_output.c` and `IMB_g_info.c` of v2018.0 (27a44b2), IMB-v2021.3 (8ba5d96) and of
//! 2026 (46e8757). Collectives with a counterpart among ours become its cases; roots, types and operators are those of
//! the settings that stand above the tables.

use std::collections::BTreeMap;

use super::format::{Format, Kind, Origin};
use super::gathering::is_possible;
use super::lines::{Line, Rows};
use super::log::{self, Log, Outcome, Reading, Setup, Subject, Took};
use super::printed::{Printed, meet};
use crate::base::error::{Error, Result};
use crate::benchmark::collective::OsuSize;
use crate::benchmark::work::{Element, Placement};
use crate::benchmark::{self, Benchmark, Counts, Problem, Setting};
use crate::plan::config::{Protocol, Values};

/// Stands above every table.
const TITLE: &str = "# Benchmarking ";

pub(super) const FORMAT: Format =
    Format { name: "the Intel MPI Benchmarks", kind: Kind::Lines { signs: &[TITLE], read } };

/// What its times are.
const TIME: &str =
    "means over repetitions, averaged over the ranks (t_avg) where several are printed";

/// Those that measure what a benchmark of ours does: their name, ours, and which size they print.
const COUNTERPARTS: [(&str, &str, OsuSize); 15] = [
    ("PingPong", "latency", OsuSize::Whole),
    ("Sendrecv", "sendrecv", OsuSize::Whole),
    ("Allreduce", "all_reduce", OsuSize::Whole),
    ("Reduce", "reduce", OsuSize::Whole),
    ("Reduce_scatter", "reduce_scatter", OsuSize::Whole),
    ("Bcast", "broadcast", OsuSize::Whole),
    ("Allgather", "all_gather", OsuSize::Block),
    ("Allgatherv", "all_gatherv", OsuSize::Block),
    ("Gather", "gather", OsuSize::Block),
    ("Gatherv", "gatherv", OsuSize::Block),
    ("Scatter", "scatter", OsuSize::Block),
    ("Scatterv", "scatterv", OsuSize::Block),
    ("Alltoall", "alltoall", OsuSize::Block),
    ("Alltoallv", "alltoallv", OsuSize::Block),
    ("Barrier", "barrier", OsuSize::Absent),
];

/// How often the size of a message is in the bandwidth that is printed beside the slowest time (`scale_bw` in
/// IMB_parse_name_mpi1.c).
const MOVED: [(&str, f64); 3] = [("PingPong", 1.0), ("Sendrecv", 2.0), ("Exchange", 4.0)];

/// Most words of a calling sequence.
const WORDS: usize = 1000;

/// Reads the tables of one process's lines; `None` when there is none.
fn read(lines: &[Line<'_>], _: Origin<'_>) -> Result<Option<Log>> {
    let is_own = |line: &&Line<'_>| line.text.trim_start().starts_with(TITLE);
    if lines.iter().find(is_own).is_none() {
        return Ok(None);
    }
    let mut reader = Reader {
        log: Log { tool: "imb", time: TIME.to_owned(), ..Log::default() },
        run: Run::default(),
        table: None,
        open: true,
    };
    for line in lines {
        reader.line(*line).map_err(|why| line.refused(why))?;
    }
    reader.end();
    let why = || "the line that MPI_Finalize is entered is missing: tables may be, too".to_owned();
    reader.log.cut = reader.log.cut.or_else(|| reader.open.then(why));
    Ok(Some(reader.log))
}

struct Reader {
    log: Log,
    run: Run,
    table: Option<Table>,
    /// Whether the end of the last run has not been seen.
    open: bool,
}

/// What stands above the tables of a run.
#[derive(Default)]
struct Run {
    /// `MPI-1 part`, `MPI-1 part (GPU)`, `MPI-NBC part`.
    part: String,
    /// The words of the calling sequence, and whether more of them come.
    command: Vec<String>,
    in_command: bool,
    element: Option<Element>,
    operator: Option<String>,
}

impl Run {
    /// The value of an option of the command.
    fn option(&self, name: &str) -> Option<&str> {
        let at = self.command.iter().position(|word| word == name)?;
        self.command.get(at + 1).map(String::as_str)
    }

    /// Whether a counterpart of ours measures the same.
    fn is_plain(&self) -> bool {
        self.part.is_empty() || self.part.starts_with("MPI-1 part")
    }
}

struct Table {
    /// Its benchmark, as it is named, without `Multi-`.
    name: String,
    line: usize,
    processes: Option<usize>,
    /// Groups that run at once.
    groups: usize,
    /// A mode that stands above its columns.
    mode: Option<String>,
    columns: Vec<String>,
    rows: Rows,
    has_rows: bool,
}

impl Reader {
    fn line(&mut self, line: Line<'_>) -> Result<()> {
        let text = line.text.trim();
        if let Some(name) = text.strip_prefix(TITLE.trim_end()) {
            self.end();
            self.run.in_command = false;
            self.open = true;
            let name = name.trim();
            self.table = Some(Table {
                name: log::in_short(name.strip_prefix("Multi-").unwrap_or(name).to_owned()),
                line: line.number,
                processes: None,
                groups: 1,
                mode: None,
                columns: Vec::new(),
                rows: Rows::default(),
                has_rows: false,
            });
            return Ok(());
        }
        let first = text.split_whitespace().next().unwrap_or_default();
        let is_header = ["#bytes", "#repetitions", "Group"].contains(&first)
            && text.contains("[usec]")
            || first == "#bytes" && text.contains("Msg/sec");
        if let Some(table) = self.table.as_mut().filter(|_| is_header) {
            table.rows.refuse_cut(table.columns.len())?;
            table.columns = log::named_columns(text.split_whitespace().map(str::to_owned))?;
        } else if let Some(comment) = text.strip_prefix('#') {
            self.comment(comment.trim());
        } else if first.parse::<u64>().is_ok()
            && self.table.as_ref().is_some_and(|table| !table.columns.is_empty())
        {
            self.row(line)?;
        }
        Ok(())
    }

    fn comment(&mut self, comment: &str) {
        let value = |name: &str| {
            let rest = comment.strip_prefix(name)?.trim_start().strip_prefix([':', '='])?;
            rest.split_whitespace().next().map(str::to_owned)
        };
        if comment.contains("MPI Benchmarks ") && comment.contains(" part") {
            self.end();
            let rest = comment.split_once("MPI Benchmarks ").map_or("", |(_, rest)| rest);
            let (version, part) = rest.split_once(',').unwrap_or((rest, ""));
            self.log.version = Some(version.trim().to_owned());
            let part = log::in_short(part.trim().to_owned());
            self.run = Run { part, ..Run::default() };
        } else if comment.starts_with("Calling sequence was") {
            self.run.in_command = true;
        } else if ["Message lengths", "Minimum ", "Maximum ", "MPI_"]
            .iter()
            .any(|s| comment.starts_with(s))
        {
            self.run.in_command = false;
        } else if comment.starts_with("All processes entering MPI_Finalize") {
            self.end();
            self.open = false;
        } else if self.run.in_command {
            let left = WORDS.saturating_sub(self.run.command.len());
            self.run.command.extend(comment.split_whitespace().take(left).map(str::to_owned));
        }
        if let Some(name) = value("MPI_Datatype for reductions") {
            self.run.element = element(&name);
        } else if let Some(name) = value("MPI_Op") {
            self.run.operator = name.strip_prefix("MPI_").map(str::to_lowercase);
        }
        let Some(table) = &mut self.table else { return };
        if let Some(count) = value("#processes") {
            table.processes = count.trim_end_matches(';').parse().ok();
        } else if let Some((groups, processes)) = groups(comment) {
            (table.groups, table.processes) = (groups, Some(processes));
        } else if let Some(mode) = comment.strip_prefix("MODE:") {
            table.mode = Some(log::in_short(mode.trim().to_lowercase()));
        }
    }

    fn row(&mut self, line: Line<'_>) -> Result<()> {
        let (run, Some(table)) = (&self.run, &mut self.table) else { return Ok(()) };
        let at = format!("line {}", line.number);
        let failure = ["out-of-mem", "int-overflow", "time-out"].iter().find_map(|sign| {
            let place = line.text.find(sign)?;
            Some((&line.text[..place], line.text[place..].trim().to_owned()))
        });
        let (words, failure) = match failure {
            Some((before, why)) => {
                table.rows.refuse_cut(table.columns.len())?;
                (before.split_whitespace().collect(), Some(why))
            }
            None => match table.rows.fields(line, table.columns.len(), 0)? {
                Some(fields) => (fields, None),
                None => return Ok(()),
            },
        };
        table.has_rows = true;
        let row = Row { words: &words, columns: &table.columns };
        let mut outcome = match failure {
            Some(why) => Outcome::LeftOut(format!("{at}: {why}")),
            None => row.outcome(&table.name)?,
        };
        if let Outcome::LeftOut(why) = &mut outcome
            && !why.starts_with("line ")
        {
            *why = format!("{at}: {why}");
            self.log.cut.get_or_insert(why.clone());
        }
        let processes = table.processes.ok_or_else(|| {
            Error::usage(format!("{} does not print how many processes there were", table.name))
        })?;
        let ranks = processes.saturating_mul(table.groups);
        let subject = table.subject(run, &row, processes)?;
        let mut notes = Vec::new();
        if run.part.contains("GPU") {
            let memory = run.option("-mem_alloc_type").unwrap_or("device");
            notes.push(format!("buffers are in memory of a GPU ({memory})"));
        }
        if table.columns.iter().any(|column| column.starts_with("t_ovrl")) {
            notes.push("with the computation that overlaps (t_ovrl) where one does".to_owned());
        }
        for option in ["-off_cache", "-sync"] {
            notes.extend(run.option(option).map(|value| format!("{option} {value}")));
        }
        for note in notes.into_iter().map(log::in_short) {
            let is_new = !self.log.time.contains(&note);
            if is_new && self.log.time.len() < 4 * log::TEXT_LIMIT {
                self.log.time += &format!("; {note}");
            }
        }
        self.log.add(Reading {
            at,
            test: format!("{} {}", run.part, table.name),
            subject,
            group: log::world(ranks)?,
            setup: Setup::from([("command", log::in_short(run.command.join(" ")))]),
            outcome,
        })
    }

    /// A table is over.
    fn end(&mut self) {
        let Some(table) = self.table.take() else { return };
        let none = || format!("line {}: {} has no results", table.line, table.name);
        let why = table.rows.cut().or_else(|| (!table.has_rows).then(none));
        self.log.cut = self.log.cut.take().or(why);
    }
}

/// A row of a table.
struct Row<'a> {
    words: &'a [&'a str],
    columns: &'a [String],
}

impl Row<'_> {
    fn word(&self, name: &str) -> Option<&str> {
        let place = self.columns.iter().position(|column| column == name)?;
        self.words.get(place).copied()
    }

    fn number(&self, name: &str) -> Result<Option<Printed>> {
        let read = |text: &str| {
            let wrong = || Error::usage(format!("{name} '{text}' is no number"));
            Printed::parse(text).ok_or_else(wrong)
        };
        self.word(name).map(read).transpose()
    }

    fn whole(&self, name: &str) -> Result<Option<u64>> {
        let wrong = |text: &str| Error::usage(format!("{name} '{text}' is no whole number"));
        let read = |text: &str| text.parse::<u64>().map_err(|_| wrong(text));
        self.word(name).map(read).transpose()
    }

    fn outcome(&self, name: &str) -> Result<Outcome> {
        if let Some(defects) = self.number("defects")?.filter(|defects| defects.value > 0.0) {
            return Ok(Outcome::Wrong(format!("results are wrong by {}", defects.value)));
        }
        let mean = self.number("t_avg[usec]")?.or(self.number("t[usec]")?);
        let overlapped = self.number("t_ovrl[usec]")?;
        let messages = self.number("Msg/sec")?.filter(|_| mean.is_none());
        let time = mean.or(overlapped).or_else(|| messages?.under(1e6));
        let Some(time) = time else {
            return Err(Error::usage(format!("the table of {name} has no time that can be read")));
        };
        // A number that was cut in the middle is one still, but no longer that of the other column.
        let slowest = self.number("t_max[usec]")?.or(mean);
        let moved = MOVED.iter().find(|(known, _)| *known == name).map(|(_, moved)| *moved);
        let bytes = self.whole("#bytes")?.filter(|bytes| *bytes > 0);
        if let (Some(slowest), Some(moved), Some(bytes), Some(rate)) =
            (slowest, moved, bytes, self.number("Mbytes/sec")?)
            && let Some(computed) = slowest.under(moved * bytes as f64)
        {
            // Before 2018 they were of 2^20 bytes.
            let fits =
                [1.0, 1.048_576].iter().any(|mega| meet(rate.times(*mega).ends(), computed.ends()));
            if !fits {
                return Ok(Outcome::LeftOut(format!(
                    "{} Mbytes/sec are printed, but size and time give {:.2}; its end is cut, or the file is changed",
                    rate.value, computed.value
                )));
            }
        }
        let repetitions = self.whole("#repetitions")?;
        Ok(Outcome::Took(Took {
            definition: crate::report::Definition::MeanOfRanksAndIterations,
            protocol: Protocol::BackToBack,
            batch: repetitions
                .and_then(|count| u32::try_from(count).ok())
                .filter(|count| *count > 0),
            checked: self.word("defects").is_some(),
            ..Took::by_the_tool(Some(time))
        }))
    }
}

impl Table {
    /// What a row of it is of.
    fn subject(&self, run: &Run, row: &Row<'_>, ranks: usize) -> Result<Subject> {
        let bytes = row.whole("#bytes")?;
        let counterpart = COUNTERPARTS.iter().find(|(name, ..)| *name == self.name);
        let ours =
            counterpart.filter(|_| run.is_plain() && self.groups == 1 && self.mode.is_none());
        if let Some((_, name, size)) = ours
            && let Some(benchmark) = benchmark::find(name)
        {
            let blocks = if *size == OsuSize::Block { ranks as u64 } else { 1 };
            let bytes = bytes.map(|bytes| bytes.checked_mul(blocks));
            if bytes == Some(None) {
                return Err(Error::usage("the size is too large"));
            }
            let subject = run.of_ours(benchmark, bytes.flatten());
            // It measures sizes, too, of which nothing is left for some ranks.
            if is_possible(&subject, &log::world(ranks)?) {
                return Ok(subject);
            }
        }
        let mut problem = Problem::new();
        problem.extend(bytes.map(|bytes| ("bytes".to_owned(), bytes.into())));
        let part = run.part.split_whitespace().next().filter(|_| !run.is_plain());
        problem.extend(part.map(|part| ("part".to_owned(), Setting::of(part))));
        problem.extend(self.mode.as_ref().map(|mode| ("mode".to_owned(), Setting::of(mode))));
        if self.groups > 1 {
            problem.insert("groups".to_owned(), (self.groups as u64).into());
            let group = row.word("Group").map(|group| ("group".to_owned(), Setting::of(group)));
            problem.extend(group);
        }
        // Of those that print rates of messages, one is an operation.
        let rated = row.word("Msg/sec").is_some() && row.word("t[usec]").is_none();
        let pairs = (ranks / 2).max(1) as f64;
        let ways = if self.name == "Biband" { 2.0 } else { 1.0 };
        let counts = Counts {
            algorithm_bytes: bytes.filter(|bytes| *bytes > 0),
            bus_factor: rated.then(|| 1.0 / (ways * pairs)),
            messages: rated.then_some(1),
            operations_per_run: 1,
            communicates: true,
            ..Counts::default()
        };
        Ok(Subject::Theirs { name: self.name.to_lowercase(), problem, precision: None, counts })
    }
}

impl Run {
    fn of_ours(&self, benchmark: &'static Benchmark, bytes: Option<u64>) -> Subject {
        let has_key = |name: &str| benchmark.keys.iter().any(|key| key.name == name);
        let mut settings = BTreeMap::new();
        let mut set = |key: &str, value: Values| {
            if has_key(key) {
                settings.insert(key.to_owned(), value);
            }
        };
        // Blocks of the v forms are equal.
        set("spread", Values::Number(0));
        if let Some(bytes) = bytes {
            set("bytes", Values::Number(bytes));
        }
        if let Some(operator) = &self.operator {
            set("op", Values::Text(operator.clone()));
        }
        if self.option("-root_shift") == Some("on") {
            set("root", Values::Text("rotate".to_owned()));
        }
        let element = match self.element {
            Some(element) if has_key("op") => element,
            None if has_key("op") => Element::F32,
            _ => Element::I8,
        };
        Subject::Ours {
            benchmark,
            settings,
            precision: (!benchmark.precisions.is_empty()).then_some(element),
            placement: benchmark.placements.then_some(Placement::Out),
        }
    }
}

/// `( 2 groups of 4 processes each running simultaneous )`.
fn groups(comment: &str) -> Option<(usize, usize)> {
    let mut words = comment.strip_prefix('(')?.split_whitespace();
    let groups = words.next()?.parse().ok()?;
    (words.next()? == "groups" && words.next()? == "of").then_some(())?;
    Some((groups, words.next()?.parse().ok()?))
}

/// The element type that MPI calls so.
fn element(name: &str) -> Option<Element> {
    Some(match name {
        "MPI_FLOAT" => Element::F32,
        "MPI_DOUBLE" => Element::F64,
        "MPI_INT" => Element::I32,
        "MPI_CHAR" | "MPI_BYTE" => Element::I8,
        _ => return None,
    })
}
