//! The resolved plan of a run: every rank has the same plan, and runs the same cases in the same order.

mod budget;
pub mod capacity;
mod case;
pub mod config;
mod deadlines;
mod groups;
#[cfg(test)]
mod hostile;
pub mod mesh;
mod named;
pub mod place;
pub mod stored;
mod sweep;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::base::error::{Error, Exit, Kind, Result};
use crate::base::units::counted;
use crate::benchmark::collective::MpiCall;
pub use crate::benchmark::kernel::check as check_kernels;
use crate::benchmark::kernel::{FoundKernel, Refused, found};
use crate::benchmark::measures;
use crate::benchmark::work::Work;
use crate::machine::topology::{self, Topology};
use crate::plan::config::{BackendChoice, Config, Protocol};
use crate::plan::place::{Place, RANK_LIMIT};
use budget::seconds;
pub use budget::{Budget, ITERATION_LIMIT, Target};
pub use case::{Case, Study};
pub use deadlines::{DeadlineKind, Deadlines};
use groups::MeasuredGroups;
use mesh::Mesh;
use sweep::CaseList;
pub use sweep::{PLACEMENT, unreached_sizes, usual_sizes};

/// Most communicators that one sample creates.
const COMMUNICATOR_LIMIT: u32 = 100;

/// Default coefficient of variation above which a case carries a caveat, percent.
pub const MAX_VARIANCE_PERCENT: f64 = 5.0;

/// The resolved plan of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Number of ranks.
    pub ranks: usize,
    /// The mesh of the ranks.
    pub mesh: Mesh,
    /// Configured order of the axes, fastest first.
    pub mesh_order: String,
    /// The backend that executes the work.
    pub backend: BackendSpec,
    /// How ranks synchronise the start of an iteration.
    pub protocol: Protocol,
    /// Iterations and time of each case.
    pub budget: Budget,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Whether the best form of a kernel is searched, where it has several.
    pub autotune: bool,
    /// Number of failed cases after which the run stops.
    pub max_failures: usize,
    /// How often the cases run.
    pub cycles: Cycles,
    /// Deadlines of the run and its steps.
    pub deadlines: Deadlines,
    /// Node and socket of each rank.
    pub places: Vec<Place>,
    /// Coefficient of variation above which a case carries a caveat, percent.
    pub max_variance_percent: f64,
    /// The kernels that were found and are in a case, and those that could not be used though their path was named.
    #[serde(default)]
    pub kernels: Vec<FoundKernel>,
    /// The cases, in execution order.
    pub cases: Vec<Case>,
}

/// The backend, with its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum BackendSpec {
    /// CPU kernels and MPI collectives.
    Host,
    /// NVIDIA GPUs.
    Cuda {
        /// Whether ranks may share a GPU.
        emulated: bool,
        /// Whether rounds are queued behind a blocking kernel.
        #[serde(default = "queued")]
        queued: bool,
    },
    /// A performance model of this machine, in virtual time.
    Simulated(Box<Topology>),
}

/// How often the whole list of cases runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Cycles {
    /// This number of times.
    Times(u32),
    /// Until this many seconds have passed; the last cycle is completed.
    Seconds(f64),
}

