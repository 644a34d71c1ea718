//! What this program can make again and keeps: entries by their content, in a folder of this user's own.
//!
//! An entry's file is named by the fingerprint of its key, and holds the whole key, so that two keys with the same
//! fingerprint are not taken for each other, and a check of all its bytes, so that a damaged entry is none.

use std::fs::{DirBuilder, File, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::process::geteuid;
use serde::Serialize;

use super::error::{Error, Result};
use super::files::read_bytes;
use super::random::fingerprint;

/// First bytes of an entry; another format has another line, and is then no entry.
const HEAD: &[u8] = b"tesserabench cache 1\n";

/// Most bytes of an entry.
const ENTRY_LIMIT: u64 = 256 << 20;

/// How names of files begin that are being written. One that is left was written by a process that died.
const UNFINISHED: &str = ".tesserabench-";

/// Where this program keeps what it can make again; nothing where no place is this user's.
pub fn folder() -> Option<PathBuf> {
    let set =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("TESSERABENCH_CACHE_DIR")
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("tesserabench")))
        .or_else(|| Some(set("HOME")?.join(".cache/tesserabench")))
}

/// Makes a folder, unless it is there; its absolute path. What lies in it runs as this user, so it is refused where
/// another user may put something there.
///
/// # Errors
/// Usage error for a folder that cannot be made, is another user's, or can be written by others; `what` was to be kept
/// there.
pub fn own_folder(path: &Path, what: &str) -> Result<PathBuf> {
    let wrong = |why: &dyn std::fmt::Display| Error::file(&format!("keep {what} in"), path, why);
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|why| wrong(&why))?;
    let path = path.canonicalize().map_err(|why| wrong(&why))?;
    let facts = path.metadata().map_err(|why| wrong(&why))?;
    if facts.uid() != geteuid().as_raw() {
        return Err(wrong(&"it is another user's"));
    }
    if facts.mode() & 0o022 != 0 {
        return Err(wrong(&"others may write in it"));
    }
    Ok(path)
}

/// Entries of one kind.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Those of this kind in the folder that the environment names.
    ///
    /// # Errors
    /// Usage error where there is none, and as [`own_folder`].
    pub fn open(kind: &str) -> Result<Self> {
        let folder = folder().ok_or_else(|| {
            Error::usage(format!(
                "no folder of your own is known to keep {kind} in; set HOME or TESSERABENCH_CACHE_DIR"
            ))
        })?;
        Self::within(&folder, kind)
    }

    fn within(folder: &Path, kind: &str) -> Result<Self> {
        let folder = own_folder(folder, kind)?.join(kind);
        Ok(Self { folder: own_folder(&folder, kind)? })
    }

    /// What was kept under a key; nothing where that is damaged or cannot be read. It counts as used now.
    pub fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let path = self.file(key);
        path.symlink_metadata().ok().filter(|facts| facts.is_file())?;
        let bytes = read_bytes(&path, ENTRY_LIMIT).ok()?;
        let value = value_of(&bytes, key)?.to_vec();
        // Only tells the age, so it does not matter if it fails.
        let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(value)
    }

    /// Keeps a value under a key. Others see all of it or nothing, and may keep the same at the same time.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let path = self.file(key);
        let write = || {
            // Under a name that nobody can foretell, which must not exist, for this user only. Not forced to the disk:
            // what a crash leaves is damaged, and seen to be.
            let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.folder)?;
            let length = (key.len() as u64).to_le_bytes();
            for part in [HEAD, &check(key, value).to_le_bytes(), &length, key, value] {
                file.write_all(part)?;
            }
            file.as_file().set_permissions(Permissions::from_mode(0o600))?;
            file.persist(&path).map(drop).map_err(|why| why.error)
        };
        write().map_err(|why: std::io::Error| Error::write(&path, &why))
    }

    fn file(&self, key: &[u8]) -> PathBuf {
        self.folder.join(format!("{:016x}", fingerprint(key.iter().copied())))
    }
}

/// Of all that a reader relies on.
fn check(key: &[u8], value: &[u8]) -> u64 {
    let length = (key.len() as u64).to_le_bytes();
    fingerprint(length.iter().chain(key).chain(value).copied())
}

/// The value in an entry's bytes, if they are whole and the key is this one.
fn value_of<'a>(bytes: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let (said, rest) = bytes.strip_prefix(HEAD)?.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (known, value) = rest.split_at_checked(length)?;
    (known == key && u64::from_le_bytes(*said) == check(known, value)).then_some(value)
}

/// Entries that a cache was freed of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cleaned {
    /// Which: the kind of the entries.
    pub kind: String,
    /// How many.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many are younger, and stay.
    pub kept: u64,
}

