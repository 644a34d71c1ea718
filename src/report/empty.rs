//! The report before its first case, and a case before anything is known of it.

use super::{Case, MeshFacts, MetricFacts, Report, Run, SCHEMA, TimingOverhead};
use crate::base::error::Exit;
use crate::base::random;
use crate::base::units::now;
use crate::benchmark::Counts;
use crate::machine::environment::{self, Environment};
use crate::plan::config::Config;
use crate::plan::{self, BackendSpec, Plan};

/// The report of a run of a plan before its first case.
pub fn empty(
    plan: &Plan,
    config: &Config,
    environment: Environment,
    floors: TimingOverhead,
) -> Report {
    let mesh = MeshFacts { order: plan.mesh_order.clone(), axes: plan.mesh.axes.clone() };
    let mut report = begun(plan.backend.name(), config, environment, mesh);
    if let BackendSpec::Simulated(topology) = &plan.backend {
        report.topology = Some(topology.name.clone());
        report.run.simulated = true;
    }
    report.run.emulated = matches!(plan.backend, BackendSpec::Cuda { emulated: true, .. });
    report.run.seed = plan.seed;
    report.run.kernels = plan.kernels.clone();
    report.floors = Some(floors);
    report
}

/// The report of a run that begins now, without cases.
pub fn begun(backend: &str, config: &Config, environment: Environment, mesh: MeshFacts) -> Report {
    let started = now();
    let tail = random::fingerprint(format!("{started}{}", std::process::id()).bytes());
    let run = Run {
        id: format!("{}-{:08x}", started.replace([':', '-'], ""), tail >> 32),
        started,
        command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        build: environment::build(),
        backend: backend.to_owned(),
        incomplete: true,
        exit: Exit::Internal.code(),
        config: config.clone(),
        ..Run::default()
    };
    let (schema, metrics) = (SCHEMA.to_owned(), MetricFacts::all());
    Report { schema, run, environment, mesh, metrics, ..Report::default() }
}

impl Case {
    /// A planned case that counts this, as if it had been measured, without figures.
    pub fn empty(planned: &plan::Case, counts: Counts) -> Self {
        Self {
            id: planned.id.clone(),
            benchmark: planned.benchmark.clone(),
            problem: planned.problem.clone(),
            precision: planned.precision,
            placement: planned.placement,
            axis: planned.group.axis.clone(),
            group: planned.group.to_string(),
            participants: planned.group.ranks.clone(),
            group_size: planned.group.ranks.len(),
            counts: Some(counts),
            concurrent: planned.set.is_some(),
            ..Self::default()
        }
    }
}
