//! The helper: a run of the built binary in a folder of its own.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// A job that has not ended after this long hangs. Where disks and processors are shared, some take minutes.
const HANG: Duration = Duration::from_secs(600);

/// In the environment of every process of a run, so that one that is left is known.
const MARK: &str = "TESSERABENCH_TEST";

/// The report, unless a run is told otherwise.
const RESULTS: &str = "results.json";

/// The kernel may take a moment to let go of a process that was killed.
const GRACE: Duration = Duration::from_secs(20);

/// So many processes of tests run at once. Most of them wait for files, compilers and each other: more than there are cores.
const PLACES: usize = 4;

/// The places that are free. Ranks spin while they wait: what has several, or measures this machine, takes all places. What does
/// neither takes one, and does not wait behind those that wait for all: if the two kinds took turns, most places would be empty.
static FREE: Mutex<usize> = Mutex::new(PLACES);
static FREED: Condvar = Condvar::new();

/// Places that are taken as long as it lives.
pub(crate) struct Taken(usize);

impl Taken {
    /// Waits until so many are free.
    fn wait_for(places: usize) -> Self {
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = FREED.wait_while(free, |free| *free < places);
        *enough.unwrap_or_else(PoisonError::into_inner) -= places;
        Self(places)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        *FREE.lock().unwrap_or_else(PoisonError::into_inner) += self.0;
        FREED.notify_all();
    }
}

/// Waits until nothing else runs, and keeps others from running as long as it is held.
pub(crate) fn turn() -> Taken {
    Taken::wait_for(PLACES)
}

/// A run that is being put together.
pub(crate) struct Run {
    folder: TempDir,
    program: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
}

/// A run that has ended.
pub(crate) struct Ended {
    folder: TempDir,
    /// Exit code; `None` for a signal.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

/// `tesserabench` with these words as arguments.
pub(crate) fn tesserabench(words: &str) -> Run {
    Run {
        folder: tempfile::tempdir().unwrap(),
        program: env!("CARGO_BIN_EXE_tesserabench").into(),
        arguments: words.split_whitespace().map(str::to_owned).collect(),
        variables: Vec::new(),
    }
}

/// A shell that does this, and stops at what fails.
pub(crate) fn shell(script: &str) -> Run {
    let mut run = tesserabench("-e -o pipefail -c").arg(script);
    run.program = "bash".into();
    run
}

/// `tesserabench run` as this many ranks, started by the program itself.
pub(crate) fn ranks(n: usize, words: &str) -> Run {
    tesserabench(&format!("run --ranks {n} {words}"))
}

/// `tesserabench run` under the MPI's own launcher, as a user would start it.
pub(crate) fn under_mpirun(n: usize, words: &str) -> Run {
    let printed = ranks(n, "--print-command").passes().out;
    let mut launcher: Vec<String> = printed.split_whitespace().map(str::to_owned).collect();
    let program = env!("CARGO_BIN_EXE_tesserabench");
    launcher.truncate(launcher.iter().position(|word| word == program).unwrap());
    let mut run = tesserabench(words);
    run.program = launcher.remove(0).into();
    let own = std::mem::take(&mut run.arguments);
    run.arguments =
        launcher.into_iter().chain([program.to_owned(), "run".to_owned()]).chain(own).collect();
    run
}

/// `tesserabench run` as two ranks on two hosts made of namespaces, where this machine allows that.
pub(crate) fn on_two_hosts(words: &str) -> Run {
    let program = env!("CARGO_BIN_EXE_tesserabench");
    let mut run = tesserabench(&format!("-- {program} run {words}"));
    run.program = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/two-hosts").into();
    run
}

impl Run {
    /// Adds an argument that may hold spaces.
    pub(crate) fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Each rank is started by a shell script, in which `"$@"` is the rank.
    pub(crate) fn through(mut self, script: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_tesserabench");
        let at = self.arguments.iter().position(|word| word == program).unwrap();
        self.arguments.splice(at..at, ["sh", "-c", script, "sh"].map(str::to_owned));
        self
    }

    /// A shell does this before it becomes the program, such as setting a limit.
    pub(crate) fn behind(mut self, command: &str) -> Self {
        let program = std::mem::replace(&mut self.program, "bash".into()).display().to_string();
        let script = format!("{command} && exec \"$0\" \"$@\"");
        self.arguments.splice(0..0, ["-c".to_owned(), script, program]);
        self
    }

    /// Plants a fault.
    pub(crate) fn fault(self, fault: &str) -> Self {
        self.env("TESSERABENCH_FAULT", fault)
    }

    /// Writes a file into the run's folder first.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// Does something in the run's folder first.
    pub(crate) fn set_up(self, act: impl FnOnce(&Path)) -> Self {
        act(self.folder.path());
        self
    }

    /// In the folder of a run that has ended.
    pub(crate) fn after(mut self, ended: Ended) -> Self {
        self.folder = ended.folder;
        self
    }

    /// Runs it.
    pub(crate) fn end(self) -> Ended {
        self.end_watched(|_, _| ())
    }

    /// Runs it, and sends its first process this signal once so many cases are finished.
    pub(crate) fn end_signalled(self, signal: Signal, cases: usize) -> Ended {
        self.end_signalled_in(signal, cases, RESULTS)
    }

