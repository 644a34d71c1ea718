//! Output of the OSU micro-benchmarks, version 7.

use std::collections::BTreeMap;

use super::format::{Format, Kind, Origin};
use super::lines::{Line, Rows};
use super::log::{self, Asked, Log, Outcome, Reading, Subject, Took};
use super::nccl_header::after;
use super::printed::{Printed, meet};
use crate::base::error::{Error, Result};
use crate::benchmark::collective::{self, COLLECTIVES, Collective, OsuRanks, OsuSize, OsuTest};
use crate::benchmark::work::{Element, Placement};
use crate::benchmark::{self, Benchmark};
use crate::plan::config::{Protocol, Values};
use crate::plan::mesh::Group;
use crate::report::Definition;

/// What begins the title of each table.
const TITLE: &str = "# OSU MPI";

pub(super) const FORMAT: Format =
    Format { name: "the OSU micro-benchmarks", kind: Kind::Lines { signs: &[TITLE], read } };

/// What OSU's times are.
const MEAN: &str = "means over iterations, averaged over the ranks";

/// Reads the tables of one process's lines; `None` when there is none.
fn read(lines: &[Line<'_>], Origin { asked, .. }: Origin<'_>) -> Result<Option<Log>> {
    let mut log = Log { tool: "osu", time: MEAN.to_owned(), ..Log::default() };
    let mut table: Option<Table> = None;
    for line in lines {
        if let Some(title) = line.text.trim().strip_prefix(TITLE) {
            log.cut = log.cut.or_else(|| table?.rows.cut());
            let (new, version) = Table::titled(title).map_err(|why| line.refused(why))?;
            log.version = version;
            table = Some(new);
        } else if let Some(table) = &mut table {
            table.line(*line, asked, &mut log).map_err(|why| line.refused(why))?;
        }
    }
    log.cut = log.cut.or_else(|| table.as_ref()?.rows.cut());
    Ok(table.map(|_| log))
}

struct Table {
    title: String,
    benchmark: &'static Benchmark,
    test: OsuTest,
    persistent: bool,
    element: Option<Element>,
    pairs: Option<usize>,
    window: Option<u64>,
    /// Where they lie, where that is said.
    buffers: Option<String>,
    columns: Vec<String>,
    rows: Rows,
}

impl Table {
    /// The table under `# OSU MPI` and this, and the version.
    fn titled(rest: &str) -> Result<(Self, Option<String>)> {
        let (title, version) = match rest.rsplit_once(" v") {
            Some((title, version)) => (title, Some(version.trim().to_owned())),
            None => (rest, None),
        };
        // The kind of memory: "-CUDA", "-CUDA MANAGED".
        let memory = title.len()
            - title.trim_start_matches(|c: char| c == '-' || c.is_ascii_uppercase()).len();
        let plain = if title.starts_with('-') { &title[memory..] } else { title };
        let plain = plain.trim().strip_prefix("MANAGED ").unwrap_or(plain.trim());
        let plain = plain.strip_suffix("Test").unwrap_or(plain).trim();
        let persistent = plain.contains(" Persistent");
        let name = plain.replace(" Persistent", "");
        let of = |known: &&'static Collective| {
            let test = known.osu.iter().find(|test| test.title == name)?;
            Some((*test, benchmark::find(known.name)?))
        };
        let (test, benchmark) = COLLECTIVES.iter().find_map(of).ok_or_else(|| {
            Error::usage(format!(
                "'OSU MPI{}' cannot be read; remove it from the file",
                title.trim_end()
            ))
        })?;
        // With the kind of memory: the same test in another one is not the same figure.
        let title = format!("OSU MPI{}", title.trim_end().trim_end_matches("Test").trim_end());
        let (columns, rows) = (Vec::new(), Rows::default());
        let (element, pairs, window, buffers) = (None, None, None, None);
        let new = Self {
            title,
            benchmark,
            test,
            persistent,
            element,
            pairs,
            window,
            buffers,
            columns,
            rows,
        };
        Ok((new, version))
    }

    fn line(&mut self, line: Line<'_>, asked: &Asked, log: &mut Log) -> Result<()> {
        let text = line.text.trim();
        let Some(comment) = text.strip_prefix('#').map(str::trim) else {
            let starts =
                text.split_whitespace().next().is_some_and(|word| word.parse::<f64>().is_ok());
            let row = starts && !self.columns.is_empty();
            return if row { self.row(line, asked, log) } else { Ok(()) };
        };
        if let Some(name) = comment.strip_prefix("Datatype:") {
            self.element = Some(element(name.trim().trim_end_matches('.'))?);
        } else if comment.contains("Buffer on ") {
            self.buffers = Some(comment.trim_end_matches('.').to_owned());
        } else if let Some(rest) = comment.strip_prefix("[ pairs:") {
            self.pairs = rest.split_whitespace().next().and_then(|pairs| pairs.parse().ok());
            self.window = after(rest, "window size:").and_then(|window| window.parse().ok());
        } else if comment.starts_with("Size")
            || self.test.size == OsuSize::Absent && comment.contains("(us)")
        {
            self.rows.refuse_cut(self.columns.len())?;
            self.columns = columns(comment);
        }
        Ok(())
    }

    fn row(&mut self, line: Line<'_>, asked: &Asked, log: &mut Log) -> Result<()> {
        let Some(fields) = self.rows.fields(line, self.columns.len(), 0)? else { return Ok(()) };
        let group = self.group(asked)?;
        let settings = self.settings(&fields, group.ranks.len())?;
        let reduces = collective::find(&self.benchmark.name).is_some_and(Collective::reduces);
        // Before types could be chosen, reductions were of floats.
        let element = self.element.unwrap_or(if reduces { Element::F32 } else { Element::I8 });
        let (at, mut outcome) = (format!("line {}", line.number), self.outcome(&fields)?);
        if let Outcome::LeftOut(why) = &mut outcome {
            *why = format!("{at}: {why}");
            log.cut.get_or_insert(why.clone());
        }
        log.add(Reading {
            at,
            test: self.title.clone(),
            subject: Subject::Ours {
                benchmark: self.benchmark,
                settings,
                precision: (!self.benchmark.precisions.is_empty()).then_some(element),
                placement: self.benchmark.placements.then_some(Placement::Out),
            },
            group,
            setup: self.buffers.iter().map(|text| ("buffers", text.clone())).collect(),
            outcome,
        })?;
        log.time = MEAN.to_owned();
        if self.window.is_none() && self.has_key("window") {
            log.time += "; a window that is not printed is taken to be 64";
        }
        if let Some(memory) = self.memory() {
            log.time += &format!("; buffers are in memory of {memory}");
        }
        if let Some(buffers) = &self.buffers {
            log.time += &format!("; {buffers}");
        }
        Ok(())
    }

    /// The kind of memory, where it is not the host's: `CUDA MANAGED` of `OSU MPI-CUDA MANAGED Latency`.
    fn memory(&self) -> Option<&str> {
        let kind = self.title.strip_prefix("OSU MPI-")?;
        let end = kind.find(|c: char| c.is_ascii_lowercase())?;
        Some(kind[..end].rsplit_once(' ')?.0)
    }

    fn has_key(&self, name: &str) -> bool {
        self.benchmark.keys.iter().any(|key| key.name == name)
    }

    fn group(&self, asked: &Asked) -> Result<Group> {
        match (self.test.ranks, asked.ranks, self.pairs) {
            (OsuRanks::Two, ..) => log::world(2),
            (_, Some(ranks), _) => log::world(ranks),
            (OsuRanks::Pairs, None, Some(pairs)) => log::world(pairs.saturating_mul(2)),
            (OsuRanks::Pairs | OsuRanks::All, None, _) => Err(Error::usage(format!(
                "{} does not print how many ranks there were; say it with --ranks",
                self.title
            ))),
        }
    }

    fn settings(&self, fields: &[&str], ranks: usize) -> Result<BTreeMap<String, Values>> {
        let mut settings = BTreeMap::new();
        let mut set = |key: &str, value: Values| {
            if self.has_key(key) {
                settings.insert(key.to_owned(), value);
            }
        };
        // Blocks of the v forms are equal in OSU's.
        set("spread", Values::Number(0));
        if self.persistent {
            set("form", Values::Text("persistent".to_owned()));
        }
        if let Some(window) = self.window {
            set("window", Values::Number(window));
        }
        if let Some(pairs) = self.pairs.filter(|pairs| *pairs != ranks / 2) {
            set("pairs", Values::Number(pairs as u64));
        }
        if self.test.size != OsuSize::Absent {
            let blocks = if self.test.size == OsuSize::Block { ranks as u64 } else { 1 };
            let size = fields[0].parse::<u64>().ok().and_then(|size| size.checked_mul(blocks));
            let bytes = size.ok_or_else(|| Error::usage(format!("'{}' is no size", fields[0])))?;
            set("bytes", Values::Number(bytes));
        }
        Ok(settings)
    }

    fn outcome(&self, fields: &[&str]) -> Result<Outcome> {
        let column = |names: &[&str]| {
            let place = |name: &&str| self.columns.iter().position(|own| own.starts_with(name));
            names.iter().find_map(place).map(|place| fields[place])
        };
        if column(&["Validation"]) == Some("Fail") {
            return Ok(Outcome::Wrong("results are wrong".to_owned()));
        }
        let number = |names: &[&str]| {
            let read = |text: &str| {
                Printed::parse(text).ok_or_else(|| Error::usage(format!("'{text}' is no number")))
            };
            column(names).map(read).transpose()
        };
        let time = number(&["Avg Latency", "Latency"])?;
        let bandwidth = number(&["Bandwidth", "MB/s"])?;
        if time.is_none() && bandwidth.is_none() {
            return Err(Error::usage("the table has neither a latency nor a bandwidth"));
        }
        // A number that was cut in the middle is one still, but no longer that of the other column.
        let size = fields[0].parse::<f64>().ok();
        if let (Some(bandwidth), Some(messages), Some(size)) =
            (bandwidth, number(&["Messages/s"])?, size)
        {
            let by_messages = messages.times(1e-6 * size);
            if !meet(bandwidth.ends(), by_messages.ends()) {
                return Ok(Outcome::LeftOut(format!(
                    "{} MB/s are printed, but the messages are {} MB/s; its end is cut, or the file is changed",
                    bandwidth.value, by_messages.value
                )));
            }
        }
        let mut quantiles = BTreeMap::new();
        for (column, text) in self.columns.iter().zip(fields) {
            let percent =
                column.strip_prefix('P').and_then(|rest| rest.strip_suffix(" Tail Lat(us)"));
            let percent = percent.and_then(|percent| percent.parse().ok());
            quantiles.extend(percent.zip(Printed::parse(text)).map(|(p, us)| (p, us.value)));
        }
        Ok(Outcome::Took(Took {
            definition: Definition::MeanOfRanksAndIterations,
            protocol: Protocol::Barrier,
            batch: column(&["Iterations"]).and_then(|text| text.parse().ok()),
            warmup: None,
            time,
            algbw: bandwidth.map(|mbps| mbps.times(1e-3)),
            busbw: None,
            each: Vec::new(),
            spread: None,
            quantiles,
            host_peak_bytes: None,
            checked: column(&["Validation"]).is_some(),
        }))
    }
}

