//! The launcher that started this process, from its environment.

/// The launcher that started this process as one of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Name in messages.
    pub name: &'static str,
    /// Number of processes it started, if the environment contains it.
    pub size: Option<usize>,
    /// Rank of this process.
    pub rank: Option<usize>,
    /// Rank of this process on its node.
    pub local_rank: Option<usize>,
}

/// The innermost launcher, by its own variables only: a batch job sets `SLURM_NTASKS` for every script, and mpirun
/// inside srun leaves its daemon's `SLURM_PROCID` in every rank.
pub fn innermost() -> Option<Launch> {
    from(|name| std::env::var(name).ok())
}

/// Name, the variables by which a launcher is known, and those of the number of processes, of the rank, and of the
/// rank on the node; the innermost launcher first.
const LAUNCHERS: [(&str, &[&str], [&str; 3]); 4] = [
    (
        "Open MPI's mpirun",
        &["OMPI_COMM_WORLD_SIZE"],
        ["OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_RANK"],
    ),
    // Hydra sets PMI_SIZE, srun --mpi=pmi2 does not; both set the rank.
    ("mpiexec", &["PMI_SIZE"], ["PMI_SIZE", "PMI_RANK", "MPI_LOCALRANKID"]),
    (
        "srun",
        &["SLURM_STEP_NUM_TASKS", "SLURM_PROCID"],
        ["SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_LOCALID"],
    ),
    ("a PMIx launcher", &["PMIX_RANK"], ["", "PMIX_RANK", "PMIX_LOCAL_RANK"]),
];

fn from(variable: impl Fn(&str) -> Option<String>) -> Option<Launch> {
    let is_set = |name: &&str| variable(name).is_some();
    let (name, _, keys) = LAUNCHERS.into_iter().find(|(_, marks, _)| marks.iter().all(is_set))?;
    let [size, rank, local_rank] = keys.map(|key| variable(key)?.parse().ok());
    Some(Launch { name, size, rank, local_rank })
}

/// Whether this process reports errors for all processes that were started with it.
pub fn is_first_process() -> bool {
    innermost().is_none_or(|launch| launch.rank.is_none_or(|rank| rank == 0))
}

/// Gives the process that reports errors the time to: launchers end all ranks when one of them fails.
pub fn wait_for_first_process() {
    std::thread::sleep(std::time::Duration::from_secs(1));
}

/// Whether MPI yields its core while it waits. Open MPI does with `--oversubscribe`; on cores that are not shared this
/// makes small messages several times slower.
pub fn mpi_yields() -> bool {
    let flag = |name: &str| std::env::var(name).ok().map(|value| value != "0" && value != "false");
    flag("OMPI_MCA_mpi_yield_when_idle").or(flag("OMPI_MCA_mpi_oversubscribe")).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(variables: &[(&str, &str)]) -> Option<Launch> {
        from(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_batch_script_is_no_launcher() {
        let batch = [("SLURM_NTASKS", "8"), ("SLURM_JOB_ID", "7"), ("SLURM_PROCID", "0")];
        assert_eq!(launch(&batch), None);
    }

    #[test]
    fn the_innermost_launcher_counts() {
        let mpirun_in_srun = [
            ("OMPI_COMM_WORLD_SIZE", "4"),
            ("OMPI_COMM_WORLD_RANK", "3"),
            ("OMPI_COMM_WORLD_LOCAL_RANK", "1"),
            ("SLURM_STEP_NUM_TASKS", "2"),
            ("SLURM_PROCID", "0"),
            ("SLURM_LOCALID", "0"),
        ];
        let found = launch(&mpirun_in_srun).unwrap();
        assert_eq!((found.size, found.rank, found.local_rank), (Some(4), Some(3), Some(1)));
        let srun = [("SLURM_STEP_NUM_TASKS", "2"), ("SLURM_PROCID", "1"), ("SLURM_LOCALID", "1")];
        assert_eq!(launch(&srun).unwrap().size, Some(2));
        let hydra = [("PMI_SIZE", "3"), ("PMI_RANK", "2"), ("MPI_LOCALRANKID", "2")];
        assert_eq!(launch(&hydra).unwrap().rank, Some(2));
    }
}
