//! Clocks, and a common time for ranks with different clocks.

mod common;
mod offset;
mod survey;

use rustix::time::{ClockId, clock_gettime};

pub use common::CommonTime;
pub use survey::Clocks;

use crate::base::units::Nanos;
use crate::world::WaitPolicy;
use crate::world::fault;

/// A clock that timestamps samples.
pub trait Clock {
    /// The current time, ns.
    fn now(&self) -> Nanos;

    /// Waits until `at`; true if `at` had already passed.
    fn wait_until(&self, at: Nanos) -> bool;

    /// The smallest step between two readings, ns.
    fn precision(&self) -> Nanos;

    /// Whether it stands still while nothing runs, so that ranks can meet after they have run.
    fn is_virtual(&self) -> bool {
        false
    }
}

/// The monotonic clock of the node. All processes of a node read the same one.
#[derive(Debug, Clone)]
pub struct HostClock {
    policy: WaitPolicy,
    precision: Nanos,
    /// A planted error: offset in nanoseconds, drift in parts per million.
    error: Option<(Nanos, Nanos)>,
}

impl HostClock {
    /// A clock that waits with this policy.
    pub fn new(policy: WaitPolicy) -> Self {
        let mut clock = Self { policy, precision: 1, error: fault::clock() };
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

    /// The same clock with another policy.
    pub fn with_policy(&self, policy: WaitPolicy) -> Self {
        Self { policy, ..self.clone() }
    }
}

impl Clock for HostClock {
    fn now(&self) -> Nanos {
        // Raw, because NTP adjusts the rate of CLOCK_MONOTONIC.
        let time = clock_gettime(ClockId::MonotonicRaw);
        let raw = time.tv_sec * 1_000_000_000 + time.tv_nsec;
        match self.error {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_reaches_the_moment_and_reports_a_late_start() {
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
