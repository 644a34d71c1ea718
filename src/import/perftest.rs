//! Output of perftest: `ib_write_bw`, `ib_read_lat` and their like.
//!
//! Its sources say what it prints: `ctx_print_test_info`, `print_full_bw_report` and `print_report_lat` in
//! src/perftest_parameters.c, and the headers of its tables in src/perftest_parameters.h, of v4.4-0.37 (5fb4f10), of
//! v4.5-0.20 (9411e12), and of 2026 (00b55b6), which prints MiB/sec where the same number was MB/sec before.

use super::format::{Format, Kind, Origin};
use super::lines::{Line, Rows};
use super::log::{self, Log, Outcome, Reading, Setup, Spread, Subject, Took};
use super::printed::{Printed, meet};
use crate::base::error::{Error, Result};
use crate::benchmark::{Counts, Problem, Setting};

/// Begins the first line of settings of every test.
const SETTINGS: &str = "Dual-port ";

pub(super) const FORMAT: Format = Format {
    name: "perftest (ib_write_bw, ib_read_lat …)",
    kind: Kind::Lines { signs: &[SETTINGS], read },
};

/// What its times are.
const BANDWIDTH: &str = "size over the average bandwidth of many messages in flight";
const LATENCY: &str = "the typical latency (t_typical, a median), which is half a round trip but a whole one for reads and \
                       atomics";
const MEAN: &str = "the mean latency (t_avg) of a run by time";

/// Bytes of its MB and MiB.
const MEBIBYTE: f64 = 1_048_576.0;

/// Settings by their name in its output; those with another one stand in the case's name, as far as they are not usual.
const KNOWN: [(&str, Option<(&str, &str)>); 18] = [
    ("Dual-port", Some(("dual_port", "OFF"))),
    ("Device", Some(("device", ""))),
    ("Number of qps", Some(("qps", "1"))),
    ("Connection type", Some(("connection", "RC"))),
    ("Post List", Some(("post_list", "1"))),
    ("Mtu", Some(("mtu", ""))),
    ("Link type", Some(("link", "IB"))),
    ("Transport type", None),
    ("Using SRQ", None),
    ("PCIe relax order", None),
    ("ibv_wr* API", None),
    ("TX depth", None),
    ("RX depth", None),
    ("Recv Post List", None),
    ("CQ Moderation", None),
    ("GID index", None),
    ("Max inline data", None),
    ("Outstand reads", None),
];

/// What begins lines that tell of an end.
const FAILURES: [&str; 5] =
    ["Completion with error", "Failed status", "Unable to", "Couldn't", "Problems with"];

