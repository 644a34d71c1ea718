//! The program of a profiler: where it is, what it can count here, and what it exports of its files.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::base::error::{Error, Exit, Result};
use crate::base::files::{is_plain, read_bounded};
use crate::import::{perf_events, read_ncu, read_nsys, read_perf};
use crate::machine::profiler::{Profiler, SECONDS, file_of};
use crate::report::ProfiledRank;

/// Most bytes of a file of a profiler that is read here.
const LIMIT: u64 = 64 << 20;

/// What `ncu` says where counters are for administrators.
const FORBIDDEN: &str = "ERR_NVGPUCTRPERM";

/// A profiler's program.
pub(super) struct Tool {
    profiler: Profiler,
    pub(super) program: PathBuf,
    pub(super) version: Option<String>,
    /// What `perf` is to count.
    pub(super) events: Vec<String>,
    /// What it cannot count here.
    pub(super) remarks: Vec<String>,
}

impl Tool {
    /// Finds it, and what it can count.
    ///
    /// # Errors
    /// Unfit where it is not there, or the system lets it count nothing.
    pub(super) fn find(profiler: Profiler) -> Result<Self> {
        let name = profiler.name();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut places = std::env::split_paths(&path).map(|folder| folder.join(name));
        let program = places.find(|place| is_executable(place)).ok_or_else(|| {
            let remedy = match profiler {
                Profiler::Nsys => "install NVIDIA Nsight Systems, or put its folder there",
                Profiler::Ncu => "install NVIDIA Nsight Compute, or put its folder there",
                Profiler::Perf => "install perf, on Debian by the package linux-perf",
            };
            Error::unfit(format!("{name} is not on the PATH; {remedy}"))
        })?;
        let program = std::path::absolute(&program).unwrap_or(program);
        let mut tool =
            Self { profiler, program, version: None, events: Vec::new(), remarks: Vec::new() };
        let told = tool.ask(&["--version"])?;
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        tool.version =
            told.lines().find(|line| line.to_lowercase().contains("version")).map(str::to_owned);
        if profiler == Profiler::Perf {
            tool.find_events()?;
        }
        Ok(tool)
    }

    fn ask(&self, words: &[&str]) -> Result<Output> {
        let asked = Command::new(&self.program).args(words).env("LC_ALL", "C").output();
        asked.map_err(|why| {
            Error::unfit(format!("cannot start '{}': {why}", self.program.display()))
        })
    }

    /// Tries every event on a program that does nothing.
    fn find_events(&mut self) -> Result<()> {
        let counts = |event: &str| -> Result<bool> {
            let tried =
                self.ask(&["stat", "--field-separator=,", "--event", event, "--", "true"])?;
            let told = String::from_utf8_lossy(&tried.stderr);
            if event == "task-clock" && !tried.status.success() {
                // Any kernel counts this one.
                let level = paranoia().unwrap_or_else(|| "unknown".to_owned());
                return Err(Error::unfit(format!(
                    "this system lets perf count nothing (kernel.perf_event_paranoid is {level}); set it to 1 with \
                     sysctl, or give this user or container CAP_PERFMON"
                )));
            }
            Ok(tried.status.success() && !told.contains("<not supported>"))
        };
        let (events, without) = perf_events(counts)?;
        self.events = events;
        if !self.counts_hardware() {
            self.remarks.push(
                "perf finds no hardware counters here, as in most virtual machines: instructions, SIMD shares, cache hits \
                 and memory bandwidth are null; profile on the machine itself"
                    .to_owned(),
            );
        } else if !without.is_empty() {
            self.remarks.push(format!("perf cannot count here: {}", without.join(", ")));
        }
        Ok(())
    }

    fn counts_hardware(&self) -> bool {
        self.events.iter().any(|event| event != "task-clock")
    }

