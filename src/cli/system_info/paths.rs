//! Where this program reads and writes on this machine, and how much room is there.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statvfs};
use serde::Serialize;

use crate::base::cache;
use crate::history::FOLDER;

/// A place, and what is known of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Place {
    /// What is there: `program`, `configuration`, `cache`, `results`, `history`, `kernels`.
    pub(super) what: &'static str,
    pub(super) path: PathBuf,
    /// Whether it is there now.
    pub(super) exists: bool,
    /// Free and all bytes of its disk; of a place that is not there yet, of the folder where it would be made.
    pub(super) free_bytes: Option<u64>,
    pub(super) disk_bytes: Option<u64>,
    /// Whether this user may write there.
    pub(super) writable: bool,
}

/// All places; what is not set has none.
pub(super) fn all(config: Option<&Path>) -> Vec<Place> {
    let here = || std::env::current_dir().unwrap_or_else(|_| ".".into());
    let known = [
        ("program", std::env::current_exe().ok()),
        ("configuration", config.map(Path::to_owned)),
        ("cache", cache::folder()),
        ("results", Some(here())),
        ("history", Some(here().join(FOLDER))),
        ("kernels", std::env::var_os("TESSERABENCH_KERNEL_PATH").map(PathBuf::from)),
    ];
    known.into_iter().filter_map(|(what, path)| Some(place(what, path?))).collect()
}

fn place(what: &'static str, path: PathBuf) -> Place {
    let nearest = path.ancestors().find(|above| above.exists()).unwrap_or(&path);
    let disk = statvfs(nearest).ok();
    let bytes = |blocks: u64, of: u64| blocks.saturating_mul(of);
    Place {
        what,
        exists: path.exists(),
        free_bytes: disk.as_ref().map(|disk| bytes(disk.f_bavail, disk.f_frsize)),
        disk_bytes: disk.as_ref().map(|disk| bytes(disk.f_blocks, disk.f_frsize)),
        writable: access(nearest, Access::WRITE_OK).is_ok(),
        path,
    }
}
