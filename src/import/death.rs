//! What a log says of a program that did not end by itself.

/// What stands in a line that tells of a death, those first that tell most: what nccl-tests, launchers, batch systems and
/// MPI libraries print.
const SIGNS: [&str; 14] = [
    "Test CUDA failure",
    "Test NCCL failure",
    "Test failure ",
    "exited on signal",
    "BAD TERMINATION",
    " CANCELLED AT ",
    "DUE TO TIME LIMIT",
    "oom-kill",
    "MPI_ABORT was invoked",
    "MPI_Abort(",
    "Segmentation fault",
    "Bus error",
    "Signal: ",
    "(core dumped)",
];

/// A line that tells of a death.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Death {
    sign: usize,
    /// Where, and what it says.
    pub(super) told: String,
}

impl Death {
    /// What the line of this number tells, if it does.
    pub(super) fn read(number: usize, line: &str) -> Option<Self> {
        let (sign, at) = (0..).zip(SIGNS).find_map(|(i, sign)| Some((i, line.find(sign)?)))?;
        // nccl-tests begins a row, and then says on which host it failed.
        let size = line.split_whitespace().next().filter(|word| word.parse::<u64>().is_ok());
        let (when, said) = match size {
            Some(size) => {
                let before = line[..at].trim_end();
                let host = before.rfind(' ').map_or(0, |blank| blank + 1);
                (format!(" at {size} B"), &line[host..])
            }
            None => (String::new(), line),
        };
        Some(Self { sign, told: format!("line {number}: the program died{when}: {}", said.trim()) })
    }

    /// The one of the two that tells more, the first of equals.
    pub(super) fn or(self, other: Option<Self>) -> Self {
        other.filter(|other| other.sign < self.sign).unwrap_or(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_tells_most_is_told() {
        let fault = Death::read(8, "[n1:7] Signal: Segmentation fault (11)").unwrap();
        let launcher = Death::read(10, "mpirun noticed that process rank 1 exited on signal 11");
        assert!(fault.or(launcher).told.starts_with("line 10: the program died: mpirun noticed"));
        let crash =
            Death::read(4, " 8 2 float sum -1 n1: Test CUDA failure a.cu:4 'illegal'").unwrap();
        let after = Death::read(5, " .. n1 pid 1: Test failure common.cu:500");
        assert!(crash.or(after).told.starts_with("line 4: the program died at 8 B: n1: Test CUDA"));
        assert_eq!(Death::read(1, "# Out of bounds values : 1 FAILED"), None);
    }
}
