//! The table of nccl-tests (2.19.6, `src/util.cu`), so that whatever parses that reads ours.
//!
//! Each benchmark and group has a table. A line that nccl-tests does not have, `# tesserabench …`, says what
//! its columns cannot: the group, which time it is, and keys of the problem.

use std::fmt::Write as _;

use super::words;
use crate::base::plain::plain;
use crate::base::units::format_ms;
use crate::benchmark::Setting;
use crate::benchmark::collective::{self, BlockSizes};
use crate::benchmark::metric::{ALGBW, BUSBW};
use crate::benchmark::work::Placement;
use crate::report::{Case, Definition, Outcome, Report};

/// Keys of a problem that are columns of the table.
const COLUMNS: [&str; 3] = ["bytes", "op", "root"];

/// The two lines above the rows: the columns before the halves, and those of each half.
const HEADINGS: [[&str; 2]; 2] = [
    ["#       size         count      type   redop    root", "     time   algbw   busbw  #wrong"],
    ["#        (B)    (elements)                          ", "     (us)  (GB/s)  (GB/s)        "],
];

/// The tables as text.
pub fn nccl_tests_table(report: &Report) -> String {
    let mut tables: Vec<Table<'_>> = Vec::new();
    for case in report.cases.iter().filter(|case| !case.concurrent) {
        let Some(row) = Row::of(case) else { continue };
        let new = Table { first: case, problem: other_keys(case), rows: Vec::new() };
        let known = tables.iter().position(|table| table.is_of(&new));
        let place = known.unwrap_or_else(|| {
            tables.push(new);
            tables.len() - 1
        });
        tables[place].add(row);
    }
    let lines = tables.iter().flat_map(|table| table.lines(report)).chain(remarks(report));
    lines.map(|line| format!("{}\n", plain(&line))).collect()
}

/// What has no place in a table.
fn remarks(report: &Report) -> Vec<String> {
    let skipped = report.cases.iter().filter(|case| case.outcome == Outcome::Skipped);
    let skipped = skipped.map(|case| (case.benchmark.as_str(), case.reason.as_deref()));
    let skipped = words::skipped(skipped).map(|line| format!("# {line}"));
    let cases = report.cases.iter().filter_map(|case| {
        let told = match (case.outcome, &case.error, case.median_ms()) {
            (Outcome::Failed, Some(error), _) => format!("FAILED: {}", error.detail),
            (.., Some(median)) if case.concurrent || Row::of(case).is_none() => {
                let lacks = if case.concurrent { "groups at once" } else { "such test" };
                format!("{}; nccl-tests has no {lacks}", format_ms(median))
            }
            _ => return None,
        };
        Some(format!("# {}: {told}", case.id))
    });
    let caveats = report.caveats.iter();
    let caveats = caveats.map(|caveat| format!("# note: {}: {caveat}", caveat.mark()));
    cases.chain(skipped).chain(caveats).chain([format!("# {}", report.verdict())]).collect()
}

/// `form=persistent,spread=20`: keys of the problem that are no columns.
fn other_keys(case: &Case) -> String {
    let keys = case.problem.iter().filter(|(key, value)| {
        !COLUMNS.contains(&key.as_str()) || (*key == "root" && value.word().is_some())
    });
    keys.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// The rows of one test on one group.
struct Table<'a> {
    /// The case that the table began with.
    first: &'a Case,
    problem: String,
    rows: Vec<Row<'a>>,
}

impl<'a> Table<'a> {
    fn definition(&self) -> Option<Definition> {
        self.first.latency().map(|latency| latency.definition)
    }

    /// Whether rows of `other` may stand here.
    fn is_of(&self, other: &Self) -> bool {
        // What was not measured has no definition.
        other.definition().is_none_or(|time| Some(time) == self.definition())
            && self.first.benchmark == other.first.benchmark
            && self.first.group == other.first.group
            && self.problem == other.problem
    }

