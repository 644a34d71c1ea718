//! How often intervals hold, on simulated noise of one launch and on launches.
//!
//! `cargo run --release --example coverage`; about 3 min.
#![expect(clippy::print_stdout, reason = "a table is what this is for")]

use std::f64::consts::TAU;

use tesserabench::base::random::Stream;
use tesserabench::measure::stop::rounds_missing;
use tesserabench::plan::Target;
use tesserabench::stats;

/// Runs of each cell.
const RUNS: u32 = 1000;

/// Confidence of the intervals.
const CONFIDENCE: f64 = 0.95;

/// Half the width at which a sequential run ends, as a share of the quantile.
const TARGET: f64 = 0.01;

/// Values after which a sequential run ends all the same.
const CAP: usize = 5000;

/// How values follow each other.
#[derive(Debug, Clone, Copy)]
enum Noise {
    /// AR(1) with this φ, normal with a coefficient of variation of 2 %.
    Normal(f64),
    /// The same with e^(0.1 z).
    LogNormal(f64),
    /// AR(1) with this φ beneath as much white noise, as the first.
    Beneath(f64),
    /// 1 and 1.2, each ± 1 %: so many values on average in the lower and in the higher before it changes.
    Switching(f64, f64),
}

/// A stationary process.
struct Process {
    noise: Noise,
    last: f64,
    is_high: bool,
    random: Stream,
}

impl Process {
    fn new(noise: Noise, mut random: Stream) -> Self {
        let last = normal(&mut random);
        let high = match noise {
            Noise::Switching(low, high) => high / (low + high),
            _ => 0.0,
        };
        Self { noise, last, is_high: random.unit() < high, random }
    }

    /// The next value of the AR(1) process.
    fn next_normal(&mut self, phi: f64) -> f64 {
        let innovation = (1.0 - phi * phi).sqrt() * normal(&mut self.random);
        let next = phi * self.last + innovation;
        std::mem::replace(&mut self.last, next)
    }

    fn next(&mut self) -> f64 {
        match self.noise {
            Noise::Normal(phi) => 1.0 + 0.02 * self.next_normal(phi),
            Noise::LogNormal(phi) => (0.1 * self.next_normal(phi)).exp(),
            Noise::Beneath(phi) => {
                let sum = self.next_normal(phi) + normal(&mut self.random);
                1.0 + 0.02 * sum / 2f64.sqrt()
            }
            Noise::Switching(low, high) => {
                let stay = if self.is_high { high } else { low };
                self.is_high ^= self.random.unit() < 1.0 / stay;
                let level = if self.is_high { 1.2 } else { 1.0 };
                level * (1.0 + 0.01 * normal(&mut self.random))
            }
        }
    }
}

/// Where the standard normal distribution has the quantile: the median or p95.
fn standard(q: f64) -> f64 {
    if q == 0.5 { 0.0 } else { 1.644_853_626_951_472 }
}

/// Where the noise has the quantile.
fn truth(noise: Noise, q: f64) -> f64 {
    match noise {
        Noise::Normal(_) | Noise::Beneath(_) => 1.0 + 0.02 * standard(q),
        Noise::LogNormal(_) => (0.1 * standard(q)).exp(),
        Noise::Switching(low, high) => {
            let share = low / (low + high);
            let at = |x: f64| {
                share * below((x - 1.0) / 0.01) + (1.0 - share) * below((x / 1.2 - 1.0) / 0.01)
            };
            let (mut lower, mut upper) = (0.5, 2.0);
            for _ in 0..100 {
                let middle = f64::midpoint(lower, upper);
                if at(middle) < q { lower = middle } else { upper = middle }
            }
            upper
        }
    }
}

/// The standard normal distribution, by a sum over small steps: 1e-6 is enough here.
fn below(z: f64) -> f64 {
    let z = z.clamp(-8.0, 8.0);
    let steps = 400;
    let step = (z + 8.0) / f64::from(steps);
    let density = |i: i32| {
        let x = -8.0 + step * (f64::from(i) + 0.5);
        (-x * x / 2.0).exp() / TAU.sqrt()
    };
    (0..steps).map(density).sum::<f64>() * step
}

/// Box and Muller's transform.
fn normal(random: &mut Stream) -> f64 {
    let (radius, angle) = (1.0 - random.unit(), random.unit());
    (-2.0 * radius.ln()).sqrt() * (TAU * angle).cos()
}

