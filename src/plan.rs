//! What to run, resolved: the same plan on every rank gives the same cases in the same order.

mod budget;
mod placing;
mod sweep;

use serde::{Deserialize, Serialize};

use crate::benchmark::Problem;
use crate::config::{BackendChoice, Config, Protocol, ScalingKind};
use crate::error::{Error, Result};
use crate::mesh::{self, Group, Mesh};
use crate::topology::{self, Topology};
use crate::work::{Element, Placement, Work};
pub use budget::{Budget, ITERATION_LIMIT};
use placing::Placing;

/// Deadline of a run when nothing else is said, beside the time asked for by way of measuring, seconds.
const TIMEOUT_S: f64 = 3600.0;

/// Most operations of a sample on a GPU; a driver's queue of launches is known to hold about a thousand.
const DEVICE_BATCH_LIMIT: u32 = 500;

/// Longest deadline, seconds: ten years. More does not fit the clock's arithmetic.
const TIMEOUT_LIMIT_S: f64 = 3.2e8;

/// Everything a rank needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Number of ranks.
    pub ranks: usize,
    /// Their arrangement.
    pub mesh: Mesh,
    /// Axes from fastest to slowest, as asked for.
    pub mesh_order: String,
    /// What interprets the work.
    pub backend: BackendSpec,
    /// How ranks start together.
    pub protocol: Protocol,
    /// How much is measured in each case.
    pub budget: Budget,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Whether the other cases still run after one fails.
    pub continue_on_error: bool,
    /// Deadline of the whole run, seconds.
    pub timeout_s: f64,
    /// Coefficient of variation above which a case carries a caveat, percent.
    pub max_variance_percent: f64,
    /// The cases, in the order in which they run.
    pub cases: Vec<Case>,
}

/// Which backend, with what it needs to open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum BackendSpec {
    /// CPU kernels and MPI collectives.
    Host,
    /// NVIDIA GPUs.
    Cuda {
        /// Whether ranks may share a GPU.
        emulated: bool,
    },
    /// A model of this machine, in virtual time.
    Simulated(Box<Topology>),
}

impl BackendSpec {
    /// The name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Cuda { .. } => "cuda",
            Self::Simulated(_) => "simulated",
        }
    }
}

/// One benchmark at one problem on one set of ranks: the unit of running, failing and comparing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Name that stays the same from run to run.
    pub id: String,
    /// Name of the benchmark.
    pub benchmark: String,
    /// One rank's problem.
    pub problem: Problem,
    /// Element type, where the benchmark has one.
    pub precision: Option<Element>,
    /// In place or out of place, where the benchmark has both.
    pub placement: Option<Placement>,
    /// What the backend runs.
    pub work: Work,
    /// The ranks that take part.
    pub group: Group,
    /// The scaling study this case is a point of.
    pub study: Option<Study>,
}

/// What ties the points of a scaling study together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Study {
    /// What stays constant.
    pub kind: ScalingKind,
    /// The constant problem: the whole one (strong) or each rank's (weak).
    pub problem: Problem,
}

impl Plan {
    /// Makes a plan for `ranks` ranks.
    ///
    /// # Errors
    /// Usage error in one sentence for whatever cannot be done as asked.
    pub fn resolve(config: &Config, ranks: usize) -> Result<Self> {
        if ranks == 0 {
            return Err(Error::usage("0 ranks cannot measure anything; use --ranks 1 or more"));
        }
        let order = config.mesh.order.clone().unwrap_or_else(|| mesh::DEFAULT_ORDER.to_owned());
        let mesh = match &config.mesh.shape {
            Some(shape) => Mesh::parse(shape, &order, ranks)?,
            None => Mesh::flat(ranks),
        };
        let placements = Placing::resolve(config, &mesh)?;
        let mut cases = Vec::new();
        for sweep in sweep::all(config)? {
            sweep.add_cases(&placements, &mut cases)?;
        }
        if cases.is_empty() {
            return Err(Error::usage("nothing is left to measure; name at least one benchmark"));
        }
        let backend = backend(config)?;
        let budget = Budget::resolve(&config.benchmarking, cases.len())?;
        if let (BackendSpec::Cuda { .. }, Some(batch)) = (&backend, budget.batch)
            && batch > DEVICE_BATCH_LIMIT
        {
            return Err(Error::usage(format!(
                "all operations of a sample are queued on the GPU before it starts, and {batch} may not fit; \
                 use --batch {DEVICE_BATCH_LIMIT} or less"
            )));
        }
        Ok(Self {
            ranks,
            mesh,
            mesh_order: order,
            backend,
            protocol: config.protocol.unwrap_or_default(),
            seed: config.seed.unwrap_or(1),
            continue_on_error: config.continue_on_error.unwrap_or(false),
            timeout_s: timeout(config, &budget, cases.len())?,
            budget,
            max_variance_percent: positive(
                "max_variance_percent",
                config.benchmarking.max_variance_percent.unwrap_or(5.0),
            )?,
            cases,
        })
    }

