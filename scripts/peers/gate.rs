//! How often comparisons raise false alarms, how much they find and how often their intervals cover, on simulated
//! suites; beside the rules that others apply to the same numbers, and how long many cases take.
//!
//! `cargo run --release --example gate [SUITES [PART…]]`, with the parts `scale`, `alarms`, `designs`, `power`,
//! `coverage`, `order`,
//! `confirmation`; all of them take about half an hour for 1000 suites.
#![expect(clippy::print_stdout, reason = "tables are what this is for")]
#![expect(clippy::unwrap_used, reason = "it ends when something is wrong")]

#[path = "suites.rs"]
mod suites;

use std::time::Instant;

use tesserabench::analysis::{Looks, Reports, Rules, compare};
use tesserabench::base::random::Stream;
use tesserabench::plan::config::{ComparisonConfig, Config};
use tesserabench::report::{Case, Comparison, Report, Verdict};
use tesserabench::stats;

use suites::{Noise, Side};

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

const RULES: [Rule; 7] = [
    ("ours, threshold 0 %", |a, b| ours(a, b, 0.0)),
    ("ours, threshold 1 %", |a, b| ours(a, b, 1.0)),
    ("ours, threshold 5 % (default)", |a, b| ours(a, b, 5.0)),
    ("ours until 2026-11: permutation of means", |a, b| permutation(a, b, 0.0)),
    ("naive: t-test of pooled iterations", naive),
    ("benchstat: Mann-Whitney of launches", benchstat),
    ("Criterion: pooled iterations, ± 1 %", criterion),
];

/// Calls REGRESSED what we do.
fn ours(baseline: &Report, candidate: &Report, threshold: f64) -> Vec<bool> {
    let comparison = compared(baseline, candidate, threshold);
    comparison.cases.iter().map(|case| case.verdict == Verdict::Regressed).collect()
}

fn compared(baseline: &Report, candidate: &Report, threshold: f64) -> Comparison {
    compare(one(baseline), one(candidate), &rules(threshold))
}

fn one(report: &Report) -> Reports<'_> {
    Reports { files: &[], reports: std::slice::from_ref(report) }
}

fn rules(threshold: f64) -> Rules {
    let comparison =
        ComparisonConfig { regression_threshold: Some(threshold), ..ComparisonConfig::default() };
    Rules::resolve(&Config { comparison, ..Config::default() }).unwrap()
}

/// Random relabellings of a permutation test, which stops after so many hits.
const RELABELLINGS: u32 = 9_999;
const STOPPING_HITS: u32 = 20;

