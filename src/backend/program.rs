//! Kernels that are programs: each rank starts one, which measures itself and prints the times of its iterations.

use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::vec::IntoIter;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::reference::{judge, with_number};
use super::{Accuracy, Prepared, Sample, Start};
use crate::base::error::{Error, Kind, Result};
use crate::base::units::Nanos;
use crate::benchmark::kernel::{self, KernelRun};
use crate::benchmark::{Number as _, Numbers};
use crate::plan::Plan;
use crate::world::World;
use crate::world::clock::Clock;
use crate::world::progress::Phase;
use crate::world::supervision;

/// Most bytes of a line that a program prints.
const LINE_LIMIT: u64 = 256 << 20;

/// What libraries read to learn how many threads they may start.
const THREADS: [&str; 4] =
    ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"];

/// What begins variables that a program must not see: it is no rank of this job.
const PRIVATE: [&str; 4] = [supervision::VARIABLE, "OMPI_", "PMIX_", "PMI_"];

/// What a program is told of this rank.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    rank: usize,
    ranks: usize,
    local_rank: usize,
    iterations: u32,
    warmup: u32,
    seed: u64,
}

impl Launch {
    pub(super) fn of(plan: &Plan, world: &World) -> Self {
        Self {
            rank: world.rank(),
            ranks: world.size(),
            local_rank: world.local_rank(),
            iterations: plan.budget.reported(),
            warmup: plan.budget.warmup,
            seed: plan.seed,
        }
    }
}

/// A program that is started once, before anything is timed here.
pub(super) struct Program<'a> {
    run: KernelRun,
    command: &'static kernel::Command,
    launch: Launch,
    device: String,
    clock: &'a dyn Clock,
    latencies: IntoIter<Nanos>,
}

/// A line that a program prints.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    latency_ms: Option<f64>,
    output: Option<Vec<f64>>,
}

/// What a program has printed.
#[derive(Default)]
struct Printed {
    latencies: Vec<Nanos>,
    output: Option<Vec<f64>>,
}