    /// Names the plan: two runs of the same plan can continue each other.
    pub fn fingerprint(&self) -> Result<u64> {
        Ok(crate::random::fingerprint(crate::wire::encode(self)?))
    }
}

fn backend(config: &Config) -> Result<BackendSpec> {
    let topology = config.topology.as_deref();
    match config.backend.unwrap_or_default() {
        BackendChoice::Simulated => {
            let topology = Topology::load(topology.unwrap_or(topology::DEFAULT))?;
            Ok(BackendSpec::Simulated(Box::new(topology)))
        }
        _ if topology.is_some() => Err(Error::usage(
            "a topology describes the machine that is simulated; add --backend simulated, or leave it out",
        )),
        BackendChoice::Cuda => {
            Ok(BackendSpec::Cuda { emulated: config.emulate_ranks.unwrap_or(false) })
        }
        _ if config.emulate_ranks == Some(true) => Err(Error::usage(
            "only ranks of the cuda backend can be emulated; add --backend cuda, or leave --emulate-ranks out",
        )),
        BackendChoice::Auto | BackendChoice::Host => Ok(BackendSpec::Host),
    }
}

/// The deadline leaves time for what is to be measured for a given time.
fn timeout(config: &Config, budget: &Budget, cases: usize) -> Result<f64> {
    let least = budget.min_seconds * cases as f64;
    let most = budget.max_seconds.unwrap_or(budget.min_seconds) * cases as f64;
    let timeout = match config.timeout {
        Some(timeout) => positive("timeout", timeout)?,
        None => TIMEOUT_S + most,
    };
    if timeout <= least {
        return Err(Error::usage(format!(
            "measuring alone is to take {least} s, and the run must end within {timeout} s; give --timeout more"
        )));
    }
    Ok(timeout.min(TIMEOUT_LIMIT_S))
}