/// What we did until November 2026: a permutation test of the launches' means with Welch's t as statistic, adjusted by
/// Benjamini and Hochberg.
fn permutation(baseline: &Report, candidate: &Report, threshold: f64) -> Vec<bool> {
    let mut random = Stream::new(1, "permutation", &[]);
    let p: Vec<f64> = baseline
        .cases
        .iter()
        .zip(&candidate.cases)
        .map(|(a, b)| {
            let logs = |case: &Case, shift: f64| -> Vec<f64> {
                medians(case).iter().map(|median| median.ln() - shift).collect()
            };
            let (from, to) = (logs(a, 0.0), logs(b, threshold.ln_1p()));
            let t = |values: &[f64]| {
                let welch = stats::welch(&values[..from.len()], &values[from.len()..]).unwrap();
                welch.difference / welch.standard_error
            };
            let mut all = [from.clone(), to].concat();
            let observed = t(&all) - 1e-9;
            let (mut hits, mut drawn) = (0, 0);
            while drawn < RELABELLINGS && hits < STOPPING_HITS {
                for place in (1..all.len()).rev() {
                    all.swap(place, random.below(place + 1));
                }
                hits += u32::from(t(&all) >= observed);
                drawn += 1;
            }
            f64::from(hits + 1) / f64::from(drawn + 1)
        })
        .collect();
    stats::benjamini_hochberg(&p).iter().map(|p| *p <= LEVEL).collect()
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
    println!("| cases | seconds | launches drawn | most memory of the process so far |");
    println!("|---|---|---|---|");
    for cases in [1000, 2000, 5000, 10_000] {
        let mut random = Stream::new(1, "scale", &[cases as u64]);
        let factors = vec![1.0; cases];
        let baseline = Side::USUAL.report(&factors, &mut random);
        let candidate = Side::USUAL.report(&factors, &mut random);
        let began = Instant::now();
        let comparison = compared(&baseline, &candidate, 5.0);
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

/// Cases of a suite of a design.
const OF_DESIGN: usize = 30;

/// Launches of the baseline and of the candidate.
const SIZES: [[usize; 2]; 9] =
    [[3, 3], [5, 5], [8, 8], [9, 5], [5, 9], [16, 4], [4, 16], [24, 3], [3, 24]];

/// A design: how launches differ, and how much wider on each side.
type Design = (&'static str, Noise, [f64; 2]);

const DESIGNS: [Design; 20] = [
    ("normal", Noise::Normal, [1.0, 1.0]),
    ("normal, now 2 times as wide", Noise::Normal, [1.0, 2.0]),
    ("normal, now 3 times as wide", Noise::Normal, [1.0, 3.0]),
    ("normal, now 6 times as wide", Noise::Normal, [1.0, 6.0]),
    ("normal, before 3 times as wide", Noise::Normal, [3.0, 1.0]),
    ("normal, before 6 times as wide", Noise::Normal, [6.0, 1.0]),
    ("t with 2 degrees of freedom", Noise::HeavyTail, [1.0, 1.0]),
    ("exponential", Noise::Skewed, [1.0, 1.0]),
    ("exponential, negated", Noise::Skewed, [-1.0, -1.0]),
    ("two modes, half and half", Noise::Modes(0.5), [1.0, 1.0]),
    ("two modes, 20 % slow", Noise::Modes(0.2), [1.0, 1.0]),
    ("two modes, 10 % slow", Noise::Modes(0.1), [1.0, 1.0]),
    ("3 % of launches 3 times slower", Noise::RareSlow(0.03), [1.0, 1.0]),
    ("10 % of launches 3 times slower", Noise::RareSlow(0.1), [1.0, 1.0]),
    ("drift", Noise::Drift, [1.0, 1.0]),
    ("half of the variance shared", Noise::Shared(0.5), [1.0, 1.0]),
    ("90 % of the variance shared", Noise::Shared(0.9), [1.0, 1.0]),
    ("all of the variance shared", Noise::Shared(1.0), [1.0, 1.0]),
    ("cases unlike, 25-fold", Noise::UnlikeCases, [1.0, 1.0]),
    ("cases unlike, now 3 times as wide", Noise::UnlikeCases, [1.0, 3.0]),
];

/// Both sides of suite number `suite` of a design; the first `slower` cases are slower by `factor`.
fn of_design(
    (_, noise, wider): Design,
    sizes: [usize; 2],
    cases: usize,
    (slower, factor): (usize, f64),
    suite: u64,
) -> [Report; 2] {
    let numbers = [suite, sizes[0] as u64, sizes[1] as u64, (100.0 * wider[1]) as i64 as u64];
    let mut random = Stream::new(2, "design", &numbers);
    [0, 1].map(|side| {
        let figures = Side::figures(sizes[side], noise);
        let between = wider[side] * figures.between;
        let factors: Vec<f64> =
            (0..cases).map(|case| if side == 1 && case < slower { factor } else { 1.0 }).collect();
        Side { between, ..figures }.report(&factors, &mut random)
    })
}

/// Counts the suites that `holds`, on two threads.
fn count(suites: usize, holds: impl Fn(u64) -> bool + Sync) -> usize {
    let part = |from: usize| (from..suites).step_by(2).filter(|suite| holds(*suite as u64)).count();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| part(1));
        part(0) + other.join().unwrap()
    })
}

/// Nothing has changed, and any slow-down counts: how many suites have an alarm, by design.
fn designs(suites: usize) {
    let rules: [Rule; 2] = [RULES[0], RULES[3]];
    for (name, rule) in rules {
        println!("\n## Suites of {OF_DESIGN} cases with an alarm, percent of {suites}: {name}\n");
        let sizes = SIZES.map(|[a, b]| format!("{a} v {b}")).join(" | ");
        println!("| launches differ | {sizes} |\n|---|{}", "---|".repeat(SIZES.len()));
        for design in DESIGNS {
            let share = SIZES.map(|sizes| {
                let alarmed = |suite| {
                    let [a, b] = of_design(design, sizes, OF_DESIGN, (0, 1.0), suite);
                    rule(&a, &b).contains(&true)
                };
                format!("{:.1}", 100.0 * count(suites, alarmed) as f64 / suites as f64)
            });
            println!("| {} | {} |", design.0, share.join(" | "));
        }
    }
}

