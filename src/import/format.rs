//! A form of output that is read: how it is told from others, and who reads it.

use super::folder::Files;
use super::lines::Line;
use super::log::{Asked, Log};
use crate::base::error::Result;

/// A form of output.
pub(super) struct Format {
    /// What it is the output of, in a sentence.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// How it is told from others and read.
pub(super) enum Kind {
    /// Lines that a program prints. One of the signs begins a line of every output of it.
    Lines {
        signs: &'static [&'static str],
        read: fn(&[Line<'_>], Origin<'_>) -> Result<Option<Log>>,
    },
    /// A JSON document. All of the signs stand in it.
    Json { signs: &'static [&'static str], read: fn(&str, Origin<'_>) -> Result<Log> },
    /// A folder with files whose paths end so.
    Folder { files: &'static [&'static str], read: fn(&Files, Origin<'_>) -> Result<Log> },
}

/// Where a file comes from.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    /// Its name.
    pub(super) file: &'a str,
    /// What the user adds to what it says.
    pub(super) asked: &'a Asked,
}

impl Format {
    /// Whether this is its output, perhaps with marks of launchers.
    pub(super) fn is_in(&self, text: &str) -> bool {
        match self.kind {
            Kind::Lines { signs, .. } => signs.iter().any(|sign| text.contains(sign)),
            Kind::Folder { .. } => false,
            Kind::Json { signs, .. } => {
                text.trim_start().starts_with(['{', '['])
                    && signs.iter().all(|sign| text.contains(sign))
            }
        }
    }
}
