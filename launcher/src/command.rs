//! Which launcher starts the ranks, and with which arguments. Pure but for looking programs up.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A family of launchers, by the arguments they take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launcher {
    /// Open MPI's mpirun.
    OpenMpi,
    /// Hydra, the mpiexec of MPICH and its descendants.
    Hydra,
    /// Slurm's srun.
    Srun,
}

/// How many ranks to place on what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement<'a> {
    /// Processes to start.
    pub ranks: usize,
    /// Cores of this machine that they may use.
    pub cores: usize,
    /// Whether ranks have busy threads beside the one that waits, which one core would have to serve too.
    pub threaded: bool,
    /// Whether this user is root, whom Open MPI refuses unless told otherwise.
    pub root: bool,
    /// Whether waiting ranks give their core away, where the launcher can say so. It slows everybody,
    /// so it is for ranks that all share cores.
    pub yielding: bool,
    /// Variables that ranks on other nodes need; Hydra and srun send all of them.
    pub forward: &'a [&'a str],
}

impl Launcher {
    /// Names of the program, the most specific first: Debian gives both families' mpiexec one name.
    fn programs(self) -> &'static [&'static str] {
        match self {
            Self::OpenMpi => &["mpirun.openmpi", "mpirun", "mpiexec"],
            Self::Hydra => &["mpiexec.hydra", "mpiexec.mpich", "mpiexec", "mpirun"],
            Self::Srun => &["srun"],
        }
    }

    /// Whether what a program says of its version is this launcher's.
    fn is_named_by(self, version: &str) -> bool {
        match self {
            Self::OpenMpi => version.contains("Open MPI") || version.contains("OpenRTE"),
            Self::Hydra => version.contains("HYDRA") || version.contains("Hydra"),
            Self::Srun => version.contains("slurm"),
        }
    }
}

/// The first program of this family, in `folder` or else on the PATH, that says what it is.
pub fn find_launcher(launcher: Launcher, folder: Option<&Path>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> =
        folder.map(Path::to_owned).into_iter().chain(std::env::split_paths(&path)).collect();
    let candidates = folders
        .iter()
        .flat_map(|folder| launcher.programs().iter().map(move |name| folder.join(name)));
    candidates.into_iter().find(|program| {
        let output = program.is_file().then(|| Command::new(program).arg("--version").output());
        output.and_then(Result::ok).is_some_and(|output| {
            launcher.is_named_by(&String::from_utf8_lossy(&output.stdout))
                || launcher.is_named_by(&String::from_utf8_lossy(&output.stderr))
        })
    })
}

/// The launcher's arguments, up to the program it starts.
///
/// Ranks that fit are bound to cores, unless they have threads; more ranks than cores are not bound at
/// all. Told to oversubscribe, Open MPI would make every rank yield its core, so it is told that apart.
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