/// Three of thirty are slower beyond a threshold of 5 %: how many of them are found.
fn few_launches(suites: usize) {
    println!(
        "\n## 3 of {OF_DESIGN} cases slower, threshold 5 %: found, percent, of {suites} suites\n"
    );
    println!("| launches a side | launches differ by | slower by | ours | ours until 2026-11 |");
    println!("|---|---|---|---|---|");
    let rows = [(3, 1.0, 20.0), (5, 1.0, 10.0), (5, 2.0, 20.0), (8, 2.0, 10.0)];
    for (launches, wide, slower) in rows {
        let found = |rule: fn(&Report, &Report) -> Vec<bool>| {
            let found = std::sync::atomic::AtomicUsize::new(0);
            count(suites, |suite| {
                let design = ("", Noise::Normal, [wide, wide]);
                let slower = (3, 1.0 + slower / 100.0);
                let [a, b] = of_design(design, [launches; 2], OF_DESIGN, slower, suite);
                let called = rule(&a, &b)[..3].iter().filter(|called| **called).count();
                found.fetch_add(called, std::sync::atomic::Ordering::Relaxed);
                true
            });
            100.0 * found.into_inner() as f64 / (3 * suites) as f64
        };
        let (now, before) = (found(|a, b| ours(a, b, 5.0)), found(|a, b| permutation(a, b, 0.05)));
        println!("| {launches} | {wide} % | {slower} % | {now:.1} | {before:.1} |");
    }
}

/// Nothing has changed: how often the interval of a case holds no change.
fn coverage(suites: usize) {
    println!(
        "\n## Cases whose 95 % interval holds a ratio of 1, percent, of {suites} suites of 5 cases\n"
    );
    let sizes = [[2, 2], [3, 3], [5, 5], [8, 8], [9, 5], [24, 3]];
    let heads = sizes.map(|[a, b]| format!("{a} v {b}")).join(" | ");
    println!("| launches differ | {heads} |\n|---|{}", "---|".repeat(sizes.len()));
    for design in DESIGNS {
        let share = sizes.map(|sizes| {
            let covered = std::sync::atomic::AtomicUsize::new(0);
            count(suites, |suite| {
                let [a, b] = of_design(design, sizes, 5, (0, 1.0), suite);
                let cases = compared(&a, &b, 5.0).cases;
                let holds = |case: &&tesserabench::report::Compared| {
                    case.ci.is_some_and(|[low, high]| low <= 1.0 && 1.0 <= high)
                };
                let holds = cases.iter().filter(holds).count();
                covered.fetch_add(holds, std::sync::atomic::Ordering::Relaxed);
                true
            });
            format!("{:.1}", 20.0 * covered.into_inner() as f64 / suites as f64)
        });
        println!("| {} | {} |", design.0, share.join(" | "));
    }
}

/// Launches near the edge, in other orders: how many verdicts and p-values there are.
fn order(suites: usize) {
    let design = ("", Noise::Normal, [1.0, 1.0]);
    let [baseline, candidate] = of_design(design, [12, 12], 1, (1, 1.055), 1);
    let mut seen = std::collections::BTreeSet::new();
    let mut random = Stream::new(3, "order", &[]);
    for _ in 0..suites {
        let shuffled = [&baseline, &candidate].map(|side| {
            let mut side = side.clone();
            let launches = &mut side.cases[0].replication.as_mut().unwrap().launches;
            for place in (1..launches.len()).rev() {
                launches.swap(place, random.below(place + 1));
            }
            side
        });
        let case = compared(&shuffled[0], &shuffled[1], 5.0).cases.remove(0);
        seen.insert(format!("{:?}, p {}", case.verdict, case.p.unwrap()));
    }
    println!("\n## One comparison of 12 and 12 launches in {suites} orders\n\n{seen:?}");
}

/// First and most launches of a side.
type Launches = (usize, usize);

/// Compares in looks, as `run --against` does: what is doubtful has more of its launches at the next one.
fn confirmed([a, b]: &[Report; 2], (first, most): Launches, threshold: f64) -> Comparison {
    let mut looks = Looks::new(rules(threshold), first, most, true);
    let mut again = Some((std::collections::BTreeSet::new(), first));
    while let Some((doubtful, launches)) = again {
        let so_far = |side: &Report| {
            let mut side = side.clone();
            for case in &mut side.cases {
                let more = doubtful.contains(&case.id);
                let known = looks.comparison().and_then(|before| {
                    before.cases.iter().find(|known| known.id == case.id).map(|c| c.launches[0])
                });
                let launches = if more { launches } else { known.unwrap_or(first) };
                case.replication.as_mut().unwrap().launches.truncate(launches);
            }
            side
        };
        let (a, b) = (so_far(a), so_far(b));
        looks.look(one(&a), one(&b));
        again = looks.again();
    }
    looks.comparison().unwrap().clone()
}

