//! Jobs that are asked to stop, that leave processes behind, or whose supervisor dies.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a role speaks to its test")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getpid, getppid, kill_process};
use tesserabench_launcher::{
    Activity, Client, ClientEvent, ClientOptions, End, Ended, Heartbeat, Job, OutputLine,
    die_with_parent, run,
};

/// Long enough for whatever a test waits for.
const LONG: Duration = Duration::from_secs(120);

/// One test at a time: a job takes all children of this process for its own, and signals reach all.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a script, sends this process SIGTERM whenever it says `ask`, and returns what it said.
fn shell(script: &str, timeout: Duration, grace: Duration) -> (Ended, Vec<String>) {
    shell_starting(script, None, timeout, grace)
}

/// The same of a script that has started once it says `started`.
fn shell_starting(
    script: &str,
    startup: Option<Duration>,
    timeout: Duration,
    grace: Duration,
) -> (Ended, Vec<String>) {
    let job = Job {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        set: Vec::new(),
        unset: Vec::new(),
        startup,
        timeout,
        grace,
    };
    let mut lines = Vec::new();
    let ended = run(&job, |line| {
        let (OutputLine::Out(line) | OutputLine::Err(line)) = line;
        if line == "ask" {
            kill_process(getpid(), Signal::TERM).unwrap();
        }
        lines.push(line);
        lines.contains(&"started".to_owned())
    });
    (ended.unwrap(), lines)
}

fn is_gone(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z"))
}

/// Whether a process ends in the time that a test waits; if not, it is ended.
fn ends(pid: &str) -> bool {
    let begun = Instant::now();
    while !is_gone(pid) && begun.elapsed() < LONG {
        thread::sleep(Duration::from_millis(10));
    }
    let gone = is_gone(pid);
    if !gone {
        kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
    }
    gone
}

#[test]
fn a_daughter_in_a_session_of_her_own_is_not_left() {
    let _turn = turn();
    let script = "{ setsid sh -c 'trap \"\" TERM; sleep 600 & echo $$; wait' & } | \
                  { read -r pid; echo $pid; }; exit 3";
    let (ended, lines) = shell(script, LONG, LONG);
    assert_eq!(ended, Ended { end: End::Code(3), left: 2 }, "the shell and its sleep");
    assert!(is_gone(&lines[0]));
    // When the time is over too.
    let script = "setsid sh -c 'trap \"\" TERM; echo $$; exec sleep 600' & wait";
    let (ended, lines) = shell(script, Duration::from_secs(15), LONG);
    assert_eq!(ended, Ended { end: End::TimedOut, left: 1 });
    assert!(is_gone(&lines[0]));
}

#[test]
fn children_from_before_are_no_part_of_a_job() {
    let _turn = turn();
    let mut other = Command::new("sleep").arg("600").spawn().unwrap();
    assert_eq!(shell("exit 0", LONG, LONG).0, Ended { end: End::Code(0), left: 0 });
    assert!(other.try_wait().unwrap().is_none());
    other.kill().unwrap();
    other.wait().unwrap();
}

/// A script that says `ask` and goes on, doing `on_usr1` when it is asked to stop.
fn asks(on_usr1: &str) -> String {
    format!("trap '{on_usr1}' USR1; echo ask; while :; do sleep 0.05; done")
}

#[test]
fn a_job_that_is_asked_to_stop_may_end_in_good_order() {
    let _turn = turn();
    let (ended, lines) = shell(&asks("echo in good order; exit 0"), LONG, LONG);
    assert_eq!(ended.end, End::Interrupted);
    assert_eq!(lines, ["ask", "in good order"]);
}

#[test]
fn a_second_signal_ends_the_job() {
    let _turn = turn();
    let begun = Instant::now();
    let (ended, lines) = shell(&asks("echo ask"), LONG, 10 * LONG);
    assert_eq!(ended.end, End::Interrupted);
    assert_eq!(lines, ["ask", "ask"]);
    assert!(begun.elapsed() < LONG);
}

