//! Energy of a case: GPUs by NVML's counters, CPU packages by RAPL's (Linux, `powercap`).
//!
//! A package's counter is of all that runs on it, so one rank of each node reads it for all. What the counters show
//! while all ranks sleep is taken off.

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::error::{Error, Result};
use crate::machine::telemetry::{Sensors, Telemetry};

/// Where Linux shows RAPL's counters; `TESSERABENCH_POWERCAP` names another folder.
const FOLDER: &str = "/sys/class/powercap";
const VARIABLE: &str = "TESSERABENCH_POWERCAP";

/// For how long ranks sleep to learn what is drawn while idle.
pub const IDLE: Duration = Duration::from_secs(1);

/// No package draws more, W: a counter that wraps later than this allows has wrapped at most once.
const PACKAGE_WATTS: f64 = 1000.0;

/// What a counter is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// A rank's GPU, by NVML.
    Gpu,
    /// A CPU package with all that runs on it, by RAPL. Memory that is a domain of its own is not in it.
    CpuPackage,
}

impl Counted {
    /// Shortest time of which it tells the energy to about 10 %, s: the counters of GPUs move every 100 ms or sooner,
    /// those of packages every ms, and both take some time to read.
    fn shortest_seconds(self) -> f64 {
        match self {
            Self::Gpu => 1.0,
            Self::CpuPackage => 0.1,
        }
    }
}

/// What one counter said of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Draw {
    /// What the counter is of.
    pub of: Counted,
    /// The package's name on its node; null of a GPU, which is the rank's.
    pub package: Option<String>,
    /// World rank whose GPU it is, or which read its node's package.
    pub rank: usize,
    /// Energy between the two readings, idle or not, J; null where it is not known.
    pub joules: Option<f64>,
    /// Why it is not known.
    pub missing: Option<String>,
    /// Time between the two, s.
    pub seconds: f64,
    /// Power before the first case, while all ranks slept, W.
    pub idle_watts: Option<f64>,
}

impl Draw {
    /// Energy in the time at idle power, J.
    fn idle_joules(&self) -> Option<f64> {
        Some(self.idle_watts? * self.seconds)
    }
}

/// Energy of a case, its warm-up and its waits between operations included: of the GPUs that took part, or on a
/// backend without GPUs of the CPU packages of the nodes that took part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Energy {
    /// Of these together, J; null where one of them does not tell.
    pub joules: Option<f64>,
    /// How much of it they would have drawn at idle power, J.
    pub idle_joules: Option<f64>,
    /// Operations between the readings.
    pub operations: u64,
    /// Each counter. Beside GPUs, packages are told and not added.
    pub counters: Vec<Draw>,
}

impl Energy {
    /// That of a case in which so many operations ran; `None` where there was no operation or no counter.
    pub fn of(operations: u64, counters: Vec<Draw>) -> Option<Self> {
        let all = Self { joules: None, idle_joules: None, operations, counters };
        let sum = |of: fn(&Draw) -> Option<f64>| all.added().map(of).sum();
        let (joules, idle_joules) = (sum(|draw| draw.joules), sum(Draw::idle_joules));
        let some = operations > 0 && !all.counters.is_empty();
        some.then_some(Self { joules, idle_joules, ..all })
    }

    /// The counters that make the sum.
    pub fn added(&self) -> impl Iterator<Item = &Draw> {
        let is_gpu = |draw: &&Draw| draw.of == Counted::Gpu;
        let on_gpus = self.counters.iter().any(|draw| is_gpu(&draw));
        self.counters.iter().filter(move |draw| !on_gpus || is_gpu(draw))
    }

    /// Energy of one operation above idle, J; `None` where that is not known, or not above it, and where the case was
    /// too short for the counters.
    pub fn of_operation(&self) -> Option<f64> {
        let is_long = |draw: &Draw| draw.seconds >= draw.of.shortest_seconds();
        let above = (self.joules? - self.idle_joules?) / self.operations as f64;
        (above > 0.0 && self.added().all(is_long)).then_some(above)
    }
}

/// The energy counters of this node's CPU packages.
#[derive(Debug)]
pub struct Packages(Vec<Package>);

#[derive(Debug)]
struct Package {
    name: String,
    file: PathBuf,
    /// Where the counter begins again, J.
    wraps_joules: f64,
}

