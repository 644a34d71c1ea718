//! What to run, resolved: the same plan on every rank gives the same cases in the same order.

mod budget;
mod pairs;
mod placing;
mod sweep;

use serde::{Deserialize, Serialize};

use crate::benchmark::Problem;
use crate::config::{BackendChoice, Config, Protocol, ScalingKind};
use crate::error::{Error, Result};
use crate::mesh::{self, Group, Mesh};
use crate::place::Place;
use crate::topology::{self, Topology};
use crate::work::{Element, Pattern, Placement, Work};
pub use budget::{Budget, ITERATION_LIMIT};
use placing::Placing;
use sweep::{Cases, Sweep};

/// Deadline of a run when nothing else is said, beside the time asked for by way of measuring, seconds.
const TIMEOUT_S: f64 = 3600.0;

/// Most operations of a sample on a GPU; a driver's queue of launches is known to hold about a thousand.
const DEVICE_BATCH_LIMIT: u32 = 500;

/// Most communicators that are made in one sample.
const COMMUNICATOR_LIMIT: u32 = 100;

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
    /// Where each rank is.
    pub places: Vec<Place>,
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
    /// The set of cases that run at once with this one, where there are such.
    pub set: Option<u32>,
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

impl Case {
    /// Whether the two run at once.
    pub fn runs_with(&self, other: &Self) -> bool {
        self.set.is_some()
            && self.set == other.set
            && self.benchmark == other.benchmark
            && self.problem == other.problem
            && (self.precision, self.placement) == (other.precision, other.placement)
    }
}

impl Plan {
    /// Makes a plan for ranks at these places.
    ///
    /// # Errors
    /// Usage error in one sentence for whatever cannot be done as asked.
    pub fn resolve(config: &Config, places: &[Place]) -> Result<Self> {
        let ranks = places.len();
        if ranks == 0 {
            return Err(Error::usage("0 ranks cannot measure anything; use --ranks 1 or more"));
        }
        let order = config.mesh.order.clone().unwrap_or_else(|| mesh::DEFAULT_ORDER.to_owned());
        let mesh = match &config.mesh.shape {
            Some(shape) => Mesh::parse(shape, &order, ranks)?,
            None => Mesh::flat(ranks),
        };
        let backend = backend(config)?;
        let places = match &backend {
            BackendSpec::Simulated(topology) => {
                let place = |rank| Place { node: topology.node(rank), socket: None };
                (0..ranks).map(place).collect()
            }
            _ => places.to_vec(),
        };
        let placing = Placing::resolve(config, &mesh, &places)?;
        let sweeps = sweep::all(config)?;
        if placing.pairs.is_some() && !sweeps.iter().any(Sweep::is_paired) {
            return Err(Error::usage(
                "--pairs is for benchmarks between the ranks of a pair; add -b latency, -b bandwidth or \
                 -b bidirectional",
            ));
        }
        let mut cases = Cases::default();
        for sweep in sweeps {
            sweep.add_cases(&placing, &mut cases)?;
        }
        let cases = cases.into_list();
        let creates = |case: &Case| matches!(&case.work, Work::Exchange(exchange) if exchange.pattern == Pattern::CommInit);
        if let Some(batch) = config.benchmarking.batch
            && batch > COMMUNICATOR_LIMIT
            && cases.iter().any(creates)
        {
            return Err(Error::usage(format!(
                "comm_init would make {batch} communicators at once, and a process can have some thousands in \
                 its life; use --batch {COMMUNICATOR_LIMIT} or less"
            )));
        }
        if cases.is_empty() {
            return Err(Error::usage("nothing is left to measure; name at least one benchmark"));
        }
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
            places,
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
        Plan::resolve(&config(yaml), &Place::together(ranks))
            .unwrap()
            .cases
            .into_iter()
            .map(|case| case.id)
            .collect()
    }

    fn error(yaml: &str, ranks: usize) -> String {
        Plan::resolve(&config(yaml), &Place::together(ranks)).unwrap_err().message
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
    fn groups_of_an_axis_alone_and_at_once() {
        let yaml = "mesh: {shape: 'tp=2,dp=2', axes: [tp], concurrent_groups: true}\nbenchmarks: {barrier: }";
        assert_eq!(
            ids(yaml, 4),
            [
                "barrier/tp:0-1",
                "barrier/tp:2-3",
                "barrier/tp:0-1/concurrent",
                "barrier/tp:2-3/concurrent",
            ]
        );
        let plan = Plan::resolve(&config(yaml), &Place::together(4)).unwrap();
        let sets: Vec<usize> = plan.cases.chunk_by(Case::runs_with).map(<[Case]>::len).collect();
        assert_eq!(sets, [1, 1, 2]);
    }

    #[test]
    fn pairs_run_in_rounds() {
        let yaml = "mesh: {pairs: all}\nbenchmarks: {latency: {bytes: [4, 8]}, barrier: }";
        let plan = Plan::resolve(&config(yaml), &Place::together(4)).unwrap();
        let sets: Vec<usize> = plan.cases.chunk_by(Case::runs_with).map(<[Case]>::len).collect();
        assert_eq!(sets, [1, 2, 2, 2, 2, 2, 2]);
        assert_eq!(plan.cases[1].id, "latency/f32/bytes=4/pairs:0-1");
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
        let plan =
            Plan::resolve(&config("benchmarking: {duration: 8h}"), &Place::together(1)).unwrap();
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
            ("mesh: {concurrent_groups: true}", 4, "no axis has several"),
            ("mesh: {concurrent_groups: true, groups: '0-1,1-2'}", 4, "rank 1"),
            ("mesh: {pairs: some}\nbenchmarks: {latency: }", 4, "batch=4"),
            ("mesh: {pairs: all}\nbenchmarks: {barrier: }", 4, "-b latency"),
            ("benchmarks: {reduce: {root: 4}}", 4, "root=4"),
            ("benchmarks: {reduce: {op: maximum}}", 4, "op=maximum"),
            ("benchmarks: {latency: {pairs: 3}}", 4, "pairs=3"),
            ("benchmarks: {alltoallv: {matrix: /nowhere}}", 4, "/nowhere"),
            ("benchmarking: {batch: 1000}\nbenchmarks: {comm_init: }", 4, "--batch 100"),
            ("benchmarks: {alltoallv: {matrix: m, spread: 10}}", 4, "spread or matrix"),
            ("mesh: {shape: 'pairs=4', order: 'pairs'}", 4, "'pairs'"),
            ("benchmarking: {check_every: 0}", 4, "--check-every"),
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
