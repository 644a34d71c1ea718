//! The GPU's clock, as the host's time.
//!
//! Nobody reads both clocks at once. But the host sees that a blocking kernel has come after the kernel has stamped that, and
//! the kernel stamps that it has passed after the host has opened it: each round bounds from both sides how far the host's
//! clock is ahead.

use crate::base::units::Nanos;

/// The most that the two may drift apart, as a share of time: crystals of computers are within 100 parts in a million,
/// here with as much again.
const DRIFT: f64 = 200e-6;

/// A moment that both sides have seen, one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// By the device's clock.
    pub(super) device: Nanos,
    /// By the host's.
    pub(super) host: Nanos,
}

/// How far the host's clock is ahead of the device's.
#[derive(Debug)]
pub(super) struct DeviceClock {
    /// The smallest step of the device's clock: it may be as much later than it says, ns.
    step: Nanos,
    bounds: Option<Bounds>,
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// When they were true, by the device's clock.
    at: Nanos,
    low: Nanos,
    high: Nanos,
}

impl Bounds {
    /// At another time, when clocks have drifted.
    fn at(self, at: Nanos) -> Self {
        let drift = (DRIFT * (at - self.at).abs() as f64).ceil() as Nanos;
        Self { at, low: self.low - drift, high: self.high + drift }
    }
}

impl DeviceClock {
    pub(super) fn new(step: Nanos) -> Self {
        Self { step, bounds: None }
    }

    /// Learns from a round: the device stamped that the blocking kernel `came`, and then the host saw it; the host stamped that
    /// it opened the kernel, and then the device saw that it was `opened`.
    pub(super) fn learn(&mut self, came: Seen, opened: Seen) {
        let high = Bounds { at: came.device, low: Nanos::MIN / 2, high: came.host - came.device };
        let high = high.at(opened.device).high;
        let low = opened.host - opened.device - self.step;
        let known = self.bounds.map(|known| known.at(opened.device));
        let tighter = known
            .map(|known| (known.low.max(low), known.high.min(high)))
            // A clock that has jumped contradicts what was known.
            .filter(|(low, high)| low <= high);
        let (low, high) = tighter.unwrap_or((low, high));
        self.bounds = Some(Bounds { at: opened.device, low, high });
    }

    /// A moment of the device's clock on the host's, and the bound of its error, ns; `None` before a round has told.
    pub(super) fn on_host(&self, device: Nanos) -> Option<(Nanos, Nanos)> {
        let Bounds { low, high, .. } = self.bounds?.at(device);
        // What the clock shows is up to a step old.
        let error = (high - low + self.step + 1) / 2;
        Some((device + low + (high - low + self.step) / 2, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the delays, the offset, the drift and the step of the clock: the true time is within the bound.
        #[test]
        fn the_true_time_is_within_the_bound(
            ahead in -1_000_000_000_000_000i64..1_000_000_000_000_000,
            ppm in -100f64..100.0,
            step in 1i64..2000,
            rounds in prop::collection::vec((0i64..5000, 0i64..5000, 0i64..200_000), 1..60),
        ) {
            // The device's clock at a time of the host's.
            let shown = |host: i64| {
                let exact = host + (host as f64 * ppm * 1e-6) as i64 - ahead;
                exact.div_euclid(step) * step
            };
            let mut clock = DeviceClock::new(step);
            prop_assert!(clock.on_host(0).is_none());
            let mut now = 0;
            for (back, there, wait) in rounds {
                let came = Seen { device: shown(now), host: now + back };
                now += back + wait;
                let passed = now + there;
                clock.learn(came, Seen { device: shown(passed), host: now });
                let (host, error) = clock.on_host(shown(passed)).unwrap();
                // A nanosecond for each rounding.
                prop_assert!((host - passed).abs() <= error + 2, "{host} {passed} {error}");
                now = passed + 10_000;
            }
        }
    }

    #[test]
    fn quick_rounds_narrow_the_bound_and_it_widens_with_time() {
        let mut clock = DeviceClock::new(1);
        let mut round = |at: i64, delay: i64| {
            let came = Seen { device: at, host: at + 700 + delay };
            clock.learn(came, Seen { device: at + 2000, host: at + 2700 - delay });
            clock.on_host(at + 2000).unwrap()
        };
        let (_, slow) = round(0, 3000);
        let (host, quick) = round(10_000, 500);
        let (_, again) = round(20_000, 3000);
        assert!(quick < slow && again < quick + 10, "{slow} {quick} {again}");
        assert!((host - 12_700).abs() <= 1, "{host}");
        assert!(clock.on_host(10_000_000_000).unwrap().1 > 1_000_000);
    }

    #[test]
    fn a_clock_that_jumps_is_believed_anew() {
        let mut clock = DeviceClock::new(1);
        for ahead in [0, 1_000_000, -5_000_000] {
            let came = Seen { device: 1000 - ahead, host: 1500 };
            clock.learn(came, Seen { device: 3000 - ahead, host: 2500 });
            let (host, error) = clock.on_host(3000 - ahead).unwrap();
            assert!((host - 3000).abs() <= error && error <= 600, "{host} {error}");
        }
    }
}