impl Packages {
    /// Those of this node.
    ///
    /// # Errors
    /// Unfit, where there are none or they cannot be read.
    pub fn find() -> Result<Self> {
        let folder = std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty());
        Self::find_in(&folder.map_or_else(|| PathBuf::from(FOLDER), PathBuf::from))
    }

    fn find_in(folder: &Path) -> Result<Self> {
        let mut packages = Vec::new();
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        for domain in entries.map(|entry| entry.path()) {
            let text = |file: &str| std::fs::read_to_string(domain.join(file)).ok();
            // Cores and memory are domains within those of packages, with a second number.
            let is_rapl = domain.file_name().is_some_and(|name| {
                name.to_string_lossy()
                    .strip_prefix("intel-rapl:")
                    .is_some_and(|it| !it.contains(':'))
            });
            let name = text("name").map(|name| name.trim().to_owned());
            let Some(name) = name.filter(|name| is_rapl && name.starts_with("package-")) else {
                continue;
            };
            let file = domain.join("energy_uj");
            let wraps = text("max_energy_range_uj").and_then(|wraps| microjoules(&wraps));
            let wraps_joules = wraps.ok_or_else(|| {
                Error::unfit(format!("{} does not say when its counter wraps", domain.display()))
            })?;
            std::fs::read_to_string(&file).map_err(|why| {
                let file = file.display();
                Error::unfit(format!(
                    "{file} cannot be read: {why}; run as root, or chmod a+r {file}"
                ))
            })?;
            packages.push(Package { name, file, wraps_joules });
        }
        if packages.is_empty() {
            let folder = folder.display();
            return Err(Error::unfit(format!("{folder} has no energy counter of a CPU package")));
        }
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self(packages))
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|package| package.name.as_str())
    }

    /// What the counters show, J.
    fn read(&self) -> Vec<Option<f64>> {
        let read = |package: &Package| microjoules(&std::fs::read_to_string(&package.file).ok()?);
        self.0.iter().map(read).collect()
    }
}

impl Package {
    /// Energy between two readings so many seconds apart, J.
    fn between(&self, [before, after]: [Option<f64>; 2], seconds: f64) -> Result<f64, String> {
        let (Some(before), Some(after)) = (before, after) else {
            return Err(format!("{} could not be read", self.file.display()));
        };
        if seconds > self.wraps_joules / PACKAGE_WATTS {
            return Err(format!(
                "in {seconds:.0} s the counter may have wrapped more than once: it does so every {:.0} J",
                self.wraps_joules
            ));
        }
        Ok(if after < before { after + self.wraps_joules - before } else { after - before })
    }
}

fn microjoules(text: &str) -> Option<f64> {
    text.trim().parse().ok().map(|number: u64| number as f64 / 1e6)
}

/// The energy counters that a rank may read, and what they show while all ranks sleep.
#[derive(Debug, Default)]
pub struct Meter {
    packages: Option<Packages>,
    idle_packages: Vec<Option<f64>>,
    idle_gpu: Option<f64>,
}

/// A reading of a rank's packages; see [`Meter::begin`].
pub type Begun = Option<Vec<Option<f64>>>;

impl Meter {
    /// The counters of this node.
    pub fn new() -> Self {
        Self { packages: Packages::find().ok(), ..Self::default() }
    }

    /// Whether there is a counter at all, one of the GPU included.
    pub fn counts(&self, gpu: Option<&Sensors>) -> bool {
        self.packages.is_some() || energy(gpu).is_some()
    }

    /// Learns the power of an idle machine. `sleep` is over when the ranks have slept, and says for how many seconds.
    pub fn learn_idle(&mut self, gpu: Option<&Sensors>, sleep: impl FnOnce() -> f64) {
        let (gpu_before, before) = (energy(gpu), self.begin(true));
        let seconds = sleep();
        let joules = energy(gpu).zip(gpu_before).map(|(after, before)| after - before);
        self.idle_gpu = joules.map(|joules| joules / seconds);
        let draws = self.end(before, 0, seconds, None);
        self.idle_packages = draws.map(|draw| Some(draw.joules? / seconds)).collect();
    }

    /// Reads the packages, if this rank is the one that does it for its node.
    pub fn begin(&self, reads: bool) -> Begun {
        self.packages.as_ref().filter(|_| reads).map(Packages::read)
    }

    /// What the packages drew since `begun`, `seconds` ago, read by world rank `rank`; `shared` says with whom, where that
    /// is not the case's own.
    pub fn end(
        &self,
        begun: Begun,
        rank: usize,
        seconds: f64,
        shared: Option<&str>,
    ) -> impl Iterator<Item = Draw> {
        let packages =
            self.packages.iter().flat_map(|packages| packages.0.iter().zip(packages.read()));
        let readings = begun.into_iter().flatten().zip(packages).enumerate();
        readings.map(move |(at, (before, (package, after)))| {
            let known = match shared {
                Some(shared) => Err(shared.to_owned()),
                None => package.between([before, after], seconds),
            };
            Draw {
                of: Counted::CpuPackage,
                package: Some(package.name.clone()),
                rank,
                joules: known.as_ref().ok().copied(),
                missing: known.err(),
                seconds,
                idle_watts: self.idle_packages.get(at).copied().flatten(),
            }
        })
    }

