//! The one error type of the program, and the exit codes it ends in.
//!
//! A message is one sentence that names the thing, the reason and the remedy. Errors cross ranks
//! ([`World::unanimous`](crate::world::World::unanimous)), so they are plain data.

use std::io::ErrorKind;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `Result` with this program's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of thing went wrong; each kind has one exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A mistake of this program.
    Internal,
    /// What the user typed or wrote in a file cannot be done.
    Usage,
    /// The machine, the launch or the mix of builds does not allow a trustworthy run.
    Unfit,
    /// This backend cannot do this work; the case is skipped, not failed.
    Unsupported,
    /// A result differed from its reference.
    WrongResult,
    /// A case could not be measured.
    CaseFailed,
    /// A deadline passed.
    TimedOut,
    /// A rank panicked, was killed or left early.
    RankDied,
    /// A signal asked us to stop.
    Interrupted,
}

/// An error in one sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What kind of error this is.
    pub kind: Kind,
    /// One sentence: the thing, the reason, the remedy.
    pub message: String,
    /// World rank where it arose, where that matters.
    pub rank: Option<usize>,
}

impl Error {
    /// An error of `kind`.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), rank: None }
    }

    /// The user asked for something that cannot be done.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// The machine or the launch is not fit for a trustworthy run.
    pub fn unfit(message: impl Into<String>) -> Self {
        Self::new(Kind::Unfit, message)
    }

    /// A mistake of this program.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// This backend cannot do this work.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(Kind::Unsupported, message)
    }

    /// The message without the remedy, which stands behind a semicolon.
    pub fn reason(&self) -> &str {
        self.message.split("; ").next().unwrap_or(&self.message)
    }

    /// A file that cannot be read or written: the user can mend that, so it is a usage error.
    pub fn file(action: &str, path: &Path, reason: impl std::fmt::Display) -> Self {
        let reason = reason.to_string();
        // Its number says no more than its text.
        let (why, rest) = reason.split_once(" (os error ").unwrap_or((&reason, ""));
        let more = rest.split_once(')').map_or("", |(_, more)| more);
        Self::usage(format!("cannot {action} '{}': {why}{more}", path.display()))
    }

    /// A file that cannot be written while a run goes on: a usage error, but for a full disk or a limit of size,
    /// which are no fault of what was asked for.
    pub fn write(path: &Path, why: &std::io::Error) -> Self {
        let kind = match why.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Kind::Unfit
            }
            _ => Kind::Usage,
        };
        Self { kind, ..Self::file("write", path, why) }
    }
}

impl Kind {
    /// The exit code that it ends in.
    pub fn exit(self) -> Exit {
        match self {
            Self::Internal => Exit::Internal,
            Self::Usage => Exit::Usage,
            Self::Unfit => Exit::Unfit,
            Self::WrongResult => Exit::WrongResults,
            Self::Unsupported | Self::CaseFailed => Exit::CaseFailed,
            Self::TimedOut => Exit::TimedOut,
            Self::RankDied => Exit::RankDied,
            Self::Interrupted => Exit::Interrupted,
        }
    }
}

/// The exit codes: constants, never counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for was measured.
    Ok = 0,
    /// A mistake of this program.
    Internal = 1,
    /// Usage or bad input.
    Usage = 2,
    /// A regression, or a limit broken.
    Regression = 3,
    /// Inconclusive, or cases vanished (with `--strict`); or a case is much slower and that is not shown.
    Inconclusive = 4,
    /// Wrong results.
    WrongResults = 5,
    /// Environment unfit, mixed builds, silent singleton, not comparable.
    Unfit = 6,
    /// A case failed, or nothing was measured.
    CaseFailed = 7,
    /// Timed out or hung.
    TimedOut = 8,
    /// A rank died (panic, signal, exit).
    RankDied = 9,
    /// Interrupted by a signal; the report is marked incomplete.
    Interrupted = 10,
}

impl Exit {
    /// With what each says; most important first. A usage error ends a run before any other code can arise, so it
    /// stands where a wrapper that sees both would expect it: above every finding about performance.
    const PRECEDENCE: [(Self, &str); 11] = [
        (Self::RankDied, "a rank died"),
        (Self::TimedOut, "timed out or hung"),
        (Self::Interrupted, "interrupted"),
        (Self::Internal, "internal error"),
        (Self::WrongResults, "wrong results"),
        (Self::CaseFailed, "a case failed, or nothing was measured"),
        (Self::Usage, "usage or bad input"),
        (Self::Regression, "regression, or a limit broken"),
        (Self::Unfit, "environment unfit or not comparable"),
        (Self::Inconclusive, "inconclusive"),
        (Self::Ok, "ok"),
    ];

    fn place(self) -> usize {
        Self::PRECEDENCE.iter().position(|(exit, _)| *exit == self).unwrap_or(0)
    }

    /// The number given to the operating system.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The exit with this number, if there is one.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::PRECEDENCE.into_iter().map(|(exit, _)| exit).find(|exit| exit.code() == code)
    }

    /// The exit that a file of ours holds.
    pub fn of(code: u8) -> Result<Self> {
        Self::from_code(code).ok_or_else(|| Error::internal(format!("exit code {code} is unknown")))
    }

    /// The more important of two exits, when several apply.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        if other.place() < self.place() { other } else { self }
    }

    /// What this exit says, in a few words.
    pub fn meaning(self) -> &'static str {
        Self::PRECEDENCE[self.place()].1
    }
}

/// Longest word that a candidate is looked for, bytes: comparing takes as much memory as the product of the
/// lengths of both, and nobody means a longer one.
const WORD_LIMIT: usize = 100;

/// The candidate nearest to `word`, when one is near enough to be what was meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let short = |word: &&str| word.len() <= WORD_LIMIT;
    let candidates = candidates.into_iter().filter(|candidate| short(&word) && short(candidate));
    candidates
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len().max(word.len()) / 3)
        .min_by_key(|(distance, candidate)| (*distance, !candidate.starts_with(word)))
        .map(|(_, candidate)| candidate)
}

/// `; did you mean 'x'?` when something is near, else the whole list: what an unknown name needs.
pub fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(word, candidates.clone()) {
        Some(name) => format!("did you mean '{name}'?"),
        None => format!("known: {}", candidates.into_iter().collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precedence_is_9_8_10_1_5_7_2_3_6_4() {
        let order = [9, 8, 10, 1, 5, 7, 2, 3, 6, 4, 0].map(|c| Exit::from_code(c).unwrap());
        for (i, &worse) in order.iter().enumerate() {
            for &milder in &order[i..] {
                assert_eq!(worse.worst(milder), worse);
                assert_eq!(milder.worst(worse), worse);
            }
        }
    }

    #[test]
    fn an_error_of_the_system_is_told_without_its_number() {
        let why = std::io::Error::from_raw_os_error(2);
        let told = Error::file("read", Path::new("x"), why).message;
        assert_eq!(told, "cannot read 'x': No such file or directory");
    }

    #[test]
    fn nearest_finds_typos_and_refuses_strangers() {
        assert_eq!(nearest("all_reduec", ["all_reduce", "gemm"]), Some("all_reduce"));
        assert_eq!(nearest("gem", ["get", "gemm"]), Some("gemm"));
        assert_eq!(nearest("xyzzy", ["all_reduce", "gemm"]), None);
        // 2 TB, were they compared.
        let long = "x".repeat(1 << 20);
        assert_eq!(nearest(&long, [long.as_str()]), None);
    }
}
