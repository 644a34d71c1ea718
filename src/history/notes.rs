//! What people said of reports: names for runs, and commits and tags where a report's own is not right.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::git::{Git, is_commit};
use crate::base::error::{Error, Result};
use crate::base::files::{is_plain, read_bounded, write_atomically};
use crate::base::serde_words::in_plain_words;

/// Most bytes such a file may have.
const FILE_LIMIT: u64 = 1 << 24;

/// Longest name of a pin.
const NAME_LIMIT: usize = 64;

/// Longest tag, bytes.
const TAG_LIMIT: usize = 200;

/// The baseline that is the newest release. No pin has this name.
pub(super) const LAST_RELEASE: &str = "last-release";

/// What a report was added with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// The commit it measured, instead of the one it names.
    pub git: Option<String>,
    /// The release it measured.
    pub tag: Option<String>,
}

impl Label {
    /// What is asked for: a commit by any name that git knows here, or in full; a tag.
    ///
    /// # Errors
    /// Usage error for a commit that nobody knows and for a tag that is no name.
    pub fn new(commit: Option<&str>, tag: Option<&str>) -> Result<Self> {
        let full = |text: &str| is_commit(text) && text.len() >= 40;
        let git = commit.map(|name| {
            let known = Git::here().commit(name)?;
            known.or_else(|| full(name).then(|| name.to_owned())).ok_or_else(|| {
                Error::usage(format!(
                    "git knows no commit '{name}' here; run this in the clone, or give all 40 digits"
                ))
            })
        });
        if let Some(tag) = tag
            && (tag.is_empty() || tag.len() > TAG_LIMIT || tag.contains(char::is_control))
        {
            return Err(Error::usage(format!(
                "a tag is a name of up to {TAG_LIMIT} characters on one line; give it one, or leave --tag out"
            )));
        }
        Ok(Self { git: git.transpose()?, tag: tag.map(str::to_owned) })
    }
}

/// Reads such a file; nothing where there is none.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<BTreeMap<String, T>> {
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    if !is_plain(path) {
        return Err(Error::file("use", path, "it is no plain file"));
    }
    let text = read_bounded(path, FILE_LIMIT)?;
    // Not passed over: what is pinned is kept from pruning.
    serde_json::from_str(&text)
        .map_err(|why| in_plain_words(&why.to_string()))
        .map_err(|why| Error::file("use", path, format!("{why}; mend it, or delete it")))
}

/// The labels of another history. What is no commit is passed over: files are named after it.
pub(super) fn of_another(path: &Path) -> Result<BTreeMap<String, Label>> {
    let mut labels: BTreeMap<String, Label> = read(path)?;
    for (run, label) in &mut labels {
        if let Some(git) = label.git.take_if(|git| !is_commit(git)) {
            tracing::warn!(
                "passed over: '{git}' of run '{run}' in '{}' is no commit",
                path.display()
            );
        }
    }
    Ok(labels)
}

pub(super) fn write<T: Serialize>(path: &Path, notes: &BTreeMap<String, T>) -> Result<()> {
    let mut text = serde_json::to_string_pretty(notes)
        .map_err(|why| Error::internal(format!("cannot write '{}': {why}", path.display())))?;
    text.push('\n');
    write_atomically(path, text.as_bytes())
}

/// Refuses what could be taken for something else where a baseline is named.
pub(super) fn check_pin(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let fits = (1..=NAME_LIMIT).contains(&name.len()) && name.chars().all(plain);
    if fits && !name.starts_with(['-', '.']) && !name.ends_with(".json") && name != LAST_RELEASE {
        return Ok(());
    }
    Err(Error::usage(format!(
        "'{name}' cannot be the name of a pin; use up to {NAME_LIMIT} letters, digits, '.', '_' and '-', no '.' or \
         '-' first, no '.json' last, and not '{LAST_RELEASE}'"
    )))
}
