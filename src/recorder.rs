//! What rank 0 keeps while cases finish, and writes when they have.

use crate::analysis::{self, Found};
use crate::config::Config;
use crate::environment::{self, Environment};
use crate::error::{Error, Exit, Result};
use crate::journal::Journal;
use crate::measure::Floors;
use crate::metric;
use crate::plan::{BackendSpec, Case, Plan};
use crate::report::{MeshFacts, Output, Report, Run, SCHEMA, Summary};
use crate::sidecar::Sidecar;

/// The report so far, and the files that hold it.
pub struct Recorder {
    report: Report,
    floors: Floors,
    outputs: Vec<Output>,
    journal: Journal,
    /// Where samples go that are too many for the report.
    pub sidecar: Sidecar,
}

impl Recorder {
    /// Starts the report and its journal.
    ///
    /// # Errors
    /// Usage error when the journal cannot be written.
    pub fn start(
        plan: &Plan,
        config: &Config,
        outputs: Vec<Output>,
        environment: Environment,
        floors: Floors,
    ) -> Result<Self> {
        let first = outputs.first().ok_or_else(|| Error::internal("no output to write"))?;
        let started = now();
        let id = run_id(&started);
        let topology = match &plan.backend {
            BackendSpec::Simulated(topology) => Some(topology.name.clone()),
            BackendSpec::Host | BackendSpec::Cuda { .. } => None,
        };
        let emulated = plan.backend == BackendSpec::Cuda { emulated: true };
        if !emulated {
            environment.refuse_shared_devices()?;
        } else if environment.nodes.len() > 1 {
            return Err(Error::unfit(
                "emulated ranks talk through the loopback device, so all must be on one node; start them \
                 there, or leave --emulate-ranks out",
            ));
        }
        // What an earlier run left is lost from here on.
        let journal = Journal::create(&first.path, &id, plan.fingerprint()?)?;
        let sidecar = Sidecar::at(first.beside("samples.csv.gz"));
        let run = Run {
            id,
            started,
            finished: String::new(),
            command: std::env::args().collect(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build: environment::build(),
            git: environment::commit_of_working_folder(),
            seed: plan.seed,
            backend: plan.backend.name().to_owned(),
            simulated: topology.is_some(),
            emulated,
            imported_from: None,
            incomplete: true,
            exit: Exit::Internal.code(),
            config: config.clone(),
        };
        let report = Report {
            schema: SCHEMA.to_owned(),
            run,
            environment,
            mesh: MeshFacts { order: plan.mesh_order.clone(), axes: plan.mesh.axes.clone() },
            topology,
            floors: Some(floors),
            cases: Vec::new(),
            scaling: Vec::new(),
            pair_matrices: Vec::new(),
            metrics: metric::ALL.to_vec(),
            summary: Summary::default(),
            caveats: Vec::new(),
        };
        Ok(Self { report, floors, outputs, journal, sidecar })
    }

    /// Adds a finished case, on disk when this returns; true when the case failed.
    ///
    /// # Errors
    /// Usage error when a file cannot be written, as on a full disk.
    pub fn record(&mut self, plan: &Plan, case: &Case, found: Found) -> Result<bool> {
        let result = analysis::analyse(plan, case, &self.floors, found);
        self.journal.add(&result)?;
        if let Some(error) = &result.error {
            tracing::error!("case {} failed: {}", case.id, error.detail);
        }
        let failed = result.error.is_some();
        self.report.cases.push(result);
        Ok(failed)
    }

    /// Ends the report and writes it.
    ///
    /// # Errors
    /// Usage error when a file cannot be written; the journal then stays.
    pub fn finish(mut self, plan: &Plan) -> Result<Report> {
        analysis::settle(plan, &self.floors, &mut self.report.cases);
        analysis::compare_with_alone(&mut self.report.cases);
        self.report.pair_matrices = analysis::matrices(plan, &self.report.cases);
        self.report.scaling = analysis::studies(plan, &self.report.cases);
        self.report.run.finished = now();
        self.report.conclude(plan.cases.len());
        self.sidecar.finish()?;
        for output in &self.outputs {
            output.write(&self.report)?;
        }
        self.journal.finish()?;
        Ok(self.report)
    }
}

/// A unique name for what was started then.
pub(crate) fn run_id(started: &str) -> String {
    let tail = crate::random::fingerprint(format!("{started}{}", std::process::id()).bytes());
    format!("{}-{:08x}", started.replace([':', '-'], ""), tail >> 32)
}

/// Now, as reports write it: UTC, to the second.
pub(crate) fn now() -> String {
    humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string()
}