/// What confirmation comes to over many suites, each in percent but for the launches.
struct Confirmed {
    alarmed: f64,
    found: f64,
    covered: f64,
    launches: f64,
}

fn confirmation_of(
    design: Design,
    launches: Launches,
    threshold: f64,
    (slower, factor): (usize, f64),
    suites: usize,
) -> Confirmed {
    let sums = std::sync::Mutex::new([0.0; 3]);
    let alarmed = count(suites, |suite| {
        let sides = of_design(design, [launches.1; 2], OF_DESIGN, (slower, factor), suite);
        let cases = confirmed(&sides, launches, threshold).cases;
        let mut alarmed = false;
        let mut own = [0.0; 3];
        for (number, case) in cases.iter().enumerate() {
            let called = case.verdict == Verdict::Regressed;
            let ratio = if number < slower { factor } else { 1.0 };
            let holds = case.ci.is_some_and(|[low, high]| low <= ratio && ratio <= high);
            alarmed |= called && number >= slower;
            own[0] += f64::from(u8::from(called && number < slower));
            own[1] += f64::from(u8::from(holds));
            own[2] += case.launches[0] as f64;
        }
        let mut sums = sums.lock().unwrap();
        (0..3).for_each(|i| sums[i] += own[i]);
        alarmed
    });
    let [found, covered, launches] = sums.into_inner().unwrap();
    let all = (suites * OF_DESIGN) as f64;
    Confirmed {
        alarmed: 100.0 * alarmed as f64 / suites as f64,
        found: 100.0 * found / (slower.max(1) * suites) as f64,
        covered: 100.0 * covered / all,
        launches: launches / all,
    }
}

/// The whole procedure of looks: how often it alarms where nothing has changed, what it finds, and how many launches of
/// a side a case takes on average.
fn confirmation(suites: usize) {
    println!(
        "\n## Confirmation, 5 to 15 launches, nothing has changed: {suites} suites of {OF_DESIGN} cases\n"
    );
    println!(
        "| launches differ | threshold | suites with an alarm, % | intervals that hold 1, % | launches of a case |"
    );
    println!("|---|---|---|---|---|");
    let wider = |(name, noise, wider): Design, by: f64| (name, noise, wider.map(|w| by * w));
    let rows = DESIGNS.map(|design| (design, 1.0));
    let noisier = [2.0, 5.0].map(|by| (DESIGNS[0], by));
    for (design, by) in rows.into_iter().chain(noisier) {
        for threshold in [0.0, 5.0] {
            let of = confirmation_of(wider(design, by), (5, 15), threshold, (0, 1.0), suites);
            println!(
                "| {}, scale {by} % | {threshold} % | {:.1} | {:.1} | {:.1} |",
                design.0, of.alarmed, of.covered, of.launches
            );
        }
    }
    println!("\n## Confirmation, 3 of {OF_DESIGN} cases slower, threshold 5 %: {suites} suites\n");
    println!("| launches differ by | slower by | launches | found, % | launches of a case |");
    println!("|---|---|---|---|---|");
    for (wide, slower) in [(1.0, 10.0), (2.0, 10.0), (5.0, 20.0)] {
        for launches in [(3, 9), (4, 12), (5, 15), (6, 18), (5, 5), (8, 8)] {
            let design = ("", Noise::Normal, [wide, wide]);
            let of = confirmation_of(design, launches, 5.0, (3, 1.0 + slower / 100.0), suites);
            println!(
                "| {wide} % | {slower} % | {} to {} | {:.1} | {:.1} |",
                launches.0, launches.1, of.found, of.launches
            );
        }
    }
}

/// A part of the tables, by its name.
type Part = (&'static str, fn(usize));

fn main() {
    let mut arguments = std::env::args().skip(1);
    let suites: usize = arguments.next().map_or(1000, |text| text.parse().unwrap());
    let asked: Vec<String> = arguments.collect();
    let parts: [Part; 7] = [
        ("scale", |_| scale()),
        ("alarms", |suites| {
            false_alarms(suites);
            power(suites.div_ceil(5));
        }),
        ("designs", designs),
        ("power", few_launches),
        ("coverage", coverage),
        ("order", order),
        ("confirmation", confirmation),
    ];
    for (name, part) in parts {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            part(suites);
        }
    }
}
