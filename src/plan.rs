//! What to run, resolved: the same plan on every rank gives the same cases in the same order.

mod budget;
pub mod config;
mod deadlines;
#[cfg(test)]
mod hostile;
pub mod mesh;
mod pairs;
pub mod place;
mod placing;
mod sweep;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::base::error::{Error, Kind, Result};
use crate::benchmark::Problem;
use crate::benchmark::collective::MpiCall;
use crate::benchmark::work::{Element, Placement, Work};
use crate::machine::topology::{self, Topology};
use crate::plan::config::{BackendChoice, Config, Protocol, ScalingKind};
use crate::plan::place::{Place, RANK_LIMIT};
use budget::seconds;
pub use budget::{Budget, ITERATION_LIMIT, Target};
pub use deadlines::{Deadlines, Limit};
use mesh::{Group, Mesh};
use placing::Placing;
use sweep::{Cases, Sweep};

/// Most operations of a sample on a GPU; a driver's queue of launches is known to hold about a thousand.
const DEVICE_BATCH_LIMIT: u32 = 500;

/// Most communicators that are made in one sample.
const COMMUNICATOR_LIMIT: u32 = 100;

/// Coefficient of variation above which a case carries a caveat when nothing else is said, percent.
pub const MAX_VARIANCE_PERCENT: f64 = 5.0;

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
    /// After so many failed cases the others do not run.
    pub max_failures: usize,
    /// How often the cases run.
    pub cycles: Cycles,
    /// How long things may take.
    pub deadlines: Deadlines,
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

/// How often the cases run, one after another and then all again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Cycles {
    /// So many times.
    Times(u32),
    /// For so many seconds; the cycle that has begun is ended.
    Seconds(f64),
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
        if ranks > RANK_LIMIT {
            return Err(Error::usage(format!(
                "a run has at most {RANK_LIMIT} ranks; start fewer, one for each device"
            )));
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
        let creates = |case: &Case| matches!(&case.work, Work::Exchange(exchange) if exchange.collective.mpi == MpiCall::CommDup);
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
        let budget = Budget::resolve(&config.benchmarking)?;
        let cycles = cycles(config)?;
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
            max_failures: max_failures(config)?,
            cycles,
            deadlines: Deadlines::resolve(
                config,
                ranks,
                Some((&budget, duration(&budget, cases.len(), cycles))),
            )?,
            budget,
            places,
            max_variance_percent: positive(
                "max_variance_percent",
                config.benchmarking.max_variance_percent.unwrap_or(MAX_VARIANCE_PERCENT),
            )?,
            cases,
        })
    }

    /// Refuses a plan that was read from a file and cannot have been resolved.
    ///
    /// # Errors
    /// Usage error that names what is wrong.
    pub fn check(&self) -> Result<()> {
        if !(1..=RANK_LIMIT).contains(&self.ranks) || self.places.len() != self.ranks {
            return Err(Error::usage(format!(
                "the plan has {} places for {} ranks",
                self.places.len(),
                self.ranks
            )));
        }
        for case in &self.cases {
            if case.group.ranks.is_empty()
                || case.group.ranks.iter().any(|rank| *rank >= self.ranks)
            {
                return Err(Error::usage(format!(
                    "case '{}' is of ranks that are not there",
                    case.id
                )));
            }
            case.work.check(case.group.ranks.len()).or_else(|why| match why.kind {
                Kind::Unsupported => Ok(()),
                _ => Err(why),
            })?;
        }
        Ok(())
    }

    /// Whether cases may run more than once.
    pub fn repeats(&self) -> bool {
        self.cycles != Cycles::Times(1)
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

/// How long measuring takes, seconds: at least, and about as long as was asked for.
fn duration(budget: &Budget, cases: usize, cycles: Cycles) -> Range<f64> {
    let cases = cases as f64;
    let most = budget.max_seconds.unwrap_or(budget.min_seconds) * cases;
    match cycles {
        Cycles::Times(times) => {
            let times = f64::from(times);
            times * budget.min_seconds * cases..times * most
        }
        Cycles::Seconds(seconds) => seconds..seconds + most,
    }
}

fn cycles(config: &Config) -> Result<Cycles> {
    let asked = &config.benchmarking;
    match (seconds("duration", &asked.duration)?, asked.repeat) {
        (Some(_), Some(_)) => Err(Error::usage(
            "--duration and --repeat both say how often the cases run; leave one of them out",
        )),
        (Some(seconds), None) => Ok(Cycles::Seconds(seconds)),
        (None, Some(0)) => Err(Error::usage("--repeat 0 measures nothing; use 1 or more")),
        (None, times) => Ok(Cycles::Times(times.unwrap_or(1))),
    }
}

fn max_failures(config: &Config) -> Result<usize> {
    match (config.max_failures, config.continue_on_error.unwrap_or(false)) {
        (Some(0), _) => {
            Err(Error::usage("--max-failures 0 would end before the first case; use 1 or more"))
        }
        (Some(most), _) => Ok(most as usize),
        (None, true) => Ok(usize::MAX),
        (None, false) => Ok(1),
    }
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
        assert!((plan.deadlines.run - 9.0 * 3600.0).abs() < 1e-6);
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
            ("benchmarking: {duration: 1m, repeat: 2}", 1, "--repeat"),
            ("benchmarking: {repeat: 0}", 1, "--repeat 0"),
            ("max_failures: 0", 1, "--max-failures 0"),
            ("deadlines: {case: never}", 1, "'never' is not a time"),
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
