//! The command line of the launcher that starts the ranks.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A family of launchers with the same arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launcher {
    /// Open MPI's mpirun.
    OpenMpi,
    /// Hydra, the mpiexec of MPICH and its descendants.
    Hydra,
    /// Slurm's srun.
    Srun,
}

/// The ranks to start, and how to bind them to cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement<'a> {
    /// Processes to start.
    pub ranks: usize,
    /// Cores of this machine that they may use.
    pub cores: usize,
    /// Whether ranks have other busy threads, so that one core per rank is not enough.
    pub threaded: bool,
    /// Whether the user is root, which Open MPI refuses without an extra argument.
    pub root: bool,
    /// Whether waiting ranks yield their core, if the launcher supports it. It slows communication down, so it is
    /// for ranks that share cores.
    pub yielding: bool,
    /// Variables to forward to ranks on other nodes; Hydra and srun forward all.
    pub forward: &'a [&'a str],
}

/// The first program of this family in `folder` or else on the PATH, verified by `--version`.
pub fn find_launcher(launcher: Launcher, folder: Option<&Path>) -> Option<PathBuf> {
    // The most specific name first, because on Debian both families install an `mpiexec`; and the words by which the
    // output of `--version` is known.
    let (names, words): (&[&str], &[&str]) = match launcher {
        Launcher::OpenMpi => (&["mpirun.openmpi", "mpirun", "mpiexec"], &["Open MPI", "OpenRTE"]),
        Launcher::Hydra => {
            (&["mpiexec.hydra", "mpiexec.mpich", "mpiexec", "mpirun"], &["HYDRA", "Hydra"])
        }
        Launcher::Srun => (&["srun"], &["slurm"]),
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = folder.map(Path::to_owned).into_iter().chain(std::env::split_paths(&path));
    let mut programs = folders.flat_map(|folder| names.iter().map(move |name| folder.join(name)));
    programs.find(|program| {
        let output = program.is_file().then(|| Command::new(program).arg("--version").output());
        output.and_then(Result::ok).is_some_and(|Output { stdout, stderr, .. }| {
            let text = [stdout, stderr].concat();
            let text = String::from_utf8_lossy(&text);
            words.iter().any(|word| text.contains(word))
        })
    })
}

/// The launcher's arguments, up to the program it starts.
///
/// Up to one rank per core, ranks are bound to cores unless they have threads; more ranks are not bound.
/// `--oversubscribe` makes Open MPI's ranks yield their cores, so a second argument turns that off if needed.
pub fn arguments(launcher: Launcher, placement: Placement<'_>) -> Vec<String> {
    let Placement { ranks, cores, threaded, root, yielding, forward } = placement;
    let count = ranks.to_string();
    let fits = ranks <= cores;
    let words: Vec<&str> = match launcher {
        Launcher::OpenMpi => {
            let place: &[&str] = match (fits, yielding) {
                (true, _) if threaded => &["--bind-to", "none"],
                (true, _) => &["--bind-to", "core"],
                (false, true) => &["--bind-to", "none", "--oversubscribe"],
                (false, false) => {
                    &["--bind-to", "none", "--oversubscribe", "--mca", "mpi_yield_when_idle", "0"]
                }
            };
            let root: &[&str] = if root { &["--allow-run-as-root"] } else { &[] };
            let forward: Vec<&str> = forward.iter().flat_map(|name| ["-x", *name]).collect();
            [root, place, &forward, &["-n", &count]].concat()
        }
        Launcher::Hydra => {
            let bind: &[&str] = if fits && !threaded { &["-bind-to", "core"] } else { &[] };
            [bind, &["-n", &count]].concat()
        }
        Launcher::Srun => {
            let bind = if fits && !threaded { "--cpu-bind=cores" } else { "--cpu-bind=none" };
            vec!["--kill-on-bad-exit=1", bind, "-n", &count]
        }
    };
    words.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placement(ranks: usize, root: bool) -> Placement<'static> {
        Placement { ranks, cores: 2, threaded: false, root, yielding: root, forward: &["A"] }
    }

    fn line(launcher: Launcher, ranks: usize, root: bool) -> String {
        arguments(launcher, placement(ranks, root)).join(" ")
    }

    #[test]
    fn ranks_with_threads_are_not_bound() {
        let line = |launcher| {
            let placement = Placement { threaded: true, ..placement(2, false) };
            arguments(launcher, placement).join(" ")
        };
        assert_eq!(line(Launcher::OpenMpi), "--bind-to none -x A -n 2");
        assert_eq!(line(Launcher::Hydra), "-n 2");
        assert_eq!(line(Launcher::Srun), "--kill-on-bad-exit=1 --cpu-bind=none -n 2");
    }

    #[test]
    fn ranks_that_fit_are_bound() {
        assert_eq!(line(Launcher::OpenMpi, 2, false), "--bind-to core -x A -n 2");
        assert_eq!(line(Launcher::Hydra, 2, true), "-bind-to core -n 2");
        assert_eq!(line(Launcher::Srun, 2, true), "--kill-on-bad-exit=1 --cpu-bind=cores -n 2");
    }

    #[test]
    fn ranks_that_do_not_fit_share_cores() {
        assert_eq!(
            line(Launcher::OpenMpi, 4, true),
            "--allow-run-as-root --bind-to none --oversubscribe -x A -n 4"
        );
        assert_eq!(
            line(Launcher::OpenMpi, 4, false),
            "--bind-to none --oversubscribe --mca mpi_yield_when_idle 0 -x A -n 4"
        );
        assert_eq!(line(Launcher::Hydra, 4, true), "-n 4");
        assert_eq!(line(Launcher::Srun, 4, true), "--kill-on-bad-exit=1 --cpu-bind=none -n 4");
    }
}
