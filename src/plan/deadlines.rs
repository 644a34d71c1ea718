//! How long things may take before the job is ended, with defaults that grow with the job.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{Budget, positive};
use crate::base::error::{Error, Result};
use crate::base::units::parse_seconds;
use crate::plan::config::{Config, DeadlineConfig, Quantity};

/// Longest deadline, seconds: ten years. More does not fit the clock's arithmetic.
const LIMIT_S: f64 = 3.2e8;

/// Deadline of a run when nothing else is said, beside the time asked for by way of measuring, seconds.
const RUN_S: f64 = 3600.0;

/// Time in which a byte that is gathered must have come, seconds: a slow disk's.
const SECONDS_PER_BYTE: f64 = 1e-7;

/// Bytes of a sample on its way to rank 0, at most.
const SAMPLE_BYTES: f64 = 40.0;

/// Heartbeats that rank 0 hears in a second at most: its node measures too.
const HEARD_PER_SECOND: f64 = 500.0;

/// How long things may take, seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Deadlines {
    /// From a process's start until its first case: connecting all ranks, looking at the machine.
    pub startup: f64,
    /// Making a communicator.
    pub communicator: f64,
    /// A case, from preparing it until its samples are taken.
    pub case: f64,
    /// One wait of a rank for others, or one operation of several ranks.
    pub barrier: f64,
    /// Bringing a case's samples to rank 0 and to the disk.
    pub gather: f64,
    /// The whole run.
    pub run: f64,
    /// For so long a rank may say nothing.
    pub silence: f64,
    /// For so long a case may go on after a signal asked the run to stop.
    pub stop: f64,
}

/// The deadlines that a watchdog looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Limit {
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

impl Limit {
    /// All of them, by number.
    pub const ALL: [Self; 7] = [
        Self::Startup,
        Self::Communicator,
        Self::Case,
        Self::Barrier,
        Self::Gather,
        Self::Run,
        Self::Stop,
    ];

    /// The flag that sets it.
    pub fn flag(self) -> &'static str {
        match self {
            Self::Startup => "--deadline startup",
            Self::Communicator => "--deadline communicator",
            Self::Case => "--deadline case",
            Self::Barrier => "--deadline barrier",
            Self::Gather => "--deadline gather",
            Self::Run => "--timeout",
            Self::Stop => "--deadline stop",
        }
    }
}

impl Deadlines {
    /// For so many ranks; with how much is measured in each of so many cases in so many seconds in all, once
    /// that is known.
    ///
    /// # Errors
    /// Usage error for what is no time, and for a run that measures longer than it may take.
    pub fn resolve(
        config: &Config,
        ranks: usize,
        measuring: Option<(&Budget, Range<f64>)>,
    ) -> Result<Self> {
        let all = ranks as f64;
        let iterations = measuring.as_ref().map_or(0.0, |(budget, _)| f64::from(budget.iterations));
        let one = measuring.as_ref().map_or(0.0, |(budget, _)| {
            budget.max_seconds.unwrap_or(budget.min_seconds).max(iterations * 0.01)
        });
        let seconds = measuring.map_or(0.0..0.0, |(_, seconds)| seconds);
        let DeadlineConfig { startup, communicator, case, barrier, gather, silence, stop } =
            &config.deadlines;
        let pick = |key: &str, asked: &Option<Quantity>, default: f64| match asked {
            None => Ok(default),
            Some(time) => positive(&format!("deadline {key}"), parse_seconds(&time.to_string())?)
                .map(|time| time.min(LIMIT_S)),
        };
        let case = pick("case", case, 600.0 + 4.0 * one)?;
        let run = match config.timeout {
            Some(timeout) => positive("timeout", timeout)?,
            None => RUN_S + seconds.end,
        };
        if run <= seconds.start {
            return Err(Error::usage(format!(
                "measuring alone is to take {} s, and the run must end within {run} s; give --timeout more",
                seconds.start
            )));
        }
        let bytes = all * iterations * SAMPLE_BYTES;
        Ok(Self {
            startup: pick("startup", startup, 120.0 + 0.25 * all)?,
            communicator: pick("communicator", communicator, 60.0 + 0.25 * all)?,
            case,
            // While one rank checks a large result, the others wait for it.
            barrier: pick("barrier", barrier, case.min(300.0 + 0.25 * all))?,
            gather: pick("gather", gather, 120.0 + bytes * SECONDS_PER_BYTE)?,
            run: run.min(LIMIT_S),
            silence: pick("silence", silence, 30.0 + 0.05 * all)?,
            stop: pick("stop", stop, 5.0)?,
        })
    }

    /// How often a rank says where it is: often enough that its silence is noticed, seldom enough that
    /// rank 0, which hears all of them, is not kept busy.
    pub fn interval(&self, ranks: usize) -> f64 {
        let often = (self.silence.min(self.shortest()) / 5.0).clamp(0.02, 1.0);
        often.max(ranks as f64 / HEARD_PER_SECOND)
    }

    /// The shortest time that is watched.
    fn shortest(&self) -> f64 {
        let all = [self.startup, self.communicator, self.case, self.barrier, self.gather, self.run];
        all.into_iter().fold(f64::INFINITY, f64::min)
    }

    /// The time of a limit, seconds.
    pub fn of_limit(&self, limit: Limit) -> f64 {
        match limit {
            Limit::Startup => self.startup,
            Limit::Communicator => self.communicator,
            Limit::Case => self.case,
            Limit::Barrier => self.barrier,
            Limit::Gather => self.gather,
            Limit::Run => self.run,
            Limit::Stop => self.stop,
        }
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
