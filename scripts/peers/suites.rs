//! Simulated suites: reports of launches whose times are known to differ, or not to.

use std::f64::consts::TAU;

use tesserabench::base::error::Exit;
use tesserabench::base::random::Stream;
use tesserabench::report::{Case, Latency, Measured, Replicate, Replication, Report};

/// What the times of a side are made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Side {
    /// Launches.
    pub(crate) launches: usize,
    /// Iterations of each.
    pub(crate) iterations: usize,
    /// Standard deviation between launches, as a share.
    pub(crate) between: f64,
    /// Standard deviation within a launch, as a share.
    pub(crate) within: f64,
    /// Correlation of neighbouring iterations.
    pub(crate) correlation: f64,
}

impl Side {
    /// Eight launches of 100 iterations with a correlation of one half.
    pub(crate) const USUAL: Self =
        Self { launches: 8, iterations: 100, between: 0.01, within: 0.02, correlation: 0.5 };

    /// A report of this side: a case for each factor, which its times are longer by.
    pub(crate) fn report(self, factors: &[f64], random: &mut Stream) -> Report {
        let mut report: Report = serde_json::from_str(REPORT).unwrap();
        let one: Case = serde_json::from_str(CASE).unwrap();
        for (number, factor) in factors.iter().enumerate() {
            let mut case = one.clone();
            case.id = format!("case-{number}");
            case.replication = Some(self.replication(*factor, random));
            let (median, mean, min, max) = (*factor, *factor, *factor, *factor);
            let latency = Latency { median, mean, min, max, ..Latency::default() };
            let iterations = self.iterations;
            case.measured = Some(Box::new(Measured { iterations, latency, ..Measured::default() }));
            report.cases.push(case);
        }
        report.conclude(factors.len(), Exit::Ok);
        report
    }

    fn replication(self, factor: f64, random: &mut Stream) -> Replication {
        let launches = (0..self.launches).map(|replicate| {
            let level = factor * (self.between * normal(random)).exp();
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
