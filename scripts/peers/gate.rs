//! How often comparisons raise false alarms and how much they find, on simulated suites; beside the rules that
//! others apply to the same numbers, and how long many cases take.
//!
//! `cargo run --release --example gate [SUITES]`; about five minutes for 1000.
#![expect(clippy::print_stdout, reason = "tables are what this is for")]
#![expect(clippy::unwrap_used, reason = "it ends when something is wrong")]

#[path = "suites.rs"]
mod suites;

use std::time::Instant;

use tesserabench::analysis::{Reports, Rules, compare};
use tesserabench::base::random::Stream;
use tesserabench::plan::config::{ComparisonConfig, Config};
use tesserabench::report::{Case, Report, Verdict};
use tesserabench::stats;

use suites::Side;

/// Cases of a suite, and how many of them get slower where any do.
const CASES: usize = 50;
const SLOWER: usize = 5;

/// Their slow-down.
const SLOW_DOWN: f64 = 1.03;

/// Levels of the rules of others.
const LEVEL: f64 = 0.05;

/// The noise threshold of Criterion.
const NOISE_THRESHOLD: f64 = 0.01;

/// A way to call cases slower: which of them.
type Rule = (&'static str, fn(&Report, &Report) -> Vec<bool>);

const RULES: [Rule; 6] = [
    ("ours, threshold 0 %", |a, b| ours(a, b, 0.0)),
    ("ours, threshold 1 %", |a, b| ours(a, b, 1.0)),
    ("ours, threshold 5 % (default)", |a, b| ours(a, b, 5.0)),
    ("naive: t-test of pooled iterations", naive),
    ("benchstat: Mann-Whitney of launches", benchstat),
    ("Criterion: pooled iterations, ± 1 %", criterion),
];

/// Calls REGRESSED what we do.
fn ours(baseline: &Report, candidate: &Report, threshold: f64) -> Vec<bool> {
    let comparison =
        ComparisonConfig { regression_threshold: Some(threshold), ..ComparisonConfig::default() };
    let config = Config { comparison, ..Config::default() };
    let mut rules = Rules::resolve(&config).unwrap();
    // Intervals do not decide what regresses.
    rules.resamples = Some(100);
    let one = |report| Reports { files: &[], reports: std::slice::from_ref(report) };
    let comparison = compare(one(baseline), one(candidate), &rules);
    comparison.cases.iter().map(|case| case.verdict == Verdict::Regressed).collect()
}

/// Welch's t-test at 5 % for each case, with iterations of all launches as replicates.
fn naive(baseline: &Report, candidate: &Report) -> Vec<bool> {
    each(baseline, candidate, |a, b| {
        let (a, b) = (pooled(a), pooled(b));
        let welch = stats::welch(&a, &b).unwrap();
        welch.difference > 0.0 && 2.0 * welch.p(0.0) < LEVEL
    })
}

/// What benchstat does with a value from each launch: Mann and Whitney's test at 5 % for each case.
fn benchstat(baseline: &Report, candidate: &Report) -> Vec<bool> {
    each(baseline, candidate, |a, b| {
        let (a, b) = (medians(a), medians(b));
        // Two-sided: twice the p-value of the side that is slower.
        let p = 2.0 * stats::rank_sum(&a, &b).unwrap().p;
        p < LEVEL && stats::median(&b) > stats::median(&a)
    })
}

/// What Criterion does, with the iterations of all launches as its sample: a t-test of the pooled values at 5 %,
/// and the interval of the ratio of means beyond its noise threshold. Its bootstraps are replaced by what they
/// come to for 800 values, Student's t.
fn criterion(baseline: &Report, candidate: &Report) -> Vec<bool> {
    each(baseline, candidate, |a, b| {
        let (a, b) = (pooled(a), pooled(b));
        let welch = stats::welch(&a, &b).unwrap();
        let low = welch.difference
            - stats::t_quantile(0.975, welch.freedom).unwrap() * welch.standard_error;
        2.0 * welch.p(0.0) < LEVEL && low / stats::mean(&a) > NOISE_THRESHOLD
    })
}

fn each(a: &Report, b: &Report, slower: impl Fn(&Case, &Case) -> bool) -> Vec<bool> {
    a.cases.iter().zip(&b.cases).map(|(a, b)| slower(a, b)).collect()
}

fn medians(case: &Case) -> Vec<f64> {
    case.replication.iter().flat_map(|all| &all.launches).map(|one| one.median_ms).collect()
}

fn pooled(case: &Case) -> Vec<f64> {
    let launches = case.replication.iter().flat_map(|all| &all.launches);
    launches.flat_map(|one| one.times_ms.iter().copied()).collect()
}

/// What a rule calls slower over many suites.
#[derive(Default, Clone, Copy)]
struct Tally {
    suites_alarmed: usize,
    false_alarms: usize,
    found: usize,
    found_suites: usize,
}

/// Suites in which `slower` cases are slower, the others not, by every rule.
fn tally(side: Side, suites: usize, slower: usize) -> [Tally; RULES.len()] {
    let mut tallies = [Tally::default(); RULES.len()];
    let factors = |factor| -> Vec<f64> {
        (0..CASES).map(|case| if case < slower { factor } else { 1.0 }).collect()
    };
    for suite in 0..suites {
        let numbers =
            [suite as u64, side.launches as u64, (1e4 * side.between) as u64, slower as u64];
        let mut random = Stream::new(1, "suite", &numbers);
        let baseline = side.report(&factors(1.0), &mut random);
        let candidate = side.report(&factors(SLOW_DOWN), &mut random);
        for (tally, (_, rule)) in tallies.iter_mut().zip(RULES) {
            let called = rule(&baseline, &candidate);
            let found = called[..slower].iter().filter(|called| **called).count();
            let false_alarms = called[slower..].iter().filter(|called| **called).count();
            tally.found += found;
            tally.found_suites += usize::from(found > 0);
            tally.false_alarms += false_alarms;
            tally.suites_alarmed += usize::from(false_alarms > 0);
        }
    }
    tallies
}

fn percent(part: usize, whole: usize) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole as f64)
}

