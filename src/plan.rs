//! What to run, resolved: the same plan on every rank gives the same cases in the same order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::benchmark::{self, Benchmark, Preset, Problem};
use crate::config::{BackendChoice, Config, Protocol, ScalingKind};
use crate::error::{Error, Result, suggestion};
use crate::mesh::{self, Group, Mesh};
use crate::topology::{self, Topology};
use crate::units::parse_sizes;
use crate::work::{Element, Placement, Work};

/// Most cases of one plan; more is a typing error.
const CASE_LIMIT: usize = 100_000;

/// Most timed iterations of a case; samples are held in memory until the case is written.
const ITERATION_LIMIT: u32 = 1_000_000;

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
    /// A model of this machine, in virtual time.
    Simulated(Box<Topology>),
}

impl BackendSpec {
    /// The name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Simulated(_) => "simulated",
        }
    }
}

/// How much is measured in a case.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Whether this is only a first look, marked so.
    pub quick: bool,
    /// Untimed iterations first.
    pub warmup: u32,
    /// Valid timed iterations.
    pub iterations: u32,
    /// Confidence of intervals, between 0 and 1.
    pub confidence: f64,
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
        let mut plan = Self {
            ranks,
            mesh,
            mesh_order: order,
            backend: backend(config)?,
            protocol: config.protocol.unwrap_or_default(),
            budget: budget(config)?,
            seed: config.seed.unwrap_or(1),
            continue_on_error: config.continue_on_error.unwrap_or(false),
            timeout_s: positive("timeout", config.timeout.unwrap_or(3600.0))?.min(TIMEOUT_LIMIT_S),
            max_variance_percent: positive(
                "max_variance_percent",
                config.benchmarking.max_variance_percent.unwrap_or(5.0),
            )?,
            cases: Vec::new(),
        };
        let placements = Placing::resolve(config, &plan.mesh)?;
        for sweep in sweeps(config)? {
            sweep.add_cases(&placements, &mut plan.cases)?;
        }
        if plan.cases.is_empty() {
            return Err(Error::usage("nothing is left to measure; name at least one benchmark"));
        }
        Ok(plan)
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
        BackendChoice::Auto | BackendChoice::Host => Ok(BackendSpec::Host),
    }
}

fn budget(config: &Config) -> Result<Budget> {
    let asked = &config.benchmarking;
    let quick = asked.quick.unwrap_or(false);
    let iterations = asked.timing_iterations.unwrap_or(if quick { 10 } else { 100 });
    let warmup = asked.warmup_iterations.unwrap_or(if quick { 2 } else { 5 });
    if iterations == 0 || iterations.max(warmup) > ITERATION_LIMIT {
        return Err(Error::usage(format!(
            "{warmup} warm-up and {iterations} timed iterations cannot be done; use 1 to {ITERATION_LIMIT} \
             timed ones"
        )));
    }
    let confidence = asked.statistical_significance.unwrap_or(0.95);
    if !(0.5..1.0).contains(&confidence) {
        return Err(Error::usage(format!(
            "statistical_significance {confidence} is the confidence of intervals, it must lie between \
             0.5 and 1, as 0.95 does"
        )));
    }
    Ok(Budget { quick, warmup, iterations, confidence })
}

fn positive(what: &str, value: f64) -> Result<f64> {
    if value > 0.0 && value.is_finite() {
        return Ok(value);
    }
    Err(Error::usage(format!("{what} is {value}, it must be a positive number")))
}

/// A benchmark with lists of values, whose product gives cases.
struct Sweep {
    benchmark: &'static Benchmark,
    problems: Vec<Problem>,
    precisions: Vec<Option<Element>>,
    placements: Vec<Option<Placement>>,
}

/// What a key of the command line that is not a number is called.
const PLACEMENT: &str = "placement";

