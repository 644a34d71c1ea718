//! The profiler that this process runs under: what it counts is the timed rounds alone.
//!
//! `nsys` and `ncu` begin and stop by calls of NVIDIA's driver. `perf` listens at a pipe and answers at another one.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::nvidia;
use crate::base::error::{Error, Result};

/// Names the profiler to all ranks of a run, whether they are under it or not.
pub const PROFILER: &str = "TESSERABENCH_PROFILER";

/// Where a rank under `perf` finds its pipes: the path of its files without their endings.
pub const FILES: &str = "TESSERABENCH_PROFILER_FILES";

/// Endings of the pipe to `perf`, of that from it, and of the file with the seconds that it has counted.
pub const CONTROL: &str = "control";
/// As [`CONTROL`].
pub const ANSWER: &str = "answer";
/// As [`CONTROL`].
pub const SECONDS: &str = "seconds";

/// Longest time that `perf` takes to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A profiler that ranks can be started under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profiler {
    /// NVIDIA Nsight Systems: what ran when.
    Nsys,
    /// NVIDIA Nsight Compute: how well a kernel uses the GPU.
    Ncu,
    /// Linux perf: counters of CPUs.
    Perf,
}

impl Profiler {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Nsys, Self::Ncu, Self::Perf];

    /// The name of its program.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nsys => "nsys",
            Self::Ncu => "ncu",
            Self::Perf => "perf",
        }
    }

    /// The one that the ranks of this run are under.
    pub fn of_this_run() -> Option<Self> {
        let name = std::env::var(PROFILER).ok()?;
        Self::ALL.into_iter().find(|profiler| profiler.name() == name)
    }

    /// Whether it runs the kernels of a GPU one by one, so that none may wait for another.
    pub fn runs_kernels_alone(self) -> bool {
        self == Self::Ncu
    }
}

/// The path of a file of a rank.
pub fn file_of(files: &Path, ending: &str) -> PathBuf {
    let mut path = files.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    path.into()
}

/// The profiler around this process.
#[derive(Debug)]
pub struct Window {
    profiler: Profiler,
    perf: Option<Perf>,
    counts: bool,
    /// Whether it counts no more: `nsys` takes one stretch of time.
    over: bool,
}

impl Window {
    /// Connects with it; `None` for a process under none.
    ///
    /// # Errors
    /// Unfit when the pipes of `perf` cannot be opened.
    pub fn of_this_process() -> Result<Option<Self>> {
        let Some(profiler) = Profiler::of_this_run() else { return Ok(None) };
        let perf = match (profiler, std::env::var_os(FILES)) {
            (Profiler::Perf, Some(files)) => Some(Perf::connect(Path::new(&files))?),
            // Another rank of the run is under it.
            (Profiler::Perf, None) => return Ok(None),
            (Profiler::Nsys | Profiler::Ncu, _) => None,
        };
        Ok(Some(Self { profiler, perf, counts: false, over: false }))
    }

    /// From here on it counts.
    ///
    /// # Errors
    /// Unfit when it does not answer.
    pub fn open(&mut self) -> Result<()> {
        if self.counts || self.over {
            return Ok(());
        }
        self.counts = true;
        match &mut self.perf {
            Some(perf) => perf.count(true),
            None => nvidia::let_profiler_count(true),
        }
    }

    /// From here on it does not, for a while.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn pause(&mut self) -> Result<()> {
        if self.profiler == Profiler::Nsys { Ok(()) } else { self.close() }
    }

    /// From here on it does not, until the next case.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn end(&mut self) -> Result<()> {
        self.close()?;
        self.over = self.profiler == Profiler::Nsys;
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        if !std::mem::take(&mut self.counts) {
            return Ok(());
        }
        match &mut self.perf {
            Some(perf) => perf.count(false),
            None => nvidia::let_profiler_count(false),
        }
    }
}

/// The pipes of `perf`, and how long it has counted.
#[derive(Debug)]
struct Perf {
    control: File,
    answer: File,
    seconds: PathBuf,
    since: Instant,
    counted: Duration,
}

impl Perf {
    fn connect(files: &Path) -> Result<Self> {
        // Opened both ways, a pipe does not wait for its other end.
        let open = |ending: &str| {
            let path = file_of(files, ending);
            let opened = OpenOptions::new().read(true).write(true).open(&path);
            opened.map_err(|why| {
                Error::unfit(format!("no pipe to perf at {}: {why}", path.display()))
            })
        };
        let seconds = file_of(files, SECONDS);
        let (control, answer) = (open(CONTROL)?, open(ANSWER)?);
        Ok(Self { control, answer, seconds, since: Instant::now(), counted: Duration::ZERO })
    }

    fn count(&mut self, counts: bool) -> Result<()> {
        let command: &[u8] = if counts { b"enable\n" } else { b"disable\n" };
        if !counts {
            self.counted += self.since.elapsed();
        }
        let asked = self.control.write_all(command).and_then(|()| self.wait());
        asked.map_err(|why| {
            Error::unfit(format!("perf does not answer: {why}; see whether it still runs"))
        })?;
        if counts {
            self.since = Instant::now();
            return Ok(());
        }
        let seconds = self.counted.as_secs_f64().to_string();
        std::fs::write(&self.seconds, seconds).map_err(|why| Error::write(&self.seconds, &why))
    }

    /// Waits for the line `ack`, behind which some versions write a zero.
    fn wait(&mut self) -> std::io::Result<()> {
        let mut byte = [0];
        while byte != *b"\n" {
            let ready = &mut [PollFd::new(&self.answer, PollFlags::IN)];
            let patience = Timespec { tv_sec: PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
            if poll(ready, Some(&patience))? == 0 {
                return Err(std::io::ErrorKind::TimedOut.into());
            }
            self.answer.read_exact(&mut byte)?;
        }
        Ok(())
    }
}