impl<'a> Program<'a> {
    pub(super) fn new(
        run: &KernelRun,
        command: &'static kernel::Command,
        launch: &Launch,
        (device, clock): (String, &'a dyn Clock),
    ) -> Self {
        let latencies = Vec::new().into_iter();
        Self { run: run.clone(), command, launch: launch.clone(), device, clock, latencies }
    }

    fn wrong(&self, told: impl std::fmt::Display) -> Error {
        let shown =
            self.command.words.iter().find(|word| word.contains('.') && !word.contains('\n'));
        let shown = shown.or(self.command.words.first()).map_or("", String::as_str);
        let told = format!("the program '{shown}' of {} {told}", self.run.kernel.name);
        Error::new(Kind::CaseFailed, told)
    }

    /// Starts the program with inputs that lie in `inputs`, and reads until it ends.
    fn execute(&self, inputs: &std::path::Path) -> Result<Printed> {
        let cannot = |why: &dyn std::fmt::Display| self.wrong(format!("cannot be started: {why}"));
        let mut complaints = tempfile::tempfile().map_err(|why| cannot(&why))?;
        let own = std::env::current_exe().map_err(|why| cannot(&why))?;
        let mut command = Command::new(own);
        for (name, _) in std::env::vars_os() {
            if PRIVATE.iter().any(|start| name.to_string_lossy().starts_with(start)) {
                command.env_remove(name);
            }
        }
        for name in THREADS.iter().filter(|name| std::env::var_os(name).is_none()) {
            command.env(name, "1");
        }
        let Launch { rank, ranks, local_rank, iterations, warmup, seed } = self.launch;
        let sizes: Map<String, Value> = self.run.settings();
        let mut child = command
            // So that it ends when this rank does.
            .args(["with-parent", &std::process::id().to_string(), "--"])
            .args(&self.command.words)
            .current_dir(&self.command.folder)
            .env("TESSERABENCH_RANK", rank.to_string())
            .env("TESSERABENCH_RANKS", ranks.to_string())
            .env("TESSERABENCH_LOCAL_RANK", local_rank.to_string())
            .env("TESSERABENCH_DEVICE", &self.device)
            .env("TESSERABENCH_SIZES", Value::from(sizes).to_string())
            .env("TESSERABENCH_PRECISION", self.run.element.name())
            .env("TESSERABENCH_INPUTS", inputs)
            .env("TESSERABENCH_ITERATIONS", iterations.to_string())
            .env("TESSERABENCH_WARMUP", warmup.to_string())
            .env("TESSERABENCH_SEED", seed.to_string())
            .env("TESSERABENCH_THREADS", "1")
            .env("PYTHONHASHSEED", (seed % (1 << 32)).to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(complaints.try_clone().map_err(|why| cannot(&why))?)
            .spawn()
            .map_err(|why| cannot(&why))?;
        let printed =
            child.stdout.take().map_or_else(|| Ok(Printed::default()), |out| self.read(out));
        if printed.is_err() {
            // What it goes on to print, nobody reads.
            let _ = child.kill();
        }
        let status = child.wait().map_err(|why| cannot(&why))?;
        let printed = printed?;
        if !status.success() {
            return Err(self.wrong(ended(status, &mut complaints)));
        }
        Ok(printed)
    }

    fn read(&self, out: impl std::io::Read) -> Result<Printed> {
        let mut out = BufReader::new(out);
        let mut printed = Printed::default();
        let (mut line, mut number) = (Vec::new(), 0usize);
        loop {
            line.clear();
            let read = (&mut out).take(LINE_LIMIT).read_until(b'\n', &mut line);
            if read.map_err(|why| self.wrong(format!("cannot be read: {why}")))? == 0 {
                return Ok(printed);
            }
            number += 1;
            if line.len() as u64 == LINE_LIMIT {
                let told = format!("prints more than {LINE_LIMIT} bytes in line {number}");
                return Err(self.wrong(told));
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let parsed = serde_json::from_slice(&line).ok();
            let says = |line: &Line| line.latency_ms.is_some() || line.output.is_some();
            let Some(Line { latency_ms, output }) = parsed.filter(says) else {
                let shown: String =
                    String::from_utf8_lossy(&line).trim().chars().take(40).collect();
                return Err(self.wrong(format!(
                    "prints '{shown}' in line {number}; it must print only lines such as {{\"latency_ms\": 1.5}} or \
                     {{\"output\": [1, 2]}}, and anything else on standard error"
                )));
            };
            if let Some(latency) = latency_ms {
                let nanos = latency * 1e6;
                if !(0.5..1e18).contains(&nanos) {
                    return Err(self.wrong(format!(
                        "prints the latency {latency} ms in line {number}; it must be between 1e-6 and 1e12"
                    )));
                }
                if printed.latencies.len() >= self.launch.iterations as usize {
                    return Err(self.wrong(format!(
                        "prints more latencies than the {} that TESSERABENCH_ITERATIONS asks for",
                        self.launch.iterations
                    )));
                }
                printed.latencies.push(nanos.round() as Nanos);
            }
            printed.output = output.or(printed.output);
        }
    }

    /// Writes the inputs, each into a file of its name.
    fn write_inputs(&self, folder: &std::path::Path) -> Result<Vec<Numbers>> {
        let write = |of: (&kernel::Tensor, &[usize])| {
            let numbers = self.run.filled(of)?;
            let file = folder.join(&of.0.name);
            std::fs::write(&file, numbers.bytes()).map_err(|why| Error::write(&file, &why))?;
            Ok(numbers)
        };
        self.run.inputs().map(write).collect()
    }

    /// Checks what it printed: its outputs one after the other.
    fn check_output(&self, inputs: &[Numbers], printed: &[f64]) -> Result<Accuracy> {
        let names: Vec<&str> = self.run.outputs().map(|(tensor, _)| &*tensor.name).collect();
        let outputs = self.run.outputs().map(|of| self.run.filled(of));
        let mut outputs: Vec<Numbers> = outputs.collect::<Result<_>>()?;
        let count = |of: &Numbers| of.bytes().len() / of.element.bytes() as usize;
        let expected: usize = outputs.iter().map(count).sum();
        if printed.len() != expected {
            let names = if names.is_empty() { "output".to_owned() } else { names.join(" and ") };
            let got = printed.len();
            return Err(
                self.wrong(format!("prints an output of {got} elements; {names} has {expected}"))
            );
        }
        let mut printed = printed.iter();
        for output in &mut outputs {
            with_number!(output.element, T => {
                let places = output.of_mut::<T>().iter_mut();
                places.zip(&mut printed).for_each(|(place, value)| *place = T::rounded(*value));
            });
        }
        let outputs = outputs.iter_mut().map(Numbers::bytes_mut);
        Ok(judge(&self.run, inputs.iter().map(Numbers::bytes), outputs, Phase::Verify, &mut None))
    }
}

/// How a program ended, with the last thing that it said.
fn ended(status: ExitStatus, complaints: &mut std::fs::File) -> String {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, signal) => format!("was ended by signal {}", signal.unwrap_or_default()),
    };
    let length = complaints.metadata().map_or(0, |facts| facts.len());
    let mut said = Vec::new();
    let read = complaints.seek(SeekFrom::Start(length.saturating_sub(4096)));
    let _ = read.and_then(|_| complaints.read_to_end(&mut said));
    let said = String::from_utf8_lossy(&said);
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    last.map_or(how.clone(), |last| format!("{how}; the last that it said is: {}", last.trim()))
}

impl Prepared for Program<'_> {
    /// Runs it, all of its iterations, and checks the output that it may print.
    fn verify(&mut self) -> Result<Accuracy> {
        let folder = tempfile::tempdir()
            .map_err(|why| self.wrong(format!("has no folder for its inputs: {why}")))?;
        let inputs = self.write_inputs(folder.path())?;
        let printed = self.execute(folder.path())?;
        let checked = printed.output.as_ref().map(|output| self.check_output(&inputs, output));
        let accuracy = checked.transpose()?.unwrap_or_default();
        let (got, asked) = (printed.latencies.len(), self.launch.iterations);
        if got < asked as usize {
            return Err(self.wrong(format!(
                "prints {got} of the {asked} latencies that TESSERABENCH_ITERATIONS asks for"
            )));
        }
        self.latencies = printed.latencies.into_iter();
        Ok(accuracy)
    }

    fn arm(&mut self, _: u32) -> Result<()> {
        Ok(())
    }

    /// The next of its times, as if it ran now.
    fn fire(&mut self, _: Start) -> Result<Sample> {
        let latency = self.latencies.next();
        let latency = latency.ok_or_else(|| Error::internal("a program has no more times"))?;
        let start = self.clock.now();
        Ok(Sample { device: Some(latency), ..Sample::by_host(start, start + latency, false) })
    }
}
