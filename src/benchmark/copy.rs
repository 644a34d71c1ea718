//! Copies between the host's memory and a GPU's, and within a GPU's: what each rank does by itself.

use serde::{Deserialize, Serialize};

use super::{Key, Preset, Problem, Setting, Values};
use crate::base::error::{Error, Result};

/// A copy by name.
#[derive(Debug)]
pub struct CopyKind {
    /// Name on the command line and in the report.
    pub name: &'static str,
    /// Names under which people may look for it.
    pub aliases: &'static [&'static str],
    /// One line on what it measures.
    pub description: &'static str,
    /// The keys of its problem.
    pub keys: &'static [Key],
    route: Route,
}

/// Every copy.
pub static COPIES: [CopyKind; 4] = [
    CopyKind {
        name: "host_to_device",
        aliases: &["h2d", "host_to_device_memcpy_ce"],
        description: "a copy from the host's memory to the GPU's",
        keys: &[BYTES, MEMORY, ENGINE],
        route: Route::ToDevice,
    },
    CopyKind {
        name: "device_to_host",
        aliases: &["d2h", "device_to_host_memcpy_ce"],
        description: "a copy from the GPU's memory to the host's",
        keys: &[BYTES, MEMORY, ENGINE],
        route: Route::ToHost,
    },
    CopyKind {
        name: "host_device_bidirectional",
        aliases: &[],
        description: "a copy to the GPU while one comes back",
        keys: &[BYTES, ENGINE],
        route: Route::BothWays,
    },
    CopyKind {
        name: "device_local_copy",
        aliases: &["d2d"],
        description: "a copy within the GPU's memory",
        keys: &[BYTES, ENGINE],
        route: Route::WithinDevice,
    },
];

const BYTES: Key = Key::sizes(
    "bytes",
    "size of a copy in one direction, bytes",
    ["64KiB,1MiB", "64KiB..64MiB*4", "64MiB..1GiB*4"],
);

const MEMORY: Key = Key::new(
    "memory",
    "whether the host's memory is pinned",
    Values::Words(&["pinned", "pageable"]),
);

const ENGINE: Key = Key::new(
    "engine",
    "what copies: copy engines (ce) or a kernel (sm)",
    Values::Words(&["ce", "sm"]),
);

/// From where to where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Route {
    /// From the host to the GPU.
    ToDevice,
    /// From the GPU to the host.
    ToHost,
    /// Both at once.
    BothWays,
    /// From one place of the GPU's memory to another.
    WithinDevice,
}

/// Where memory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The host's.
    Host,
    /// The GPU's.
    Device,
}

impl Route {
    /// Where each of its copies begins and ends. They run at once.
    pub fn ways(self) -> &'static [[Place; 2]] {
        use Place::{Device, Host};
        match self {
            Self::ToDevice => &[[Host, Device]],
            Self::ToHost => &[[Device, Host]],
            Self::BothWays => &[[Host, Device], [Device, Host]],
            Self::WithinDevice => &[[Device, Device]],
        }
    }
}

/// What copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Engine {
    /// A copy engine of the GPU, by `cuMemcpyAsync`; of memory that is not pinned, the driver and the CPU besides.
    CopyEngine,
    /// A kernel on the GPU's multiprocessors.
    Kernel,
}

/// One copy, or two in opposite directions at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryCopy {
    /// From where to where.
    pub route: Route,
    /// Size of what is copied in one direction, bytes.
    pub bytes: u64,
    /// Whether the system may move the host's memory, so that the GPU does not reach it by itself.
    pub pageable: bool,
    /// What copies.
    pub engine: Engine,
}

impl CopyKind {
    /// The sizes of other tools' tables.
    pub(super) fn presets() -> Vec<Preset> {
        let bytes = [("bytes".to_owned(), "512MiB".to_owned())].into();
        vec![Preset { name: "nvbandwidth".into(), problems: vec![bytes] }]
    }

