//! Tables of nccl-tests, those of versions before 2.17 as well, and ours of the same form.

use std::collections::{BTreeMap, BTreeSet};

use super::format::{Format, Kind, Origin};
use super::lines::{Line, Rows};
use super::log::{self, Asked, Log, Outcome, Place, Reading, Setup, Subject, Took};
use super::nccl_header::{Columns, Sizes, after, nccl_version, place};
use super::printed::Printed;
use crate::base::error::{Error, Result};
use crate::benchmark::collective::{self, Collective};
use crate::benchmark::work::{Element, Placement};
use crate::benchmark::{self, Benchmark};
use crate::machine::environment;
use crate::plan::config::{Protocol, Values, from_name};
use crate::plan::mesh::Group;
use crate::report::Definition;

pub(super) const FORMAT: Format = Format {
    name: "nccl-tests (text, or JSON by -J)",
    kind: Kind::Lines {
        signs: &["# nThread ", "# Collective test starting", "#       size         count"],
        read,
    },
};

/// What reports call those of AMD, which say so in a line of their own (src/common.cu, ae3e635).
const RCCL_TESTS: &str = "rccl-tests";

/// What nccl-tests' times are.
pub(super) const MEAN: &str =
    "means over the iterations of a loop, averaged over the ranks unless -a chose otherwise";

/// Reads the tables of one process's lines; `None` when there is none.
fn read(lines: &[Line<'_>], Origin { file, asked }: Origin<'_>) -> Result<Option<Log>> {
    let mut reader = Reader {
        asked,
        log: Log { tool: "nccl-tests", time: MEAN.to_owned(), checks: true, ..Log::default() },
        named: None,
        file: file_name_test(file),
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

/// The benchmark of a test's program, `all_reduce_perf` or a path to it; where there is none, the one asked for.
pub(super) fn benchmark_of(asked: &Asked, program: Option<&str>) -> Result<&'static Benchmark> {
    let Some(program) = program else {
        return asked.benchmark.ok_or_else(|| {
            Error::usage("the log does not say which test this is; name it with --benchmark")
        });
    };
    let known = test_of(program).ok_or_else(|| {
        Error::usage(format!("'{program}' is no test of nccl-tests that is known"))
    })?;
    match asked.benchmark {
        Some(asked) if asked.name != known.name => Err(Error::usage(format!(
            "the log says that it is of {program}, not of {}; leave --benchmark out",
            asked.name
        ))),
        _ => Ok(known),
    }
}

/// The benchmark that a program of nccl-tests is.
fn test_of(program: &str) -> Option<&'static Benchmark> {
    let name = program.rsplit('/').next()?.split("_perf").next()?;
    let known = collective::in_nccl_tests().any(|test| test.name == name);
    benchmark::find(name).filter(|_| known)
}

/// The variables that the command of a line sets for the test and that change what is measured.
fn variables(command: &str) -> String {
    let set = command.split_whitespace().filter_map(|word| word.split_once('='));
    let set = set.filter(|(name, _)| environment::is_recorded(name));
    let set: Vec<String> =
        set.map(|(name, value)| format!("{name}={}", value.trim_matches('"'))).collect();
    set.join(" ")
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
    let none = |text: &str| ["", "none"].contains(&text);
    match redop {
        Some(redop) if test.reduces() == none(redop) => {
            let (kind, said) =
                if test.reduces() { ("reduces", "none") } else { ("does not reduce", redop) };
            return Err(Error::usage(format!(
                "{} {kind}, and the operator of this row is '{said}': it is of another test",
                benchmark.name
            )));
        }
        _ if test.reduces() => set("op", redop),
        _ => {}
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
    /// How it is measured, and which sizes were asked for.
    setup: Setup,
    asked: Option<Sizes>,
    /// The sizes of its rows.
    sizes: BTreeSet<u64>,
    places: Vec<Place>,
    /// Whether the half in place stands first.
    in_place_first: bool,
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
    /// None where nothing was measured.
    definition: Option<Definition>,
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
        let definition = after(text, " time ").map(|name| from_name("time", name)).transpose()?;
        let pairs = after(text, " problem ").unwrap_or_default().split(',');
        let settings = pairs.filter(|pair| !pair.is_empty()).map(|pair| {
            // A log must not make this program open files.
            let pair = pair.split_once('=').filter(|(key, _)| *key != "matrix");
            let (key, value) = pair.ok_or_else(|| wrong("problem"))?;
            Ok((key.to_owned(), Values::Text(value.to_owned())))
        });
        let settings = settings.collect::<Result<_>>()?;
        Ok(Self { definition, group, settings })
    }
}

struct Reader<'a> {
    asked: &'a Asked,
    log: Log,
    /// The test's program, as the log names it, and as the file's name does.
    named: Option<String>,
    file: Option<String>,
    section: Section,
    seen: bool,
}

