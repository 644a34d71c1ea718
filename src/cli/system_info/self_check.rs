//! `system-info --self-check`: a short run on each device, and what it shows of what longer ones need.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use serde::Serialize;

use crate::backend;
use crate::base::error::{Error, Exit, Result};
use crate::base::units::{counted, format_ms, milliseconds};
use crate::cli::{self, Cli, Command};
use crate::machine::device::Device;
use crate::machine::telemetry::Reading;
use crate::plan::config::Config;
use crate::render::{Document, Format, Render, Section};
use crate::report::{Case, Outcome, Report};
use crate::run::{self, REPORT};

/// The run on a device: what takes milliseconds, checked before and after it is timed.
const WORDS: &str = "--quiet run -b triad -b copy -b gemm -b all_reduce -p f32 --problem-size array=1MiB --problem-size m=256 \
                     --problem-size bytes=1MiB --iterations 20 --warmup 2 --batch 1 --no-autotune --continue-on-error --timeout 120";

/// What came of it on all devices.
#[derive(Serialize)]
pub(in crate::cli) struct SelfCheck {
    devices: Vec<Checked>,
    /// The exit code.
    exit: u8,
}

/// A device, and what was checked on it.
#[derive(Serialize)]
struct Checked {
    device: String,
    checks: Vec<Check>,
    /// The report of the run, kept where something failed.
    report: Option<PathBuf>,
    #[serde(skip)]
    exit: Exit,
}

/// What was checked.
#[derive(Serialize)]
struct Check {
    name: String,
    outcome: End,
    /// What was found, or why not.
    says: String,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum End {
    Ok,
    Failed,
    NotRun,
}

impl End {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::NotRun => "not run",
        }
    }
}

/// Checks each GPU that is visible; where there is none, the CPUs.
pub(in crate::cli) fn run(format: Format) -> Result<Exit> {
    let gpus = backend::cuda_survey();
    let devices = match &gpus {
        Ok(gpus) => gpus.iter().enumerate().map(|(number, gpu)| of_gpu(number, gpu)).collect(),
        Err(why) => of_cpus(why).map(|checked| vec![checked]),
    }?;
    let exit = devices.iter().fold(Exit::Ok, |worst, checked: &Checked| worst.worst(checked.exit));
    cli::write(&SelfCheck { devices, exit: exit.code() }, format, &[], false)?;
    Ok(exit)
}

fn of_gpu(number: usize, gpu: &Device) -> Result<Checked> {
    // So that the run's process sees this one alone.
    let shown = gpu.uuid.iter().map(|uuid| ("CUDA_VISIBLE_DEVICES".to_owned(), uuid.clone()));
    tried(format!("GPU {number}: {}", gpu.name), "cuda", shown.collect())
}

fn of_cpus(why: &Error) -> Result<Checked> {
    let mut checked = tried("CPUs".to_owned(), "host", Vec::new())?;
    checked.checks.push(Check::new("GPU", End::NotRun, why.reason().to_owned()));
    Ok(checked)
}

/// What the run on a device shows.
fn tried(device: String, backend: &str, variables: run::Variables) -> Result<Checked> {
    let cannot =
        |why: std::io::Error| Error::unfit(format!("cannot make a folder for a report: {why}"));
    let folder =
        tempfile::Builder::new().prefix("tesserabench-self-check-").tempdir().map_err(cannot)?;
    let (config, words) = words(backend, folder.path())?;
    let ended = run::try_out(config, words, variables, folder.path());
    let path = folder.path().join(REPORT);
    let report = path.exists().then(|| Report::load(&path)).transpose()?;
    let mut checks = report.as_ref().map(|report| of_report(report, backend)).unwrap_or_default();
    let mut exit = ended.as_ref().map_or_else(|why| why.kind.exit(), |exit| *exit);
    let has_failed = |checks: &[Check]| checks.iter().any(|check| check.outcome == End::Failed);
    if exit != Exit::Ok && !has_failed(&checks) {
        let why = ended.map_or_else(
            |why| why.message,
            |exit| format!("{}; see the message above", exit.meaning()),
        );
        checks.insert(0, Check::new("run", End::Failed, why));
    } else if has_failed(&checks) && exit == Exit::Ok {
        exit = Exit::CaseFailed;
    }
    let kept = (exit != Exit::Ok && path.exists()).then(|| folder.keep().join(REPORT));
    Ok(Checked { device, checks, report: kept, exit })
}

/// The configuration of the run, and its words. No file that the environment names changes it.
fn words(backend: &str, folder: &Path) -> Result<(Config, Vec<OsString>)> {
    let file = folder.join("nothing.yaml");
    std::fs::write(&file, "{}").map_err(|why| Error::write(&file, &why))?;
    let report = folder.join(REPORT);
    let mut words: Vec<OsString> = vec!["--config".into(), file.into()];
    words.extend(WORDS.split_whitespace().map(OsString::from));
    words.extend(["--backend".into(), backend.into(), "--output".into(), report.into()]);
    let typed = std::iter::once(OsString::from("tesserabench")).chain(words.iter().cloned());
    let cli = Cli::try_parse_from(typed).map_err(|why| Error::internal(why.to_string()))?;
    match cli.command {
        Command::Run(run) => Ok((run.over(Config::default())?, words)),
        _ => Err(Error::internal("the words of a self-check are not those of run")),
    }
}

