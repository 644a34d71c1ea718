//! The house rules, as ordinary tests.

use std::path::{Path, PathBuf};

/// Each outside thing and the only rooms it may be named in.
const ROOMS: [(&str, &[&str]); 13] = [
    ("mpi::", &["src/world/", "src/backend/host/"]),
    ("cudarc::", &["src/backend/cuda/", "src/kernel.rs"]),
    ("libloading::", &["src/nvidia.rs"]),
    ("nvml_wrapper::", &["src/telemetry.rs"]),
    ("bincode::", &["src/wire.rs"]),
    ("statrs::", &["src/stats/"]),
    ("clap::", &["src/cli/", "src/cli.rs"]),
    ("tokio::", &["launcher/"]),
    ("gemm::gemm", &["src/backend/host/"]),
    ("println!", &["src/report/", "src/cli/", "src/build.rs"]),
    ("Instant::now", &["src/world.rs", "src/watch.rs", "launcher/"]),
    ("signal_hook::", &["src/watch/"]),
    (
        "unsafe ",
        &["src/world/", "src/backend/host/", "src/backend/cuda/", "src/kernel.rs", "src/nvidia.rs"],
    ),
];

/// Longer files are two rooms.
const LINE_LIMIT: usize = 600;

fn sources(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
    }
    files
}

fn program() -> Vec<(String, String)> {
    let files = sources("src").into_iter().chain(sources("launcher/src"));
    let read =
        |path: PathBuf| (path.display().to_string(), std::fs::read_to_string(&path).unwrap());
    files.map(read).collect()
}

/// Code without comments, so that a rule may be explained where it is kept.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// Whether `line` names `thing` as a whole word: `mpi::` but not `rsmpi::` or `world::mpi::`.
fn names(line: &str, thing: &str) -> bool {
    line.match_indices(thing).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':')
    })
}

#[test]
fn each_outside_thing_lives_in_its_room() {
    for (file, text) in program() {
        for (thing, rooms) in ROOMS {
            let at_home = rooms.iter().any(|room| file.starts_with(room));
            // `mpi::` inside the crate is the world's own module of that name.
            let of_world = file == "src/world.rs" && thing == "mpi::";
            if !at_home && !of_world {
                let line = code(&text).find(|line| names(line, thing));
                assert_eq!(line, None, "{file} names {thing}, whose rooms are {rooms:?}");
            }
        }
    }
}

#[test]
fn the_table_of_rooms_can_fail() {
    assert!(
        names("use tokio::sync;", "tokio::") && names("    let x = mpi::initialize();", "mpi::")
    );
    assert!(!names("use crate::world::mpi::x;", "mpi::") && !names("rsmpi::x", "mpi::"));
}

#[test]
fn the_world_reaches_mpi_only_through_its_room() {
    let text = std::fs::read_to_string("src/world.rs").unwrap();
    for call in ["mpi::initialize", "mpi::topology", "mpi::traits", "mpi::ffi", "mpi::collective"] {
        assert!(!text.contains(call), "{call}");
    }
}

#[test]
fn files_are_small_and_main_is_tiny() {
    for (file, text) in program() {
        let limit = if file == "src/main.rs" { 60 } else { LINE_LIMIT };
        let lines = text.lines().count();
        assert!(lines <= limit, "{file} has {lines} lines, more than {limit}");
    }
}

#[test]
fn every_file_says_what_it_is() {
    for (file, text) in program() {
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! ") && first.len() > 12, "{file} begins with {first:?}");
    }
}

#[test]
fn nothing_is_left_to_do() {
    let words = ["todo!", "unimplemented!", "dbg!", "TODO", "FIXME", "XXX"];
    for (file, text) in program() {
        for word in words {
            assert!(!text.contains(word), "{file} contains {word}");
        }
    }
}

#[test]
fn the_map_of_the_house_names_every_room() {
    let map = std::fs::read_to_string("src/lib.rs").unwrap();
    for entry in std::fs::read_dir("src").unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if !["lib", "main", "build"].contains(&name.as_str()) {
            assert!(map.contains(&format!("[`{name}`]")), "src/lib.rs does not speak of {name}");
        }
    }
}

#[test]
fn the_launcher_knows_nothing_of_what_it_starts() {
    for path in sources("launcher/src") {
        let text = std::fs::read_to_string(&path).unwrap().to_lowercase();
        for word in ["cuda", "nccl", "collective", "tesserabench"] {
            assert!(!code(&text).any(|line| line.contains(word)), "{path:?} speaks of {word}");
        }
    }
}

#[test]
fn scripts_and_batch_files_are_executable_or_submitted() {
    use std::os::unix::fs::PermissionsExt as _;
    for name in [
        "scripts/setup",
        "scripts/test",
        "scripts/quickstart",
        "scripts/gpu-check",
        "scripts/soak",
        "scripts/check-dependencies",
        ".ci/run",
        ".ci/renew-advisories",
    ] {
        let mode = Path::new(name).metadata().unwrap().permissions().mode();
        assert!(mode & 0o111 != 0, "{name} cannot be run");
    }
}
