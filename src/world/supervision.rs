//! Notes from a rank to the supervisor that started it, as marked lines on stderr.
//!
//! Launchers rewrite exit codes and do not report which rank died, so ranks under `tesserabench run --ranks` report
//! it themselves. Without a supervisor nothing is written.
//!
//! Each launch has a token. A rank finds it in its environment, made for the very arguments that the rank has: other
//! commands that inherit the variable are no ranks. Lines that do not show the token are no notes.

use std::ffi::OsString;
use std::io::Write as _;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::base::error::{Error, Exit, Result};
use crate::base::failure::Failure;
use crate::base::random::fingerprint;

/// The environment variable that tells a rank it has a supervisor.
pub(crate) const VARIABLE: &str = "TESSERABENCH_SUPERVISED";

/// The start of every marked line.
const MARK: &str = "@tesserabench ";

/// A random word that the ranks of one launch share with their supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

impl Token {
    pub(crate) fn random() -> Result<Self> {
        let bytes = tesserabench_launcher::Token::random()
            .map_err(|why| Error::unfit(format!("no random numbers: {why}")))?
            .bytes();
        Ok(Self(format!("{:032x}", u128::from_le_bytes(bytes))))
    }

    /// The variable that hands it to ranks with these arguments.
    pub(crate) fn variable(&self, arguments: &[OsString]) -> (String, String) {
        (VARIABLE.to_owned(), format!("{}:{:016x}", self.0, self.bound_to(arguments)))
    }

    /// The token in the variable's value, if it was made for these arguments.
    fn of_variable(value: &str, arguments: &[OsString]) -> Option<Self> {
        let (word, bound) = value.split_once(':')?;
        let token = Self(word.to_owned());
        (u64::from_str_radix(bound, 16) == Ok(token.bound_to(arguments))).then_some(token)
    }

    fn bound_to(&self, arguments: &[OsString]) -> u64 {
        let words = arguments.iter().flat_map(|word| [b"\0", word.as_encoded_bytes()].concat());
        fingerprint(self.0.bytes().chain(words))
    }
}

/// The token of the launch that this process is a rank of.
fn own_token() -> Option<&'static Token> {
    static TOKEN: OnceLock<Option<Token>> = OnceLock::new();
    let found = || {
        let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
        Token::of_variable(&std::env::var(VARIABLE).ok()?, &arguments)
    };
    TOKEN.get_or_init(found).as_ref()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Note {
    /// A rank starts MPI; the launcher may not have told it its number.
    Start {
        pid: u32,
        rank: Option<usize>,
    },
    /// A rank has started MPI.
    Rank {
        rank: usize,
        pid: u32,
        host: String,
    },
    /// Rank 0 starts a case.
    Case {
        done: usize,
        total: usize,
        /// The case that starts; empty after the last one.
        id: String,
    },
    /// A case has ended.
    Ended {
        done: usize,
        total: usize,
        /// The case, and how it ended.
        told: String,
    },
    /// The journal now belongs to this run.
    Journal,
    /// The failure that aborts the job.
    Failure(Box<Failure>),
    Reported,
    /// A rank exits with this code.
    Exit(Exit),
}

pub(crate) fn is_supervised() -> bool {
    own_token().is_some()
}

/// Says that the variable is of no use here, if it is set and this process is no rank of a launch.
pub(crate) fn warn_of_stray_variable() {
    if std::env::var_os(VARIABLE).is_some() && !is_supervised() {
        tracing::warn!(
            "{VARIABLE} is ignored: the program sets it for the ranks that it starts, and this command is none of \
             them; unset it"
        );
    }
}

/// Sends a note to the supervisor, if there is one.
pub(crate) fn notify(note: &Note) {
    if let Some(token) = own_token() {
        // One write, so that lines of different ranks do not mix. A failure cannot be reported anywhere.
        let _ = std::io::stderr().write_all(format!("{}\n", note.line(token)).as_bytes());
    }
}

impl Note {
    fn line(&self, token: &Token) -> String {
        format!("{MARK}{} {}", token.0, serde_json::to_string(self).unwrap_or_default())
    }

    /// Parses a line; `None` for one without the mark and this token.
    pub(crate) fn parse(line: &str, token: &Token) -> Option<Self> {
        let text = line.strip_prefix(MARK)?.strip_prefix(&token.0)?;
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Error;
    use crate::world::abort;

    fn token() -> Token {
        Token("7f".to_owned())
    }

    fn json(note: &Note) -> String {
        serde_json::to_string(note).unwrap()
    }

    proptest::proptest! {
        #[test]
        fn no_line_makes_it_panic(
            kind in "(rank|case|journal|failure|reported|exit|[a-z]{0,8})", words in crate::base::random::hostile::words(),
            json in crate::base::random::hostile::damaged(json(&Note::Failure(Box::new(abort::failure_here(&Error::internal("x")))))),
            note in crate::base::random::hostile::damaged(json(&Note::Rank { rank: 3, pid: 77, host: "node1".to_owned() })),
        ) {
            let [json, note] = [json, note].map(|json| String::from_utf8_lossy(&json).into_owned());
            for line in [format!("{MARK}7f {kind} {words}"), format!("{MARK}7f {{\"{kind}\":{words}}}"), format!("{MARK}7f {json}"), format!("{MARK}7f {note}"), words] {
                if let Some(note) = Note::parse(&line, &token()) {
                    assert_eq!(Note::parse(&note.line(&token()), &token()), Some(note));
                }
            }
        }
    }

    #[test]
    fn notes_read_back() {
        for note in [
            Note::Start { pid: 77, rank: Some(3) },
            Note::Rank { rank: 3, pid: 77, host: "node1".to_owned() },
            Note::Case { done: 0, total: 9, id: "gemm/f32/m=8/world:0-1".to_owned() },
            Note::Case { done: 9, total: 9, id: String::new() },
            Note::Ended { done: 1, total: 9, told: "barrier/world:0-1: 2 us".to_owned() },
            Note::Journal,
            Note::Failure(Box::new(abort::failure_here(&Error::internal("two words")))),
            Note::Reported,
            Note::Exit(Exit::WrongResults),
        ] {
            assert_eq!(Note::parse(&note.line(&token()), &token()), Some(note.clone()));
            assert_eq!(Note::parse(&note.line(&token()), &Token::random().unwrap()), None);
            assert_eq!(Note::parse(&format!("{MARK}{}", json(&note)), &token()), None);
        }
        assert_eq!(Note::parse("mpirun noticed", &token()), None);
        assert_eq!(Note::parse("@tesserabench 7f exit 77", &token()), None);
    }

    #[test]
    fn a_token_is_for_the_arguments_it_was_made_for() {
        let words = |line: &str| -> Vec<OsString> { line.split(' ').map(OsString::from).collect() };
        let token = Token::random().unwrap();
        let (_, value) = token.variable(&words("run -b gemm"));
        let read = |line: &str| Token::of_variable(&value, &words(line));
        assert_eq!(read("run -b gemm"), Some(token.clone()));
        for other in ["run -b gemm --dry-run", "run -b", "run -bgemm"] {
            assert_eq!(read(other), None);
        }
        for value in ["", "1", "7f", "7f:", ":0", &token.0] {
            assert_eq!(Token::of_variable(value, &words("run -b gemm")), None);
        }
    }
}
