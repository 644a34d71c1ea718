//! Clocks: what time it is, waiting for a moment, and one time for ranks that read different clocks.

mod common;
mod exchange;
mod survey;

use rustix::time::{ClockId, clock_gettime};

pub use common::CommonTime;
pub use survey::Clocks;

use crate::base::units::Nanos;
use crate::world::WaitPolicy;
use crate::world::fault;

/// A clock that stamps samples.
pub trait Clock {
    /// Now.
    fn now(&self) -> Nanos;

    /// Waits until `at`; true when it had passed already.
    fn wait_until(&self, at: Nanos) -> bool;

    /// The smallest step between two readings.
    fn precision(&self) -> Nanos;

    /// Whether every rank reads this very clock, wherever it runs.
    fn is_global(&self) -> bool;
}

/// The machine's monotonic clock. All processes of a node read the same one.
#[derive(Debug, Clone)]
pub struct HostClock {
    policy: WaitPolicy,
    precision: Nanos,
    /// By how much a test has set it wrong: nanoseconds ahead, parts per million gained.
    wrong: Option<(Nanos, Nanos)>,
}

impl HostClock {
    /// A clock whose waits spin, or yield when ranks share cores.
    pub fn new(policy: WaitPolicy) -> Self {
        let mut clock = Self { policy, precision: 1, wrong: fault::clock() };
        let steps = (0..1000).map(|_| {
            let first = clock.now();
            loop {
                let step = clock.now() - first;
                if step > 0 {
                    return step;
                }
            }
        });
        clock.precision = steps.min().unwrap_or(1);
        clock
    }

    /// The same clock, waiting in another policy.
    pub fn with_policy(&self, policy: WaitPolicy) -> Self {
        Self { policy, ..self.clone() }
    }
}

impl Clock for HostClock {
    fn now(&self) -> Nanos {
        // Raw: without the adjustments that NTP makes to CLOCK_MONOTONIC's rate.
        let time = clock_gettime(ClockId::MonotonicRaw);
        let raw = time.tv_sec * 1_000_000_000 + time.tv_nsec;
        match self.wrong {
            None => raw,
            Some((ahead, ppm)) => raw + ahead + (raw as f64 * 1e-6 * ppm as f64) as Nanos,
        }
    }

    fn wait_until(&self, at: Nanos) -> bool {
        let late = self.now() > at;
        while self.now() < at {
            match self.policy {
                WaitPolicy::Spin => std::hint::spin_loop(),
                WaitPolicy::Yield | WaitPolicy::Sleep => std::thread::yield_now(),
            }
        }
        late
    }

    fn precision(&self) -> Nanos {
        self.precision
    }

    fn is_global(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_reaches_the_moment_and_says_when_it_is_late() {
        for policy in [WaitPolicy::Spin, WaitPolicy::Yield] {
            let clock = HostClock::new(policy);
            assert!(clock.precision() > 0);
            let at = clock.now() + 100_000;
            clock.wait_until(at);
            assert!(clock.now() >= at);
            assert!(clock.wait_until(at - 100_000));
        }
    }
}