fn sweeps(config: &Config) -> Result<Vec<Sweep>> {
    let all = || benchmark::CATALOGUE.iter().map(|b| (b.name.to_owned(), None)).collect();
    let asked: BTreeMap<_, _> = config.benchmarks.clone().unwrap_or_else(all);
    let precisions = match &config.precision_policies {
        Some(names) => names.iter().map(|name| Element::parse(name)).collect::<Result<Vec<_>>>()?,
        None => Vec::new(),
    };
    let preset = config.preset.unwrap_or_default();
    asked
        .into_iter()
        .map(|(name, settings)| {
            let benchmark = benchmark::find(&name).ok_or_else(|| {
                let names = benchmark::CATALOGUE.iter().map(|benchmark| benchmark.name);
                Error::usage(format!(
                    "benchmark '{name}' is not known; {}",
                    suggestion(&name, names)
                ))
            })?;
            let mut texts: BTreeMap<String, String> = settings
                .unwrap_or_default()
                .iter()
                .map(|(key, values)| (key.clone(), values.text()))
                .collect();
            let placements = sweep_placements(benchmark, texts.remove(PLACEMENT))?;
            Ok(Sweep {
                benchmark,
                problems: sweep_problems(benchmark, texts, preset)?,
                precisions: match benchmark.precisions {
                    [] => vec![None],
                    [default, ..] if precisions.is_empty() => vec![Some(*default)],
                    _ => precisions.iter().copied().map(Some).collect(),
                },
                placements,
            })
        })
        .collect()
}

fn sweep_placements(
    benchmark: &Benchmark,
    asked: Option<String>,
) -> Result<Vec<Option<Placement>>> {
    match asked {
        None if benchmark.placements => Ok(vec![Some(Placement::Out)]),
        None => Ok(vec![None]),
        Some(_) if !benchmark.placements => {
            Err(Error::usage(format!("{} has no placement; leave it out", benchmark.name)))
        }
        Some(text) => text
            .split(',')
            .map(|name| crate::config::from_name("placement", name.trim()).map(Some))
            .collect(),
    }
}

fn sweep_problems(
    benchmark: &Benchmark,
    mut texts: BTreeMap<String, String>,
    preset: Preset,
) -> Result<Vec<Problem>> {
    let mut problems = vec![Problem::new()];
    for key in benchmark.keys {
        let text = texts.remove(key.name).or_else(|| {
            key.presets.map(|[small, medium, large]| {
                match preset {
                    Preset::Small => small,
                    Preset::Medium => medium,
                    Preset::Large => large,
                }
                .to_owned()
            })
        });
        let values = text.map(|text| parse_sizes(&text)).transpose()?;
        problems = problems
            .into_iter()
            .flat_map(|problem| {
                // A key without a value follows the first one: a product is square unless told otherwise.
                let followed = problem.get(benchmark.keys[0].name).copied().unwrap_or(0);
                let values = values.clone().unwrap_or_else(|| vec![followed]);
                values.into_iter().map(move |value| {
                    let mut problem = problem.clone();
                    problem.insert(key.name.to_owned(), value);
                    problem
                })
            })
            .collect();
        if problems.len() > CASE_LIMIT {
            return Err(Error::usage(format!(
                "{} has more than {CASE_LIMIT} problems; give fewer values",
                benchmark.name
            )));
        }
    }
    match texts.pop_first() {
        None => Ok(problems),
        Some((key, _)) => Err(Error::usage(format!(
            "{} has no problem key '{key}'; {}",
            benchmark.name,
            suggestion(&key, benchmark.keys.iter().map(|key| key.name))
        ))),
    }
}

/// On which groups benchmarks are placed.
struct Placing {
    /// For benchmarks whose ranks exchange data.
    collective: Vec<Group>,
    /// For benchmarks that every rank runs by itself.
    single: Vec<Group>,
    /// The scaling study, with the numbers of ranks.
    scaling: Option<(ScalingKind, Vec<usize>)>,
}

impl Placing {
    fn resolve(config: &Config, mesh: &Mesh) -> Result<Self> {
        let scaling = scaling(config, mesh.ranks())?;
        if let Some(groups) = &config.mesh.groups {
            if config.mesh.axes.is_some() {
                return Err(Error::usage(
                    "groups are named by an axis or by hand; give --axis or --groups",
                ));
            }
            let groups = Group::parse_list(groups, mesh.ranks())?;
            return Ok(Self { collective: groups.clone(), single: groups, scaling });
        }
        if let Some(axes) = &config.mesh.axes {
            let groups: Vec<Group> = axes
                .iter()
                .map(|axis| mesh.groups(axis))
                .collect::<Result<Vec<_>>>()?
                .into_iter()
                .flatten()
                .collect();
            return Ok(Self { collective: groups.clone(), single: groups, scaling });
        }
        let world = mesh.groups(mesh::WORLD)?;
        let axes = mesh.axes.iter().filter(|axis| axis.size > 1 && config.mesh.shape.is_some());
        let mut collective = Vec::new();
        for axis in axes {
            collective.extend(mesh.groups(&axis.name)?);
        }
        if collective.is_empty() && scaling.is_none() {
            collective = world.clone();
        }
        let single = if scaling.is_none() { world } else { Vec::new() };
        Ok(Self { collective, single, scaling })
    }
}

