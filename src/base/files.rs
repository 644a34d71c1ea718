//! Files: bounded reading, and writing that a reader sees as a whole or not at all.

use std::collections::HashSet;
use std::fs::{File, Metadata, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use tempfile::NamedTempFile;

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
    let file = File::open(path).map_err(|why| wrong(why.to_string()))?;
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

/// Whether it is a file, a link to one, or nothing that can be looked at; whoever opens that says why. Of what nobody
/// has named only plain files are opened: to read a pipe or a device may never end.
pub fn is_plain(path: &Path) -> bool {
    std::fs::metadata(path).map_or(true, |facts| facts.is_file())
}

/// The same of an entry of a folder that has the name of a file; what is passed over is said.
pub fn is_plain_entry(path: &Path) -> bool {
    let is_plain = is_plain(path);
    if !is_plain {
        tracing::warn!("passed over '{}': it is no plain file", path.display());
    }
    is_plain
}

/// Makes it an error to write beyond the limit of a file's size, as it is to write to a full disk: the signal would end
/// this process without a word.
pub fn survive_limits() {
    // If that fails, the signal says by the exit that it came.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
}

/// Makes sure a file can be written there, before anything is measured.
///
/// # Errors
/// Usage error where there is a folder or another thing that is no plain file, or nothing can be created.
pub fn probe(path: &Path) -> Result<()> {
    let wrong = |why: &dyn std::fmt::Display| Error::file("write", path, why);
    if !is_plain(path) {
        return Err(wrong(&"it is no plain file"));
    }
    temporary_for(path).map(drop).map_err(|why| wrong(&why))
}

/// Makes sure that a folder can be written, or made where it is not there yet.
///
/// # Errors
/// Usage error where it is no folder, or nothing can be created in the nearest one that is there.
pub fn probe_folder(folder: &Path) -> Result<()> {
    let there = folder.ancestors().find(|path| path.exists()).filter(|path| *path != Path::new(""));
    let there = there.unwrap_or(Path::new("."));
    if !there.is_dir() {
        return Err(Error::file("write to the folder", folder, "a file is in its place"));
    }
    temporary_for(&there.join("x"))
        .map(drop)
        .map_err(|why| Error::file("write to the folder", folder, why))
}

/// Refuses to write what is read.
///
/// # Errors
/// Usage error for the first output that is the same file as an input.
pub fn refuse_overwriting(
    outputs: impl IntoIterator<Item = impl AsRef<Path>>,
    inputs: impl IntoIterator<Item = impl AsRef<Path>>,
) -> Result<()> {
    let identity = |path: &Path| {
        let facts = std::fs::metadata(path).ok().filter(Metadata::is_file)?;
        Some((facts.dev(), facts.ino()))
    };
    let read: HashSet<_> = inputs.into_iter().filter_map(|path| identity(path.as_ref())).collect();
    for output in outputs {
        if identity(output.as_ref()).is_some_and(|output| read.contains(&output)) {
            return Err(Error::usage(format!(
                "'{}' is read and would be overwritten; name another file with --output",
                output.as_ref().display()
            )));
        }
    }
    Ok(())
}

/// A file beside `path` under a name that nobody can foretell, with the rights of any new file.
fn temporary_for(path: &Path) -> std::io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    tempfile::Builder::new()
        .prefix(".tesserabench-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .map_err(|why| {
            // Its text goes on with the name of the temporary file.
            let told = why.to_string();
            let told = told.split(" at path ").next().unwrap_or_default();
            std::io::Error::new(why.kind(), told)
        })
}

/// Writes a file under a temporary name, to the disk, and renames it: a reader sees all or nothing. A link in its
/// place is replaced, not followed.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        let mut file = temporary_for(path)?;
        file.as_file_mut().write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map(drop).map_err(|why| why.error)
    };
    write().map_err(|why| Error::write(path, &why))
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

    #[test]
    fn links_are_not_followed_and_inputs_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let [path, link, other] = ["x", "link", "other"].map(|name| folder.path().join(name));
        write_atomically(&path, b"input").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let refused = refuse_overwriting([link.as_path()], [&path]).unwrap_err().message;
        assert!(refused.contains("link' is read"), "{refused}");
        assert!(refuse_overwriting([other.as_path()], [&path]).is_ok());
        write_atomically(&link, b"output").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"input");
        assert_eq!(std::fs::read(&link).unwrap(), b"output");
        assert!(probe(Path::new("/dev/null")).is_err());
    }
}
