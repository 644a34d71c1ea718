//! Restarting this process with variables that must be set when it starts.
//!
//! The loader reads `LD_LIBRARY_PATH` once, and setting variables in a process that already has threads
//! is not safe. So a rank that needs either executes itself again, as the same process, before it joins
//! the others.

use std::ffi::OsString;
use std::fs::{DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use crate::base::error::{Error, Result};
use crate::base::random;
use crate::machine::nvidia;

/// Settings of NCCL under which processes that share a GPU take each other for different machines
/// and talk through the loopback device. NCCL refuses two ranks with the same host and GPU; a host's
/// name is what NCCL_HOSTID says (NCCL 2.30.7, `src/misc/utils.cc` and `src/init.cc`). Few blocks, because
/// the kernels of all ranks must fit on the GPU together where its processes share it (MPS).
const EMULATION: [(&str, &str); 8] = [
    ("NCCL_NET", "Socket"),
    ("NCCL_IB_DISABLE", "1"),
    ("NCCL_SOCKET_IFNAME", "lo"),
    ("NCCL_P2P_DISABLE", "1"),
    ("NCCL_SHM_DISABLE", "1"),
    ("NCCL_NVLS_ENABLE", "0"),
    ("NCCL_MNNVL_ENABLE", "0"),
    ("NCCL_MAX_CTAS", "2"),
];

/// Restarts this process if its environment lacks something that the cuda backend needs.
///
/// # Errors
/// Unfit when it cannot be restarted.
pub fn for_cuda(emulated: bool) -> Result<()> {
    // Without a driver there is nothing to prepare for.
    if nvidia::DRIVER.require().is_err() {
        return Ok(());
    }
    let mut variables = library_path().unwrap_or_else(|why| {
        tracing::warn!("{why}");
        Vec::new()
    });
    if emulated {
        let host = format!("tesserabench-{}", std::process::id());
        let settings = EMULATION.iter().map(|(name, value)| (*name, OsString::from(value)));
        let settings = settings.chain([("NCCL_HOSTID", host.into())]);
        // What the user has set stays.
        variables.extend(settings.filter(|(name, _)| std::env::var_os(name).is_none()));
    }
    if variables.is_empty() {
        return Ok(());
    }
    let cannot = |why| Error::unfit(format!("this process cannot restart itself: {why}"));
    let own = std::env::current_exe().map_err(cannot)?;
    let mut command = std::process::Command::new(own);
    Err(cannot(command.args(std::env::args_os().skip(1)).envs(variables).exec()))
}

/// A library path that begins with a folder with a link to the NCCL that cudarc would not find.
fn library_path() -> Result<Vec<(&'static str, OsString)>> {
    const PATH: &str = "LD_LIBRARY_PATH";
    let Some(file) = nvidia::nccl_to_link() else { return Ok(Vec::new()) };
    let cache = cache_folder().ok_or_else(|| {
        Error::unfit(format!(
            "'{}' is not used: it is found only by a link, and there is no folder of your own for one; set HOME or \
             TESSERABENCH_CACHE_DIR",
            file.display()
        ))
    })?;
    let cache = own_folder(&cache)?;
    // One folder for one file, so that processes that make it at once make the same.
    let name = random::fingerprint(file.as_os_str().as_encoded_bytes().iter().copied());
    let folder = own_folder(&cache.join(format!("libraries-{name:016x}")))?;
    let cannot = |why| Error::file("link libraries in", &folder, why);
    std::fs::set_permissions(&folder, Permissions::from_mode(0o700)).map_err(cannot)?;
    let link = folder.join("libnccl.so");
    match std::os::unix::fs::symlink(&file, &link) {
        Err(why) if why.kind() != ErrorKind::AlreadyExists => return Err(cannot(why)),
        _ => {}
    }
    let old = std::env::var_os(PATH).unwrap_or_default();
    let is_followed = std::fs::read_link(&link).is_ok_and(|known| known == file);
    if !is_followed || std::env::split_paths(&old).any(|known| known == folder) {
        return Err(Error::unfit(format!(
            "the links in '{}' are not followed; remove the folder",
            folder.display()
        )));
    }
    let folders = [folder].into_iter().chain(std::env::split_paths(&old));
    let path = std::env::join_paths(folders.filter(|folder| !folder.as_os_str().is_empty()));
    Ok(vec![(PATH, path.map_err(|why| Error::unfit(format!("{PATH}: {why}")))?)])
}

/// Where this program keeps what it can make again; nothing where no place is this user's.
fn cache_folder() -> Option<PathBuf> {
    let set =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("TESSERABENCH_CACHE_DIR")
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("tesserabench")))
        .or_else(|| Some(set("HOME")?.join(".cache/tesserabench")))
}

/// Makes a folder, unless it is there; its absolute path. What lies in it runs as this user, so it is refused where
/// another user may put something there.
fn own_folder(path: &Path) -> Result<PathBuf> {
    let wrong = |why: &dyn std::fmt::Display| Error::file("keep libraries in", path, why);
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    #[test]
    fn only_a_folder_of_ones_own_holds_libraries() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("a/b");
        let own = own_folder(&folder).unwrap();
        assert_eq!(own.metadata().unwrap().mode() & 0o777, 0o700);
        let beside = outer.path().join("link");
        symlink(&folder, &beside).unwrap();
        assert_eq!(own_folder(&beside).as_ref(), Ok(&own));
        let refused = |why: &str| {
            let found = own_folder(&beside).unwrap_err().message;
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
}
