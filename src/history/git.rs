//! What git knows of commits. It is asked as a program, in the current folder; never from a rank of a running
//! MPI, under which starting a process is not safe everywhere.

use std::process::Command;

use crate::error::{Error, Result};

/// How far back an ancestor is looked for, commits.
const REACH: usize = 10_000;

/// The commit that a reference names; `None` when git knows no such thing, or is not there.
pub(super) fn commit(reference: &str) -> Option<String> {
    // What looks like a flag would be one.
    if reference.is_empty() || reference.starts_with('-') {
        return None;
    }
    let commit = format!("{reference}^{{commit}}");
    let text = asked(&["rev-parse", "--verify", "--quiet", &commit]).ok()?;
    Some(text.trim().to_owned())
}

/// A commit and those before it, the nearest first.
pub(super) fn ancestors(commit: &str) -> Result<Vec<String>> {
    let most = format!("--max-count={REACH}");
    let text = asked(&["rev-list", "--topo-order", &most, commit])?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// The commits that carry a tag `v*`, with that tag; none where git is not there.
pub(super) fn releases() -> Vec<(String, String)> {
    // Of an annotated tag the second is the commit; of others it is empty.
    let format = "--format=%(objectname) %(*objectname) %(refname:short)";
    let text = asked(&["tag", "--list", "v*", format]).unwrap_or_default();
    let release = |line: &str| {
        let mut words = line.split(' ');
        let (object, peeled, tag) = (words.next()?, words.next()?, words.next()?);
        let commit = if peeled.is_empty() { object } else { peeled };
        Some((commit.to_owned(), tag.to_owned()))
    };
    text.lines().filter_map(release).collect()
}

/// What git answers.
fn asked(arguments: &[&str]) -> Result<String> {
    let wrong = |why: String| {
        let words = arguments.join(" ");
        Error::usage(format!(
            "cannot ask `git {words}`: {why}; run it in a clone that has the commit"
        ))
    };
    let output =
        Command::new("git").args(arguments).output().map_err(|why| wrong(why.to_string()))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(wrong(why.lines().next().unwrap_or("it fails").to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