    fn add(&mut self, row: Row<'a>) {
        let [out, within] = row.halves;
        // Sizes that are cut to the same whole blocks are rows of their own.
        let lacks = |known: &&mut Row<'a>| {
            let [known_out, known_within] = known.halves;
            known.first == row.first
                && !(known_out.is_some() && out.is_some())
                && !(known_within.is_some() && within.is_some())
        };
        match self.rows.iter_mut().find(lacks) {
            Some(known) => known.halves = [known.halves[0].or(out), known.halves[1].or(within)],
            None => self.rows.push(row),
        }
    }

    fn lines(&self, report: &Report) -> Vec<String> {
        let name = format!("{}_perf", self.first.benchmark);
        let mut lines = vec![
            self.origin(report),
            format!("# Collective test starting: {name}"),
            self.setup(),
            "#".to_owned(),
            "# Using devices".to_owned(),
        ];
        let ranks = report.environment.ranks.iter();
        lines.extend(ranks.filter(|rank| self.first.participants.contains(&rank.rank)).map(
            |rank| {
                let host = report.environment.nodes.get(rank.node).map_or("", |node| &node.host);
                format!(
                    "#  Rank {:>2} Group  0 Pid      0 on {host:>10} device {:>2} [{}] {}",
                    rank.rank,
                    rank.local_rank,
                    rank.device.pci.as_deref().unwrap_or("0000:00:00"),
                    rank.device.name
                )
            },
        ));
        lines.push("#".to_owned());
        let halves = "out-of-place                       in-place          ";
        lines.push(format!("# {:61}{halves}", ""));
        lines.extend(HEADINGS.map(|[first, half]| format!("{first}{half}{half} ")));
        lines.extend(self.rows.iter().map(|row| {
            let [out, within] = row.halves.map(half);
            format!("{}{out}{within}", row.first)
        }));
        let wrong = self.cases().filter(|case| wrong(case) > 0).count();
        let okay = if wrong == 0 { "OK" } else { "FAILED" };
        let busbw = self.cases().filter_map(|case| case.measured.as_ref()?.metrics.busbw_gbps);
        // The sum of nothing is -0.
        let mean = busbw.clone().fold(0.0, |sum, busbw| sum + busbw) / busbw.count().max(1) as f64;
        lines.extend([
            format!("# Out of bounds values : {wrong} {okay}"),
            format!("# Avg bus bandwidth    : {} ", general(mean)),
            "#".to_owned(),
            format!("# Collective test concluded: {name}"),
        ]);
        lines
    }

    fn cases(&self) -> impl Iterator<Item = &'a Case> + Clone {
        self.rows.iter().flat_map(|row| row.halves).flatten()
    }

    /// The line that nccl-tests does not have.
    fn origin(&self, report: &Report) -> String {
        let run = &report.run;
        let backend = if run.emulated { "emulated" } else { &run.backend };
        let group = &self.first.group;
        let mut origin = format!("# tesserabench {} backend {backend} group {group}", run.version);
        let time = self.definition().and_then(|time| serde_json::to_value(time).ok());
        if let Some(time) = time.as_ref().and_then(serde_json::Value::as_str) {
            let _ = write!(origin, " time {time}");
        }
        if !self.problem.is_empty() {
            let _ = write!(origin, " problem {}", self.problem);
        }
        origin
    }

    /// How it was measured, as far as one line says it for all rows: each rank is a process with one device,
    /// and the iterations are those of the first row.
    fn setup(&self) -> String {
        let mut sizes: Vec<u64> = self.rows.iter().map(|row| row.bytes).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let steps = || sizes.windows(2).map(|pair| (pair[0], pair[1]));
        let first = steps().next();
        let factor = first.filter(|(a, _)| *a > 0).map(|(a, b)| b / a);
        let (step, unit) = match (factor, first) {
            (Some(factor), _) if steps().all(|(a, b)| a.checked_mul(factor) == Some(b)) => {
                (factor, "factor")
            }
            (_, Some((a, b))) if steps().all(|(c, d)| d - c == b - a) => (b - a, "bytes"),
            _ => (0, "bytes"),
        };
        let measured = self.cases().find_map(|case| case.measured.as_ref());
        format!(
            "# nThread 1 nGpus 1 minBytes {} maxBytes {} step: {step}({unit}) warmup iters: {} iters: {} agg \
             iters: {} validation: 1 graph: 0 unalign: 0",
            sizes.first().unwrap_or(&0),
            sizes.last().unwrap_or(&0),
            measured.and_then(|measured| measured.warmup).unwrap_or(0),
            measured.map_or(0, |measured| measured.iterations),
            measured.and_then(|measured| measured.batch).unwrap_or(1),
        )
    }
}

/// One size, type, operator and root.
struct Row<'a> {
    bytes: u64,
    /// The columns before the halves.
    first: String,
    /// Out of place and in place.
    halves: [Option<&'a Case>; 2],
}

