//! The results of one benchmark, and the list of all, as the files of a folder hold them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Case, Latency, MeshFacts, Metrics, Outcome, RankTimes, Report, Run, Skew, Summary,
    TimingOverhead,
};
use crate::base::accuracy::Accuracy;
use crate::base::caveat::Caveat;
use crate::base::failure::CaseError;
use crate::benchmark::Problem;
use crate::benchmark::kernel::Tuning;
use crate::benchmark::work::{Element, Placement};
use crate::machine::energy::Energy;
use crate::machine::environment::Environment;
use crate::machine::kernel::Compilation;
use crate::machine::memory::RankMemory;
use crate::plan::config::Protocol;

/// The benchmarks of a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KernelManifest {
    /// The run's unique name.
    pub run: String,
    /// Its version of this program.
    pub version: String,
    /// The benchmarks, by name.
    pub kernels: Vec<KernelEntry>,
}

/// A benchmark of a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KernelEntry {
    /// Its name.
    pub name: String,
    /// The file with its results, in the manifest's folder.
    pub file: String,
    /// The folder that it was found in; null for one that comes with the program.
    pub folder: Option<String>,
    /// Fingerprint of its description and source, where it was found in a folder.
    pub content: Option<String>,
    /// The element types that it was measured with.
    pub precisions: Vec<Element>,
    /// Counts of its cases.
    pub cases: Summary,
}

/// The results of a benchmark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KernelResults {
    /// Its name.
    pub name: String,
    /// The run's unique name.
    pub run: String,
    /// Its cases, in the order in which they ran.
    pub cases: Vec<KernelCase>,
}

/// A case in blocks. What is not known is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KernelCase {
    /// Its name.
    pub id: String,
    /// One rank's problem.
    pub problem: Problem,
    /// Element type.
    pub precision: Option<Element>,
    /// In place or out of place.
    pub placement: Option<Placement>,
    /// The group of ranks, as `tp:0-1`.
    pub group: String,
    /// World ranks that took part.
    pub participants: Vec<usize>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it was skipped.
    pub reason: Option<String>,
    /// What went wrong.
    pub error: Option<CaseError>,
    /// Times and rates.
    pub timing: Option<Timing>,
    /// Memory.
    pub memory: Option<Memory>,
    /// Energy of its GPUs, or of its nodes' CPU packages.
    pub energy: Option<Energy>,
    /// How results compared with their reference.
    pub accuracy: Option<Accuracy>,
    /// What of its kernel was chosen for the device.
    pub tuning: Option<Tuning>,
    /// How its kernel came to be machine code.
    pub compile: Option<Compilation>,
    /// Reasons why the figures may mislead.
    pub caveats: Vec<Caveat>,
}

/// Times and rates of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timing {
    /// How the ranks started each iteration.
    pub protocol: Protocol,
    /// Untimed iterations before the first valid one.
    pub warmup: Option<usize>,
    /// Valid iterations.
    pub iterations: usize,
    /// Rounds left out because a rank came late to the start.
    pub invalid: usize,
    /// Operations in one sample.
    pub batch: Option<u32>,
    /// Median over launches, where there were several; else that of the latency, ms.
    pub median_ms: Option<f64>,
    /// The headline times.
    pub latency: Latency,
    /// The times by the other definition that the host's clock allows.
    pub latency_local: Option<Latency>,
    /// The time on the devices themselves.
    pub device_time: Option<Latency>,
    /// The time by the host's clock, where the others are by the devices'.
    #[serde(default)]
    pub host_time: Option<Latency>,
    /// Each rank's own times.
    pub per_rank: Vec<RankTimes>,
    /// How far apart the ranks were.
    pub skew: Option<Skew>,
    /// Rates.
    pub metrics: Metrics,
}

/// Memory that a case took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Memory {
    /// The most that a rank's process took, bytes.
    pub host_peak_bytes: u64,
    /// That of each rank.
    pub per_rank: Vec<RankMemory>,
}

