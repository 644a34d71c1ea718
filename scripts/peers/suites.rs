//! Simulated suites: reports of launches whose times are known to differ, or not to.

use std::f64::consts::TAU;

use tesserabench::base::error::Exit;
use tesserabench::base::random::Stream;
use tesserabench::report::{Case, Latency, Measured, Replicate, Replication, Report};

/// How the launches of a side differ, in units of their scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Noise {
    /// Normal.
    Normal,
    /// Student's t with two degrees of freedom: no variance.
    HeavyTail,
    /// Exponential.
    Skewed,
    /// One in so many launches is ten scales slower.
    Modes(f64),
    /// One in so many launches takes three times as long, whatever the scale.
    RareSlow(f64),
    /// A trend over the launches, by which the last lie four scales above the first.
    Drift,
    /// This share of the variance is common to all cases of a launch.
    Shared(f64),
    /// The scales of the cases differ up to 25-fold.
    UnlikeCases,
}

/// What the times of a side are made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Side {
    /// Launches.
    pub(crate) launches: usize,
    /// Iterations of each.
    pub(crate) iterations: usize,
    /// Scale of the differences between launches, as a share; a standard deviation, where they are normal.
    pub(crate) between: f64,
    /// Their form.
    pub(crate) noise: Noise,
    /// Standard deviation within a launch, as a share.
    pub(crate) within: f64,
    /// Correlation of neighbouring iterations.
    pub(crate) correlation: f64,
}

impl Side {
    /// Eight launches of 100 iterations with a correlation of one half.
    pub(crate) const USUAL: Self = Self {
        launches: 8,
        iterations: 100,
        between: 0.01,
        noise: Noise::Normal,
        within: 0.02,
        correlation: 0.5,
    };

    /// Launches of one figure each, whose logarithms differ by 1 %.
    pub(crate) const fn figures(launches: usize, noise: Noise) -> Self {
        Self { launches, iterations: 1, between: 0.01, noise, within: 0.0, correlation: 0.0 }
    }

    /// A report of this side: a case for each factor, which its times are longer by.
    pub(crate) fn report(self, factors: &[f64], random: &mut Stream) -> Report {
        let mut report: Report = serde_json::from_str(REPORT).unwrap();
        let one: Case = serde_json::from_str(CASE).unwrap();
        let common: Vec<f64> = (0..self.launches).map(|_| normal(random)).collect();
        for (number, factor) in factors.iter().enumerate() {
            let mut case = one.clone();
            case.id = format!("case-{number}");
            // The same on both sides.
            let unlike = Stream::new(1, "unlike cases", &[number as u64]).unit() - 0.5;
            case.replication = Some(self.replication(*factor, 25f64.powf(unlike), &common, random));
            let (median, mean, min, max) = (*factor, *factor, *factor, *factor);
            let latency = Latency { median, mean, min, max, ..Latency::default() };
            let iterations = self.iterations;
            case.measured = Some(Box::new(Measured { iterations, latency, ..Measured::default() }));
            report.cases.push(case);
        }
        report.conclude(factors.len(), Exit::Ok);
        report
    }

    /// By what the logarithms of a launch's times are larger.
    fn effect(self, launch: usize, unlike: f64, common: &[f64], random: &mut Stream) -> f64 {
        let Self { between, .. } = self;
        let chance = random.unit();
        let own = normal(random);
        match self.noise {
            Noise::Normal => between * own,
            Noise::HeavyTail => between * own / (-(1.0 - chance).ln()).sqrt(),
            Noise::Skewed => between * (-(1.0 - chance).ln() - 1.0),
            Noise::Modes(share) => between * (own + if chance < share { 10.0 } else { 0.0 }),
            Noise::RareSlow(share) => between * own + if chance < share { 3f64.ln() } else { 0.0 },
            Noise::Drift => {
                let place = launch as f64 / (self.launches - 1).max(1) as f64;
                between * (own + 4.0 * (place - 0.5))
            }
            Noise::Shared(share) => {
                between * (share.sqrt() * common[launch] + (1.0 - share).sqrt() * own)
            }
            Noise::UnlikeCases => between * own * unlike,
        }
    }

    fn replication(
        self,
        factor: f64,
        unlike: f64,
        common: &[f64],
        random: &mut Stream,
    ) -> Replication {
        let launches = (0..self.launches).map(|replicate| {
            let level = factor * self.effect(replicate, unlike, common, random).exp();
            let mut noise = normal(random);
            let step = (1.0 - self.correlation * self.correlation).sqrt();
            let times_ms: Vec<f64> = (0..self.iterations)
                .map(|_| {
                    noise = self.correlation * noise + step * normal(random);
                    level * (self.within * noise).exp()
                })
                .collect();
            let median_ms = tesserabench::stats::median(&times_ms).unwrap();
            Replicate {
                replicate,
                median_ms,
                iterations: self.iterations,
                invalid: 0,
                times_ms,
                local_median_ms: None,
            }
        });
        let launches = launches.collect();
        Replication {
            launches,
            median_ms: 1.0,
            ci: None,
            between_percent: Some(1.0),
            reproducible: true,
        }
    }
}

/// Box and Muller's transform.
pub(crate) fn normal(random: &mut Stream) -> f64 {
    let (radius, angle) = (1.0 - random.unit(), random.unit());
    (-2.0 * radius.ln()).sqrt() * (TAU * angle).cos()
}

const REPORT: &str = r#"{
    "schema": "tesserabench.report/1",
    "run": {"id": "simulated", "started": "", "finished": "", "command": [], "version": "", "build": "", "git": null,
        "seed": 1, "backend": "host", "simulated": false, "emulated": false, "incomplete": false, "exit": 0, "config": {}},
    "environment": {"mpi": null, "toolchain": null, "libraries": {}, "nodes": [], "ranks": [], "variables": {}},
    "mesh": {"order": "tp", "axes": []}, "topology": null, "floors": null, "cases": [], "scaling": [], "metrics": [],
    "summary": {"cases": 0, "measured": 0, "skipped": 0, "failed": 0}, "caveats": []
}"#;

const CASE: &str = r#"{
    "id": "", "benchmark": "simulated", "problem": {}, "precision": null, "placement": null, "axis": "world",
    "group": "world:0", "participants": [0], "group_size": 1, "outcome": "measured", "reason": null, "error": null,
    "accuracy": null, "caveats": []
}"#;
