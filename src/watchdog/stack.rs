//! The state and stack of this process, from the kernel and a debugger.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{PTracer, set_ptracer};

use crate::base::files::value_in;
use crate::world::progress;

/// Programs that print the stack of another process, with their arguments before its pid.
const STACK_PRINTERS: [&[&str]; 2] =
    [&["eu-stack", "-1", "-n", "20", "-p"], &["gdb", "--batch", "-nx", "-ex", "bt 20", "-p"]];

const PRINTER_TIMEOUT: Duration = Duration::from_millis(2500);

/// Longest line of a stack, characters.
const LINE_LIMIT: usize = 160;

/// Longest output of a printer, bytes.
const OUTPUT_LIMIT: u64 = 16 << 10;

/// The position, kernel state and stack of this process's main thread; another thread calls it.
pub(super) fn report() -> String {
    let position = progress::position();
    let facts = [
        ("state", state_of(std::process::id())),
        ("waits in the kernel at", proc_field("wchan")),
        ("system call", proc_field("syscall")),
    ];
    let facts = facts.into_iter().filter_map(|(what, fact)| Some(format!("{what} {}", fact?)));
    let facts = facts.collect::<Vec<_>>().join(", ");
    let stack = stack().unwrap_or_else(|| {
        "  (no stack: eu-stack and gdb are not installed, or ptrace is not permitted)".to_owned()
    });
    format!("{}, round {}: {facts}\n{stack}", progress::describe(), position.round)
}

/// The first word of a `/proc` file of the main thread.
fn proc_field(name: &str) -> Option<String> {
    let pid = std::process::id();
    let text = std::fs::read_to_string(format!("/proc/self/task/{pid}/{name}")).ok()?;
    let word = text.split_whitespace().next()?.to_owned();
    Some(word).filter(|word| word != "0")
}

/// The kernel's state of a process on this node, such as `S (sleeping)`; `None` if there is no such process.
pub(super) fn state_of(process: u32) -> Option<String> {
    value_in(&format!("/proc/{process}/status"), "State:")
}

/// The stack of the main thread, from the first printer that works.
fn stack() -> Option<String> {
    // By default Yama permits ptrace of descendants only.
    let _ = set_ptracer(PTracer::Any);
    STACK_PRINTERS.iter().find_map(|printer| {
        let child = Command::new(printer[0])
            .args(&printer[1..])
            .arg(std::process::id().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Libraries preloaded into this process may break a debugger.
            .env_remove("LD_PRELOAD")
            .spawn();
        let text = output_of(child.ok()?)?;
        let indented =
            |line: &str| format!("  {}", line.chars().take(LINE_LIMIT).collect::<String>());
        let frames: Vec<String> =
            text.lines().filter(|line| line.starts_with('#')).map(indented).collect();
        (!frames.is_empty()).then(|| frames.join("\n"))
    })
}

/// The output of a printer; kills it at its time limit.
fn output_of(mut child: Child) -> Option<String> {
    let out = child.stdout.take()?;
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = out.take(OUTPUT_LIMIT).read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let step = Duration::from_millis(50);
    for _ in 0..PRINTER_TIMEOUT.as_millis() / step.as_millis() {
        if reader.is_finished() {
            break;
        }
        std::thread::sleep(step);
    }
    let _ = child.kill();
    let _ = child.wait();
    // A grandchild may keep the pipe open.
    if reader.is_finished() { reader.join().ok() } else { None }
}