/// Where and how a report was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Origins {
    /// The run itself.
    pub run: Run,
    /// The ranks' arrangement.
    pub mesh: MeshFacts,
    /// The machine that was simulated.
    pub topology: Option<String>,
    /// What measuring itself costs.
    pub floors: Option<TimingOverhead>,
    /// What a reader needs to believe the numbers.
    pub environment: Environment,
}

impl Report {
    /// Where and how it was made.
    pub fn origins(&self) -> Origins {
        Origins {
            run: self.run.clone(),
            mesh: self.mesh.clone(),
            topology: self.topology.clone(),
            floors: self.floors,
            environment: self.environment.clone(),
        }
    }

    /// The results of each benchmark, by name.
    pub fn kernels(&self) -> Vec<KernelResults> {
        let mut kernels: Vec<KernelResults> = Vec::new();
        for case in &self.cases {
            match kernels.iter_mut().find(|kernel| kernel.name == case.benchmark) {
                Some(kernel) => kernel.cases.push(KernelCase::of(case)),
                None => kernels.push(KernelResults {
                    name: case.benchmark.clone(),
                    run: self.run.id.clone(),
                    cases: vec![KernelCase::of(case)],
                }),
            }
        }
        kernels.sort_by(|a, b| a.name.cmp(&b.name));
        kernels
    }

    /// The list of its benchmarks, whose results are in files that `file` names.
    pub fn manifest(&self, file: impl Fn(&str) -> String) -> KernelManifest {
        let entry = |kernel: KernelResults| {
            let found = self.run.kernels.iter().find(|found| found.name == kernel.name);
            let mut precisions: Vec<Element> = Vec::new();
            for precision in kernel.cases.iter().filter_map(|case| case.precision) {
                if !precisions.contains(&precision) {
                    precisions.push(precision);
                }
            }
            let count = |outcome| kernel.cases.iter().filter(|it| it.outcome == outcome).count();
            KernelEntry {
                file: file(&kernel.name),
                folder: found.map(|found| found.folder.clone()),
                content: found.and_then(|found| found.content.clone()),
                precisions,
                cases: Summary {
                    cases: kernel.cases.len(),
                    measured: count(Outcome::Measured),
                    skipped: count(Outcome::Skipped),
                    failed: count(Outcome::Failed) + count(Outcome::TimedOut),
                },
                name: kernel.name,
            }
        };
        KernelManifest {
            run: self.run.id.clone(),
            version: self.run.version.clone(),
            kernels: self.kernels().into_iter().map(entry).collect(),
        }
    }
}

impl KernelCase {
    fn of(case: &Case) -> Self {
        Self {
            id: case.id.clone(),
            problem: case.problem.clone(),
            precision: case.precision,
            placement: case.placement,
            group: case.group.clone(),
            participants: case.participants.clone(),
            outcome: case.outcome,
            reason: case.reason.clone(),
            error: case.error.clone(),
            timing: timing(case),
            memory: memory(case),
            energy: case.measured.as_ref().and_then(|measured| measured.energy.clone()),
            accuracy: case.accuracy.clone(),
            tuning: case.measured.as_ref().and_then(|measured| measured.tuning.clone()),
            compile: case.measured.as_ref().and_then(|measured| measured.compile.clone()),
            caveats: case.caveats.clone(),
        }
    }
}

fn timing(case: &Case) -> Option<Timing> {
    let measured = case.measured.as_deref()?;
    Some(Timing {
        protocol: measured.protocol,
        warmup: measured.warmup,
        iterations: measured.iterations,
        invalid: measured.invalid,
        batch: measured.batch,
        median_ms: case.median_ms(),
        latency: measured.latency.clone(),
        latency_local: measured.latency_local.clone(),
        device_time: measured.device_time.clone(),
        host_time: measured.host_time.clone(),
        per_rank: measured.per_rank.clone(),
        skew: measured.skew.clone(),
        metrics: measured.metrics.clone(),
    })
}

fn memory(case: &Case) -> Option<Memory> {
    let per_rank = &case.measured.as_deref()?.memory;
    let host_peak_bytes = per_rank.iter().map(|rank| rank.host_peak_bytes).max()?;
    Some(Memory { host_peak_bytes, per_rank: per_rank.clone() })
}
