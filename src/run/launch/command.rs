//! What is started as every rank.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use super::job::LauncherChoice;

/// What is started as every rank.
#[derive(Debug)]
pub(in crate::run) struct Command {
    /// The program.
    pub(in crate::run) program: PathBuf,
    /// Its arguments.
    pub(in crate::run) arguments: Vec<OsString>,
    /// Variables of the ranks, beside those that this process has.
    pub(in crate::run) variables: Vec<(String, String)>,
    /// What starts them; one rank needs nothing.
    pub(in crate::run) launcher: Option<LauncherChoice>,
    /// Whether to print what the ranks print.
    pub(in crate::run) shows_output: bool,
}

impl Command {
    /// As a person would type it for one rank.
    pub(in crate::run) fn line(&self) -> String {
        let program = [self.program.as_os_str()];
        let arguments = self.arguments.iter().map(OsString::as_os_str);
        line(&self.variables, program.into_iter().chain(arguments))
    }
}

/// A command as a shell reads it.
pub(super) fn line<'a>(set: &[(String, String)], words: impl Iterator<Item = &'a OsStr>) -> String {
    let quoted = |word: &str| {
        let plain = |c: char| c.is_alphanumeric() || "-_=./,:+".contains(c);
        if word.chars().all(plain) && !word.is_empty() {
            word.to_owned()
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    };
    let value = |value: &str| if value.is_empty() { String::new() } else { quoted(value) };
    let set = set.iter().map(|(name, text)| format!("{name}={}", value(text)));
    set.chain(words.map(|word| quoted(&word.to_string_lossy()))).collect::<Vec<_>>().join(" ")
}