/// Reads the tables of one process's lines; `None` when there is none.
fn read(lines: &[Line<'_>], _: Origin<'_>) -> Result<Option<Log>> {
    let mut reader = Reader {
        log: Log { tool: "perftest", ..Log::default() },
        test: Test::default(),
        memory: None,
        times: Vec::new(),
        seen: false,
    };
    for line in lines {
        reader.line(*line).map_err(|why| line.refused(why))?;
    }
    reader.end();
    reader.log.time = reader.times.join("; ");
    Ok(reader.seen.then_some(reader.log))
}

struct Reader {
    log: Log,
    test: Test,
    /// The kind of memory, where it is not the host's.
    memory: Option<&'static str>,
    /// What its times are, of the tests so far.
    times: Vec<&'static str>,
    seen: bool,
}

/// A test, from its title on.
#[derive(Default)]
struct Test {
    title: Option<Title>,
    /// The line of its title.
    line: usize,
    settings: Vec<(usize, String)>,
    columns: Vec<String>,
    rows: Rows,
    /// Whether it has a row, and its last line.
    has_rows: bool,
    closed: bool,
}

/// What a title says: `RDMA_Write Bidirectional BW Test`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Title {
    /// The program, as `ib_write_bw`.
    program: String,
    both_ways: bool,
    /// Other words of it that change what is measured.
    more: Vec<(&'static str, String)>,
}

impl Title {
    fn read(text: &str) -> Option<Self> {
        let mut words = text.strip_suffix(" Test")?.split_whitespace();
        let verb = words.next()?;
        let plain = verb.strip_suffix("_imm");
        let program = match plain.unwrap_or(verb) {
            "Send" => "ib_send",
            "RDMA_Write" => "ib_write",
            "RDMA_Read" => "ib_read",
            "Atomic" => "ib_atomic",
            _ => return None,
        };
        let mut title = Self::default();
        title.more.extend(plain.map(|_| ("imm", "on".to_owned())));
        for word in words {
            match word {
                "BW" => title.program = format!("{program}_bw"),
                "Latency" => title.program = format!("{program}_lat"),
                "Bidirectional" => title.both_ways = true,
                "CMP_AND_SWAP" | "FETCH_AND_ADD" => {
                    title.more.push(("atomic", word.to_lowercase()))
                }
                "Multicast" | "forwarding" => title.more.push(("mode", word.to_lowercase())),
                // Its length stands among the settings.
                "Post" | "List" => {}
                _ => return None,
            }
        }
        (!title.program.is_empty()).then_some(title)
    }
}

impl Reader {
    fn line(&mut self, line: Line<'_>) -> Result<()> {
        let text = line.text.trim();
        if let Some(title) = Title::read(text) {
            self.end();
            self.test = Test { title: Some(title), line: line.number, ..Test::default() };
        } else if text.len() > 40 && text.bytes().all(|byte| byte == b'-') {
            if self.test.has_rows {
                self.test.rows.refuse_cut(self.test.columns.len())?;
                self.test.closed = true;
                self.memory = None;
            }
        } else if text.starts_with("#bytes") || text.starts_with("#flows") {
            self.columns(text)?;
        } else if let Some(kind) = memory(text) {
            self.memory = Some(kind);
        } else if let Some(failure) = FAILURES.iter().find(|sign| text.starts_with(**sign)) {
            if self.seen && !self.test.closed {
                let told =
                    format!("line {}: it failed: {failure}{}", line.number, &text[failure.len()..]);
                self.log.cut.get_or_insert(told);
            }
        } else if !self.test.columns.is_empty() && !self.test.closed {
            let is_row =
                text.split_whitespace().next().is_some_and(|word| word.parse::<u64>().is_ok());
            if is_row {
                self.row(line)?;
            }
        } else {
            self.settings(text);
        }
        Ok(())
    }

    fn settings(&mut self, text: &str) {
        self.seen |= text.starts_with(SETTINGS);
        if text.starts_with("Test with events") {
            self.test.settings.push((KNOWN.len(), "events".to_owned()));
        }
        for (number, (name, _)) in KNOWN.iter().enumerate() {
            let value = text.find(name).and_then(|at| {
                let begins = text[..at].chars().next_back().is_none_or(char::is_whitespace);
                // "Post List" is part of "Recv Post List".
                let whole = begins && !text[..at].trim_end().ends_with("Recv");
                let rest = text[at + name.len()..].trim_start().strip_prefix(':')?;
                rest.split_whitespace().next().filter(|_| whole)
            });
            if let Some(value) = value {
                let value = log::in_short(value.trim_end_matches("[B]").to_owned());
                self.test.settings.retain(|(known, _)| *known != number);
                self.test.settings.push((number, value));
            }
        }
        if let Some(("Use ROCm memory", value)) =
            text.split_once(':').map(|(k, v)| (k.trim(), v.trim()))
            && value.starts_with("ON")
        {
            self.memory = Some("rocm");
        }
    }

    fn columns(&mut self, text: &str) -> Result<()> {
        let (columns, test) = (columns(text)?, &mut self.test);
        if test.title.is_none() {
            return Err(Error::usage("the table has no title that can be read above it"));
        }
        let known = |name: &str| columns.iter().any(|column| column.starts_with(name));
        if !known("#bytes") || !known("BW average") && !known("t_typical") && !known("t_avg") {
            return Err(Error::usage(format!("a table of '{text}' cannot be read; remove it")));
        }
        test.columns = columns;
        Ok(())
    }

    fn row(&mut self, line: Line<'_>) -> Result<()> {
        let (test, memory) = (&mut self.test, self.memory);
        let Some(fields) = test.rows.fields(line, test.columns.len(), 0)? else { return Ok(()) };
        test.has_rows = true;
        let of = |name: &str| {
            let place = test.columns.iter().position(|column| column.starts_with(name))?;
            Some((test.columns[place].as_str(), fields[place]))
        };
        let number = |name: &str| {
            let Some((_, text)) = of(name) else { return Ok(None) };
            let wrong = || Error::usage(format!("{name} '{text}' is no number"));
            Printed::parse(text).map(Some).ok_or_else(wrong)
        };
        let whole = |name: &str| {
            let text = of(name).map_or("", |(_, text)| text);
            let wrong = |_| Error::usage(format!("{name} '{text}' is no whole number"));
            text.parse::<u64>().map_err(wrong)
        };
        let (bytes, iterations) = (whole("#bytes")?, whole("#iterations")?);
        let title = test.title.clone().unwrap_or_default();
        let moved = bytes.checked_mul(if title.both_ways { 2 } else { 1 });
        let moved =
            moved.ok_or_else(|| Error::usage(format!("{bytes} is no size of a message")))?;
        let mut messages = None;
        let (outcome, time) = if let Some((column, _)) = of("BW average") {
            let unit = if column.contains("Gb/sec") { 0.125 } else { MEBIBYTE / 1e9 };
            let average = number("BW average")?.map(|average| average.times(unit));
            messages = Some(if title.both_ways { 2 } else { 1 });
            (bandwidth(average, number("MsgRate")?, bytes, line.number), BANDWIDTH)
        } else {
            let (typical, mean) = (number("t_typical")?, number("t_avg")?);
            let mut took = Took::by_the_tool(typical.or(mean));
            if typical.is_some() {
                // Its standard deviation is of whole microseconds, and says nothing.
                took.spread = Some(Box::new(Spread {
                    iterations: usize::try_from(iterations).unwrap_or(usize::MAX),
                    min: number("t_min")?.map(|time| time.value),
                    max: number("t_max")?.map(|time| time.value),
                    mean: mean.map(|time| time.value),
                    std_dev: None,
                }));
                took.quantiles.extend(number("99% percentile")?.map(|time| (99, time.value)));
            }
            (Outcome::Took(took), if typical.is_some() { LATENCY } else { MEAN })
        };
        let mut outcome = outcome;
        match &mut outcome {
            Outcome::Took(took) if took.spread.is_none() => {
                took.batch = u32::try_from(iterations).ok().filter(|count| *count > 0);
            }
            Outcome::LeftOut(why) => {
                self.log.cut.get_or_insert(why.clone());
            }
            _ => {}
        }
        if !self.times.contains(&time) {
            self.times.push(time);
        }
        let counts = Counts {
            algorithm_bytes: messages.map(|_| moved),
            bus_factor: messages.map(|_| 1.0),
            messages,
            operations_per_run: 1,
            communicates: true,
            ..Counts::default()
        };
        let (mut problem, setup) = test.facts(memory);
        problem.insert("bytes".to_owned(), bytes.into());
        if let Some((_, level)) = of("#sl") {
            problem.insert("sl".to_owned(), Setting::of(level));
        }
        for (key, value) in &title.more {
            problem.insert((*key).to_owned(), Setting::Word(value.clone()));
        }
        if title.both_ways {
            problem.insert("direction".to_owned(), Setting::Word("both".to_owned()));
        }
        self.log.add(Reading {
            at: format!("line {}", line.number),
            test: title.program.clone(),
            subject: Subject::Theirs { name: title.program, problem, precision: None, counts },
            group: log::world(2)?,
            setup,
            outcome,
        })
    }

    /// What has been begun is over.
    fn end(&mut self) {
        let test = std::mem::take(&mut self.test);
        let why = match (&test.title, test.has_rows) {
            _ if test.closed => return,
            (None, _) => return,
            (Some(title), false) => format!("line {}: {} has no results", test.line, title.program),
            (Some(title), true) => test.rows.cut().unwrap_or_else(|| {
                format!(
                    "line {}: the table of {} has no end: rows may be missing",
                    test.line, title.program
                )
            }),
        };
        self.memory = None;
        self.log.cut.get_or_insert(why);
    }
}

/// The time of a message, where the bandwidth and the rate of messages agree.
fn bandwidth(average: Option<Printed>, rate: Option<Printed>, bytes: u64, line: usize) -> Outcome {
    // Millions of messages a second.
    let by_rate = rate.map(|rate| rate.times(1e-3 * bytes as f64));
    if let (Some(average), Some(by_rate)) = (average, by_rate)
        && !meet(average.ends(), by_rate.ends())
    {
        return Outcome::LeftOut(format!(
            "line {line}: {:.6} GB/s are printed, but the messages are {:.6} GB/s; its end is cut, or the file is changed",
            average.value, by_rate.value
        ));
    }
    let algbw = average.filter(|average| average.is_fine()).or(by_rate).or(average);
    Outcome::Took(Took { algbw, ..Took::by_the_tool(None) })
}

impl Test {
    /// What stands in the case's name of how it is measured, and the rest of that.
    fn facts(&self, memory: Option<&'static str>) -> (Problem, Setup) {
        let (mut problem, mut rest) = (Problem::new(), Vec::new());
        for (number, value) in &self.settings {
            match KNOWN.get(*number) {
                Some((_, Some((key, usual)))) if value != usual => {
                    problem.insert((*key).to_owned(), Setting::of(value));
                }
                Some((_, Some(_))) => {}
                Some((name, None)) => rest.push(format!("{name} {value}")),
                None => rest.push(value.clone()),
            }
        }
        problem.extend(memory.map(|kind| ("memory".to_owned(), Setting::Word(kind.to_owned()))));
        rest.sort();
        (problem, [("settings", rest.join(", "))].into())
    }
}

/// The kind of memory that a line tells of, where it is a GPU's.
fn memory(text: &str) -> Option<&'static str> {
    const SIGNS: [(&str, &str); 4] = [
        ("initializing CUDA", "cuda"),
        ("creating CUDA Ctx", "cuda"),
        ("Using ROCm Device", "rocm"),
        ("Using Neuron", "neuron"),
    ];
    SIGNS.iter().find(|(sign, _)| text.starts_with(sign)).map(|(_, kind)| *kind)
}