    /// The copy of a problem.
    pub(super) fn copy(&self, problem: &Problem) -> MemoryCopy {
        let is = |key: &str, word| problem.get(key).and_then(Setting::word) == Some(word);
        MemoryCopy {
            route: self.route,
            bytes: problem.get("bytes").and_then(Setting::number).unwrap_or(0),
            pageable: is("memory", "pageable"),
            engine: if is("engine", "sm") { Engine::Kernel } else { Engine::CopyEngine },
        }
    }
}

impl MemoryCopy {
    /// What cannot be.
    ///
    /// # Errors
    /// Usage error for a size beyond counting; unsupported for a kernel that would read memory which it does not reach.
    pub fn check(&self, ranks: usize) -> Result<()> {
        if self.bytes.checked_mul(4 * ranks as u64).is_none() {
            let told = format!("{} bytes are more than can be counted; use less", self.bytes);
            return Err(Error::usage(told));
        }
        if self.pageable && self.engine == Engine::Kernel {
            return Err(Error::unsupported(
                "a kernel on the GPU reaches pinned memory only; use engine=ce or memory=pinned",
            ));
        }
        Ok(())
    }

    /// Bytes that `ranks` ranks copy in all directions together.
    pub fn copied_bytes(&self, ranks: usize) -> u64 {
        self.bytes * (ranks * self.route.ways().len()) as u64
    }

    /// Bytes that a rank reads and writes, where both are of the GPU's memory.
    pub fn memory_traffic(&self) -> Option<u64> {
        (self.route == Route::WithinDevice).then_some(2 * self.bytes)
    }

    /// Bytes that a rank allocates, on the host and on the GPU together.
    pub fn footprint(&self) -> u64 {
        2 * self.copied_bytes(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Kind;
    use crate::benchmark::find;
    use crate::benchmark::work::{Counts, Element, Placement, Work};

    fn work(name: &str, settings: &[(&str, &str)]) -> Work {
        let settings = settings.iter().chain(&[("bytes", "1000")]);
        let problem =
            settings.map(|(key, value)| ((*key).to_owned(), Setting::of(value))).collect();
        find(name).unwrap().work(&problem, Element::U8, Placement::Out).unwrap()
    }

    #[test]
    fn both_directions_count_and_so_do_all_ranks() {
        let counts = |name: &str| -> Counts { work(name, &[]).counts(3) };
        let bytes = |name: &str| counts(name).algorithm_bytes;
        assert_eq!(bytes("host_to_device"), Some(3000));
        assert_eq!(bytes("device_to_host"), Some(3000));
        assert_eq!(bytes("host_device_bidirectional"), Some(6000));
        assert_eq!(bytes("device_local_copy"), Some(3000));
        // The traffic is that of one rank.
        assert_eq!(counts("device_local_copy").memory_traffic_bytes, Some(2000));
        assert_eq!(counts("h2d").memory_traffic_bytes, None);
        assert_eq!(counts("h2d").bus_factor, None);
        assert_eq!(work("host_device_bidirectional", &[]).footprint(3), 4000);
    }

    #[test]
    fn a_kernel_does_not_reach_pageable_memory() {
        let pageable = work("host_to_device", &[("memory", "pageable"), ("engine", "sm")]);
        assert_eq!(pageable.check(1).unwrap_err().kind, Kind::Unsupported);
        assert!(work("host_to_device", &[("engine", "sm")]).check(1).is_ok());
        assert!(work("host_to_device", &[("memory", "pageable")]).check(1).is_ok());
        let large = [("bytes", "9223372036854775807")];
        assert_eq!(work("h2d", &[]).check(1), Ok(()));
        let copy =
            CopyKind::copy(&COPIES[0], &large.map(|(k, v)| (k.to_owned(), Setting::of(v))).into());
        assert_eq!(copy.check(1).unwrap_err().kind, Kind::Usage);
    }
}