    /// The exit that follows from what it can count.
    pub(super) fn exit(&self) -> Exit {
        match self.profiler {
            Profiler::Perf if !self.counts_hardware() => Exit::Unfit,
            _ => Exit::Ok,
        }
    }

    /// What it has seen of a rank whose files are in a folder, and why something is missing.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn read(&self, folder: &Path, rank: usize) -> Result<(ProfiledRank, Option<Error>)> {
        let files = folder.join(format!("rank-{rank}"));
        let mut seen = ProfiledRank { rank, ..ProfiledRank::default() };
        let read = match self.profiler {
            Profiler::Perf => self.counters(&files, &mut seen),
            Profiler::Nsys | Profiler::Ncu => self.kernels(&files, &mut seen),
        };
        let lacks = read.err().map(|why| Error::unfit(format!("rank {rank}: {}", why.message)));
        let prefix = format!("rank-{rank}.");
        let entries = std::fs::read_dir(folder).map_err(|why| Error::file("read", folder, why))?;
        let names = entries
            .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
        seen.files = names.filter(|name| name.starts_with(&prefix)).collect();
        seen.files.sort();
        Ok((seen, lacks))
    }

    fn counters(&self, files: &Path, seen: &mut ProfiledRank) -> Result<()> {
        let seconds = file_of(files, SECONDS);
        if let Ok(text) = read_bounded(&seconds, LIMIT) {
            seen.seconds = text.parse().ok();
            // It is in the summary now.
            let _ = std::fs::remove_file(&seconds);
        }
        let table = file_of(files, "csv");
        let text = read_bounded(&table, LIMIT)
            .map_err(|why| Error::unfit(format!("perf has left no counts: {}", why.message)))?;
        let counters = read_perf(&text, seen.seconds)?;
        let lacks = self.counts_hardware() && !counters.has_counted();
        seen.counters = Some(counters);
        match lacks {
            true => Err(Error::unfit("perf counted nothing; see its log and its table")),
            false => Ok(()),
        }
    }

    fn kernels(&self, files: &Path, seen: &mut ProfiledRank) -> Result<()> {
        let log = read_bounded(&file_of(files, "log"), LIMIT).unwrap_or_default();
        if log.contains(FORBIDDEN) {
            return Err(Error::unfit(format!(
                "NVIDIA's driver lets only administrators read the GPU's counters ({FORBIDDEN}); run as root, or load the \
                 driver with NVreg_RestrictProfilingToAdminUsers=0"
            )));
        }
        let name = self.profiler.name();
        let ending = if self.profiler == Profiler::Ncu { "ncu-rep" } else { "nsys-rep" };
        let file = file_of(files, ending);
        if !is_plain(&file) || !file.exists() {
            return Err(Error::unfit(format!(
                "{name} has left no file {}; see its log",
                file.display()
            )));
        }
        let path = file.to_string_lossy();
        let told = match self.profiler {
            Profiler::Ncu => {
                self.ask(&["--import", &path, "--csv", "--page", "raw", "--print-units", "base"])?
            }
            _ => self.ask(&[
                "stats",
                "--report",
                "cuda_gpu_kern_sum",
                "--format",
                "csv",
                "--force-export=true",
                &path,
            ])?,
        };
        let text = String::from_utf8_lossy(&told.stdout);
        if !told.status.success() {
            let why = String::from_utf8_lossy(&told.stderr);
            let why = why.lines().last().unwrap_or("it does not say why").to_owned();
            return Err(Error::unfit(format!("{name} cannot export {}: {why}", file.display())));
        }
        let kernels =
            if self.profiler == Profiler::Ncu { read_ncu(&text)? } else { read_nsys(&text)? };
        let lacks = kernels.is_empty();
        seen.kernels = Some(kernels);
        match lacks {
            true => {
                Err(Error::unfit(format!("{name} saw no kernel in the timed rounds; see its log")))
            }
            false => Ok(()),
        }
    }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}

fn paranoia() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").ok()?;
    Some(text.trim().to_owned())
}