/// The names in a header line, which hold spaces.
fn columns(header: &str) -> Vec<String> {
    const WHOLE: [&str; 5] = ["Size", "Iterations", "Validation", "MB/s", "Messages/s"];
    let words: Vec<&str> = header.split_whitespace().collect();
    let is_last = |word: &&str| WHOLE.contains(word) || word.ends_with(')');
    words.split_inclusive(is_last).map(|name| name.join(" ")).collect()
}

/// The element type that MPI calls so.
fn element(name: &str) -> Result<Element> {
    Ok(match name {
        "MPI_CHAR" => Element::I8,
        "MPI_INT" => Element::I32,
        "MPI_FLOAT" => Element::F32,
        _ => return Err(Error::usage(format!("the datatype '{name}' cannot be read"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_columns_hold_spaces() {
        let header = "Size       Avg Latency(us)   Min Latency(us)  Iterations    P99 Tail Lat(us)";
        assert_eq!(
            columns(header),
            ["Size", "Avg Latency(us)", "Min Latency(us)", "Iterations", "P99 Tail Lat(us)"]
        );
        assert_eq!(columns("Size      Latency (us)"), ["Size", "Latency (us)"]);
        assert_eq!(columns("Size   MB/s    Messages/s"), ["Size", "MB/s", "Messages/s"]);
    }

    #[test]
    fn titles_with_and_without_memory_and_version() {
        let of =
            |rest: &str| Table::titled(rest).map(|(t, v)| (&*t.benchmark.name, v, t.persistent));
        let v = |text: &str| Some(text.to_owned());
        assert_eq!(of("-CUDA Allreduce Latency Test v7.4"), Ok(("all_reduce", v("7.4"), false)));
        assert_eq!(of("-CUDA MANAGED Latency Test"), Ok(("latency", None, false)));
        assert!(of(" Broadcast Persistent Latency Test v7.4").unwrap().2);
        assert!(of("_Put Bandwidth Test v7.4").is_err());
    }
}
