//! Runs a job in its own process group, and ends all of its processes.

use std::ffi::OsString;
use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::reap::Orphans;

/// A job to run.
#[derive(Debug, Clone)]
pub struct Job {
    /// The program, usually a launcher.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Environment variables to set.
    pub set: Vec<(String, String)>,
    /// Environment variables to remove.
    pub unset: Vec<String>,
    /// Deadline until it has started, if it has one.
    pub startup: Option<Duration>,
    /// Deadline of the job.
    pub timeout: Duration,
    /// Grace period after a signal to stop.
    pub grace: Duration,
}

/// A line of the job's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputLine {
    /// On standard output.
    Out(String),
    /// On standard error.
    Err(String),
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It exited with this code.
    Code(i32),
    /// Killed by a signal that we did not send.
    Killed,
    /// Ended by us because it had not started at its deadline.
    NotStarted,
    /// Ended by us at its deadline.
    TimedOut,
    /// Ended by itself or by us after a signal to stop.
    Interrupted,
}

/// The result of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// How it ended.
    pub end: End,
    /// Number of processes it left behind, which were killed.
    pub left: usize,
}

/// Time between SIGTERM and SIGKILL.
const KILL_DELAY: Duration = Duration::from_secs(5);

/// Longest line of output, bytes; longer ones are truncated.
const LINE_LIMIT: usize = 64 << 10;

/// Runs the job until it ends, a deadline passes, or this process receives a signal to stop. `on_line` says whether
/// the job has started.
///
/// SIGINT, SIGTERM and SIGUSR1 to this process send SIGUSR1 to the job's first process; launchers forward it to all
/// ranks. The job then has the grace period to end. After that, on a second signal, or at the deadline, its process
/// group gets SIGTERM, and five seconds later SIGKILL. From the first call on, those signals no longer terminate
/// this process by default.
///
/// No process of the job is left when this returns, unless it hangs in the kernel. To that end this process becomes
/// the parent of its orphaned descendants for good, and all children it gets while a job runs count as the job's: it
/// must not start other processes meanwhile. A second job waits until the first ends.
///
/// # Errors
/// If the program cannot be started, or waiting for it fails.
pub fn run(job: &Job, on_line: impl FnMut(OutputLine) -> bool) -> io::Result<Ended> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(supervise(job, on_line))
}

async fn supervise(job: &Job, mut on_line: impl FnMut(OutputLine) -> bool) -> io::Result<Ended> {
    let mut command = Command::new(&job.program);
    command
        .args(&job.arguments)
        .envs(job.set.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    for name in &job.unset {
        command.env_remove(name);
    }
    // Before the job starts, so that no signal leaves it behind.
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::user_defined1()];
    let mut signals = kinds.into_iter().map(signal).collect::<io::Result<Vec<_>>>()?;
    let orphans = Orphans::adopt()?;
    let mut child = command.spawn()?;

    let (sender, mut lines) = mpsc::channel(256);
    let readers = [
        child.stdout.take().map(|out| tokio::spawn(read(out, OutputLine::Out, sender.clone()))),
        child.stderr.take().map(|err| tokio::spawn(read(err, OutputLine::Err, sender))),
    ];
    let deadline = Instant::now() + job.timeout;
    let mut shutdown = Shutdown {
        process: child.id().and_then(|id| Pid::from_raw(id.cast_signed())),
        grace: job.grace,
        deadline,
        step: Step::Running,
        due: job.startup.map_or(deadline, |startup| deadline.min(Instant::now() + startup)),
        started: job.startup.is_none(),
        reason: None,
    };
    let end = loop {
        tokio::select! {
            Some(line) = lines.recv() => {
                if on_line(line) {
                    shutdown.on_start();
                }
            }
            status = child.wait() => {
                let end = |status: ExitStatus| status.code().map_or(End::Killed, End::Code);
                break status.map(|status| shutdown.reason.unwrap_or(end(status)));
            }
            () = any_of(&mut signals), if shutdown.step < Step::Terminated => shutdown.on_signal(),
            () = sleep_until(shutdown.due) => {
                if let Some(end) = shutdown.escalate() {
                    break Ok(end);
                }
            }
        }
    };
    let left = orphans.reap().await;
    // The pipes are closed now; forward the rest of the output.
    let drained = async {
        while let Some(line) = lines.recv().await {
            let _ = on_line(line);
        }
    };
    let _ = tokio::time::timeout(KILL_DELAY, drained).await;
    readers.into_iter().flatten().for_each(|reader| reader.abort());
    Ok(Ended { end: end?, left })
}

