//! Where this process is, as the operating system and a debugger see it.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{PTracer, getpid, set_ptracer};

use crate::world::progress;

/// Programs that print the stack of another process, with their arguments before its number.
const PRINTERS: [&[&str]; 2] =
    [&["eu-stack", "-1", "-n", "20", "-p"], &["gdb", "--batch", "-nx", "-ex", "bt 20", "-p"]];

/// How long one may take.
const PATIENCE: Duration = Duration::from_millis(2500);

/// Longest line that is passed on, characters.
const LINE: usize = 160;

/// Most of what it prints that is passed on, bytes.
const MOST: u64 = 16 << 10;

/// What is known of the thread that does this process's work, which is not the one that calls this.
pub(super) fn explain() -> String {
    let position = progress::position();
    let facts = [
        ("state", state()),
        ("waits in the kernel at", word("wchan")),
        ("system call", word("syscall")),
    ];
    let facts = facts.into_iter().filter_map(|(what, fact)| Some(format!("{what} {}", fact?)));
    let facts = facts.collect::<Vec<_>>().join(", ");
    let stack = stack().unwrap_or_else(|| {
        "  (no stack: neither eu-stack nor gdb is here, or they may not look)".to_owned()
    });
    format!("{}, round {}: {facts}\n{stack}", progress::sentence(), position.round)
}

/// A line of the kernel's about the first thread.
fn word(name: &str) -> Option<String> {
    let pid = getpid().as_raw_nonzero();
    let text = std::fs::read_to_string(format!("/proc/self/task/{pid}/{name}")).ok()?;
    let word = text.split_whitespace().next()?.to_owned();
    Some(word).filter(|word| word != "0")
}

fn state() -> Option<String> {
    state_of(getpid().as_raw_nonzero().get().unsigned_abs())
}

/// What a process of this node does, in the kernel's words: `S (sleeping)`; `None` when there is none.
pub(super) fn state_of(process: u32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("State:"))?;
    Some(line.trim().to_owned())
}

/// The stack of the first thread, by the first program that can tell.
fn stack() -> Option<String> {
    // A process may look at its children only, unless it is told otherwise.
    let _ = set_ptracer(PTracer::Any);
    PRINTERS.iter().find_map(|printer| {
        let child = Command::new(printer[0])
            .args(&printer[1..])
            .arg(std::process::id().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // What was preloaded into this process is not for a debugger.
            .env_remove("LD_PRELOAD")
            .spawn();
        let text = printed(child.ok()?)?;
        let frames: Vec<String> =
            text.lines().filter(|line| line.starts_with('#')).map(indented).collect();
        (!frames.is_empty()).then(|| frames.join("\n"))
    })
}

fn indented(line: &str) -> String {
    format!("  {}", line.chars().take(LINE).collect::<String>())
}

fn printed(mut child: Child) -> Option<String> {
    let out = child.stdout.take()?;
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = out.take(MOST).read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let step = Duration::from_millis(50);
    for _ in 0..PATIENCE.as_millis() / step.as_millis() {
        if reader.is_finished() {
            break;
        }
        std::thread::sleep(step);
    }
    let _ = child.kill();
    let _ = child.wait();
    // A child of the child may hold the pipe open for ever.
    if reader.is_finished() { reader.join().ok() } else { None }
}
