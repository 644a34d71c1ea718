//! What people said of reports: names for runs, and commits and tags where a report's own is not right.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::baseline::LAST_RELEASE;
use crate::base::error::{Error, Result};
use crate::base::files::read_bounded;
use crate::base::files::write_atomically;

/// Most bytes such a file may have.
const FILE_LIMIT: u64 = 1 << 24;

/// Longest name of a pin.
const NAME_LIMIT: usize = 64;

/// What a report was added with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// The commit it measured, instead of the one it names.
    #[serde(default)]
    pub git: Option<String>,
    /// The release it measured.
    #[serde(default)]
    pub tag: Option<String>,
}

/// Reads such a file; nothing where there is none.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<BTreeMap<String, T>> {
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let text = read_bounded(path, FILE_LIMIT)?;
    // Not passed over: what is pinned is kept from pruning.
    serde_json::from_str(&text)
        .map_err(|why| Error::file("use", path, format!("{why}; mend it, or delete it")))
}

/// Writes such a file.
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
