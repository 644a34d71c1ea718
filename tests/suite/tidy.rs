//! The house rules, as ordinary tests.

use std::path::{Path, PathBuf};

/// Each outside thing and the only rooms it may be named in.
const ROOMS: [(&str, &[&str]); 15] = [
    ("mpi::", &["src/world/", "src/backend/host/"]),
    ("cudarc::", &["src/backend/cuda/", "src/machine/kernel/nvrtc.rs"]),
    ("libloading::", &["src/machine/nvidia.rs", "src/machine/nvtx.rs"]),
    ("nvml_wrapper::", &["src/machine/telemetry.rs"]),
    ("bincode::", &["src/world/wire.rs"]),
    ("statrs::", &["src/stats/"]),
    ("clap::", &["src/cli/", "src/cli.rs"]),
    ("tokio::", &["launcher/"]),
    ("gemm::gemm", &["src/benchmark/kernel/product.rs"]),
    ("tar::", &["src/base/archive.rs"]),
    ("askama::", &["src/render/html.rs", "src/render/html/", "src/cli/ci_template.rs"]),
    ("println!", &["src/render/", "src/cli/", "src/build.rs"]),
    (
        "Instant::now",
        &[
            "src/world.rs",
            "src/watchdog.rs",
            "src/machine/kernel/stage.rs",
            "src/machine/profiler.rs",
            "launcher/",
        ],
    ),
    ("signal_hook::", &["src/watchdog/", "src/base/files.rs"]),
    (
        "unsafe ",
        &[
            "src/benchmark/element.rs",
            "src/benchmark/kernel/product.rs",
            "src/benchmark/kernel/streaming.rs",
            "src/world/",
            "src/backend/host/",
            "src/backend/cuda/",
            "src/machine/kernel/nvrtc.rs",
            "src/machine/nvidia.rs",
            "src/machine/nvtx.rs",
        ],
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
fn every_file_is_compiled() {
    let all = program();
    for (file, _) in &all {
        let (parent, name) = file.trim_end_matches(".rs").rsplit_once('/').unwrap();
        let roots = ["lib", "main", "build"].map(|root| format!("{parent}/{root}.rs"));
        // A module may name its file, too.
        let (declared, named) = (format!("mod {name};"), format!("/{name}.rs\""));
        let declares = |(other, text): &(String, String)| {
            let above = *other == format!("{parent}.rs") || roots.contains(other);
            above && code(text).any(|line| line.ends_with(&declared) || line.contains(&named))
        };
        assert!(roots.contains(file) || all.iter().any(declares), "no file declares {file}");
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

/// Which rooms a room may use, from the ground up: each only names rooms that stand before it.
pub(crate) const EDGES: [(&str, &str); 16] = [
    ("base", ""),
    ("stats", "base"),
    ("machine", "base"),
    ("benchmark", "base machine"),
    ("plan", "base machine benchmark"),
    ("world", "base stats plan"),
    ("watchdog", "base machine plan world"),
    ("backend", "base stats machine benchmark plan world"),
    ("report", "base stats machine benchmark plan"),
    ("measure", "base stats machine benchmark plan world backend report"),
    ("analysis", "base stats machine benchmark plan measure report"),
    ("history", "base stats benchmark report analysis"),
    ("render", "base stats machine benchmark plan report history"),
    ("run", "base machine plan world watchdog backend measure report analysis history render"),
    ("import", "base machine benchmark plan report analysis"),
    (
        "cli",
        "base stats machine benchmark plan world backend report analysis history render run import",
    ),
];

/// A module below a room, such as `plan::mesh` for `src/plan/mesh/groups.rs`; the room for its own file.
fn module(file: &str) -> String {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    path.split('/').take(2).collect::<Vec<_>>().join("::")
}

/// The files that are compiled for tests only, and everything below them.
fn is_for_tests(file: &str, all: &[(String, String)]) -> bool {
    let (parent, name) = file.trim_end_matches(".rs").rsplit_once('/').unwrap_or_default();
    let declared = ["", "pub(crate) "].map(|public| format!("#[cfg(test)]\n{public}mod {name};"));
    all.iter().any(|(other, text)| {
        other.trim_end_matches(".rs") == parent && declared.iter().any(|line| text.contains(line))
    })
}

/// What is compiled into the program: no comments, no tests.
fn shipped(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    code(&text[..end]).collect::<Vec<_>>().join("\n")
}

/// The first names of all paths that begin with `start`, those in braces behind it too.
fn paths<'a>(text: &'a str, start: &'a str) -> impl Iterator<Item = String> + 'a {
    text.match_indices(start).flat_map(move |(at, _)| {
        let rest = &text[at + start.len()..];
        let name = |text: &str| -> String {
            text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        };
        match rest.strip_prefix('{') {
            Some(group) => {
                let group = group.split('}').next().unwrap_or_default();
                group.split(',').map(name).collect::<Vec<_>>()
            }
            None => vec![name(rest)],
        }
    })
}

#[test]
fn rooms_use_only_the_rooms_below_them() {
    for (index, (room, uses)) in EDGES.iter().enumerate() {
        let below: Vec<&str> = EDGES[..index].iter().map(|(room, _)| *room).collect();
        let unknown = uses.split_whitespace().find(|used| !below.contains(used));
        assert_eq!(unknown, None, "{room} uses what does not stand before it");
    }
    let all = program();
    let of_rooms = all.iter().filter(|(file, _)| {
        file.starts_with("src/")
            && !["src/lib.rs", "src/main.rs", "src/build.rs"].contains(&&**file)
    });
    for (file, text) in of_rooms.filter(|(file, _)| !is_for_tests(file, &all)) {
        let room = module(file).split(':').next().unwrap_or_default().to_owned();
        let known = EDGES.iter().find(|(known, _)| *known == room);
        let (_, uses) = known.unwrap_or_else(|| panic!("{file} is in no room of the table"));
        for used in paths(&shipped(text), "crate::") {
            let allowed = used == room || uses.split_whitespace().any(|allowed| allowed == used);
            assert!(allowed, "{file} uses {used}, which {room} may not: {uses}");
        }
    }
}

#[test]
fn modules_of_a_room_form_no_circle() {
    let all = program();
    let mut edges: Vec<(String, String)> = Vec::new();
    let shipping =
        all.iter().filter(|(file, _)| file.starts_with("src/") && !is_for_tests(file, &all));
    for (file, text) in shipping {
        let from = module(file);
        let Some((room, _)) = from.split_once("::") else { continue };
        let here = paths(&shipped(text), &format!("crate::{room}::")).collect::<Vec<_>>();
        let depth = file.matches('/').count();
        // `super::` of a module right below the room names its siblings.
        let siblings = paths(&shipped(text), "super::").filter(|_| depth == 2).collect::<Vec<_>>();
        for name in here.into_iter().chain(siblings) {
            let to = format!("{room}::{name}");
            if to != from && all.iter().any(|(file, _)| module(file) == to) {
                edges.push((from.clone(), to));
            }
        }
    }
    // What is used by nothing or uses nothing is taken away, until only circles are left.
    loop {
        let before = edges.len();
        let (users, used): (Vec<String>, Vec<String>) = edges.iter().cloned().unzip();
        edges.retain(|(from, to)| users.contains(to) && used.contains(from));
        if edges.len() == before {
            break;
        }
    }
    edges.sort();
    edges.dedup();
    assert!(edges.is_empty(), "circles: {edges:#?}");
}

#[test]
fn the_map_shows_the_table() {
    let map = std::fs::read_to_string("src/lib.rs").unwrap();
    for entry in std::fs::read_dir("src").unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if !["lib", "main", "build"].contains(&name.as_str()) {
            assert!(EDGES.iter().any(|(room, _)| *room == name), "{name} is not in the table");
            let row = format!("//! | [`{name}`] | ");
            assert_eq!(map.matches(&row).count(), 1, "src/lib.rs does not show {name} once");
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
        "scripts/packaging/archive",
        "scripts/soak",
        "scripts/test-html",
        "scripts/example-pages",
        "scripts/check-dependencies",
        "scripts/check-workflows",
        ".ci/run",
        ".ci/renew-advisories",
    ] {
        let mode = Path::new(name).metadata().unwrap().permissions().mode();
        assert!(mode & 0o111 != 0, "{name} cannot be run");
    }
}