/// The names in a header line, which hold spaces.
fn columns(header: &str) -> Result<Vec<String>> {
    let words: Vec<&str> = header.split_whitespace().take(1000).collect();
    let is_last = |word: &&str| word.starts_with('#') || word.ends_with(']') || *word == "average";
    log::named_columns(words.split_inclusive(is_last).map(|name| name.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_name_programs() {
        let of = |text: &str| Title::read(text).map(|title| (title.program, title.both_ways));
        let is = |name: &str, both: bool| Some((name.to_owned(), both));
        assert_eq!(of("RDMA_Write BW Test"), is("ib_write_bw", false));
        assert_eq!(of("RDMA_Write Bidirectional Post List BW Test"), is("ib_write_bw", true));
        assert_eq!(of("RDMA_Read Latency Test"), is("ib_read_lat", false));
        let atomic = Title::read("Atomic FETCH_AND_ADD BW Test").unwrap();
        assert_eq!(atomic.more, [("atomic", "fetch_and_add".to_owned())]);
        for text in ["OSU MPI Latency Test", "RDMA_Write Test", "RDMA_Write BW", "Send Odd BW Test"]
        {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn names_of_columns_hold_spaces() {
        assert_eq!(
            columns(
                "#bytes     #iterations    BW peak[MiB/sec]    BW average[MiB/sec]   MsgRate[Mpps]"
            )
            .unwrap(),
            ["#bytes", "#iterations", "BW peak[MiB/sec]", "BW average[MiB/sec]", "MsgRate[Mpps]"]
        );
        assert_eq!(
            columns("#bytes #iterations t_min[usec] 99% percentile[usec] 99.9% percentile[usec]")
                .unwrap(),
            [
                "#bytes",
                "#iterations",
                "t_min[usec]",
                "99% percentile[usec]",
                "99.9% percentile[usec]"
            ]
        );
    }
}
