//! Files: bounded reading, and writing that a reader sees as a whole or not at all.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::error::{Error, Result};

/// Reads a text file of at most `limit` bytes.
///
/// # Errors
/// Usage error when it cannot be read, is larger, or is not UTF-8.
pub fn read_bounded(path: &Path, limit: u64) -> Result<String> {
    let bytes = read_bytes(path, limit)?;
    String::from_utf8(bytes).map_err(|_| Error::file("read", path, "it is not UTF-8 text"))
}

/// The bytes of a file of at most `limit` bytes.
///
/// # Errors
/// Usage error when it cannot be read or is larger.
pub fn read_bytes(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let wrong = |why: String| Error::file("read", path, why);
    let file = std::fs::File::open(path).map_err(|why| wrong(why.to_string()))?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|why| wrong(why.to_string()))?;
    if bytes.len() as u64 > limit {
        return Err(wrong(format!("it is larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// What stands behind `key` at the start of a line of a file of the system's, such as `/proc/cpuinfo`.
pub fn value_in(path: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(key))?;
    Some(value.trim_matches([' ', '\t', ':', '"']).to_owned())
}

/// Makes sure a file can be written there, before anything is measured.
pub fn probe(path: &Path) -> Result<()> {
    let wrong = |why: &dyn std::fmt::Display| Error::file("write", path, why);
    if path.is_dir() {
        return Err(wrong(&"it is a folder"));
    }
    let temporary = temporary_name(path);
    std::fs::write(&temporary, b"").map_err(|why| wrong(&why))?;
    std::fs::remove_file(&temporary).map_err(|why| wrong(&why))
}

fn temporary_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}

/// Writes a file under a temporary name, to the disk, and renames it: a reader sees all or nothing.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = temporary_name(path);
    let written = std::fs::File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    });
    written.map_err(|why| {
        let _ = std::fs::remove_file(&temporary);
        Error::file("write", path, why)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        write_atomically(&path, b"one").unwrap();
        write_atomically(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
