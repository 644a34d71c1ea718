//! Notes from a rank to the supervisor that started it, as marked lines on stderr.
//!
//! Launchers rewrite exit codes and do not report which rank died, so ranks under `tesserabench run --ranks` report
//! it themselves. Without a supervisor nothing is written.

use std::io::Write as _;

use serde::{Deserialize, Serialize};

use crate::base::error::Exit;
use crate::base::failure::Failure;

/// The environment variable that tells a rank it has a supervisor.
pub(crate) const VARIABLE: &str = "TESSERABENCH_SUPERVISED";

/// The start of every marked line.
const MARK: &str = "@tesserabench ";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Note {
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
    std::env::var_os(VARIABLE).is_some()
}

/// Sends a note to the supervisor, if there is one.
pub(crate) fn notify(note: &Note) {
    if is_supervised() {
        // One write, so that lines of different ranks do not mix. A failure cannot be reported anywhere.
        let _ = std::io::stderr().write_all(format!("{MARK}{}\n", note.text()).as_bytes());
    }
}

impl Note {
    fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Parses a line; `None` for one without the mark.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line.strip_prefix(MARK)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Error;
    use crate::world::abort;

    proptest::proptest! {
        #[test]
        fn no_line_makes_it_panic(
            kind in "(rank|case|journal|failure|reported|exit|[a-z]{0,8})", words in crate::base::random::hostile::words(),
            json in crate::base::random::hostile::damaged(Note::Failure(Box::new(abort::failure_here(&Error::internal("x")))).text()),
            note in crate::base::random::hostile::damaged(Note::Rank { rank: 3, pid: 77, host: "node1".to_owned() }.text()),
        ) {
            let [json, note] = [json, note].map(|json| String::from_utf8_lossy(&json).into_owned());
            for line in [format!("{MARK}{kind} {words}"), format!("{MARK}{{\"{kind}\":{words}}}"), format!("{MARK}{json}"), format!("{MARK}{note}"), words] {
                if let Some(note) = Note::parse(&line) {
                    assert_eq!(Note::parse(&format!("{MARK}{}", note.text())), Some(note));
                }
            }
        }
    }

    #[test]
    fn notes_read_back() {
        for note in [
            Note::Rank { rank: 3, pid: 77, host: "node1".to_owned() },
            Note::Case { done: 0, total: 9, id: "gemm/f32/m=8/world:0-1".to_owned() },
            Note::Case { done: 9, total: 9, id: String::new() },
            Note::Ended { done: 1, total: 9, told: "barrier/world:0-1: 2 us".to_owned() },
            Note::Journal,
            Note::Failure(Box::new(abort::failure_here(&Error::internal("two words")))),
            Note::Reported,
            Note::Exit(Exit::WrongResults),
        ] {
            assert_eq!(Note::parse(&format!("{MARK}{}", note.text())), Some(note));
        }
        assert_eq!(Note::parse("mpirun noticed"), None);
        assert_eq!(Note::parse("@tesserabench exit 77"), None);
    }
}