impl Check {
    fn new(name: &str, outcome: End, says: String) -> Self {
        Self { name: name.to_owned(), outcome, says }
    }
}

fn of_report(report: &Report, backend: &str) -> Vec<Check> {
    let cases = report.cases.iter().map(of_case);
    let of_device = match backend {
        "cuda" => vec![device_clock(&report.cases), events(report), telemetry(&report.cases)],
        _ => vec![clock(report)],
    };
    cases.chain(of_device).collect()
}

/// Whether its results are right.
fn of_case(case: &Case) -> Check {
    let (outcome, says) = match (case.outcome, &case.measured, &case.accuracy) {
        (Outcome::Measured, Some(measured), Some(accuracy)) => {
            let checked = counted(accuracy.checked, "element");
            (End::Ok, format!("{checked} right, {}", format_ms(measured.latency.median)))
        }
        (Outcome::Measured, ..) => (End::Failed, "no result was checked".to_owned()),
        (Outcome::Skipped, ..) => (End::NotRun, case.reason.clone().unwrap_or_default()),
        _ => {
            let detail = case.error.as_ref().map(|error| error.detail.clone());
            (End::Failed, detail.unwrap_or_else(|| "it does not say why".to_owned()))
        }
    };
    Check::new(&case.benchmark, outcome, says)
}

/// Whether the host's clock moves by steps that are short.
fn clock(report: &Report) -> Check {
    let step = report.floors.map_or(0, |floors| floors.clock_step_ns);
    let outcome = if (1..=1_000_000).contains(&step) { End::Ok } else { End::Failed };
    Check::new("clock", outcome, format!("steps of {step} ns"))
}

/// Whether the device stamps what ranks exchange.
fn device_clock(cases: &[Case]) -> Check {
    let name = "device clock";
    let stamped = cases.iter().filter(|case| case.benchmark == "all_reduce");
    let Some(measured) = stamped.filter_map(|case| case.measured.as_ref()).next() else {
        return Check::new(
            name,
            End::NotRun,
            "nothing was exchanged, so nothing was stamped".to_owned(),
        );
    };
    match (&measured.device_time, &measured.host_time) {
        (Some(device), Some(host)) if device.median <= host.median => {
            let [device, host] = [device, host].map(|time| format_ms(time.median));
            Check::new(
                name,
                End::Ok,
                format!("{device} by the device's stamps, {host} by the host's"),
            )
        }
        _ => Check::new(
            name,
            End::Failed,
            "an all_reduce has no stamps of the device within the host's".to_owned(),
        ),
    }
}

/// Whether events tell a time.
fn events(report: &Report) -> Check {
    match report.floors.and_then(|floors| floors.empty_device_ns) {
        Some(nanos) => Check::new(
            "events",
            End::Ok,
            format!("{} between two with nothing between", format_ms(milliseconds(nanos))),
        ),
        None => Check::new(
            "events",
            End::Failed,
            "the device tells no time between two events".to_owned(),
        ),
    }
}

/// What NVML reads.
fn telemetry(cases: &[Case]) -> Check {
    let name = "telemetry";
    let seen = cases
        .iter()
        .filter_map(|case| case.measured.as_ref())
        .flat_map(|measured| &measured.telemetry)
        .last();
    let Some(seen) = seen else {
        return Check::new(name, End::NotRun, "NVML does not know this GPU".to_owned());
    };
    let Reading { sm_mhz, memory_mhz, power_watts, energy_joules, temperature_celsius, .. } =
        &seen.after;
    let known = [
        ("SM clock", sm_mhz.map(|mhz| format!("{mhz} MHz"))),
        ("memory clock", memory_mhz.map(|mhz| format!("{mhz} MHz"))),
        ("power", power_watts.map(|watts| format!("{watts:.0} W"))),
        ("energy counter", energy_joules.map(|_| "readable".to_owned())),
        ("temperature", temperature_celsius.map(|degrees| format!("{degrees} °C"))),
    ];
    let told = known
        .iter()
        .map(|(what, value)| format!("{what} {}", value.as_deref().unwrap_or("unknown")));
    let outcome =
        if known.iter().any(|(_, value)| value.is_some()) { End::Ok } else { End::Failed };
    Check::new(name, outcome, told.collect::<Vec<_>>().join(", "))
}

impl Render for SelfCheck {
    fn document(&self) -> Document {
        let section = |checked: &Checked| {
            let lines = checked.checks.iter().map(|check| {
                format!("{:<8} {:<13} {}", check.outcome.name(), check.name, check.says)
            });
            let kept = checked.report.iter().map(|path| format!("its report: {}", path.display()));
            Section::notes(&checked.device, lines.chain(kept))
        };
        let of = |end| {
            self.devices
                .iter()
                .flat_map(|checked| &checked.checks)
                .filter(|check| check.outcome == end)
                .count()
        };
        let exit = Exit::from_code(self.exit);
        let counts = [End::Ok, End::Failed, End::NotRun].map(|end| (of(end), end.name()));
        let counts = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, name)| format!("{count} {name}"));
        Document {
            title: "Self-check".to_owned(),
            sections: self.devices.iter().filter_map(section).collect(),
            verdict: counts.collect::<Vec<_>>().join(", "),
            exit,
            ..Document::default()
        }
    }
}