fn scaling(config: &Config, ranks: usize) -> Result<Option<(ScalingKind, Vec<usize>)>> {
    let Some(kind) = config.scaling.kind else {
        return match config.scaling.ranks {
            Some(_) => Err(Error::usage(
                "--scaling-ranks are the points of a scaling study; add --scaling strong or --scaling weak",
            )),
            None => Ok(None),
        };
    };
    let powers = || (0..).map(|e| 1 << e).take_while(|n| *n < ranks).chain([ranks]).collect();
    let mut points: Vec<usize> = config.scaling.ranks.clone().unwrap_or_else(powers);
    points.sort_unstable();
    points.dedup();
    match points.iter().find(|&&n| n == 0 || n > ranks) {
        Some(n) => Err(Error::usage(format!(
            "--scaling-ranks {n} is not between 1 and the {ranks} ranks of this run; start more ranks or \
             leave it out"
        ))),
        None => Ok(Some((kind, points))),
    }
}

impl Sweep {
    fn add_cases(&self, placing: &Placing, cases: &mut Vec<Case>) -> Result<()> {
        let groups = if self.benchmark.collective { &placing.collective } else { &placing.single };
        for &precision in &self.precisions {
            for problem in &self.problems {
                for &placement in &self.placements {
                    for group in groups {
                        let case = self.case(problem, precision, placement, group.clone())?;
                        add(cases, case)?;
                    }
                    let Some((kind, points)) = &placing.scaling else { continue };
                    for &ranks in points {
                        let share = match kind {
                            ScalingKind::Strong => self.benchmark.share(problem, ranks)?,
                            ScalingKind::Weak => problem.clone(),
                        };
                        // Packed from rank 0, so that a point fills nodes before it crosses them.
                        let group =
                            Group { axis: mesh::WORLD.to_owned(), ranks: (0..ranks).collect() };
                        let mut case = self.case(&share, precision, placement, group)?;
                        case.study = Some(Study { kind: *kind, problem: problem.clone() });
                        add(cases, case)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn case(
        &self,
        problem: &Problem,
        precision: Option<Element>,
        placement: Option<Placement>,
        group: Group,
    ) -> Result<Case> {
        let work = self.benchmark.work(
            problem,
            precision.unwrap_or(Element::U8),
            placement.unwrap_or(Placement::Out),
        )?;
        let mut settings: Vec<String> =
            problem.iter().map(|(key, value)| format!("{key}={value}")).collect();
        settings.extend(placement.map(|placement| format!("{PLACEMENT}={}", placement.name())));
        let parts = [
            self.benchmark.name.to_owned(),
            precision.map_or_else(String::new, |element| element.name().to_owned()),
            settings.join(","),
            group.to_string(),
        ];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Ok(Case {
            id: parts.join("/"),
            benchmark: self.benchmark.name.to_owned(),
            problem: problem.clone(),
            precision,
            placement,
            work,
            group,
            study: None,
        })
    }
}

/// Adds a case unless it is there already: a group of the mesh may be a point of the study as well.
fn add(cases: &mut Vec<Case>, case: Case) -> Result<()> {
    if cases.len() >= CASE_LIMIT {
        return Err(Error::usage(format!(
            "the plan has more than {CASE_LIMIT} cases; give fewer values or groups"
        )));
    }
    match cases.iter_mut().find(|known| known.id == case.id) {
        None => cases.push(case),
        Some(known) => known.study = known.study.take().or(case.study),
    }
    Ok(())
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
        ] {
            let message = error(yaml, ranks);
            assert!(message.contains(expected), "{yaml}: {message}");
            assert!(!message.contains('\n'), "{message}");
        }
    }
}