/// As in plans of versions that did not say it.
fn queued() -> bool {
    true
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

impl Plan {
    /// Why the backend does not do a case whatever the machine, if so.
    pub fn skipped(&self, case: &Case) -> Option<String> {
        case.work.check_backend(self.backend.name()).err().map(|why| why.message)
    }

    /// Resolves a configuration for ranks at these places.
    ///
    /// # Errors
    /// Usage error of one sentence for an invalid configuration.
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
        let mut cases = cases(config, &MeasuredGroups::resolve(config, &mesh, &places)?)?;
        if let Some(names) = &config.cases {
            cases = named::only(cases, names)?;
        }
        let budget = Budget::resolve(&config.benchmarking)?;
        check_batch(budget.batch, &cases)?;
        let cycles = cycles(config)?;
        Ok(Self {
            ranks,
            mesh,
            mesh_order: order,
            backend,
            protocol: config.protocol.unwrap_or_default(),
            seed: config.seed.unwrap_or(1),
            autotune: config.autotuning.unwrap_or(!budget.quick),
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
            kernels: kernels(&cases),
            cases,
        })
    }

    /// Refuses an inconsistent plan that was read from a file.
    ///
    /// # Errors
    /// Usage error that names the inconsistency.
    pub fn check(&self) -> Result<()> {
        if !(1..=RANK_LIMIT).contains(&self.ranks) || self.places.len() != self.ranks {
            return Err(Error::usage(format!(
                "the plan has {} for {}",
                counted(self.places.len(), "place"),
                counted(self.ranks, "rank")
            )));
        }
        for case in &self.cases {
            if case.group.ranks.is_empty()
                || case.group.ranks.iter().any(|rank| *rank >= self.ranks)
            {
                return Err(Error::usage(format!(
                    "case '{}' names ranks that the plan does not have",
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

    /// The exit of a run in which all goes well: bad input if a kernel that was asked for cannot be used.
    pub fn exit(&self) -> Exit {
        let refused = self.kernels.iter().any(|kernel| kernel.refused.is_some());
        if refused { Exit::Usage } else { Exit::Ok }
    }

    /// Whether cases may run more than once.
    pub fn repeats(&self) -> bool {
        self.cycles != Cycles::Times(1)
    }
}

fn cases(config: &Config, groups: &MeasuredGroups) -> Result<Vec<Case>> {
    config.measure.as_deref().map_or(Ok(()), measures::check)?;
    let sweeps = sweep::all(config)?;
    if groups.pairs.is_some() && !sweeps.iter().any(|sweep| sweep.benchmark.is_paired()) {
        return Err(Error::usage(
            "--pairs needs a benchmark between two ranks; add -b latency, -b bandwidth or -b bidirectional",
        ));
    }
    let mut cases = CaseList::default();
    for sweep in sweeps {
        sweep.add_cases(groups, &mut cases)?;
    }
    if cases.list.is_empty() {
        return Err(Error::usage("nothing is left to measure; name at least one benchmark"));
    }
    Ok(cases.list)
}

fn kernels(cases: &[Case]) -> Vec<FoundKernel> {
    let mut kernels: Vec<FoundKernel> = Vec::new();
    for case in cases {
        if let Work::Kernel(run) = &case.work
            && let Some(facts) = run.kernel.facts()
            && !kernels.contains(&facts)
        {
            kernels.push(facts);
        }
    }
    let refused = found().refused.iter().filter(|refused| refused.is_named);
    kernels.extend(refused.map(Refused::facts));
    kernels
}

fn check_batch(batch: Option<u32>, cases: &[Case]) -> Result<()> {
    let creates = |case: &Case| matches!(&case.work, Work::Exchange(exchange) if exchange.collective.mpi == MpiCall::CommDup);
    match batch {
        Some(batch) if batch > COMMUNICATOR_LIMIT && cases.iter().any(creates) => {
            Err(Error::usage(format!(
                "comm_init would create {batch} communicators in one sample, and MPI limits their number; use \
                 --batch {COMMUNICATOR_LIMIT} or less"
            )))
        }
        _ => Ok(()),
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
            "--topology describes a simulated machine; add --backend simulated, or leave --topology out",
        )),
        BackendChoice::Cuda => Ok(BackendSpec::Cuda {
            emulated: config.emulate_ranks.unwrap_or(false),
            queued: config.benchmarking.blocking_kernel.unwrap_or(true),
        }),
        _ if config.emulate_ranks == Some(true) => Err(Error::usage(
            "--emulate-ranks needs the cuda backend; add --backend cuda, or leave --emulate-ranks out",
        )),
        _ if config.benchmarking.blocking_kernel == Some(false) => Err(Error::usage(
            "--no-blocking-kernel needs the cuda backend; add --backend cuda, or leave --no-blocking-kernel out",
        )),
        BackendChoice::Auto | BackendChoice::Host => Ok(BackendSpec::Host),
    }
}

/// Least and expected time of all measurements, seconds.
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
    let benchmarking = &config.benchmarking;
    match (seconds("--duration", &benchmarking.duration)?, benchmarking.repeat) {
        (Some(_), Some(_)) => Err(Error::usage(
            "--duration and --repeat both set how often the cases run; leave one of them out",
        )),
        (Some(seconds), None) => Ok(Cycles::Seconds(seconds)),
        (None, Some(0)) => Err(Error::usage("--repeat 0 measures nothing; use 1 or more")),
        (None, times) => Ok(Cycles::Times(times.unwrap_or(1))),
    }
}

fn max_failures(config: &Config) -> Result<usize> {
    match (config.max_failures, config.continue_on_error.unwrap_or(false)) {
        (Some(0), _) => {
            Err(Error::usage("--max-failures 0 would stop before the first case; use 1 or more"))
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
    Err(Error::usage(format!("{what} is {value}; use a positive number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(yaml: &str) -> Config {
        serde_saphyr::from_str(yaml).unwrap()
    }

    fn ids(yaml: &str, ranks: usize) -> Vec<String> {
        Plan::resolve(&config(yaml), &Place::on_one_node(ranks))
            .unwrap()
            .cases
            .into_iter()
            .map(|case| case.id)
            .collect()
    }

    fn error(yaml: &str, ranks: usize) -> String {
        Plan::resolve(&config(yaml), &Place::on_one_node(ranks)).unwrap_err().message
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
    fn a_preset_grows_until_something_moves_and_a_size_that_is_said_stays() {
        let sizes = |yaml, ranks| -> Vec<String> {
            let part = |id: String| id.split('/').nth(2).map(str::to_owned);
            ids(yaml, ranks).into_iter().filter_map(part).collect()
        };
        let preset = sizes("preset: small\nbenchmarks: {alltoall: , all_reduce: }", 8);
        assert_eq!(preset[0], "bytes=8,placement=out");
        assert!(preset.contains(&"bytes=32,placement=out".to_owned()), "{preset:?}");
        assert_eq!(preset.len(), 8);
        let explicit = sizes("benchmarks: {alltoall: {bytes: 8}}", 8);
        assert_eq!(explicit, ["bytes=8,placement=out"]);
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
        let plan = Plan::resolve(&config(yaml), &Place::on_one_node(4)).unwrap();
        let sets: Vec<usize> = plan.cases.chunk_by(Case::runs_with).map(<[Case]>::len).collect();
        assert_eq!(sets, [1, 1, 2]);
    }

    #[test]
    fn named_cases_keep_what_runs_beside_them() {
        let yaml = |names: &str| {
            format!(
                "mesh: {{shape: 'tp=2,dp=2', axes: [tp], concurrent_groups: true}}\nbenchmarks: {{barrier: }}\n\
                 cases: [{names}]"
            )
        };
        let both = ["barrier/tp:0-1/concurrent", "barrier/tp:2-3/concurrent"];
        assert_eq!(ids(&yaml("'barrier/tp:2-3/concurrent'"), 4), both);
        assert_eq!(
            ids(&yaml("'*/tp:2-3', 'barrier/tp:0-1'"), 4),
            ["barrier/tp:0-1", "barrier/tp:2-3"]
        );
        for (name, expected) in [
            ("barier/tp:0-1", "did you mean 'barrier/tp:0-1'?"),
            ("'gemm*'", "--case 'gemm*' names no case; --dry-run lists all"),
        ] {
            let why = error(&yaml(name), 4);
            assert!(why.contains(expected), "{why}");
        }
    }

    #[test]
    fn pairs_run_in_rounds() {
        let yaml = "mesh: {pairs: all}\nbenchmarks: {latency: {bytes: [4, 8]}, barrier: }";
        let plan = Plan::resolve(&config(yaml), &Place::on_one_node(4)).unwrap();
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
            Plan::resolve(&config("benchmarking: {duration: 8h}"), &Place::on_one_node(1)).unwrap();
        assert!((plan.deadlines.run - 9.0 * 3600.0).abs() < 1e-6);
    }

    #[test]
    fn a_range_that_does_not_reach_its_end_is_told() {
        let yaml = "benchmarks: {all_reduce: {bytes: [8, 8..1MiB*8]}, latency: {bytes: 8..1MiB*8}}";
        let told: Vec<String> = unreached_sizes(&config(yaml)).into_iter().collect();
        assert_eq!(told, ["bytes=8..1MiB*8 ends at 256KiB: 1MiB is not 8 times a power of 8"]);
    }

    #[test]
    fn bad_requests_are_one_sentence() {
        for (yaml, ranks, expected) in [
            ("{}", 0, "0 ranks"),
            ("benchmarks: {all_reduec: }", 1, "'all_reduce'"),
            ("benchmarks: {gemm: {bytes: 8}}", 1, "no problem key 'bytes'"),
            ("benchmarks: {gemm: {placement: in}}", 1, "no placement"),
            ("benchmarks: {all_reduce: {placement: inn}}", 1, "'in'"),
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
            ("benchmarking: {quick: true, precision_target: 1%}", 1, "--quick"),
        ] {
            let message = error(yaml, ranks);
            assert!(message.contains(expected), "{yaml}: {message}");
            assert!(!message.contains('\n'), "{message}");
        }
    }
}
