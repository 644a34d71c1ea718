//! How often intervals of quantiles cover the true quantile, on simulated AR(1) series.
//!
//! `cargo run --release --example coverage`; about 40 s.
#![expect(clippy::print_stdout, reason = "a table is what this is for")]

use std::f64::consts::TAU;

use tesserabench::base::random::Stream;
use tesserabench::measure::stop::rounds_missing;
use tesserabench::plan::Target;
use tesserabench::stats;

/// Runs of each cell.
const RUNS: u32 = 2000;

/// Confidence of the intervals.
const CONFIDENCE: f64 = 0.95;

/// Half the width at which a sequential run ends, as a share of the quantile.
const TARGET: f64 = 0.01;

/// Quantiles, and where the standard normal distribution has them.
const QUANTILES: [(&str, f64, f64); 2] =
    [("median", 0.5, 0.0), ("p95", 0.95, 1.644_853_626_951_472)];

/// A distribution of times, as a function of a standard normal value.
type Marginal = fn(f64) -> f64;

const MARGINALS: [(&str, Marginal); 2] =
    [("normal, cv 2 %", |z| 1.0 + 0.02 * z), ("log-normal, sigma 0.1", |z| (0.1 * z).exp())];

/// How many values a run takes.
#[derive(Clone, Copy)]
enum Length {
    Fixed(usize),
    Sequential,
}

/// A stationary AR(1) process with standard normal values.
struct Process {
    phi: f64,
    last: f64,
    random: Stream,
}

impl Process {
    fn new(phi: f64, mut random: Stream) -> Self {
        Self { phi, last: normal(&mut random), random }
    }

    fn next(&mut self) -> f64 {
        let innovation = (1.0 - self.phi * self.phi).sqrt() * normal(&mut self.random);
        let next = self.phi * self.last + innovation;
        std::mem::replace(&mut self.last, next)
    }
}

/// Box and Muller's transform.
fn normal(random: &mut Stream) -> f64 {
    let (radius, angle) = (1.0 - random.unit(), random.unit());
    (-2.0 * radius.ln()).sqrt() * (TAU * angle).cos()
}

fn main() {
    println!("{RUNS} runs a cell; coverage and width of the runs that have an interval");
    println!(
        "{:<22} {:>3} {:>10} {:>8} {:>9} {:>12} {:>7} {:>9}",
        "distribution",
        "phi",
        "values",
        "quantile",
        "covers %",
        "half-width %",
        "mean n",
        "without %"
    );
    let lengths = [Length::Fixed(100), Length::Fixed(1000), Length::Sequential];
    for (name, marginal) in MARGINALS {
        for phi in [0.0, 0.3, 0.5, 0.8] {
            for length in lengths {
                for quantile in QUANTILES {
                    row(name, marginal, phi, length, quantile);
                }
            }
        }
    }
}

fn row(
    distribution: &str,
    marginal: Marginal,
    phi: f64,
    length: Length,
    (name, q, z): (&str, f64, f64),
) {
    let target = Target { half_width: TARGET, quantiles: vec![q], confidence: CONFIDENCE };
    let (mut covered, mut have, mut width, mut n) = (0u32, 0u32, 0.0, 0);
    for run in 0..RUNS {
        let random = Stream::new(run.into(), distribution, &[phi.to_bits(), q.to_bits()]);
        let mut process = Process::new(phi, random);
        let mut values: Vec<f64> = Vec::new();
        loop {
            let more = match length {
                Length::Fixed(n) => n - values.len(),
                Length::Sequential => rounds_missing(&values, &target),
            };
            if more == 0 {
                break;
            }
            values.extend((0..more).map(|_| marginal(process.next())));
        }
        n += values.len();
        let interval = stats::quantile_interval(&values, q, CONFIDENCE);
        let Some((interval, value)) = interval.zip(stats::quantile(&values, q)) else { continue };
        have += 1;
        width += 50.0 * (interval.high - interval.low) / value;
        covered += u32::from((interval.low..=interval.high).contains(&marginal(z)));
    }
    let values = match length {
        Length::Fixed(n) => n.to_string(),
        Length::Sequential => "sequential".to_owned(),
    };
    let percent = |part: u32, whole: u32| 100.0 * f64::from(part) / f64::from(whole);
    let (covers, width) = match have {
        0 => ("-".to_owned(), "-".to_owned()),
        _ => (format!("{:.1}", percent(covered, have)), format!("{:.2}", width / f64::from(have))),
    };
    println!(
        "{distribution:<22} {phi:>3} {values:>10} {name:>8} {covers:>9} {width:>12} {:>7.0} {:>9.1}",
        n as f64 / f64::from(RUNS),
        percent(RUNS - have, RUNS),
    );
}
