//! The deadlines after which a job is aborted, with defaults that grow with the job.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Budget;
use crate::base::error::{Error, Result};
use crate::plan::config::{Config, DeadlineConfig, Quantity};

/// Longest deadline, seconds: ten years, so that clock arithmetic does not overflow.
const LIMIT_S: f64 = 3.2e8;

/// Default deadline of a run, in addition to the measuring time, seconds.
const RUN_S: f64 = 3600.0;

/// Time to gather and write one byte, seconds: that of a slow disk.
const SECONDS_PER_BYTE: f64 = 1e-7;

const SAMPLE_BYTES: f64 = 40.0;

/// Most heartbeats per second at rank 0, whose node also measures.
const HEARTBEATS_PER_SECOND: f64 = 500.0;

/// The deadlines of a run, seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Deadlines {
    /// From the start of a process to its first case: connecting the ranks, reading the environment.
    pub startup: f64,
    /// Creating a communicator.
    pub communicator: f64,
    /// A case, from preparation to the last sample.
    pub case: f64,
    /// One wait of a rank for others, or one operation of several ranks.
    pub barrier: f64,
    /// Gathering a case's samples on rank 0 and writing them.
    pub gather: f64,
    /// The whole run.
    pub run: f64,
    /// Longest time without a heartbeat of a rank.
    pub silence: f64,
    /// Grace period of a case after a signal to stop.
    pub stop: f64,
}

/// The deadlines that the watchdog checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum DeadlineKind {
    /// [`Deadlines::startup`].
    Startup,
    /// [`Deadlines::communicator`].
    Communicator,
    /// [`Deadlines::case`].
    Case,
    /// [`Deadlines::barrier`].
    Barrier,
    /// [`Deadlines::gather`].
    Gather,
    /// [`Deadlines::run`].
    Run,
    /// [`Deadlines::stop`].
    Stop,
}

type Getter = fn(&Deadlines) -> f64;

/// All kinds by number, with the flag that sets the deadline, and the deadline.
const KINDS: [(DeadlineKind, &str, Getter); 7] = [
    (DeadlineKind::Startup, "--deadline startup", |deadlines| deadlines.startup),
    (DeadlineKind::Communicator, "--deadline communicator", |deadlines| deadlines.communicator),
    (DeadlineKind::Case, "--deadline case", |deadlines| deadlines.case),
    (DeadlineKind::Barrier, "--deadline barrier", |deadlines| deadlines.barrier),
    (DeadlineKind::Gather, "--deadline gather", |deadlines| deadlines.gather),
    (DeadlineKind::Run, "--timeout", |deadlines| deadlines.run),
    (DeadlineKind::Stop, "--deadline stop", |deadlines| deadlines.stop),
];

impl DeadlineKind {
    /// The kind with this number.
    pub fn numbered(number: u8) -> Option<Self> {
        KINDS.get(usize::from(number)).map(|(kind, ..)| *kind)
    }

    /// The flag that sets the deadline.
    pub fn flag(self) -> &'static str {
        KINDS[self as usize].1
    }
}

impl Deadlines {
    /// Resolves the deadlines for `ranks` ranks; `measuring` is the budget of a case and the least and expected time
    /// of all measurements in seconds, once they are known.
    ///
    /// # Errors
    /// Usage error for an invalid time, and for a run that measures longer than its deadline.
    pub fn resolve(
        config: &Config,
        ranks: usize,
        measuring: Option<(&Budget, Range<f64>)>,
    ) -> Result<Self> {
        let all = ranks as f64;
        let (iterations, longest, seconds) =
            measuring.map_or((0.0, 0.0, 0.0..0.0), |(budget, seconds)| {
                let longest = budget.max_seconds.unwrap_or(budget.min_seconds);
                (f64::from(budget.iterations), longest, seconds)
            });
        let DeadlineConfig { startup, communicator, case, barrier, gather, silence, stop } =
            &config.deadlines;
        let pick = |key: &str, configured: &Option<Quantity>, default: f64| -> Result<f64> {
            let seconds = super::seconds(&format!("deadline {key}"), configured)?;
            Ok(seconds.map_or(default, |seconds| seconds.min(LIMIT_S)))
        };
        let case = pick("case", case, 600.0 + 4.0 * longest.max(iterations * 0.01))?;
        let timeout = super::seconds("--timeout", &config.timeout)?;
        let run = timeout.unwrap_or(RUN_S + seconds.end);
        if run <= seconds.start {
            return Err(Error::usage(format!(
                "the measurements alone take {} s, but the run has a deadline of {run} s; increase --timeout",
                seconds.start
            )));
        }
        let bytes = all * iterations * SAMPLE_BYTES;
        Ok(Self {
            startup: pick("startup", startup, 120.0 + 0.25 * all)?,
            communicator: pick("communicator", communicator, 60.0 + 0.25 * all)?,
            case,
            // The others wait while one rank verifies a large result.
            barrier: pick("barrier", barrier, case.min(300.0 + 0.25 * all))?,
            gather: pick("gather", gather, 120.0 + bytes * SECONDS_PER_BYTE)?,
            run: run.min(LIMIT_S),
            silence: pick("silence", silence, 30.0 + 0.05 * all)?,
            stop: pick("stop", stop, 5.0)?,
        })
    }

    /// The heartbeat interval, seconds: a fraction of the shortest deadline, but not so short that heartbeats keep
    /// rank 0 busy.
    pub fn interval(&self, ranks: usize) -> f64 {
        let kinds = KINDS.into_iter().filter(|(kind, ..)| *kind != DeadlineKind::Stop);
        let shortest = kinds.map(|(_, _, get)| get(self)).fold(self.silence, f64::min);
        (shortest / 5.0).clamp(0.02, 1.0).max(ranks as f64 / HEARTBEATS_PER_SECOND)
    }

    /// The deadline of this kind, seconds.
    pub fn get(&self, kind: DeadlineKind) -> f64 {
        KINDS[kind as usize].2(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(yaml: &str, ranks: usize) -> Result<Deadlines> {
        let config: Config = serde_saphyr::from_str(yaml).unwrap();
        Deadlines::resolve(&config, ranks, None)
    }

    #[test]
    fn defaults_grow_with_the_job() {
        let (small, large) = (resolve("{}", 2).unwrap(), resolve("{}", 4096).unwrap());
        assert!(small.startup < large.startup && small.silence < large.silence);
        assert_eq!((small.interval(2), large.interval(4096)), (1.0, 8.192));
        let asked = resolve("deadlines: {silence: 500ms, barrier: 2}", 2).unwrap();
        assert_eq!((asked.silence, asked.barrier, asked.interval(2)), (0.5, 2.0, 0.1));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for yaml in ["deadlines: {case: -1}", "deadlines: {case: 0}", "deadlines: {case: soon}"] {
            assert!(resolve(yaml, 2).is_err(), "{yaml}");
        }
    }
}