fn positive(what: &str, value: f64) -> Result<f64> {
    if value > 0.0 && value.is_finite() {
        return Ok(value);
    }
    Err(Error::usage(format!("{what} is {value}, it must be a positive number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(yaml: &str) -> Config {
        serde_saphyr::from_str(yaml).unwrap()
    }

    fn ids(yaml: &str, ranks: usize) -> Vec<String> {
        Plan::resolve(&config(yaml), ranks).unwrap().cases.into_iter().map(|case| case.id).collect()
    }

    fn error(yaml: &str, ranks: usize) -> String {
        Plan::resolve(&config(yaml), ranks).unwrap_err().message
    }

    #[test]
    fn a_sweep_is_a_product() {
        assert_eq!(
            ids("benchmarks: {all_reduce: {bytes: [8, 16], placement: 'out,in'}}", 2),
            [
                "all_reduce/f32/bytes=8,placement=out/world:0-1",
                "all_reduce/f32/bytes=8,placement=in/world:0-1",
                "all_reduce/f32/bytes=16,placement=out/world:0-1",
                "all_reduce/f32/bytes=16,placement=in/world:0-1",
            ]
        );
        assert_eq!(ids("benchmarks: {gemm: {m: 8, k: 2}}", 1), ["gemm/f32/k=2,m=8,n=8/world:0"]);
    }

    #[test]
    fn a_mesh_measures_collectives_on_every_axis_and_kernels_on_all_ranks() {
        let yaml = "mesh: {shape: 'tp=2,dp=2,pp=1'}\nbenchmarks: {barrier: , gemm: {m: 8}}";
        assert_eq!(
            ids(yaml, 4),
            [
                "barrier/tp:0-1",
                "barrier/tp:2-3",
                "barrier/dp:0,2",
                "barrier/dp:1,3",
                "gemm/f32/k=8,m=8,n=8/world:0-3"
            ]
        );
    }

    #[test]
    fn a_scaling_study_is_plain_cases_with_fewer_ranks() {
        let yaml = |kind| {
            format!(
                "scaling: {{kind: {kind}, ranks: [1, 2, 4]}}\nbenchmarks: {{copy: {{array: 64}}}}"
            )
        };
        assert_eq!(
            ids(&yaml("weak"), 4),
            [
                "copy/f32/array=64/world:0",
                "copy/f32/array=64/world:0-1",
                "copy/f32/array=64/world:0-3"
            ]
        );
        assert_eq!(
            ids(&yaml("strong"), 4),
            [
                "copy/f32/array=64/world:0",
                "copy/f32/array=32/world:0-1",
                "copy/f32/array=16/world:0-3"
            ]
        );
    }

    #[test]
    fn the_deadline_leaves_time_for_the_duration() {
        let plan = Plan::resolve(&config("benchmarking: {duration: 8h}"), 1).unwrap();
        assert!((plan.timeout_s - 9.0 * 3600.0).abs() < 1e-6);
    }

    #[test]
    fn bad_requests_are_one_sentence() {
        for (yaml, ranks, expected) in [
            ("{}", 0, "0 ranks"),
            ("benchmarks: {all_reduec: }", 1, "'all_reduce'"),
            ("benchmarks: {gemm: {bytes: 8}}", 1, "no problem key 'bytes'"),
            ("benchmarks: {gemm: {placement: in}}", 1, "no placement"),
            ("benchmarks: {all_reduce: {placement: inn}}", 1, "`in`"),
            ("benchmarks: {}", 1, "nothing is left"),
            ("benchmarking: {timing_iterations: 0}", 1, "0 timed iterations"),
            ("benchmarking: {max_variance_percent: -5}", 1, "positive"),
            ("benchmarking: {statistical_significance: 95}", 1, "between"),
            ("scaling: {kind: weak, ranks: [1, 8]}", 4, "--scaling-ranks 8"),
            ("scaling: {ranks: [1, 2]}", 4, "add --scaling"),
            ("scaling: {kind: strong, ranks: [3]}", 4, "does not divide"),
            ("mesh: {axes: [tp], groups: '0'}", 4, "--axis or --groups"),
            ("mesh: {axes: [tp]}", 4, "'tp' is not in the mesh"),
            ("topology: dgx-h100", 4, "--backend simulated"),
            ("precision_policies: [f23]", 1, "'f32'"),
            ("timeout: 0", 1, "timeout"),
            ("benchmarking: {precision_target: 200%}", 1, "50%"),
            ("benchmarking: {precision_target: narrow}", 1, "not a share"),
            ("benchmarking: {precision_quantiles: [0.95]}", 1, "--precision-target"),
            ("benchmarking: {precision_target: 1%, precision_quantiles: [95]}", 1, "between"),
            ("benchmarking: {min_time: 2s, max_time: 1}", 1, "--min-time"),
            ("benchmarking: {max_time: never}", 1, "not a time"),
            ("benchmarking: {batch: 0}", 1, "--batch"),
            ("benchmarking: {duration: 1m, min_time: 1}", 1, "--duration"),
            ("timeout: 60\nbenchmarking: {duration: 1m}", 1, "--timeout"),
            ("backend: cuda\nbenchmarking: {batch: 501}", 1, "--batch 500"),
            ("benchmarking: {quick: true, precision_target: 1%}", 1, "--quick"),
        ] {
            let message = error(yaml, ranks);
            assert!(message.contains(expected), "{yaml}: {message}");
            assert!(!message.contains('\n'), "{message}");
        }
    }
}