/// Removes entries that were not used for so long, and what dead processes have left; only what this program has
/// named, and no more than it counts if `dry`. A folder that is not there has nothing in it.
///
/// # Errors
/// As [`own_folder`], and for what cannot be removed.
pub fn clean(folder: &Path, age: Duration, dry: bool) -> Result<Vec<Cleaned>> {
    if !folder.try_exists().unwrap_or(true) {
        return Ok(Vec::new());
    }
    let folder = own_folder(folder, "a cache")?;
    let oldest = SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut kinds = Vec::new();
    for entry in listed(&folder)? {
        let Some(kind) = entry.file_name().and_then(|name| name.to_str()).map(str::to_owned) else {
            continue;
        };
        // A link would lead out of the cache.
        let is_folder = entry.symlink_metadata().is_ok_and(|facts| facts.is_dir());
        if !is_folder || !kind.chars().all(|c| c.is_ascii_lowercase() || c == '-') {
            continue;
        }
        let mut cleaned = Cleaned { kind, ..Cleaned::default() };
        for path in listed(&entry)?.into_iter().filter(|path| is_entry(path)) {
            let Ok(facts) = path.symlink_metadata() else { continue };
            if !facts.is_file() || !is_ours(&path) {
                continue;
            }
            if facts.modified().is_ok_and(|used| used > oldest) {
                cleaned.kept += 1;
                continue;
            }
            if !dry {
                std::fs::remove_file(&path).map_err(|why| Error::file("remove", &path, why))?;
            }
            cleaned.files += 1;
            cleaned.bytes += facts.len();
        }
        if cleaned.files + cleaned.kept > 0 {
            kinds.push(cleaned);
        }
    }
    Ok(kinds)
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    let wrong = |why| Error::file("read", folder, why);
    let entries = std::fs::read_dir(folder).map_err(wrong)?;
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| Ok(entry.map_err(wrong)?.path())).collect::<Result<_>>()?;
    paths.sort();
    Ok(paths)
}

/// Whether a file begins as those that this program writes: other programs name files by hashes, too, and people may name
/// the wrong folder. Of what was never finished there may be no beginning.
fn is_ours(path: &Path) -> bool {
    let is_unfinished = path
        .file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(UNFINISHED.as_bytes()));
    let begins = || {
        let mut head = [0; HEAD.len()];
        File::open(path)?.read_exact(&mut head)?;
        Ok::<bool, std::io::Error>(head == *HEAD)
    };
    is_unfinished || begins().unwrap_or(false)
}

/// Whether a file has a name that this program gives.
fn is_entry(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_hash =
        name.len() == 16 && name.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
    is_hash || name.starts_with(UNFINISHED)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    #[test]
    fn only_a_folder_of_ones_own_is_used() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("a/b");
        let own = own_folder(&folder, "it").unwrap();
        assert_eq!(own.metadata().unwrap().mode() & 0o777, 0o700);
        let beside = outer.path().join("link");
        symlink(&folder, &beside).unwrap();
        assert_eq!(own_folder(&beside, "it").as_ref(), Ok(&own));
        let refused = |why: &str| {
            let found = own_folder(&beside, "it").unwrap_err().message;
            assert!(found.ends_with(why), "{found}");
        };
        for mode in [0o720, 0o702, 0o1777] {
            std::fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
            refused("others may write in it");
        }
        std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        // Only root can give a folder away.
        if geteuid().is_root() {
            chown(&folder, Some(65534), None).unwrap();
            refused("it is another user's");
        }
    }

    #[test]
    fn what_was_kept_is_found_and_what_is_damaged_is_not() {
        let outer = tempfile::tempdir().unwrap();
        let cache = Cache::within(outer.path(), "things").unwrap();
        assert_eq!(cache.get(b"key"), None);
        cache.put(b"key", b"value").unwrap();
        assert_eq!(cache.get(b"key").as_deref(), Some(&b"value"[..]));
        assert_eq!(cache.get(b"kez"), None);
        let path = cache.file(b"key");
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        let whole = std::fs::read(&path).unwrap();
        // Each byte counts, and so does each that is missing.
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(cache.get(b"key"), None, "byte {at}");
            std::fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(cache.get(b"key"), None, "{at} bytes");
        }
        // The name says nothing: the key within counts.
        cache.put(b"other", b"value").unwrap();
        std::fs::rename(cache.file(b"other"), &path).unwrap();
        assert_eq!(cache.get(b"key"), None);
        cache.put(b"key", b"anew").unwrap();
        assert_eq!(cache.get(b"key").as_deref(), Some(&b"anew"[..]));
    }

    #[test]
    fn only_old_files_of_ours_are_removed() {
        let outer = tempfile::tempdir().unwrap();
        let cache = Cache::within(outer.path(), "things").unwrap();
        for key in [b"old", b"new"] {
            cache.put(key, b"value").unwrap();
        }
        // Another program's cache may have such names.
        let beside = cache.folder.join("0123456789abcdef");
        let foreign =
            [cache.folder.join("notes.txt"), outer.path().join("0123456789abcdef"), beside];
        let left = cache.folder.join(format!("{UNFINISHED}x"));
        let two_days = SystemTime::now() - Duration::from_secs(2 * 86400);
        for path in foreign.iter().chain([&left, &cache.file(b"old")]) {
            let file = File::options().create(true).append(true).open(path).unwrap();
            file.set_modified(two_days).unwrap();
        }
        // What a link leads to is not ours.
        let beyond = tempfile::tempdir().unwrap();
        std::fs::write(beyond.path().join("0123456789abcdef"), "").unwrap();
        symlink(beyond.path(), outer.path().join("link")).unwrap();
        let day = Duration::from_secs(86400);
        let told = clean(outer.path(), day, true).unwrap();
        assert_eq!((told[0].files, told[0].kept, told.len()), (2, 1, 1), "{told:?}");
        assert!(cache.get(b"old").is_some(), "a dry run removes nothing");
        // It was just used.
        assert_eq!(clean(outer.path(), day, false).unwrap()[0].files, 1);
        assert_eq!(clean(outer.path(), Duration::ZERO, false).unwrap()[0].files, 2);
        assert!(foreign.iter().all(|path| path.exists()));
        assert!(beyond.path().join("0123456789abcdef").exists());
        assert_eq!(clean(&outer.path().join("nowhere"), day, false), Ok(Vec::new()));
    }
}
