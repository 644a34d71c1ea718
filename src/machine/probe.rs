//! What programs of the system say of this machine, for whoever helps with it.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long a program may take, and how many bytes of its answer are kept.
const TIME_LIMIT: Duration = Duration::from_secs(10);
const ANSWER_LIMIT: u64 = 1 << 20;

/// The programs with their arguments; none of them changes anything or says more than what the machine is.
const PROGRAMS: [(&str, &[&str]); 6] = [
    ("nvidia-smi", &["-q"]),
    ("nvidia-smi", &["topo", "-m"]),
    ("nvidia-smi", &["nvlink", "--status"]),
    ("lscpu", &[]),
    ("numactl", &["--hardware"]),
    ("ibv_devinfo", &[]),
];

/// What a program said, or why it said nothing.
pub struct Answer {
    /// The command.
    pub command: String,
    /// Its standard output.
    pub says: Result<String, String>,
}

/// What each says of this machine.
pub fn ask_all() -> Vec<Answer> {
    let all = PROGRAMS.into_iter().map(|(program, arguments)| Answer {
        command: [&[program], arguments].concat().join(" "),
        says: ask(program, arguments, TIME_LIMIT),
    });
    all.collect()
}

fn ask(program: &str, arguments: &[&str], limit: Duration) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|why| match why.kind() {
        std::io::ErrorKind::NotFound => "it is not installed".to_owned(),
        _ => why.to_string(),
    })?;
    let out = child.stdout.take();
    let (sender, answer) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = out.map(|out| out.take(ANSWER_LIMIT).read_to_end(&mut bytes));
        // Nobody listens to one that is late.
        let _ = sender.send(read.transpose().map(|_| bytes));
    });
    let answered = answer.recv_timeout(limit);
    // One that says no more may be gone already.
    let _ = child.kill();
    let status = child.wait().map_err(|why| why.to_string())?;
    match answered {
        Err(_) => Err(format!("it did not answer within {} s", limit.as_secs_f64())),
        Ok(Err(why)) => Err(why.to_string()),
        Ok(Ok(bytes)) if bytes.is_empty() => Err(format!("it said nothing ({status})")),
        Ok(Ok(bytes)) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_answer_or_it_is_said_why_not() {
        let limit = Duration::from_millis(300);
        assert_eq!(ask("echo", &["a"], TIME_LIMIT), Ok("a\n".to_owned()));
        assert_eq!(ask("no-such-program", &[], limit), Err("it is not installed".to_owned()));
        assert_eq!(ask("sleep", &["60"], limit), Err("it did not answer within 0.3 s".to_owned()));
        assert!(ask("false", &[], TIME_LIMIT).unwrap_err().starts_with("it said nothing"));
    }
}