impl Reader<'_> {
    fn line(&mut self, line: Line<'_>) -> Result<()> {
        let text = line.text.trim();
        let Some(comment) = text.strip_prefix('#').map(str::trim) else {
            // Other programs' lines may stand between; they begin with a name or a time of day.
            if let Some(text) =
                self.section.columns.as_ref().and_then(|columns| columns.row_in(text))
            {
                return self.row(Line { text, ..line });
            }
            // What starts the test is often in the log as well; old versions do not say which one runs.
            let program = text.split_whitespace().find(|word| word.ends_with("_perf"));
            if let Some(version) = text.strip_prefix("rccl-tests: Version") {
                self.log.tool = RCCL_TESTS;
                self.log.version = version.split_whitespace().next().map(str::to_owned);
            }
            if let Some(program) = program.filter(|program| test_of(program).is_some()) {
                self.end();
                self.named = Some(program.to_owned());
                self.section.setup.insert("environment", variables(text));
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
            self.section.asked = Sizes::of(comment);
            let rest = comment.split_once("warmup iters:").map_or("", |(_, rest)| rest);
            self.section.warmup = rest.split_whitespace().next().and_then(|n| n.parse().ok());
            let number = |name: &str| after(rest, name)?.parse::<u32>().ok();
            let batch =
                number(" iters:").and_then(|n| n.checked_mul(number("agg iters:").unwrap_or(1)));
            self.section.batch = batch.filter(|_| self.section.own.is_none());
            let each = comment.split_once(" minBytes").map_or("", |(each, _)| each);
            self.section.setup.insert("loop", format!("{each} warmup iters:{rest}"));
        } else if let Some(first) = Columns::in_place_first(comment) {
            self.section.in_place_first = first;
        } else if let Some(columns) = Columns::of(text) {
            self.seen = true;
            let in_place_first = self.section.in_place_first;
            self.section.columns = Some(Columns { in_place_first, ..columns });
            self.section.first_reading = self.log.readings.len();
        } else if comment.starts_with("Out of bounds values") {
            let section = std::mem::take(&mut self.section);
            section.rows.refuse_cut(section.columns.as_ref().map_or(0, Columns::fields))?;
            if let Some(missing) = section.missing() {
                self.log.cut = Some(format!("line {}: {missing}", line.number));
            }
            let Section { first_reading, places, .. } = section;
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

    /// A table that ends without its last lines was cut. What stands before the columns is kept for the table.
    fn end(&mut self) {
        let mut kept = Section::default();
        if self.section.columns.is_none() {
            kept.own = self.section.own.take();
            kept.setup = std::mem::take(&mut self.section.setup);
        }
        let section = std::mem::replace(&mut self.section, kept);
        if section.columns.is_some() {
            let rows = || "a table has no last lines: rows may be missing".to_owned();
            self.log.cut = Some(section.rows.cut().unwrap_or_else(rows));
        }
        self.log.keep_places(section.places);
    }

    fn row(&mut self, line: Line<'_>) -> Result<()> {
        let Some(mut columns) = self.section.columns.clone() else { return Ok(()) };
        let benchmark = match (&self.named, self.asked.benchmark) {
            (None, Some(asked)) => asked,
            (named, _) => benchmark_of(self.asked, named.as_deref().or(self.file.as_deref()))?,
        };
        let fields = line.text.split_whitespace().count();
        let reduces = collective::find(&benchmark.name).is_some_and(Collective::reduces);
        // Where nothing is reduced the operator may be left blank.
        if !reduces && fields + 1 == columns.fields() {
            columns.first.retain(|name| name != "redop");
        }
        // A time of day has one or two words.
        let more = if columns.timestamp { 2 } else { 0 };
        let Some(fields) = self.section.rows.fields(line, columns.fields(), more)? else {
            return Ok(());
        };
        for (placement, half) in columns.halves(&fields) {
            if let Some(outcome) = self.outcome(&half, line.number)? {
                let reading = self.reading(line.number, benchmark, &half, placement, outcome)?;
                self.log.add(reading)?;
            }
        }
        Ok(())
    }

    /// What a half of a row says; `None` where it was not measured.
    fn outcome(&self, half: &BTreeMap<&str, &str>, line: usize) -> Result<Option<Outcome>> {
        let number = |name: &str| {
            let text = half.get(name).copied().unwrap_or_default();
            let wrong = || Error::usage(format!("{name} '{text}' is no number"));
            Printed::parse(text).ok_or_else(wrong)
        };
        let wrong = half.get("#wrong").copied().filter(|text| *text != "N/A");
        if let Some(text) = wrong.filter(|text| *text != "0") {
            let wrong = number("#wrong")?.value;
            if wrong > 0.0 {
                return Ok(Some(Outcome::Wrong(format!("elements found wrong: {text}"))));
            }
        }
        let error = half.get("error").copied().filter(|text| *text != "N/A");
        if let Some(text) = error {
            let element = element(half.get("type").copied().unwrap_or_default())?;
            // rccl-tests marks what is beyond its bound.
            let marked = text.ends_with('*');
            let error: f64 = text.trim_end_matches('*').parse().unwrap_or(f64::NAN);
            if marked || error > largest_error(element) || error.is_nan() {
                return Ok(Some(Outcome::Wrong(format!("the largest error is {text}"))));
            }
        }
        // The CPU's time is not that of the operation.
        let time = half.get("time");
        if time.or(half.get("cputime")) == Some(&"N/A") {
            return Ok(None);
        }
        let no_number = |name: &&str| {
            let text = half.get(*name).map_or(String::new(), |text| text.to_lowercase());
            text.contains("nan") || text.contains("inf")
        };
        if let Some(name) = ["time", "algbw", "busbw"].iter().find(|name| no_number(name)) {
            let why = format!("line {line}: its {name} is printed as {}", half[name]);
            return Ok(Some(Outcome::LeftOut(why)));
        }
        let definition = match &self.section.own {
            None => Definition::MeanOfRanksAndIterations,
            Some(own) => own.definition.ok_or_else(|| {
                Error::usage("the table has times and does not say of which definition")
            })?,
        };
        Ok(Some(Outcome::Took(Took {
            definition,
            protocol: Protocol::BackToBack,
            batch: self.section.batch,
            warmup: self.section.warmup,
            time: time.map(|_| number("time")).transpose()?,
            algbw: Some(number("algbw")?),
            busbw: Some(number("busbw")?),
            each: Vec::new(),
            spread: None,
            quantiles: BTreeMap::new(),
            host_peak_bytes: None,
            checked: wrong.or(error).is_some(),
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
        let Section { places, group, own, setup, sizes, .. } = &mut self.section;
        sizes.insert(bytes);
        setup.extend(log::machine(places).map(|machine| ("machine", machine)));
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
            subject: Subject::Ours {
                benchmark,
                settings,
                precision: Some(element(of("type").unwrap_or_default())?),
                placement: Some(placement),
            },
            group,
            setup: setup.clone(),
            outcome,
        })
    }
}

impl Section {
    /// The rows that are missing, in words.
    fn missing(&self) -> Option<String> {
        let missing = self.asked.filter(|_| self.own.is_none())?.missing(&self.sizes);
        let sizes: Vec<String> = missing.iter().take(4).map(u64::to_string).collect();
        let more = if missing.len() > sizes.len() { ", …" } else { "" };
        let rows = format!("the rows of {}{more} bytes are missing", sizes.join(", "));
        (!missing.is_empty() && !self.sizes.is_empty()).then_some(rows)
    }
}

/// The largest error that nccl-tests before 2.13 takes for right (`deltaMaxValue` in src/common.cu).
fn largest_error(element: Element) -> f64 {
    match element {
        Element::F64 => 1e-12,
        Element::F32 => 1e-5,
        Element::F16 | Element::Bf16 => 1e-2,
        _ => 0.0,
    }
}

impl Log {
    /// Wrong results were found in a table, which begins with this result: old versions do not say in which rows.
    fn refute(&mut self, first: usize) {
        let table = &mut self.readings[first..];
        if !table.iter().any(|reading| matches!(reading.outcome, Outcome::Wrong(_))) {
            let why = "results of this table are wrong, and it does not say which";
            table.iter_mut().for_each(|reading| reading.outcome = Outcome::Wrong(why.to_owned()));
        }
    }

    /// Keeps the places of the most ranks.
    pub(super) fn keep_places(&mut self, places: Vec<Place>) {
        let parts = log::parts(&places);
        if parts > 1 && self.tool != "tesserabench" {
            self.time = format!("{MEAN}, and over all {parts} groups, which ran at once");
        }
        if places.len() > self.places.len() {
            self.places = places;
        }
    }
}
