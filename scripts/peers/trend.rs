//! How often `history trend` sees changes where there are none, and finds those there are, on simulated series; and how
//! often a gate fails for nothing where sessions differ.
//!
//! `cargo run --release --example trend [TABLE…]`; about three minutes for all.
#![expect(clippy::print_stdout, reason = "tables are what this is for")]
#![expect(clippy::unwrap_used, reason = "it ends when something is wrong")]

#[path = "suites.rs"]
#[expect(dead_code, reason = "gate.rs uses the rest")]
mod suites;

use tesserabench::analysis::{Reports, Rules, compare, noise_floor};
use tesserabench::base::random::Stream;
use tesserabench::plan::config::{ComparedMetric, Config};
use tesserabench::report::{Report, Verdict};
use tesserabench::stats::{Change, change_points};

use suites::{Side, normal};

/// Families of each cell where nothing changes, and series where something does.
const FAMILIES: u64 = 1000;
const SERIES: u64 = 500;

/// Series that are looked at together where something changes in one.
const FAMILY: usize = 30;

/// A kind of noise with a standard deviation of 1.
#[derive(Clone, Copy)]
enum Noise {
    /// Normal, with this correlation of neighbours.
    Normal(f64),
    /// Student's t with three degrees of freedom.
    Heavy,
    /// Exponential.
    Skewed,
    /// Normal, but one in twenty lies 20 higher.
    Outliers,
}

const NOISES: [(&str, Noise); 7] = [
    ("normal", Noise::Normal(0.0)),
    ("AR(0.5)", Noise::Normal(0.5)),
    ("AR(0.7)", Noise::Normal(0.7)),
    ("AR(0.8)", Noise::Normal(0.8)),
    ("t of 3", Noise::Heavy),
    ("exponential", Noise::Skewed),
    ("5 % outliers", Noise::Outliers),
];

impl Noise {
    fn values(self, n: usize, random: &mut Stream) -> Vec<f64> {
        let mut last = normal(random);
        let mut value = || match self {
            Self::Normal(correlation) => {
                let next = (1.0 - correlation * correlation).sqrt() * normal(random);
                let next = correlation * last + next;
                std::mem::replace(&mut last, next)
            }
            Self::Heavy => {
                let square = (0..3).map(|_| normal(random).powi(2)).sum::<f64>();
                normal(random) / square.sqrt()
            }
            Self::Skewed => -(1.0 - random.unit()).ln(),
            Self::Outliers => normal(random) + if random.unit() < 0.05 { 20.0 } else { 0.0 },
        };
        (0..n).map(|_| value()).collect()
    }
}

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let tables: [(&str, fn()); 6] = [
        ("alarms", false_alarms),
        ("steps", steps),
        ("faults", faults),
        ("spreads", spreads),
        ("looks", looks),
        ("sessions", sessions),
    ];
    for (name, table) in tables {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            table();
        }
    }
}

fn percent(count: usize, of: u64) -> String {
    format!("{:.1}", 100.0 * count as f64 / of as f64)
}

/// How many of some numbers fulfil a condition.
fn count(of: u64, holds: impl Fn(u64) -> bool) -> usize {
    (0..of).filter(|number| holds(*number)).count()
}

fn false_alarms() {
    println!("Families of series with any change, where there is none, %:\n");
    println!("| noise | values | 1 series | 10 series | 30 series |\n|---|---|---|---|---|");
    for (name, noise) in NOISES {
        for n in [20, 40, 100] {
            let cells = [1, 10, 30].map(|family| {
                let changes = count(FAMILIES, |seed| {
                    let mut random = Stream::new(seed, name, &[n as u64]);
                    let mut series = (0..family).map(|_| noise.values(n, &mut random));
                    series.any(|values| !change_points(&values, family).is_empty())
                });
                percent(changes, FAMILIES)
            });
            println!("| {name} | {n} | {} |", cells.join(" | "));
        }
    }
}

/// The changes of series of noise to which something was done.
fn changes(
    (name, noise): (&str, Noise),
    n: usize,
    family: usize,
    change: impl Fn(&mut [f64]),
) -> Vec<Vec<Change>> {
    let of = |seed| {
        let mut values = noise.values(n, &mut Stream::new(seed, name, &[n as u64, 1]));
        change(&mut values);
        change_points(&values, family)
    };
    (0..SERIES).map(of).collect()
}

fn steps() {
    println!(
        "\nSteps that are found in one of {FAMILY} series, %; in brackets of those found: named as a change of"
    );
    println!("level, and with the true place among those named, %:\n");
    let last = [10, 5, 3, 2, 1];
    println!(
        "| noise | values | step, sd | middle | {} |\n|---|---|---|---|---|---|---|---|---|",
        last.map(|last| format!("last {last}")).join(" | ")
    );
    for noise in [NOISES[0], NOISES[1], NOISES[6]] {
        for n in [20, 40, 100] {
            for step in [2.0, 5.0, 30.0] {
                let cells = [n / 2].into_iter().chain(last).map(|last| {
                    let at = n - last;
                    let found = changes(noise, n, FAMILY, |values| {
                        values[at..].iter_mut().for_each(|value| *value += step);
                    });
                    let near = |change: &&Change| change.index.abs_diff(at) <= 5;
                    let found: Vec<&Change> =
                        found.iter().filter_map(|changes| changes.iter().find(near)).collect();
                    let share = |holds: &dyn Fn(&Change) -> bool| {
                        let count = found.iter().filter(|change| holds(change)).count();
                        100 * count / found.len().max(1)
                    };
                    let level = share(&|change| change.is_of_level);
                    let placed =
                        share(&|change| (change.places[0]..=change.places[1]).contains(&at));
                    let found = percent(found.len(), SERIES);
                    format!("{found} ({level}, {placed})")
                });
                println!(
                    "| {} | {n} | {step} | {} |",
                    noise.0,
                    cells.collect::<Vec<_>>().join(" | ")
                );
            }
        }
    }
}

