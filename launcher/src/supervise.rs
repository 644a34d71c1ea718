//! Runs a job in a process group of its own, and ends the whole group.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

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
pub enum Line<'a> {
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
    /// Ended by us, because we were told to stop.
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

/// How long a job may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// Longest line that is handed on; the rest of a longer one is left out.
const LINE_LIMIT: usize = 64 << 10;

/// Runs the job to its end, by itself or by the deadline, or until this process is told to stop
/// (SIGINT, SIGTERM). Nothing of its process group is left when this returns.
///
/// # Errors
/// When the program cannot be started, or its output cannot be read.
pub fn run(job: &Job, on_line: impl FnMut(Line<'_>)) -> io::Result<Ended> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(supervise(job, on_line))
        .map(|end| Ended { end, left: 0 })
}

async fn supervise(job: &Job, mut on_line: impl FnMut(Line<'_>)) -> io::Result<End> {
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
    let mut child = command.spawn()?;
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));

    let (sender, mut lines) = mpsc::channel(256);
    let readers = [
        child.stdout.take().map(|out| tokio::spawn(read(out, false, sender.clone()))),
        child.stderr.take().map(|err| tokio::spawn(read(err, true, sender))),
    ];
    let mut hand_on = |(is_err, line): (bool, String)| {
        on_line(if is_err { Line::Err(&line) } else { Line::Out(&line) });
    };

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let deadline = Instant::now() + job.timeout;
    let mut ended_by_us = None;
    let status = loop {
        tokio::select! {
            line = lines.recv() => match line {
                Some(line) => hand_on(line),
                None => break child.wait().await?,
            },
            status = child.wait() => break status?,
            () = sleep_until(deadline), if ended_by_us.is_none() => {
                ended_by_us = Some(End::TimedOut);
                end(group, &mut child).await?;
            }
            _ = interrupt.recv(), if ended_by_us.is_none() => {
                ended_by_us = Some(End::Interrupted);
                end(group, &mut child).await?;
            }
            _ = terminate.recv(), if ended_by_us.is_none() => {
                ended_by_us = Some(End::Interrupted);
                end(group, &mut child).await?;
            }
        }
    };
    // Whatever the launcher left behind holds the pipes open; what was printed is still handed on.
    kill(group, Signal::KILL);
    let drained = async {
        while let Some(line) = lines.recv().await {
            hand_on(line);
        }
    };
    let _ = tokio::time::timeout(GRACE, drained).await;
    readers.into_iter().flatten().for_each(|reader| reader.abort());
    Ok(ended_by_us.unwrap_or_else(|| how(status)))
}

/// Asks the group to end, waits, then makes it end.
async fn end(group: Option<Pid>, child: &mut Child) -> io::Result<()> {
    kill(group, Signal::TERM);
    tokio::select! {
        status = child.wait() => status.map(drop),
        () = sleep(GRACE) => {
            kill(group, Signal::KILL);
            Ok(())
        }
    }
}

fn kill(group: Option<Pid>, signal: Signal) {
    // An error says that nobody is left, which is what was wanted.
    let _ = group.map(|group| kill_process_group(group, signal));
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
                Line::Out(line) => format!("out {line}"),
                Line::Err(line) => format!("err {line}"),
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
        let (end, lines) = shell("sleep 600 & echo $!; wait", Duration::from_millis(300));
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
