//! Tables of nccl-tests, those of versions before 2.17 as well, and ours of the same form.

use std::collections::BTreeMap;

use super::lines::{Line, Rows};
use super::log::{self, Asked, Log, Outcome, Place, Reading, Took};
use super::nccl_header::{Columns, after, nccl_version, place};
use super::printed::Printed;
use crate::base::error::{Error, Result};
use crate::benchmark::collective;
use crate::benchmark::work::{Element, Placement};
use crate::benchmark::{self, Benchmark};
use crate::plan::config::{Protocol, Values, from_name};
use crate::plan::mesh::Group;
use crate::report::Definition;

/// What nccl-tests' times are.
pub(super) const MEAN: &str =
    "means over the iterations of a loop, averaged over the ranks unless -a chose otherwise";

/// Reads the tables of one process's lines; `None` when there is none.
pub(super) fn read(lines: &[Line<'_>], file: &str, asked: &Asked) -> Result<Option<Log>> {
    let mut reader = Reader {
        asked,
        log: Log { tool: "nccl-tests", time: MEAN.to_owned(), ..Log::default() },
        named: file_name_test(file),
        section: Section::default(),
        seen: false,
    };
    for line in lines {
        reader.line(*line).map_err(|why| line.refused(why))?;
    }
    reader.end();
    Ok(reader.seen.then_some(reader.log))
}

/// The test that a file is named after.
fn file_name_test(file: &str) -> Option<String> {
    let name = file.rsplit('/').next()?;
    collective::in_nccl_tests()
        .map(|test| format!("{}_perf", test.name))
        .find(|test| name.contains(test))
}

/// The benchmark that was asked for, else that of a test's program, `all_reduce_perf` or a path to it.
pub(super) fn benchmark_of(asked: &Asked, program: Option<&str>) -> Result<&'static Benchmark> {
    if let Some(benchmark) = asked.benchmark {
        return Ok(benchmark);
    }
    let program = program.ok_or_else(|| {
        Error::usage("the log does not say which test this is; name it with --benchmark")
    })?;
    let name = program.rsplit('/').next().unwrap_or_default();
    let name = name.split("_perf").next().unwrap_or_default();
    let known = collective::in_nccl_tests().any(|test| test.name == name);
    let known = benchmark::find(name).filter(|_| known);
    known.ok_or_else(|| Error::usage(format!("'{program}' is no test of nccl-tests that is known")))
}

/// The element type that nccl-tests calls so.
pub(super) fn element(name: &str) -> Result<Element> {
    match name {
        "char" => Ok(Element::I8),
        // Some versions write fp8_e4m3.
        name => Element::parse(&name.replace('_', "")),
    }
}

pub(super) fn settings(
    benchmark: &Benchmark,
    bytes: u64,
    redop: Option<&str>,
    root: Option<&str>,
) -> Result<BTreeMap<String, Values>> {
    let test = collective::in_nccl_tests()
        .find(|test| test.name == benchmark.name)
        .ok_or_else(|| Error::usage(format!("{} is no test of nccl-tests", benchmark.name)))?;
    let mut settings = BTreeMap::from([("bytes".to_owned(), Values::Number(bytes))]);
    let mut set = |key: &str, text: Option<&str>| {
        let told = text.filter(|text| !["", "none", "-1"].contains(text));
        settings.extend(told.map(|text| (key.to_owned(), Values::Text(text.to_owned()))));
    };
    if test.reduces() {
        set("op", redop);
    }
    if test.has_root() {
        set("root", root);
    }
    Ok(settings)
}

/// What is known of the table that comes, or is there.
#[derive(Default)]
struct Section {
    warmup: Option<usize>,
    batch: Option<u32>,
    places: Vec<Place>,
    /// Those that act together, once a row has asked.
    group: Option<Group>,
    columns: Option<Columns>,
    /// Place of the table's first result among all.
    first_reading: usize,
    rows: Rows,
    own: Option<Own>,
}

/// What our own tables say of themselves.
struct Own {
    definition: Definition,
    group: Group,
    settings: BTreeMap<String, Values>,
}

