//! Samples for tests: numerically hostile ones, and autoregressive ones.

use std::f64::consts::TAU;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::base::random::Stream;

/// A finite number: of any magnitude, or one of a few that cause ties.
pub(super) fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -1e3f64..1e3,
        4 => (0..4i32).prop_map(f64::from),
        1 => proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO,
        1 => proptest::sample::select(&[0.0, -0.0, 5e-324, 1e-200, 0.1, 1e200, 1e308, -1e308][..]),
    ]
}

/// At least `least` finite numbers: measurements, ticks of a coarse clock, constant values, or any.
pub(super) fn sample(least: usize) -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        2 => vec(1e6..1.1e6, least..60),
        2 => vec((0..5i32).prop_map(|tick| 20.0 * f64::from(tick)), least..60),
        1 => (value(), least..60usize).prop_map(|(value, n)| vec![value; n]),
        1 => vec((0..3i32).prop_map(|tick| f64::from(tick) * 1e-300), least..20),
        1 => vec((0..3i32).prop_map(|tick| f64::from(tick) * 1e300), least..20),
        3 => vec(value(), least..30),
    ]
}

/// `n` values of a stationary AR(1) process with standard normal values.
pub(crate) fn autoregressive(phi: f64, n: usize, random: &mut Stream) -> Vec<f64> {
    let mut normal = || {
        let (radius, angle) = (1.0 - random.unit(), random.unit());
        (-2.0 * radius.ln()).sqrt() * (TAU * angle).cos()
    };
    let first = normal();
    let next = |last: &f64| Some(phi * last + (1.0 - phi * phi).sqrt() * normal());
    std::iter::successors(Some(first), next).take(n).collect()
}

/// `n` values of a process that changes between 1 and 1.2, each ± 1 %, after `stay` values on average.
pub(crate) fn switching(stay: f64, n: usize, random: &mut Stream) -> Vec<f64> {
    let noise = autoregressive(0.0, n, random);
    let mut is_high = random.unit() < 0.5;
    let value = |noise: f64| {
        is_high ^= random.unit() < 1.0 / stay;
        (if is_high { 1.2 } else { 1.0 }) * (1.0 + 0.01 * noise)
    };
    noise.into_iter().map(value).collect()
}
