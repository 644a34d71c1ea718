//! When a device at work runs at the speed that it will keep.

use crate::backend::Backend;
use crate::base::units::Nanos;
use crate::machine::telemetry::{Sensors, Speed};

/// A clock within this share of the highest is the highest: readings are rounded to steps of some MHz.
const HIGHEST: f64 = 0.98;

/// Means of a clock that differ by less are the same, as a share of them.
const SAME: f64 = 0.01;

/// Means of a clock are taken over so long, seconds, and compared with those of [`APART_S`] before.
const MEAN_S: f64 = 0.5;

/// Power and heat change a clock over seconds.
const APART_S: f64 = 1.0;

/// After so long a device that its limits slow down is taken as it is, seconds: it may go on for minutes. Its cases are
/// marked as throttled.
const PATIENCE_S: f64 = 10.0;

/// What is known of how this rank's device comes to its speed. By default there is nothing to wait for.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeviceSpeed<'a> {
    /// How long it works until it runs at its usual speed, ns, where its clock cannot be read. 0 where it was at work just now.
    pub needs: Nanos,
    /// Where its clock is read.
    pub sensors: Option<&'a Sensors>,
    /// The highest clock of its multiprocessors, MHz.
    pub highest_mhz: Option<u32>,
}

impl<'a> DeviceSpeed<'a> {
    /// That of a backend's device, which may have been idle.
    pub fn of(backend: &dyn Backend, sensors: Option<&'a Sensors>, was_idle: bool) -> Self {
        let needs = if was_idle { backend.settling() } else { 0 };
        Self { needs, sensors, highest_mhz: backend.device().clock_mhz }
    }

    /// Whether there is anything to wait for.
    pub(super) fn may_change(&self) -> bool {
        self.needs > 0 || self.sensors.is_some()
    }
}

/// Follows a device at work.
#[derive(Debug)]
pub(super) struct Settling<'a> {
    device: DeviceSpeed<'a>,
    /// Seconds of work, and the clock then, of a device that its limits slow down.
    limited: Vec<(f64, f64)>,
}

impl<'a> Settling<'a> {
    pub(super) fn new(device: DeviceSpeed<'a>) -> Self {
        Self { device, limited: Vec::new() }
    }

    /// Whether the device keeps its speed after so many seconds of work. It does at its highest clock. Else it gets the time that
    /// devices need; and where power or heat hold it back, until its clock is flat over seconds.
    pub(super) fn is_over(&mut self, seconds: f64) -> bool {
        self.is_over_at(self.device.sensors.and_then(Sensors::speed), seconds)
    }

    fn is_over_at(&mut self, speed: Option<Speed>, seconds: f64) -> bool {
        let has_worked = seconds >= self.device.needs as f64 / 1e9;
        let Some(speed) = speed else { return has_worked };
        let clock = f64::from(speed.sm_mhz);
        if self.device.highest_mhz.is_some_and(|highest| clock >= HIGHEST * f64::from(highest)) {
            return true;
        }
        if !speed.is_limited {
            return has_worked;
        }
        self.limited.push((seconds, clock));
        has_worked && (self.is_flat(seconds) || seconds > PATIENCE_S)
    }

    /// Whether the clock's mean is what it was [`APART_S`] before.
    fn is_flat(&self, seconds: f64) -> bool {
        let mean = |until: f64| {
            let begins = self.limited.first().is_some_and(|(first, _)| *first <= until - MEAN_S);
            let within = |(at, _): &&(f64, f64)| *at > until - MEAN_S && *at <= until;
            let clocks: Vec<f64> =
                self.limited.iter().filter(within).map(|(_, clock)| *clock).collect();
            (begins && !clocks.is_empty()).then(|| clocks.iter().sum::<f64>() / clocks.len() as f64)
        };
        let (now, before) = (mean(seconds), mean(seconds - APART_S));
        now.zip(before).is_some_and(|(now, before)| (now - before).abs() <= SAME * before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GPU: DeviceSpeed<'_> =
        DeviceSpeed { needs: 500_000_000, sensors: None, highest_mhz: Some(2000) };

    fn speed(sm_mhz: u32, is_limited: bool) -> Option<Speed> {
        Some(Speed { sm_mhz, is_limited })
    }

    /// When it is over, looked at every 10 ms; `clock` gives MHz by the time.
    fn limited_until(clock: impl Fn(f64) -> f64) -> f64 {
        let mut settling = Settling::new(GPU);
        let times = (1..2000).map(|i| f64::from(i) / 100.0);
        let over =
            times.into_iter().find(|at| settling.is_over_at(speed(clock(*at) as u32, true), *at));
        over.unwrap()
    }

    #[test]
    fn the_highest_clock_is_kept_and_others_get_their_time() {
        let mut settling = Settling::new(GPU);
        assert!(!settling.is_over_at(speed(345, false), 0.01));
        assert!(settling.is_over_at(speed(1980, false), 0.02));
        // Clocks that the user has locked are never the highest.
        assert!(!settling.is_over_at(speed(1200, false), 0.4));
        assert!(settling.is_over_at(speed(1200, false), 0.5));
        assert!(!settling.is_over_at(None, 0.4));
        assert!(settling.is_over_at(None, 0.5));
        let unknown = DeviceSpeed { highest_mhz: None, ..GPU };
        assert!(!Settling::new(unknown).is_over_at(speed(1980, false), 0.02));
    }

    #[test]
    fn a_device_that_power_or_heat_hold_back_works_until_its_clock_is_flat() {
        assert_eq!(limited_until(|_| 1400.0), 1.51);
        // Regulation within 1 %, as under a power limit.
        assert!(limited_until(|at| 1400.0 + 14.0 * (40.0 * at).sin()) < 2.0);
        // From 1590 to 900 MHz within 6 s, as a card without a fan may. Adjacent readings hardly differ.
        let sinks = |at: f64| 1590.0 - 115.0 * at.min(6.0);
        let over = limited_until(sinks);
        assert!((6.5..7.6).contains(&over), "{over}");
        // One that goes on for minutes is taken as it is.
        assert_eq!(limited_until(|at| 1900.0 - 30.0 * at), 10.01);
        // At the highest clock its limits do not matter.
        assert!(Settling::new(GPU).is_over_at(speed(2000, true), 0.0));
    }
}