    /// The same once so many cases of this output are finished.
    pub(crate) fn end_signalled_in(self, signal: Signal, cases: usize, output: &str) -> Ended {
        let mut sent = false;
        let ended = self.end_watched(|child, folder| {
            if !sent && journal(folder, output).len() >= cases {
                let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
                kill_process(id.unwrap(), signal).unwrap();
                sent = true;
            }
        });
        assert!(sent, "it ended before it was sent a signal\n{}", ended.err);
        ended
    }

    /// Whether nothing may run beside it.
    fn runs_alone(&self) -> bool {
        let has = |word: &str| self.arguments.iter().any(|argument| argument == word);
        let is_ours = self.program.ends_with("tesserabench");
        let is_on_standin = self.variables.iter().any(|(name, _)| name == "LD_LIBRARY_PATH");
        let one_gpu = is_on_standin && has("cuda") && !has("--ranks");
        // Simulated ranks sleep while they wait.
        let measures = has("run") && !(one_gpu || has("simulated") || has("--dry-run"));
        !is_ours || measures || has("profile")
    }

    /// Runs it, and calls `look` again and again meanwhile. None of its processes may be left.
    fn end_watched(self, mut look: impl FnMut(&Child, &Path)) -> Ended {
        let _taken = Taken::wait_for(if self.runs_alone() { PLACES } else { 1 });
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .env_remove("RUST_BACKTRACE")
            .env_remove("RUST_LOG")
            // Where CI is GitHub's, comparisons would tell it.
            .env_remove("GITHUB_ACTIONS")
            .env_remove("GITHUB_STEP_SUMMARY")
            // Ranks share cores here: let them yield, and let root run them.
            .env("OMPI_MCA_mpi_yield_when_idle", "1")
            // Where there is a GPU, the tests still are about the machine that all have.
            .env("CUDA_VISIBLE_DEVICES", "")
            .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
            .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
            .env(MARK, self.folder.path())
            // Nothing is left for other tests.
            .env("TESSERABENCH_CACHE_DIR", self.folder.path().join("cache"))
            .envs(self.variables);
        let mut child = command.spawn().unwrap();
        let read = |pipe: Option<Box<dyn std::io::Read + Send>>| {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                pipe.unwrap().read_to_end(&mut bytes).unwrap();
                String::from_utf8_lossy(&bytes).into_owned()
            })
        };
        let out = read(child.stdout.take().map(|pipe| Box::new(pipe) as _));
        let err = read(child.stderr.take().map(|pipe| Box::new(pipe) as _));
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if began.elapsed() > HANG {
                child.kill().unwrap();
                panic!("{:?} {:?} hangs", self.program, self.arguments);
            }
            look(&child, self.folder.path());
            std::thread::sleep(Duration::from_millis(5));
        };
        let (out, err) = (out.join().unwrap(), err.join().unwrap());
        let over = Instant::now();
        while let Some(left) = left(self.folder.path()) {
            assert!(
                over.elapsed() < GRACE,
                "{} is left of {:?}\n{err}",
                left.display(),
                self.arguments
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ended { folder: self.folder, code: status.code(), out, err }
    }

    /// Runs it and expects exit 0.
    pub(crate) fn passes(self) -> Ended {
        self.fails(0)
    }

    /// Runs it and expects this exit code.
    pub(crate) fn fails(self, code: i32) -> Ended {
        let shown = format!("{:?} {:?}", self.program, self.arguments);
        let ended = self.end();
        assert_eq!(ended.code, Some(code), "{shown}\n{}\n{}", ended.out, ended.err);
        ended
    }
}

/// A process of the run in this folder that has not ended.
fn left(folder: &Path) -> Option<PathBuf> {
    let mark = format!("{MARK}={}", folder.display());
    let mut processes = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    processes.find(|path| {
        let environment = std::fs::read(path.join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    })
}

/// The ids of the finished cases in the journal of an output in this folder; none where there is no journal.
fn journal(folder: &Path, output: &str) -> Vec<String> {
    let path = folder.join(format!("{output}.journal.jsonl"));
    let text = std::fs::read_to_string(path).unwrap_or_default();
    // What has no line end is torn, or is being written.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = whole.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| Some(line["case"]["case"]["id"].as_str()?.to_owned())).collect()
}

/// Whether the program itself says this, and not its launcher.
fn is_error(line: &str) -> bool {
    line.starts_with("tesserabench") && line.contains(": error: ")
}

impl Ended {
    /// A file of the run's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The text of a file of the run's folder.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The report.
    pub(crate) fn report(&self) -> Value {
        serde_json::from_str(&self.read(RESULTS)).unwrap()
    }

    /// The ids of the report's cases.
    pub(crate) fn ids(&self) -> Vec<String> {
        let report = self.report();
        let cases = report["cases"].as_array().unwrap();
        cases.iter().map(|case| case["id"].as_str().unwrap().to_owned()).collect()
    }

    /// The ids of the finished cases in the journal; none where there is no journal.
    pub(crate) fn journal(&self) -> Vec<String> {
        journal(self.folder(), RESULTS)
    }

    /// The one line on stderr that says what is wrong.
    pub(crate) fn error(&self) -> &str {
        let lines: Vec<&str> = self.err.lines().filter(|line| is_error(line)).collect();
        assert_eq!(lines.len(), 1, "{}", self.err);
        lines[0]
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}
