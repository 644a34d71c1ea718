//! Runs a job in a process group of its own, and ends all of its processes.

use std::ffi::OsString;
use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
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
    /// Variables to set.
    pub set: Vec<(String, String)>,
    /// Variables to take away.
    pub unset: Vec<String>,
    /// How long the job may take.
    pub timeout: Duration,
    /// How long it may take to end in good order once this process was told to stop.
    pub grace: Duration,
}

/// A line that the job printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputLine<'a> {
    /// On standard output.
    Out(&'a str),
    /// On standard error.
    Err(&'a str),
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, with this code.
    Code(i32),
    /// Killed by a signal that was not ours.
    Killed,
    /// Ended by us, because its time was over.
    TimedOut,
    /// In good order or by us, because we were told to stop.
    Interrupted,
}

/// What became of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// How it ended.
    pub end: End,
    /// Processes it left behind, which had to be killed.
    pub left: usize,
}

/// How long a job may take to end after it was told to.
const GRACE: Duration = Duration::from_secs(5);

/// Longest line that is handed on; the rest of a longer one is left out.
const LINE_LIMIT: usize = 64 << 10;

/// Runs the job to its end, by itself or by the deadline, or until this process is told to stop.
///
/// SIGINT, SIGTERM or SIGUSR1 to this process send SIGUSR1 to the job's first process, which launchers
/// pass on to all they started. It then has `grace` to end in good order; after that, or on a second
/// signal, or on the deadline, its group is sent SIGTERM and five seconds later SIGKILL. Once this was
/// called, those signals end this process by default no more.
///
/// None of its processes is left when this returns, unless the kernel holds one fast. For that, orphaned
/// descendants of this process become its children for good, and all children that it gets while a job
/// runs count as the job's: it must not start others meanwhile. A second job waits for the first to end.
///
/// # Errors
/// When the program cannot be started, or its end cannot be awaited.
pub fn run(job: &Job, on_line: impl FnMut(OutputLine<'_>)) -> io::Result<Ended> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(supervise(job, on_line))
}

async fn supervise(job: &Job, mut on_line: impl FnMut(OutputLine<'_>)) -> io::Result<Ended> {
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
    // Before there is anything that a signal would leave behind.
    let mut requests = Requests::listen()?;
    let orphans = Orphans::adopt()?;
    let mut child = command.spawn()?;

    let (sender, mut lines) = mpsc::channel(256);
    let readers = [
        child.stdout.take().map(|out| tokio::spawn(read(out, false, sender.clone()))),
        child.stderr.take().map(|err| tokio::spawn(read(err, true, sender))),
    ];
    let mut hand_on = |(is_err, line): (bool, String)| {
        on_line(if is_err { OutputLine::Err(&line) } else { OutputLine::Out(&line) });
    };

    let mut ending = Ending::new(job, child.id());
    let end = loop {
        tokio::select! {
            Some(line) = lines.recv() => hand_on(line),
            status = child.wait() => break status.map(|status| ending.why.unwrap_or(how(status))),
            () = requests.next(), if ending.heeds_requests() => ending.request(),
            () = sleep_until(ending.due) => match ending.hurry() {
                ControlFlow::Continue(()) => {}
                ControlFlow::Break(end) => break Ok(end),
            }
        }
    };
    let left = orphans.end().await;
    // Nobody holds the pipes open any more; what was printed is still handed on.
    let drained = async {
        while let Some(line) = lines.recv().await {
            hand_on(line);
        }
    };
    let _ = tokio::time::timeout(GRACE, drained).await;
    readers.into_iter().flatten().for_each(|reader| reader.abort());
    Ok(Ended { end: end?, left })
}

/// The signals by which this process is told to stop.
struct Requests([tokio::signal::unix::Signal; 3]);

impl Requests {
    fn listen() -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self([interrupt, terminate, signal(SignalKind::user_defined1())?]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate, user] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = user.recv() => {}
        }
    }
}

/// How a job is brought to its end, step by step.
struct Ending {
    /// The job's first process, and its group.
    process: Option<Pid>,
    grace: Duration,
    deadline: Instant,
    step: Step,
    /// When the next step is due.
    due: Instant,
    /// Why we end it, once we do.
    why: Option<End>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Running,
    /// Asked to end in good order.
    Asked,
    /// Told to end.
    Told,
    Killed,
}

impl Ending {
    fn new(job: &Job, process: Option<u32>) -> Self {
        let deadline = Instant::now() + job.timeout;
        Self {
            process: process.and_then(|id| Pid::from_raw(id.cast_signed())),
            grace: job.grace,
            deadline,
            step: Step::Running,
            due: deadline,
            why: None,
        }
    }

    /// Whether a signal to this process changes anything yet.
    fn heeds_requests(&self) -> bool {
        matches!(self.step, Step::Running | Step::Asked)
    }

    /// This process was told to stop.
    fn request(&mut self) {
        self.why = Some(End::Interrupted);
        if self.step == Step::Running {
            self.step = Step::Asked;
            self.due = self.deadline.min(Instant::now() + self.grace);
            // An error here and below says that nobody is left, which is what was wanted.
            let _ = self.process.map(|process| kill_process(process, Signal::USR1));
        } else {
            self.tell();
        }
    }

    /// The time of this step is over; breaks when the job did not even end when it was killed.
    fn hurry(&mut self) -> ControlFlow<End> {
        let why = *self.why.get_or_insert(End::TimedOut);
        match self.step {
            Step::Running | Step::Asked => self.tell(),
            Step::Told => {
                self.step = Step::Killed;
                self.due = Instant::now() + GRACE;
                let _ = self.process.map(|group| kill_process_group(group, Signal::KILL));
            }
            Step::Killed => return ControlFlow::Break(why),
        }
        ControlFlow::Continue(())
    }

    fn tell(&mut self) {
        self.step = Step::Told;
        self.due = Instant::now() + GRACE;
        let _ = self.process.map(|group| kill_process_group(group, Signal::TERM));
    }
}

fn how(status: ExitStatus) -> End {
    status.code().map_or(End::Killed, End::Code)
}

async fn read(pipe: impl AsyncRead + Unpin, is_err: bool, sender: mpsc::Sender<(bool, String)>) {
    let mut pipe = BufReader::new(pipe);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match read_line(&mut pipe, &mut bytes).await {
            Ok(true) => {
                let line = String::from_utf8_lossy(&bytes).into_owned();
                if sender.send((is_err, line)).await.is_err() {
                    return;
                }
            }
            Ok(false) | Err(_) => return,
        }
    }
}

/// Reads a line of bounded length without its end; false at the end of the stream.
async fn read_line(
    pipe: &mut BufReader<impl AsyncRead + Unpin>,
    line: &mut Vec<u8>,
) -> io::Result<bool> {
    let mut any = false;
    loop {
        let buffer = pipe.fill_buf().await?;
        if buffer.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = buffer.iter().position(|&byte| byte == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        line.extend_from_slice(&part[..part.len().min(LINE_LIMIT - line.len())]);
        let used = part.len() + usize::from(end.is_some());
        pipe.consume(used);
        if end.is_some() {
            return Ok(true);
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
            timeout,
            grace: GRACE,
        };
        let mut lines = Vec::new();
        let end = run(&job, |line| {
            lines.push(match line {
                OutputLine::Out(line) => format!("out {line}"),
                OutputLine::Err(line) => format!("err {line}"),
            });
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
            timeout: LONG,
            grace: GRACE,
        };
        assert!(run(&job, |_| {}).is_err());
    }
}
