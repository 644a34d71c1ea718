//! What on this machine keeps the program from its work, or makes its figures worse.

use serde::Serialize;

use super::Info;
use crate::base::units::format_size;
use crate::plan::mesh::format_ranges;

/// Where less is free, results may not find room.
const ROOM: u64 = 1 << 30;

/// Something to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    pub(super) level: Level,
    pub(super) says: String,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// Something does not work.
    Error,
    /// Something is missing, or figures may be off.
    Warning,
}

impl Level {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// What there is to look at, errors first.
pub(super) fn all(info: &Info) -> Vec<Check> {
    let mut found = Vec::new();
    let mut note = |level, says: String| found.push(Check { level, says });
    if info.mpi.library.is_none() {
        note(Level::Warning, "this build has no MPI and runs one rank only".to_owned());
    } else if info.mpi.programs.is_none_or(|folder| !has_launcher(folder)) {
        let says =
            "no mpirun or mpiexec is where this build's MPI is; --ranks looks for one on the PATH";
        note(Level::Warning, says.to_owned());
    }
    match &info.gpus {
        Err(why) => note(Level::Warning, format!("no GPU: {}", why.reason())),
        Ok(_) => {
            for (key, found) in &info.nvidia {
                let Err(why) = found else { continue };
                // Without a compiler of kernels nothing runs; libraries are for some benchmarks each.
                let level = if *key == "nvrtc" { Level::Error } else { Level::Warning };
                note(level, format!("{key} is missing: {}", why.message));
            }
        }
    }
    if !info.asleep.is_empty() {
        let numbers = format_ranges(info.asleep.iter().copied());
        note(
            Level::Warning,
            format!(
                "persistence mode is off on GPU {numbers}: the driver starts anew for each program, which takes seconds, \
                 and forgets locked clocks; nvidia-smi -pm 1"
            ),
        );
    }
    for place in &info.paths {
        let path = place.path.display();
        if ["results", "cache"].contains(&place.what) && !place.writable {
            let level = if place.what == "results" { Level::Error } else { Level::Warning };
            note(level, format!("nothing can be written to {path} ({})", place.what));
        }
        if let Some(free) = place.free_bytes.filter(|free| place.what == "results" && *free < ROOM)
        {
            note(Level::Warning, format!("the disk of {path} has {} left", format_size(free)));
        }
        if place.what == "configuration" && !place.exists {
            note(Level::Error, format!("there is no configuration {path}"));
        }
    }
    if !info.paths.iter().any(|place| place.what == "cache") {
        let says = "no folder is known to keep machine code in; set HOME or TESSERABENCH_CACHE_DIR";
        note(Level::Warning, says.to_owned());
    }
    if let Some(governor) = info.governor.as_deref().filter(|governor| *governor != "performance") {
        note(
            Level::Warning,
            format!(
                "the CPU's clock follows the load (governor '{governor}'); times vary less with 'performance'"
            ),
        );
    }
    found.sort_by_key(|check| check.level);
    found
}

fn has_launcher(folder: &str) -> bool {
    ["mpirun", "mpiexec"].iter().any(|name| std::path::Path::new(folder).join(name).is_file())
}