async fn any_of(signals: &mut [tokio::signal::unix::Signal]) {
    poll_fn(|context| {
        match signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
}

/// The escalating shutdown of a job: SIGUSR1, SIGTERM, SIGKILL.
struct Shutdown {
    /// The job's first process, which leads its group.
    process: Option<Pid>,
    grace: Duration,
    deadline: Instant,
    step: Step,
    due: Instant,
    started: bool,
    /// Why the job is shut down, once it is.
    reason: Option<End>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Step {
    Running,
    /// SIGUSR1 was sent.
    Requested,
    /// SIGTERM was sent.
    Terminated,
    /// SIGKILL was sent.
    Killed,
}

impl Shutdown {
    fn on_start(&mut self) {
        if !self.started && self.step == Step::Running {
            self.due = self.deadline;
        }
        self.started = true;
    }

    fn on_signal(&mut self) {
        self.reason = Some(End::Interrupted);
        if self.step == Step::Running {
            self.step = Step::Requested;
            self.due = self.deadline.min(Instant::now() + self.grace);
            // An error here and below means that the process has already exited.
            let _ = self.process.map(|process| kill_process(process, Signal::USR1));
        } else {
            self.kill(Step::Terminated, Signal::TERM);
        }
    }

    /// Takes the next step when the time of this one is over; the end if the job survives SIGKILL.
    fn escalate(&mut self) -> Option<End> {
        let late = if self.started { End::TimedOut } else { End::NotStarted };
        let reason = *self.reason.get_or_insert(late);
        match self.step {
            Step::Running | Step::Requested => self.kill(Step::Terminated, Signal::TERM),
            Step::Terminated => self.kill(Step::Killed, Signal::KILL),
            Step::Killed => return Some(reason),
        }
        None
    }

    fn kill(&mut self, step: Step, signal: Signal) {
        self.step = step;
        self.due = Instant::now() + KILL_DELAY;
        let _ = self.process.map(|group| kill_process_group(group, signal));
    }
}

/// Sends the lines of a pipe, of bounded length, without their newlines.
async fn read(
    pipe: impl AsyncRead + Unpin,
    to_line: fn(String) -> OutputLine,
    sender: mpsc::Sender<OutputLine>,
) {
    let (mut pipe, mut line) = (BufReader::new(pipe), Vec::new());
    while let Ok(buffer) = pipe.fill_buf().await {
        let at_end = buffer.is_empty();
        let newline = buffer.iter().position(|&byte| byte == b'\n');
        let part = &buffer[..newline.unwrap_or(buffer.len())];
        line.extend_from_slice(&part[..part.len().min(LINE_LIMIT - line.len())]);
        let used = part.len() + usize::from(newline.is_some());
        pipe.consume(used);
        if newline.is_some() || (at_end && !line.is_empty()) {
            let text = String::from_utf8_lossy(&line).into_owned();
            line.clear();
            if sender.send(to_line(text)).await.is_err() {
                return;
            }
        }
        if at_end {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, timeout: Duration) -> (End, Vec<String>) {
        let job = Job {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            set: vec![("GREETING".into(), "hello".into())],
            unset: vec!["HOME".into()],
            startup: None,
            timeout,
            grace: KILL_DELAY,
        };
        let mut lines = Vec::new();
        let end = run(&job, |line| {
            lines.push(match line {
                OutputLine::Out(line) => format!("out {line}"),
                OutputLine::Err(line) => format!("err {line}"),
            });
            true
        });
        lines.sort();
        (end.unwrap().end, lines)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn lines_variables_and_codes_come_back() {
        let (end, lines) = shell("echo $GREETING$HOME; echo oops >&2; exit 7", LONG);
        assert_eq!(end, End::Code(7));
        assert_eq!(lines, ["err oops", "out hello"]);
        assert_eq!(shell("kill -9 $$", LONG).0, End::Killed);
    }

    #[test]
    fn the_deadline_ends_the_whole_group() {
        let (end, lines) = shell("sleep 600 & echo $!; wait", Duration::from_secs(5));
        assert_eq!(end, End::TimedOut);
        let pid: i32 = lines[0].strip_prefix("out ").unwrap().parse().unwrap();
        let gone = || {
            rustix::process::test_kill_process(Pid::from_raw(pid).unwrap()).is_err()
                || std::fs::read_to_string(format!("/proc/{pid}/stat"))
                    .is_ok_and(|s| s.contains(") Z"))
        };
        let waited = std::time::Instant::now();
        while !gone() && waited.elapsed() < LONG {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(gone(), "process {pid} was left behind");
    }

    #[test]
    fn an_endless_line_is_cut() {
        let (_, lines) = shell("head -c 300000 /dev/zero | tr '\\0' x; echo; echo end", LONG);
        assert_eq!(lines.iter().map(String::len).max(), Some(LINE_LIMIT + 4));
        assert!(lines.contains(&"out end".to_owned()));
    }

    #[test]
    fn a_missing_program_is_an_error() {
        let job = Job {
            program: "/no/such/program".into(),
            arguments: Vec::new(),
            set: Vec::new(),
            unset: Vec::new(),
            startup: None,
            timeout: LONG,
            grace: KILL_DELAY,
        };
        assert!(run(&job, |_| true).is_err());
    }
}
