//! Tables of nccl-tests, those of versions before 2.17 as well, and ours of the same form.

use std::collections::BTreeMap;

use super::lines::{Line, wrong_width};
use super::log::{self, Asked, Log, Outcome, Place, Rates, Reading, Took};
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
        reader.line(*line)?;
    }
    reader.end("the file ends");
    Ok(reader.seen.then_some(reader.log))
}

/// The test that a file is named after.
fn file_name_test(file: &str) -> Option<String> {
    let name = file.rsplit('/').next()?;
    collective::in_nccl_tests()
        .map(|test| format!("{}_perf", test.name))
        .find(|test| name.contains(test))
}

/// The benchmark of a test's program, `all_reduce_perf` or a path to it.
pub(super) fn benchmark_of(program: &str) -> Result<&'static Benchmark> {
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

/// What a row says of the problem.
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
    /// A row with too few fields, and how many.
    short: Option<(usize, usize)>,
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
        let mut group = Group::parse_list(&members.replace(',', "+"), 1 << 16)?.remove(0);
        group.axis = axis.to_owned();
        let definition = after(text, " time ").ok_or_else(|| wrong("time"))?;
        let mut settings = BTreeMap::new();
        for pair in
            after(text, " problem ").unwrap_or_default().split(',').filter(|p| !p.is_empty())
        {
            let (key, value) = pair.split_once('=').ok_or_else(|| wrong("problem"))?;
            // A log must not make this program open files.
            if key == "matrix" {
                return Err(wrong("matrix"));
            }
            settings.insert(key.to_owned(), Values::Text(value.to_owned()));
        }
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
        let at = |why: Error| Error::usage(format!("line {}: {}", line.number, why.message));
        let text = line.text.trim();
        let Some(comment) = text.strip_prefix('#').map(str::trim) else {
            // Other programs' lines may stand between; they begin with a name or a time of day.
            let size =
                text.split_whitespace().next().is_some_and(|word| word.parse::<u64>().is_ok());
            if size && self.section.columns.is_some() {
                return self.row(line.number, text);
            }
            // What starts the test is often in the log as well; old versions do not say which one runs.
            let program = text.split_whitespace().find(|word| word.ends_with("_perf"));
            if let Some(program) = program.filter(|program| benchmark_of(program).is_ok()) {
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
            self.end("another begins");
            self.log.tool = "tesserabench";
            self.log.time = "medians, rounded to print".to_owned();
            self.log.version = rest.split_whitespace().next().map(str::to_owned);
            self.section.own = Some(Own::read(comment).map_err(at)?);
        } else if let Some(name) = comment.strip_prefix("Collective test starting:") {
            self.end("another begins");
            self.named = Some(name.trim().to_owned());
        } else if comment.starts_with("nThread ") {
            self.end("another begins");
            self.seen = true;
            let number = |name: &str| after(comment, name)?.parse::<u32>().ok();
            self.section.warmup = number("warmup iters:").map(|warmup| warmup as usize);
            // " iters:" alone would find the warm-up's.
            let iterations = comment
                .split("warmup iters:")
                .nth(1)
                .and_then(|rest| after(rest, " iters:")?.parse::<u32>().ok());
            let batch = iterations.and_then(|n| n.checked_mul(number("agg iters:").unwrap_or(1)));
            self.section.batch = batch.filter(|_| self.section.own.is_none());
        } else if let Some(columns) = Columns::of(text) {
            self.seen = true;
            self.section.columns = Some(columns);
            self.section.first_reading = self.log.readings.len();
        } else if comment.starts_with("Out of bounds values") {
            self.refuse_short()?;
            let section = std::mem::take(&mut self.section);
            if comment.ends_with("FAILED") {
                self.log.refute(section.first_reading);
            }
            self.log.keep_places(section.places);
        } else if let Some(place) = place(line)? {
            if self.section.places.len() >= log::RANK_LIMIT {
                return Err(at(Error::usage(format!(
                    "more than {} ranks are listed",
                    log::RANK_LIMIT
                ))));
            }
            self.section.places.push(place);
            self.section.group = None;
        }
        Ok(())
    }

    /// A table that ends without its last lines was cut.
    fn end(&mut self, how: &str) {
        let own = if self.section.columns.is_none() { self.section.own.take() } else { None };
        let section = std::mem::replace(&mut self.section, Section { own, ..Section::default() });
        if section.columns.is_some() {
            self.log.cut = Some(match section.short {
                Some((line, _)) => {
                    format!("the row of line {line} is cut and left out, and then {how}")
                }
                None => format!("a table has no last lines before {how}: rows may be missing"),
            });
        }
        self.log.keep_places(section.places);
    }

    /// A row with too few fields is an error unless all ends with it.
    fn refuse_short(&self) -> Result<()> {
        let Some((line, fields)) = self.section.short else { return Ok(()) };
        let columns = self.section.columns.as_ref().map_or(0, Columns::fields);
        let why = wrong_width(fields, columns);
        Err(Error::usage(format!("line {line}: {}", why.message)))
    }

    fn row(&mut self, number: usize, text: &str) -> Result<()> {
        self.refuse_short()?;
        let at = |why: Error| Error::usage(format!("line {number}: {}", why.message));
        let fields: Vec<&str> = text.split_whitespace().collect();
        let Some(mut columns) = self.section.columns.clone() else { return Ok(()) };
        let benchmark = match (self.asked.benchmark, &self.named) {
            (Some(benchmark), _) => benchmark,
            (None, Some(program)) => benchmark_of(program).map_err(at)?,
            (None, None) => {
                return Err(at(Error::usage(
                    "the log does not say which test this is; name it with --benchmark",
                )));
            }
        };
        if benchmark.name == "hypercube" && fields.len() + 1 == columns.fields() {
            columns = columns.without_redop();
        }
        if fields.len() < columns.fields() {
            self.section.short = Some((number, fields.len()));
            return Ok(());
        }
        // A time of day has one or two words.
        if fields.len() > columns.fields() + if columns.timestamp { 2 } else { 0 } {
            return Err(at(wrong_width(fields.len(), columns.fields())));
        }
        let (first, halves) = fields.split_at(columns.first.len());
        for (half, placement) in
            halves.chunks(columns.half.len()).zip([Placement::Out, Placement::In])
        {
            let reading = self.reading(number, benchmark, &columns, [first, half], placement);
            let reading = reading.map_err(at)?;
            reading.map_or(Ok(()), |reading| self.log.add(reading)).map_err(at)?;
        }
        Ok(())
    }

    /// One half of a row; `None` where it was not measured.
    fn reading(
        &mut self,
        number: usize,
        benchmark: &'static Benchmark,
        columns: &Columns,
        [first, fields]: [&[&str]; 2],
        placement: Placement,
    ) -> Result<Option<Reading>> {
        let wrong = |what: &str, text: &str| Error::usage(format!("{what} '{text}' is no number"));
        let of = |name: &str| Some(first[columns.first.iter().position(|known| known == name)?]);
        let in_half =
            |name: &str| Some(fields[columns.half.iter().position(|known| known == name)?]);
        let errors = in_half("#wrong").filter(|text| *text != "N/A");
        let errors = errors.map(|text| Printed::parse(text).ok_or_else(|| wrong("#wrong", text)));
        let outcome = match errors.transpose()?.filter(|errors| errors.value > 0.0) {
            Some(errors) => Outcome::Wrong(format!("{} elements are wrong", errors.value)),
            None if fields[0] == "N/A" => return Ok(None),
            None => {
                let rate = |name: &str| {
                    let text = in_half(name).unwrap_or_default();
                    Printed::parse(text).map(Some).ok_or_else(|| wrong(name, text))
                };
                // The CPU's time is not that of the operation.
                let time = if columns.half[0] == "time" { rate("time")? } else { None };
                let own = self.section.own.as_ref();
                Outcome::Took(Box::new(Took {
                    definition: own
                        .map_or(Definition::MeanOfRanksAndIterations, |own| own.definition),
                    protocol: Protocol::BackToBack,
                    batch: self.section.batch,
                    warmup: self.section.warmup,
                    rates: Rates { time, algbw: rate("algbw")?, busbw: rate("busbw")? },
                    each: Vec::new(),
                    quantiles: BTreeMap::new(),
                }))
            }
        };
        let size = of("size").unwrap_or_default();
        let bytes = size.parse().map_err(|_| wrong("size", size))?;
        let mut settings = settings(benchmark, bytes, of("redop"), of("root"))?;
        if let Some(own) = &self.section.own {
            settings.extend(own.settings.clone());
        }
        Ok(Some(Reading {
            at: format!("line {number}"),
            test: benchmark.name.to_string(),
            benchmark,
            settings,
            precision: Some(element(of("type").unwrap_or_default())?),
            placement: Some(placement),
            group: self.group()?,
            outcome,
        }))
    }

    fn group(&mut self) -> Result<Group> {
        let Section { places, group, own, .. } = &mut self.section;
        if let Some(known) = own.as_ref().map(|own| &own.group).or(group.as_ref()) {
            return Ok(known.clone());
        }
        let found = match self.asked.ranks {
            Some(ranks) if places.is_empty() => log::world(ranks),
            Some(ranks) if ranks != places.len() => Err(Error::usage(format!(
                "the log lists {} ranks, not {ranks}; leave --ranks out",
                places.len()
            ))),
            None if places.is_empty() => Err(Error::usage(
                "the log does not list the ranks; say how many there were with --ranks",
            )),
            _ => log::group_of(places),
        }?;
        Ok(group.insert(found).clone())
    }
}

impl Log {
    /// Wrong results were found in a table, which begins with this result: old versions do not say in which rows.
    fn refute(&mut self, first: usize) {
        let table = &mut self.readings[first..];
        if table.iter().all(|reading| matches!(reading.outcome, Outcome::Took(_))) {
            let why = "results of this table are wrong, and it does not say which";
            table.iter_mut().for_each(|reading| reading.outcome = Outcome::Wrong(why.to_owned()));
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
