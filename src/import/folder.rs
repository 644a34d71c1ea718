//! Folders of results: the files in them that a tool writes.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::base::error::{Error, Result};

/// Texts of files, by their path in the folder.
pub(super) type Files = BTreeMap<String, String>;

/// Begins a folder as one document.
const MARK: &str = "{\"folder\":{";

/// Most levels below the folder, and most entries that are looked at.
const DEPTH: usize = 8;
const ENTRIES: usize = 1 << 18;

#[derive(Serialize, Deserialize)]
struct Document {
    folder: Files,
}

/// The files of a folder whose paths end so, as one document; `None` where there is none.
///
/// # Errors
/// Usage error for what cannot be read, and for more than `limit` bytes.
pub(super) fn gather(path: &Path, endings: &[&str], limit: u64) -> Result<Option<Vec<u8>>> {
    let mut walk = Walk { endings, files: Files::new(), left: limit, entries: 0 };
    walk.folder(path, "", 0)?;
    if walk.files.is_empty() {
        return Ok(None);
    }
    let document = serde_json::to_vec(&Document { folder: walk.files });
    document.map(Some).map_err(|why| Error::internal(format!("a folder has no text: {why}")))
}

/// What a document holds, if it is of a folder.
pub(super) fn files(text: &str) -> Option<Files> {
    let document: Document = serde_json::from_str(text.starts_with(MARK).then_some(text)?).ok()?;
    Some(document.folder)
}

struct Walk<'a> {
    endings: &'a [&'a str],
    files: Files,
    left: u64,
    entries: usize,
}

impl Walk<'_> {
    fn folder(&mut self, path: &Path, name: &str, depth: usize) -> Result<()> {
        let wrong = |why: std::io::Error| Error::file("read the folder", path, why);
        for entry in std::fs::read_dir(path).map_err(wrong)? {
            let entry = entry.map_err(wrong)?;
            self.entries += 1;
            if self.entries > ENTRIES {
                return Err(Error::file(
                    "read the folder",
                    path,
                    format!("there are more than {ENTRIES} files in it and below"),
                ));
            }
            // Links are not followed: they may lead anywhere.
            let kind = entry.file_type().map_err(wrong)?;
            let own = entry.file_name().to_string_lossy().into_owned();
            let name = if name.is_empty() { own } else { format!("{name}/{own}") };
            if kind.is_dir() && depth < DEPTH {
                self.folder(&entry.path(), &name, depth + 1)?;
            } else if kind.is_file() && self.is_wanted(&name) {
                let bytes = crate::base::files::read_bytes(&entry.path(), self.left)?;
                self.left -= bytes.len() as u64;
                self.files.insert(name, String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        Ok(())
    }

    fn is_wanted(&self, name: &str) -> bool {
        let ends = |ending: &&str| {
            name.strip_suffix(ending).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
        };
        self.endings.iter().any(ends)
    }
}