impl Own {
    fn read(text: &str) -> Result<Self> {
        let wrong = |what: &str| Error::usage(format!("'{text}' has no {what} that can be read"));
        if let Some(backend @ ("simulated" | "emulated")) = after(text, " backend ") {
            return Err(Error::usage(format!(
                "the times are {backend}, which nothing would show any more; use the run's own report"
            )));
        }
        let (axis, members) = after(text, " group ")
            .and_then(|group| group.split_once(':'))
            .ok_or_else(|| wrong("group"))?;
        let mut group = Group::parse_list(&members.replace(',', "+"), log::RANK_LIMIT)?.remove(0);
        group.axis = axis.to_owned();
        let definition = after(text, " time ").ok_or_else(|| wrong("time"))?;
        let pairs = after(text, " problem ").unwrap_or_default().split(',');
        let settings = pairs.filter(|pair| !pair.is_empty()).map(|pair| {
            // A log must not make this program open files.
            let pair = pair.split_once('=').filter(|(key, _)| *key != "matrix");
            let (key, value) = pair.ok_or_else(|| wrong("problem"))?;
            Ok((key.to_owned(), Values::Text(value.to_owned())))
        });
        let settings = settings.collect::<Result<_>>()?;
        Ok(Self { definition: from_name("time", definition)?, group, settings })
    }
}

struct Reader<'a> {
    asked: &'a Asked,
    log: Log,
    named: Option<String>,
    section: Section,
    seen: bool,
}