fn main() {
    let noises = [
        Noise::Normal(0.0),
        Noise::Normal(0.3),
        Noise::Normal(0.5),
        Noise::Normal(0.8),
        Noise::Normal(0.95),
        Noise::LogNormal(0.0),
        Noise::LogNormal(0.3),
        Noise::LogNormal(0.5),
        Noise::LogNormal(0.8),
        Noise::LogNormal(0.95),
        Noise::Beneath(0.9),
        Noise::Switching(5.0, 5.0),
        Noise::Switching(25.0, 25.0),
        Noise::Switching(30.0, 20.0),
        Noise::Switching(80.0, 20.0),
        Noise::Switching(100.0, 100.0),
    ];
    println!(
        "{RUNS} runs a cell: % of runs with a false interval / of runs without one / of the intervals that hold; mean number of values"
    );
    println!();
    println!("| noise | quantile | n = 100 | n = 300 | n = 1000 | until ± 1 %, at most {CAP} |");
    println!("|---|---|---|---|---|---|");
    for noise in noises {
        for (name, q) in [("median", 0.5), ("p95", 0.95)] {
            let lengths = [Some(100), Some(300), Some(1000), None];
            let cells = lengths.map(|length| cell(noise, length, q)).join(" | ");
            println!("| {noise:?} | {name} | {cells} |");
        }
    }
    println!();
    println!("Launches: log-normal, 1 %; each three times slower with this probability");
    println!();
    println!("| probability | 3 | 6 | 8 | 16 | 30 launches |");
    println!("|---|---|---|---|---|---|");
    for slow in [0.0, 0.03, 0.1] {
        let cells = [3, 6, 8, 16, 30].map(|launches| of_launches(slow, launches)).join(" | ");
        println!("| {slow} | {cells} |");
    }
}

/// One cell; a run ends after so many values, or by itself.
fn cell(noise: Noise, length: Option<usize>, q: f64) -> String {
    let target = Target { half_width: TARGET, quantiles: vec![q], confidence: CONFIDENCE };
    let truth = truth(noise, q);
    let (mut told, mut n) = (Told::default(), 0);
    for run in 0..RUNS {
        let name = format!("{noise:?}");
        let mut process = Process::new(noise, Stream::new(run.into(), &name, &[q.to_bits()]));
        let mut values: Vec<f64> = Vec::new();
        loop {
            let more =
                length.map_or_else(|| rounds_missing(&values, &target), |n| n - values.len());
            let more = more.min(length.unwrap_or(CAP) - values.len());
            if more == 0 {
                break;
            }
            values.extend((0..more).map(|_| process.next()));
        }
        n += values.len();
        told.add(stats::quantile_interval(&values, q, CONFIDENCE), truth);
    }
    let mean = n as f64 / f64::from(RUNS);
    if length.is_some() { told.cell() } else { format!("{}; {mean:.0}", told.cell()) }
}

/// The median of launches.
fn of_launches(slow: f64, launches: usize) -> String {
    let mut told = Told::default();
    // One half of all launches lie below the quantile 0.5/(1 − slow) of the quick ones.
    let share = 0.5 / (1.0 - slow);
    let (mut lower, mut upper) = (-8.0, 8.0);
    for _ in 0..60 {
        let middle = f64::midpoint(lower, upper);
        if below(middle) < share { lower = middle } else { upper = middle }
    }
    let truth = (0.01 * upper).exp();
    for run in 0..RUNS {
        let mut random = Stream::new(run.into(), "launches", &[slow.to_bits(), launches as u64]);
        let mut launch = || {
            let time = (0.01 * normal(&mut random)).exp();
            if random.unit() < slow { 3.0 * time } else { time }
        };
        let medians: Vec<f64> = (0..launches).map(|_| launch()).collect();
        told.add(stats::independent_median_interval(&medians, CONFIDENCE), truth);
    }
    told.cell()
}

/// What became of the runs of a cell.
#[derive(Default)]
struct Told {
    held: u32,
    wrong: u32,
    none: u32,
}

impl Told {
    fn add(&mut self, interval: Option<stats::Interval>, truth: f64) {
        match interval {
            Some(interval) if (interval.low..=interval.high).contains(&truth) => self.held += 1,
            Some(_) => self.wrong += 1,
            None => self.none += 1,
        }
    }

    fn cell(&self) -> String {
        let percent = |part: u32, whole: u32| 100.0 * f64::from(part) / f64::from(whole);
        let intervals = self.held + self.wrong;
        let holds = match intervals {
            0 => "-".to_owned(),
            _ => format!("{:.1}", percent(self.held, intervals)),
        };
        format!("{:.1} / {:.1} / {holds}", percent(self.wrong, RUNS), percent(self.none, RUNS))
    }
}