#[test]
fn a_job_that_does_not_end_in_its_grace_is_told_to() {
    let _turn = turn();
    let script = asks("echo not yet");
    let (ended, lines) = shell(&script, 10 * LONG, Duration::from_millis(300));
    assert_eq!(ended.end, End::Interrupted);
    assert!(lines.iter().filter(|line| *line == "not yet").count() <= 1);
}

#[test]
fn a_job_that_ignores_everything_is_killed() {
    let _turn = turn();
    let script = "trap '' TERM USR1; echo ask; while :; do sleep 0.05; done";
    let (ended, _) = shell(script, LONG, Duration::from_millis(100));
    assert_eq!(ended.end, End::Interrupted);
}

#[test]
fn a_job_that_prints_no_more_has_a_deadline_too() {
    let _turn = turn();
    let (ended, _) = shell("exec >&- 2>&-; sleep 600", Duration::from_millis(300), LONG);
    assert_eq!(ended.end, End::TimedOut);
}

/// This test program as a command that plays a role, below `program` if that is another.
fn role(role: &str, mut program: Command) -> Command {
    program.args(["--exact", "a_role", "--nocapture"]).env("ROLE", role).stdin(Stdio::piped());
    program
}

fn own_program() -> PathBuf {
    std::env::current_exe().unwrap()
}

/// The number of the process that says it is ready.
fn ready(out: &mut impl BufRead) -> String {
    let mut lines = out.lines().map(Result::unwrap);
    let line = lines.find(|line| line.contains("ready ")).unwrap();
    line.rsplit(' ').next().unwrap().to_owned()
}

fn say_ready() {
    println!("\nready {}", std::process::id());
}

/// What this program does when a test starts it again.
#[test]
fn a_role() {
    match std::env::var("ROLE").as_deref() {
        Ok("supervisor") => {
            role("supervised", Command::new(own_program())).status().unwrap();
        }
        Ok("supervised") => {
            let parent = getppid().unwrap().as_raw_nonzero().get();
            die_with_parent(parent.try_into().unwrap(), Signal::TERM).unwrap();
            say_ready();
            thread::sleep(2 * LONG);
        }
        Ok("rank") => {
            let heartbeat = Heartbeat {
                rank: 0,
                task: 0,
                stage: 0,
                round: 0,
                activity: Activity::Working,
                unchanged_ms: 0,
                overdue: None,
                stop: false,
            };
            let options = ClientOptions { interval: Duration::from_millis(20), silence: LONG };
            let _client =
                Client::start(options, move || heartbeat, |event| println!("\n{event:?}"));
            say_ready();
            thread::sleep(2 * LONG);
        }
        _ => {}
    }
}

#[test]
fn a_process_dies_with_its_parent() {
    let _turn = turn();
    let mut supervisor =
        role("supervisor", Command::new(own_program())).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(supervisor.stdout.take().unwrap());
    let supervised = ready(&mut out);
    assert!(!is_gone(&supervised));
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    assert!(ends(&supervised));
}

#[test]
fn a_rank_notices_that_it_is_an_orphan() {
    let _turn = turn();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "\"$0\" \"$@\" & read -r _"]).arg(own_program());
    let mut shell = role("rank", shell).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(shell.stdout.take().unwrap());
    let rank = ready(&mut out);
    drop(shell.stdin.take());
    shell.wait().unwrap();
    let said = out.lines().map(Result::unwrap).find(|line| line.contains("Orphaned"));
    assert_eq!(said, Some(format!("{:?}", ClientEvent::Orphaned)));
    kill_process(Pid::from_raw(rank.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn what_does_not_start_ends_at_its_own_deadline() {
    let _turn = turn();
    let startup = Some(Duration::from_secs(5));
    let (ended, _) = shell_starting("sleep 600", startup, LONG, LONG);
    assert_eq!(ended.end, End::NotStarted);
    // What has started may go on.
    let (ended, _) = shell_starting("echo started; sleep 7; exit 3", startup, LONG, LONG);
    assert_eq!(ended.end, End::Code(3));
    // An earlier deadline of all of it holds, too.
    let soon = Duration::from_secs(2);
    let (ended, _) = shell_starting("echo started; sleep 600", startup, soon, LONG);
    assert_eq!(ended.end, End::TimedOut);
}