fn faults() {
    println!(
        "\nFaults of so many reports from the middle on, of which both ends are found within one report, %:\n"
    );
    println!(
        "| noise | values | size, sd | 4 reports | 5 | 7 | 10 |\n|---|---|---|---|---|---|---|"
    );
    for noise in &NOISES[..2] {
        for n in [40, 100] {
            for size in [5.0, 30.0] {
                let cells = [4, 5, 7, 10].map(|long| {
                    let (from, to) = (n / 2, n / 2 + long);
                    let found = changes(*noise, n, FAMILY, |values| {
                        values[from..to].iter_mut().for_each(|value| *value += size);
                    });
                    let has = |changes: &&Vec<Change>| {
                        let at =
                            |place: usize| changes.iter().any(|c| c.index.abs_diff(place) <= 1);
                        at(from) && at(to)
                    };
                    percent(found.iter().filter(has).count(), SERIES)
                });
                println!("| {} | {n} | {size} | {} |", noise.0, cells.join(" | "));
            }
        }
    }
}

fn spreads() {
    println!(
        "\nSeries of which only the spread changes: with any change, and with one that is called better or worse, %:\n"
    );
    println!(
        "| noise | values | five times from the middle | eight times in the last 10 |\n|---|---|---|---|"
    );
    for noise in &NOISES[..2] {
        for n in [40, 100] {
            let cells = [(n / 2, 5.0), (n - 10, 8.0)].map(|(from, times)| {
                let found = changes(*noise, n, 1, |values| {
                    values[from..].iter_mut().for_each(|value| *value *= times);
                });
                let any = found.iter().filter(|changes| !changes.is_empty()).count();
                let level = found.iter().filter(|all| all.iter().any(|change| change.is_of_level));
                format!("{}, {}", percent(any, SERIES), percent(level.count(), SERIES))
            });
            println!("| {} | {n} | {} |", noise.0, cells.join(" | "));
        }
    }
}

fn looks() {
    const GROWING: u64 = 300;
    println!(
        "\nHistories without a change that have shown one by any of 81 looks, after 20, 21 ... 100 reports, %:\n"
    );
    println!("| noise | 1 series | {FAMILY} series |\n|---|---|---|");
    for (name, noise) in &NOISES[..2] {
        let cells = [1, FAMILY].map(|family| {
            let shown = count(GROWING, |seed| {
                let mut random = Stream::new(seed, name, &[2]);
                let mut series = (0..family).map(|_| noise.values(100, &mut random));
                series.any(|values| {
                    (20..=100).any(|n| !change_points(&values[..n], family).is_empty())
                })
            });
            percent(shown, GROWING)
        });
        println!("| {name} | {} |", cells.join(" | "));
    }
}

/// Gates of 30 cases with eight launches a side, where each case has a level of its own in each session.
fn sessions() {
    const GATES: u64 = 200;
    println!(
        "\nGates of unchanged code that fail where cases differ by 3 % from session to session, %; the noise floor, %;"
    );
    println!("and how many of three cases that are slower by so much regress, %:\n");
    println!(
        "| sessions of the history | fail | noise floor | 10 % slower | 20 % | 30 % |\n|---|---|---|---|---|---|"
    );
    for sessions in [0, 2, 3, 5, 10] {
        let (mut failed, mut floors, mut found) = (0, 0.0, [0; 3]);
        for seed in 0..GATES {
            let mut random = Stream::new(seed, "sessions", &[sessions]);
            let mut session = |slower: f64| -> Vec<f64> {
                let level =
                    |case| (0.03 * normal(&mut random)).exp() * if case < 3 { slower } else { 1.0 };
                (0..FAMILY).map(level).collect()
            };
            let levels: Vec<Vec<f64>> = (0..sessions.max(1)).map(|_| session(1.0)).collect();
            let candidates = [1.0, 1.1, 1.2, 1.3].map(&mut session);
            let mut measured = |levels: &Vec<f64>| vec![Side::USUAL.report(levels, &mut random)];
            let history: Vec<Vec<Report>> = levels.iter().map(&mut measured).collect();
            let mut rules = Rules::resolve(&Config::default()).unwrap();
            let again = history.iter().map(Vec::as_slice).collect();
            rules.noise_floor = noise_floor(&[again], ComparedMetric::Latency);
            floors += rules.noise_floor.map_or(0.0, |floor| floor.share);
            let regressed = |candidate: &Vec<f64>| {
                let candidate = measured(candidate);
                let one = |reports| Reports { files: &[], reports };
                let comparison = compare(one(&history[0]), one(&candidate), &rules);
                comparison.cases.iter().map(|case| case.verdict == Verdict::Regressed).collect()
            };
            let [same, slower @ ..]: [Vec<bool>; 4] = candidates.each_ref().map(regressed);
            failed += usize::from(same.contains(&true));
            for (found, slower) in found.iter_mut().zip(slower) {
                *found += slower[..3].iter().filter(|regressed| **regressed).count();
            }
        }
        let found = found.map(|found| percent(found, 3 * GATES));
        let floor = 100.0 * floors / GATES as f64;
        let sessions = if sessions == 0 { "none" } else { &sessions.to_string() };
        println!(
            "| {sessions} | {} | {floor:.1} | {} |",
            percent(failed, GATES),
            found.join(" | ")
        );
    }
}
