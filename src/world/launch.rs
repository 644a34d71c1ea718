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
}

/// The innermost launcher, by its own variables only: a batch job sets `SLURM_NTASKS` for every script, and mpirun
/// inside srun leaves its daemon's `SLURM_PROCID` in every rank.
pub fn innermost() -> Option<Launch> {
    from(|name| std::env::var(name).ok())
}

/// Name, and the variables of the number of processes and of the rank, which are all set; the innermost launcher first.
const LAUNCHERS: [(&str, Option<&str>, &str); 4] = [
    ("Open MPI's mpirun", Some("OMPI_COMM_WORLD_SIZE"), "OMPI_COMM_WORLD_RANK"),
    // Hydra sets both, srun --mpi=pmi2 only the rank.
    ("mpiexec", Some("PMI_SIZE"), "PMI_RANK"),
    ("srun", Some("SLURM_STEP_NUM_TASKS"), "SLURM_PROCID"),
    ("a PMIx launcher", None, "PMIX_RANK"),
];

fn from(variable: impl Fn(&str) -> Option<String>) -> Option<Launch> {
    LAUNCHERS.into_iter().find_map(|(name, size, rank)| {
        let size = match size {
            Some(size) => variable(size)?.parse().ok(),
            None => None,
        };
        Some(Launch { name, size, rank: variable(rank)?.parse().ok() })
    })
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
            ("SLURM_STEP_NUM_TASKS", "2"),
            ("SLURM_PROCID", "0"),
        ];
        let found = launch(&mpirun_in_srun).unwrap();
        assert_eq!((found.size, found.rank), (Some(4), Some(3)));
        let srun = [("SLURM_STEP_NUM_TASKS", "2"), ("SLURM_PROCID", "1")];
        assert_eq!(launch(&srun).unwrap().size, Some(2));
        let hydra = [("PMI_SIZE", "3"), ("PMI_RANK", "2")];
        assert_eq!(launch(&hydra).unwrap().rank, Some(2));
    }
}
