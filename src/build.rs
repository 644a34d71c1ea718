//! Build script: what the binary must know about its own making.
//!
//! `TESSERABENCH_BUILD` names the build by its content, so that ranks of different builds are told
//! apart; the commit and compiler stand in reports; the MPI's folder becomes a run path, so that the
//! binary starts without `LD_LIBRARY_PATH`.

use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Everything that decides what the binary does.
const SOURCES: [&str; 6] = ["Cargo.toml", "Cargo.lock", "src", "launcher", "kernels", "topologies"];

fn main() {
    let mut identity = DefaultHasher::new();
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
        hash_files(Path::new(source), &mut identity);
    }
    let rustc = first_line(Command::new(variable("RUSTC")).arg("--version"));
    identity.write(rustc.as_bytes());
    identity.write(variable("PROFILE").as_bytes());
    println!("cargo::rustc-env=TESSERABENCH_RUSTC={rustc}");

    // Not `.git/HEAD`: in a worktree `.git` is a file, and a path that is not there builds everything anew each time.
    for file in ["HEAD", "logs/HEAD"] {
        let path = first_line(Command::new("git").args(["rev-parse", "--git-path", file]));
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let commit = first_line(Command::new("git").args(["rev-parse", "--short=12", "HEAD"]));
    println!("cargo::rustc-env=TESSERABENCH_COMMIT={commit}");

    println!("cargo::rerun-if-env-changed=MPICC");
    if std::env::var_os("CARGO_FEATURE_MPI").is_some() {
        let mpicc = std::env::var("MPICC").unwrap_or_else(|_| "mpicc".to_owned());
        // The same wrapper, asked the same way, as the `mpi` crate's own build script.
        let flags = first_line(Command::new(&mpicc).arg("-show"));
        identity.write(flags.as_bytes());
        for folder in flags.split_whitespace().filter_map(|flag| flag.strip_prefix("-L")) {
            println!("cargo::rustc-link-arg=-Wl,-rpath,{}", folder.trim_matches(['"', '\'']));
        }
        println!("cargo::rustc-env=TESSERABENCH_MPI_IN_PLACE={}", in_place(&mpicc));
        println!("cargo::rustc-env=TESSERABENCH_MPI_BIN={}", folder_of(&mpicc));
    }
    println!("cargo::rustc-env=TESSERABENCH_BUILD={:016x}", identity.finish());
}

/// The address that `MPI_IN_PLACE` stands for. It is a macro with a cast, which bindgen leaves out;
/// Open MPI and MPICH differ.
fn in_place(mpicc: &str) -> isize {
    let probe = PathBuf::from(variable("OUT_DIR")).join("in_place.c");
    std::fs::write(&probe, "#include <mpi.h>\nin_place MPI_IN_PLACE\n")
        .expect("OUT_DIR is writable");
    let output = Command::new(mpicc).arg("-E").arg(&probe).output().expect("mpicc runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("in_place ")).unwrap_or_default();
    let digits: String = line.chars().filter(|c| c.is_ascii_digit() || *c == '-').collect();
    digits.parse().unwrap_or_else(|_| panic!("{mpicc} -E gives MPI_IN_PLACE as '{line}'"))
}

/// Where the MPI's own programs lie, so that its mpiexec is found when it is not on the PATH.
fn folder_of(program: &str) -> String {
    let folder = Path::new(program).parent().filter(|folder| folder.is_absolute());
    folder.map_or_else(String::new, |folder| folder.display().to_string())
}

fn hash_files(path: &Path, identity: &mut DefaultHasher) {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).expect("a source folder is readable");
        let mut paths: Vec<PathBuf> =
            entries.map(|entry| entry.expect("a source folder is readable").path()).collect();
        paths.sort();
        paths.iter().for_each(|path| hash_files(path, identity));
    } else if let Ok(bytes) = std::fs::read(path) {
        identity.write(path.as_os_str().as_encoded_bytes());
        identity.write(&bytes);
    }
}

/// The first line a command prints; empty when it cannot run, as without git.
fn first_line(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).lines().next().unwrap_or_default().to_owned()
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}