impl<'a> Row<'a> {
    /// `None` for what nccl-tests has no test of, and for what was neither measured nor wrong.
    fn of(case: &'a Case) -> Option<Self> {
        let test = collective::find(&case.benchmark).filter(|known| known.nccl_tests)?;
        let told = case.measured.is_some() || wrong(case) > 0;
        let (element, placement) = (case.precision?, case.placement?);
        let bytes = case.problem.get("bytes").and_then(Setting::number)?;
        if !told || case.problem.contains_key("matrix") {
            return None;
        }
        let ranks = case.group_size.max(1) as u64;
        let elements = bytes / element.bytes();
        let count = if test.blocks != BlockSizes::Whole { elements / ranks } else { elements };
        // Uneven blocks are shares of the size, and do not make it up exactly.
        let equal = test.blocks == BlockSizes::Equal;
        let size = if equal { count * ranks * element.bytes() } else { bytes };
        let op = case.problem.get("op").and_then(Setting::word).unwrap_or("sum");
        let op = if test.reduces() { op } else { "none" };
        let root = match case.problem.get("root") {
            Some(Setting::Number(root)) if test.has_root() => root.to_string(),
            None if test.has_root() => "0".to_owned(),
            _ => "-1".to_owned(),
        };
        let name = element.nccl_tests_name();
        Some(Self {
            bytes: size,
            first: format!("{size:>12}  {count:>12}  {name:>8}  {op:>6}  {root:>6}"),
            halves: match placement {
                Placement::Out => [Some(case), None],
                Placement::In => [None, Some(case)],
            },
        })
    }
}

fn wrong(case: &Case) -> u64 {
    case.accuracy.as_ref().map_or(0, |accuracy| accuracy.wrong)
}

fn half(case: Option<&Case>) -> String {
    let none = || "N/A".to_owned();
    let measured = case.filter(|case| case.measured.is_some());
    let time = measured.and_then(Case::median_ms).map_or_else(none, |ms| fitted(ms * 1e3, 7));
    let [algbw, busbw] = [&ALGBW, &BUSBW].map(|metric| {
        measured.map_or_else(none, |case| fitted(case.rate(metric).unwrap_or(0.0), 6))
    });
    let wrong = match case.and_then(|case| case.accuracy.as_ref()) {
        Some(accuracy) => format!("  {:>6}", general(accuracy.wrong as f64)),
        None => "    N/A".to_owned(),
    };
    format!("  {time:>7}  {algbw:>6}  {busbw:>6}{wrong}")
}

/// A number in `width` places with as many decimals as fit, at most two; else with an exponent, as
/// nccl-tests' `getFloatStr` does it.
fn fitted(value: f64, width: usize) -> String {
    let plain = [2, 1, 0].map(|decimals| format!("{value:.decimals$}"));
    let fits = plain.into_iter().find(|text| text.len() <= width);
    fits.unwrap_or_else(|| {
        let (mantissa, exponent) = scientific(value, usize::from(width >= 7));
        format!("{mantissa}e{exponent:+03}")
    })
}

/// C's `%g`.
fn general(value: f64) -> String {
    let (mantissa, exponent) = scientific(value, 5);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    match exponent {
        -4..6 => trimmed(&format!("{value:.*}", (5 - exponent) as usize)),
        _ => format!("{}e{exponent:+03}", trimmed(&mantissa)),
    }
}

fn scientific(value: f64, decimals: usize) -> (String, i32) {
    let text = format!("{value:.decimals$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (mantissa.to_owned(), exponent.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_c_prints_them() {
        let seven = [1.234, 9999.99, 12345.67, 123_456.7, 1_234_567.0, 12_345_678.0];
        let texts = seven.map(|value| fitted(value, 7));
        assert_eq!(texts, ["1.23", "9999.99", "12345.7", "123457", "1234567", "1.2e+07"]);
        assert_eq!([1234.5, 1e6, 0.0].map(|value| fitted(value, 6)), ["1234.5", "1e+06", "0.00"]);
        let g = [0.0, 12.5, 123_456.7, 1_234_567.0, 0.000_012_345, 100.0].map(general);
        assert_eq!(g, ["0", "12.5", "123457", "1.23457e+06", "1.2345e-05", "100"]);
    }

    #[test]
    fn every_test_is_a_benchmark() {
        for test in collective::in_nccl_tests() {
            let benchmark = crate::benchmark::find(test.name).unwrap();
            let has = |name: &str| benchmark.keys.iter().any(|key| key.name == name);
            assert_eq!((has("op"), has("root")), (test.reduces(), test.has_root()), "{test:?}");
            assert!(benchmark.placements && has("bytes"));
        }
    }
}