/// Nothing has changed: how many suites have an alarm.
fn false_alarms(suites: usize) {
    println!("## A/A: {suites} suites of {CASES} cases, 8 launches of 100 iterations\n");
    println!("| rule | launches differ by | suites with an alarm | cases called slower |");
    println!("|---|---|---|---|");
    for between in [0.01, 0.02] {
        let tallies = tally(Side { between, ..Side::USUAL }, suites, 0);
        for ((name, _), tally) in RULES.iter().zip(tallies) {
            println!(
                "| {name} | {} % | {} ({}) | {} |",
                100.0 * between,
                tally.suites_alarmed,
                percent(tally.suites_alarmed, suites),
                percent(tally.false_alarms, suites * CASES)
            );
        }
    }
}

/// Some have: how many of them are found, and how many others are called.
fn power(suites: usize) {
    println!("\n## {SLOWER} of {CASES} cases slower by 3 %: {suites} suites a row\n");
    println!(
        "| rule | launches differ by | launches a side | found | false alarms among the called |"
    );
    println!("|---|---|---|---|---|");
    for between in [0.01, 0.02] {
        for launches in [6, 8, 12] {
            let tallies = tally(Side { between, launches, ..Side::USUAL }, suites, SLOWER);
            for ((name, _), tally) in RULES.iter().zip(tallies) {
                let called = (tally.found + tally.false_alarms).max(1);
                println!(
                    "| {name} | {} % | {launches} | {} | {} |",
                    100.0 * between,
                    percent(tally.found, suites * SLOWER),
                    percent(tally.false_alarms, called)
                );
            }
        }
    }
}

/// How long a comparison takes, with its intervals, and how much memory the process has needed by then.
fn scale() {
    println!("\n## Time of one comparison: 8 launches of 100 iterations a side\n");
    println!(
        "| cases | seconds | resamples of each interval | most memory of the process so far |"
    );
    println!("|---|---|---|---|");
    for cases in [1000, 2000, 5000, 10_000] {
        let mut random = Stream::new(1, "scale", &[cases as u64]);
        let factors = vec![1.0; cases];
        let baseline = Side::USUAL.report(&factors, &mut random);
        let candidate = Side::USUAL.report(&factors, &mut random);
        let rules = Rules::resolve(&Config::default()).unwrap();
        let one = |report| Reports { files: &[], reports: std::slice::from_ref(report) };
        let began = Instant::now();
        let comparison = compare(one(&baseline), one(&candidate), &rules);
        println!(
            "| {cases} | {:.2} | {} | {:.0} MB |",
            began.elapsed().as_secs_f64(),
            comparison.resamples,
            peak_memory_mb()
        );
    }
}

fn peak_memory_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1e3
}

fn main() {
    let suites = std::env::args().nth(1).map_or(1000, |text| text.parse().unwrap());
    scale();
    false_alarms(suites);
    power(suites.div_ceil(5));
}