impl Reader<'_> {
    fn line(&mut self, line: Line<'_>) -> Result<()> {
        let text = line.text.trim();
        let Some(comment) = text.strip_prefix('#').map(str::trim) else {
            // Other programs' lines may stand between; they begin with a name or a time of day.
            let size =
                text.split_whitespace().next().is_some_and(|word| word.parse::<u64>().is_ok());
            if size && self.section.columns.is_some() {
                return self.row(line);
            }
            // What starts the test is often in the log as well; old versions do not say which one runs.
            let program = text.split_whitespace().find(|word| word.ends_with("_perf"));
            let known = |program: &&str| benchmark_of(&Asked::default(), Some(program)).is_ok();
            if let Some(program) = program.filter(known) {
                self.named = Some(program.to_owned());
            }
            return Ok(());
        };
        if let Some(rest) = comment.strip_prefix("nccl-tests version") {
            self.log.version = rest.split_whitespace().next().map(str::to_owned);
            if let Some(code) = after(rest, "nccl-library=").and_then(|code| code.parse().ok()) {
                self.log.libraries.insert("nccl".to_owned(), nccl_version(code));
            }
        } else if let Some(rest) = comment.strip_prefix("tesserabench ") {
            self.end();
            self.log.tool = "tesserabench";
            self.log.time = "medians, rounded to print".to_owned();
            self.log.version = rest.split_whitespace().next().map(str::to_owned);
            self.section.own = Some(Own::read(comment)?);
        } else if let Some(name) = comment.strip_prefix("Collective test starting:") {
            self.end();
            self.named = Some(name.trim().to_owned());
        } else if comment.starts_with("nThread ") {
            self.end();
            self.seen = true;
            let rest = comment.split_once("warmup iters:").map_or("", |(_, rest)| rest);
            self.section.warmup = rest.split_whitespace().next().and_then(|n| n.parse().ok());
            let number = |name: &str| after(rest, name)?.parse::<u32>().ok();
            let batch =
                number(" iters:").and_then(|n| n.checked_mul(number("agg iters:").unwrap_or(1)));
            self.section.batch = batch.filter(|_| self.section.own.is_none());
        } else if let Some(columns) = Columns::of(text) {
            self.seen = true;
            self.section.columns = Some(columns);
            self.section.first_reading = self.log.readings.len();
        } else if comment.starts_with("Out of bounds values") {
            let Section { columns, rows, first_reading, places, .. } =
                std::mem::take(&mut self.section);
            rows.refuse_cut(columns.as_ref().map_or(0, Columns::fields))?;
            if comment.ends_with("FAILED") {
                self.log.refute(first_reading);
            }
            self.log.keep_places(places);
        } else if let Some(place) = place(comment)? {
            if self.section.places.len() >= log::RANK_LIMIT {
                let most = log::RANK_LIMIT;
                return Err(Error::usage(format!("more than {most} ranks are listed")));
            }
            self.section.places.push(place);
            self.section.group = None;
        }
        Ok(())
    }

    /// A table that ends without its last lines was cut.
    fn end(&mut self) {
        let own = if self.section.columns.is_none() { self.section.own.take() } else { None };
        let section = std::mem::replace(&mut self.section, Section { own, ..Section::default() });
        if section.columns.is_some() {
            let rows = || "a table has no last lines: rows may be missing".to_owned();
            self.log.cut = Some(section.rows.cut().unwrap_or_else(rows));
        }
        self.log.keep_places(section.places);
    }

    fn row(&mut self, line: Line<'_>) -> Result<()> {
        let Some(mut columns) = self.section.columns.clone() else { return Ok(()) };
        let benchmark = benchmark_of(self.asked, self.named.as_deref())?;
        let fields = line.text.split_whitespace().count();
        // nccl-tests prints an empty operator for hypercube.
        if benchmark.name == "hypercube" && fields + 1 == columns.fields() {
            columns.first.retain(|name| name != "redop");
        }
        // A time of day has one or two words.
        let more = if columns.timestamp { 2 } else { 0 };
        let Some(fields) = self.section.rows.fields(line, columns.fields(), more)? else {
            return Ok(());
        };
        for (half, placement) in columns.halves(&fields).iter().zip([Placement::Out, Placement::In])
        {
            if let Some(outcome) = self.outcome(half)? {
                let reading = self.reading(line.number, benchmark, half, placement, outcome)?;
                self.log.add(reading)?;
            }
        }
        Ok(())
    }

    /// What a half of a row says; `None` where it was not measured.
    fn outcome(&self, half: &BTreeMap<&str, &str>) -> Result<Option<Outcome>> {
        let number = |name: &str| {
            let text = half.get(name).copied().unwrap_or_default();
            let wrong = || Error::usage(format!("{name} '{text}' is no number"));
            Printed::parse(text).ok_or_else(wrong)
        };
        if half.get("#wrong").is_some_and(|text| *text != "N/A") {
            let wrong = number("#wrong")?.value;
            if wrong > 0.0 {
                return Ok(Some(Err(format!("{wrong} elements are wrong"))));
            }
        }
        // The CPU's time is not that of the operation.
        let time = half.get("time");
        if time.or(half.get("cputime")) == Some(&"N/A") {
            return Ok(None);
        }
        let own = self.section.own.as_ref();
        Ok(Some(Ok(Took {
            definition: own.map_or(Definition::MeanOfRanksAndIterations, |own| own.definition),
            protocol: Protocol::BackToBack,
            batch: self.section.batch,
            warmup: self.section.warmup,
            time: time.map(|_| number("time")).transpose()?,
            algbw: Some(number("algbw")?),
            busbw: Some(number("busbw")?),
            each: Vec::new(),
            quantiles: BTreeMap::new(),
        })))
    }

    fn reading(
        &mut self,
        number: usize,
        benchmark: &'static Benchmark,
        half: &BTreeMap<&str, &str>,
        placement: Placement,
        outcome: Outcome,
    ) -> Result<Reading> {
        let of = |name: &str| half.get(name).copied();
        let size = of("size").unwrap_or_default();
        let wrong = |_| Error::usage(format!("size '{size}' is no number"));
        let bytes = size.parse().map_err(wrong)?;
        let mut settings = settings(benchmark, bytes, of("redop"), of("root"))?;
        let Section { places, group, own, .. } = &mut self.section;
        let group = match (own, group) {
            (Some(own), _) => {
                settings.extend(own.settings.clone());
                own.group.clone()
            }
            (None, Some(known)) => known.clone(),
            (None, unknown) => unknown.insert(log::group_of(places, 1, self.asked)?).clone(),
        };
        Ok(Reading {
            at: format!("line {number}"),
            test: benchmark.name.to_string(),
            benchmark,
            settings,
            precision: Some(element(of("type").unwrap_or_default())?),
            placement: Some(placement),
            group,
            outcome,
        })
    }
}

impl Log {
    /// Wrong results were found in a table, which begins with this result: old versions do not say in which rows.
    fn refute(&mut self, first: usize) {
        let table = &mut self.readings[first..];
        if table.iter().all(|reading| reading.outcome.is_ok()) {
            let why = "results of this table are wrong, and it does not say which";
            table.iter_mut().for_each(|reading| reading.outcome = Err(why.to_owned()));
        }
    }

    /// Keeps the places of the most ranks.
    pub(super) fn keep_places(&mut self, places: Vec<Place>) {
        let parts = log::parts(&places);
        if parts > 1 && self.tool == "nccl-tests" {
            self.time = format!("{MEAN}, and over all {parts} groups, which ran at once");
        }
        if places.len() > self.places.len() {
            self.places = places;
        }
    }
}
