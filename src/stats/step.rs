//! Steps of the level in values that depend on their neighbours.

use std::ops::RangeInclusive;

use super::sample::mean;
use super::t_test::t_tail;

/// A step that fits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    /// The first value of the new level.
    pub(super) from: usize,
    /// The first value that has the old level again; the number of values if none has.
    pub(super) to: usize,
    /// The p-value of that step alone.
    pub(super) p: f64,
    /// How much the step takes off the sum of squares.
    gain: f64,
}

/// Fits steps to values with AR(1) noise, by generalised least squares. Cochrane and Orcutt's transformation (1949),
/// with Prais and Winsten's first value (1954), makes the noise white, y_t = x_t − φ x_{t−1}; a step is then regressed
/// on together with the level. Every step takes constant time, by sums made once.
pub(super) struct Steps {
    correlation: f64,
    /// The transformed values.
    white: Vec<f64>,
    /// Sums of those before each place.
    sums: Vec<f64>,
    /// Σ u² of the level, as transformed, and Σ uy.
    level: [f64; 2],
    /// Σ y² without the level.
    squares: f64,
    /// No sum of squares is smaller: values are rounded.
    least: f64,
}

impl Steps {
    /// Of at least three `values`, with this correlation between neighbours, rounded to `resolution`: that gives them
    /// a variance of at least resolution²/12 (Sheppard, 1898).
    pub(super) fn new(values: &[f64], correlation: f64, resolution: f64) -> Self {
        let first = (1.0 - correlation * correlation).sqrt();
        let rest = 1.0 - correlation;
        let mean = mean(values);
        let next = values.windows(2).map(|two| (two[1] - mean) - correlation * (two[0] - mean));
        let white: Vec<f64> = std::iter::once(first * (values[0] - mean)).chain(next).collect();
        let mut sums = vec![0.0];
        sums.extend(white.iter().scan(0.0, |sum, value| {
            *sum += value;
            Some(*sum)
        }));
        let n = values.len();
        let own = first * first + (n - 1) as f64 * rest * rest;
        let shared = first * white[0] + rest * (sums[n] - sums[1]);
        let squares = white.iter().map(|value| value * value).sum::<f64>() - shared * shared / own;
        let rounding = resolution * resolution / 12.0 * (1.0 + correlation * correlation);
        let least = (n - 2) as f64 * rounding;
        Self { correlation, white, sums, level: [own, shared], squares, least }
    }

    /// Of some steps, from one place to another, the one with the smallest p: which gains most.
    pub(super) fn best(&self, steps: impl Iterator<Item = (usize, usize)>) -> Option<Step> {
        let gains = steps.map(|(from, to)| (self.gain(from, to), from, to));
        let (gain, from, to) = gains.max_by(|one, other| one.0.total_cmp(&other.0))?;
        let freedom = (self.white.len() - 2) as f64;
        let t = (gain * freedom / self.left(gain)).sqrt();
        Some(Step { from, to, p: 2.0 * t_tail(t, freedom), gain })
    }

    /// How much a step to another level takes off the sum of squares.
    fn gain(&self, from: usize, to: usize) -> f64 {
        let n = self.white.len();
        let rest = 1.0 - self.correlation;
        let (back, last) = if to < n { (self.correlation, self.white[to]) } else { (0.0, 0.0) };
        let inner = (to - from - 1) as f64;
        let inside = self.sums[to] - self.sums[from + 1];
        let shared = self.white[from] + rest * inside - back * last;
        let own = 1.0 + inner * rest * rest + back * back;
        let with_level = rest * (1.0 + inner * rest - back);
        let [level, of_level] = self.level;
        (shared - with_level * of_level / level).powi(2) / (own - with_level * with_level / level)
    }

    /// The first and the last of the `places` at which a lasting step fits about as well as at its own: within three
    /// standard errors, by the ratio of the likelihoods.
    pub(super) fn places(&self, step: Step, places: RangeInclusive<usize>) -> [usize; 2] {
        let n = self.white.len();
        let bound = self.left(step.gain) * (1.0 + 9.0 / (n - 2) as f64);
        let fits = |from: &usize| self.left(self.gain(*from, n)) <= bound;
        let first = places.clone().find(fits).unwrap_or(step.from);
        [first, places.rev().find(fits).unwrap_or(step.from)]
    }

    /// The sum of squares that a step leaves.
    fn left(&self, gain: f64) -> f64 {
        (self.squares - gain).max(self.least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::golden::{close, golden, number, numbers};

    #[test]
    fn p_as_by_the_whole_matrix_in_numpy() {
        for case in golden("steps") {
            let steps = Steps::new(&numbers(&case["values"]), number(&case["correlation"]), 0.0);
            for expected in case["steps"].as_array().unwrap() {
                let place = |key: &str| expected[key].as_u64().unwrap() as usize;
                let step = steps.best(std::iter::once((place("from"), place("to")))).unwrap();
                close(step.p, number(&expected["p"]), 1e-9);
            }
        }
    }

    #[test]
    fn the_place_of_a_small_step_is_less_certain() {
        let noise = |i: usize| [0.3, -0.5, 0.1, 0.6, -0.4, -0.2, 0.4][i % 7];
        let places = |size: f64| {
            let values = (0..40).map(|i| noise(i) + if i < 20 { 0.0 } else { size });
            let steps = Steps::new(&values.collect::<Vec<_>>(), 0.5, 0.0);
            let step = steps.best((5..40).map(|from| (from, 40))).unwrap();
            steps.places(step, 5..=39)
        };
        assert_eq!(places(10.0), [20, 20]);
        let [first, last] = places(0.5);
        assert!(first < 20 && 20 <= last, "{first} {last}");
    }
}
