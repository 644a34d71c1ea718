//! What git knows of commits. It is asked as a program, in the current folder; never from a rank of a running
//! MPI, under which starting a process is not safe everywhere.

use std::path::PathBuf;
use std::process::Command;

use crate::base::error::{Error, Result};

/// How far back an ancestor is looked for, commits.
const REACH: usize = 10_000;

#[derive(Debug)]
pub(super) struct Git {
    folder: PathBuf,
}

impl Git {
    pub(super) fn here() -> Self {
        Self { folder: PathBuf::from(".") }
    }

    #[cfg(test)]
    pub(super) fn at(folder: &std::path::Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The commit that a reference names; `None` when git knows no such thing, or is not there.
    pub(super) fn commit(&self, reference: &str) -> Option<String> {
        // What looks like a flag would be one.
        if reference.is_empty() || reference.starts_with('-') {
            return None;
        }
        let commit = format!("{reference}^{{commit}}");
        let text = self.asked(&["rev-parse", "--verify", "--quiet", &commit]).ok()?;
        Some(text.trim().to_owned())
    }

    /// A commit and those before it, the nearest first.
    pub(super) fn ancestors(&self, commit: &str) -> Result<Vec<String>> {
        let most = format!("--max-count={REACH}");
        let text = self.asked(&["rev-list", "--topo-order", &most, commit])?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// The commits that carry a tag `v*`; none where git is not there.
    pub(super) fn releases(&self) -> Vec<String> {
        // Of an annotated tag the second is the commit; of others it is empty.
        let format = "--format=%(objectname) %(*objectname)";
        let text = self.asked(&["tag", "--list", "v*", format]).unwrap_or_default();
        let commit = |line: &str| {
            let (object, peeled) = line.split_once(' ')?;
            Some(if peeled.is_empty() { object } else { peeled }.to_owned())
        };
        text.lines().filter_map(commit).collect()
    }

    fn asked(&self, arguments: &[&str]) -> Result<String> {
        let wrong = |why: String| {
            let words = arguments.join(" ");
            Error::usage(format!(
                "cannot ask `git {words}`: {why}; run it in a clone that has the commit"
            ))
        };
        let output = Command::new("git").current_dir(&self.folder).args(arguments).output();
        let output = output.map_err(|why| wrong(why.to_string()))?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            return Err(wrong(why.lines().next().unwrap_or("it fails").to_owned()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Whether this is written as commits are.
pub(super) fn is_commit(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

pub(super) fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}