    /// What a rank's GPU drew.
    pub fn of_gpu(&self, telemetry: &Telemetry) -> Draw {
        let joules = telemetry.energy_joules;
        Draw {
            of: Counted::Gpu,
            package: None,
            rank: telemetry.rank,
            joules,
            missing: joules.is_none().then(|| "the GPU has no energy counter".to_owned()),
            seconds: telemetry.seconds,
            idle_watts: self.idle_gpu,
        }
    }
}

fn energy(gpu: Option<&Sensors>) -> Option<f64> {
    gpu?.read().energy_joules
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(folder: &Path, domain: &str, name: &str, microjoules: u64) {
        let domain = folder.join(domain);
        std::fs::create_dir_all(&domain).unwrap();
        std::fs::write(domain.join("name"), format!("{name}\n")).unwrap();
        std::fs::write(domain.join("energy_uj"), format!("{microjoules}\n")).unwrap();
        std::fs::write(domain.join("max_energy_range_uj"), "262143000000\n").unwrap();
    }

    #[test]
    fn packages_are_read_and_their_cores_are_not_added() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let why = Packages::find_in(at).unwrap_err();
        assert!(why.message.contains("has no energy counter"), "{why}");
        domain(at, "intel-rapl:1", "package-1", 5_000_000);
        domain(at, "intel-rapl:0", "package-0", 262_142_000_000);
        domain(at, "intel-rapl:0:0", "core", 1);
        domain(at, "intel-rapl:2", "psys", 1);
        let packages = Packages::find_in(at).unwrap();
        assert_eq!(packages.names().collect::<Vec<_>>(), ["package-0", "package-1"]);
        let mut meter = Meter { packages: Some(packages), ..Meter::default() };
        meter.learn_idle(None, || {
            domain(at, "intel-rapl:1", "package-1", 15_000_000);
            2.0
        });
        assert_eq!(meter.idle_packages, [Some(0.0), Some(5.0)]);
        let begun = meter.begin(true);
        domain(at, "intel-rapl:0", "package-0", 2_000_000);
        let draws: Vec<Draw> = meter.end(begun.clone(), 4, 1.0, None).collect();
        // The first one has wrapped.
        let told = draws.iter().map(|draw| (draw.rank, draw.joules, draw.idle_watts));
        assert_eq!(
            told.collect::<Vec<_>>(),
            [(4, Some(3.0), Some(0.0)), (4, Some(0.0), Some(5.0))]
        );
        let long: Vec<Draw> = meter.end(begun, 4, 300.0, None).collect();
        assert!(long[0].missing.as_ref().is_some_and(|why| why.contains("more than once")));
        assert_eq!(meter.end(meter.begin(false), 4, 1.0, None).count(), 0);
    }

    #[test]
    fn idle_power_is_taken_off_and_gpus_stand_for_themselves() {
        let draw = |of, joules, seconds| Draw {
            of,
            package: None,
            rank: 0,
            joules,
            missing: None,
            seconds,
            idle_watts: Some(10.0),
        };
        let [gpu, package] = [Counted::Gpu, Counted::CpuPackage];
        let energy = Energy::of(4, vec![draw(package, Some(50.0), 2.0); 2]).unwrap();
        assert_eq!((energy.joules, energy.idle_joules), (Some(100.0), Some(40.0)));
        assert_eq!(energy.of_operation(), Some(15.0));
        let both = vec![draw(package, None, 2.0), draw(gpu, Some(100.0), 2.0)];
        assert_eq!(Energy::of(4, both).unwrap().of_operation(), Some(20.0));
        let unknown = vec![draw(package, None, 2.0), draw(package, Some(100.0), 2.0)];
        assert_eq!(Energy::of(4, unknown).unwrap().joules, None);
        // Too short for the counter; nothing above idle; nothing ran.
        assert_eq!(Energy::of(4, vec![draw(gpu, Some(100.0), 0.5)]).unwrap().of_operation(), None);
        assert_eq!(Energy::of(4, vec![draw(gpu, Some(20.0), 2.0)]).unwrap().of_operation(), None);
        assert_eq!(Energy::of(0, vec![draw(gpu, Some(20.0), 2.0)]), None);
    }
}
