//! A two-level bootstrap interval of the shift between two sides, each a list of launches.

use statrs::distribution::{ContinuousCDF as _, Normal};

use super::interval::Estimate;
use super::order::sorted_with_index;
use super::sample::{autocorrelation, mean, variance};
use super::t_test::t_quantile;
use crate::base::random::Stream;

/// Fewest launches of a side. Two do not show how far launches differ.
const MIN_LAUNCHES: usize = 3;

/// Resamples of each launch's values; the upper level draws from them.
const INNER_RESAMPLES: usize = 100;

/// Upper bound of the lag-1 autocorrelation. Beyond it, a block would be the whole series.
const MAX_AUTOCORRELATION: f64 = 0.9;

impl Estimate {
    /// Rescales the interval from the confidence `stated` to `confidence`, by the ratio of Student's t quantiles.
    #[must_use]
    pub fn at_confidence(self, confidence: f64, stated: f64, launches: usize) -> Self {
        let ratio = t_critical(confidence, launches) / t_critical(stated, launches);
        let low = self.value - ratio * (self.value - self.low);
        let high = self.value + ratio * (self.high - self.value);
        Self { low, high, ..self }
    }
}

/// The shift from `from` to `to`: the Hodges-Lehmann estimate over the launches' medians, and its interval. Each side
/// is a list of launches, each launch a list of values in order of time (their logarithms, for a ratio). `None` if a
/// side has fewer than three launches or an empty launch.
///
/// The upper level draws launches. The lower level draws moving blocks of a launch's values (Künsch, 1989), whose
/// length follows from their autocorrelation, and takes the median. The noise within launches already adds to the
/// variance between their medians, so drawing at both levels would count it twice (Davison and Hinkley, 1997, 3.8):
/// the medians are first shrunk towards their mean by that share. If launches agree better than the noise within
/// them allows, that noise remains as a floor. With few launches percentile intervals are too narrow: deviations are
/// enlarged by √(K/(K−1)), and percentiles are taken at the quantiles of Student's t with the launches' degrees of
/// freedom (Hesterberg, 2015).
pub fn shift_interval(
    from: &[&[f64]],
    to: &[&[f64]],
    confidence: f64,
    resamples: usize,
    seed: u64,
) -> Option<Estimate> {
    // The side, not its position, chooses its random stream, so that swapped sides give the mirrored interval.
    let size = |side: &[&[f64]]| {
        side.iter().flat_map(|values| values.iter()).fold(0.0, |sum, v| sum + v.abs())
    };
    let names = if size(from) <= size(to) { ["one", "other"] } else { ["other", "one"] };
    let [mut first, mut second] = names.map(|name| Stream::new(seed, name, &[]));
    let (from, to) = (Side::new(from, &mut first)?, Side::new(to, &mut second)?);
    let mut differences = Vec::new();
    let value = median_difference(&mut differences, &from.medians, &to.medians);
    let (mut x, mut y) = (from.medians.clone(), to.medians.clone());
    let mut shifts: Vec<f64> = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        from.draw(&mut x, &mut first);
        to.draw(&mut y, &mut second);
        shifts.push(median_difference(&mut differences, &x, &y));
    }
    let tail = Normal::standard().cdf(-t_critical(confidence, x.len() + y.len()));
    let rank = (tail * (resamples as f64 + 1.0)).round().max(1.0) as usize;
    let low = *shifts.select_nth_unstable_by(rank - 1, f64::total_cmp).1;
    let high = *shifts.select_nth_unstable_by(resamples - rank, f64::total_cmp).1;
    Some(Estimate { value, low: low.min(value), high: high.max(value) })
}

/// The two-sided critical value of Student's t for `launches` launches on two sides together.
fn t_critical(confidence: f64, launches: usize) -> f64 {
    let freedom = launches.saturating_sub(2).max(1) as f64;
    t_quantile(f64::midpoint(1.0, confidence), freedom).unwrap_or(f64::INFINITY)
}

struct Side {
    medians: Vec<f64>,
    /// Each launch's median, shrunk towards their mean.
    levels: Vec<f64>,
    /// Deviations of each launch's median, from resamples of its values.
    noise: Vec<[f64; INNER_RESAMPLES]>,
}

impl Side {
    fn new(launches: &[&[f64]], random: &mut Stream) -> Option<Self> {
        if launches.len() < MIN_LAUNCHES || launches.iter().any(|values| values.is_empty()) {
            return None;
        }
        let (medians, noise): (Vec<f64>, Vec<[f64; INNER_RESAMPLES]>) =
            launches.iter().map(|values| resampled(values, random)).unzip();
        let within = noise.iter().map(|noise| variance(noise)).sum::<f64>() / noise.len() as f64;
        let (centre, between) = (mean(&medians), variance(&medians));
        let share_between = if between > 0.0 { (1.0 - within / between).max(0.0) } else { 0.0 };
        let count = medians.len() as f64;
        let keep = (share_between * count / (count - 1.0)).sqrt();
        let levels = medians.iter().map(|median| centre + keep * (median - centre)).collect();
        Some(Self { medians, levels, noise })
    }

    /// Fills `to` with launches drawn with replacement, each with drawn noise.
    fn draw(&self, to: &mut [f64], random: &mut Stream) {
        for value in to {
            let launch = random.below(self.levels.len());
            *value = self.levels[launch] + self.noise[launch][random.below(INNER_RESAMPLES)];
        }
    }
}

/// The median of a series, and the deviations of its resamples' medians from their mean.
fn resampled(values: &[f64], random: &mut Stream) -> (f64, [f64; INNER_RESAMPLES]) {
    let n = values.len();
    let order = sorted_with_index(values);
    let mut ranks = vec![0; n];
    order.iter().enumerate().for_each(|(rank, &(_, place))| ranks[place] = rank);
    let sorted: Vec<f64> = order.into_iter().map(|(value, _)| value).collect();
    let block = block_length(values);
    let mut counts = vec![0u32; n];
    let mut noise = [0.0; INNER_RESAMPLES];
    for median in &mut noise {
        counts.fill(0);
        let mut left = n;
        while left > 0 {
            let start = random.below(n - block + 1);
            let take = block.min(left);
            ranks[start..start + take].iter().for_each(|&rank| counts[rank] += 1);
            left -= take;
        }
        *median = counted_median(&sorted, &counts);
    }
    let centre = mean(&noise);
    noise.iter_mut().for_each(|median| *median -= centre);
    (counted_median(&sorted, &vec![1; n]), noise)
}

/// The median of `sorted`, each value repeated by its count.
fn counted_median(sorted: &[f64], counts: &[u32]) -> f64 {
    // Both middle positions; they are the same one for an odd number.
    let (lower, upper) = ((sorted.len() - 1) / 2, sorted.len() / 2);
    let (mut seen, mut first) = (0, None);
    for (value, &count) in sorted.iter().zip(counts) {
        seen += count as usize;
        if seen > lower && first.is_none() {
            first = Some(*value);
        }
        if seen > upper {
            return first.unwrap_or(*value).midpoint(*value);
        }
    }
    sorted[lower]
}

/// The optimal length of moving blocks for the mean of an AR(1) process: (3n/2)^⅓ (2ρ/(1−ρ²))^⅔ (Carlstein,
/// 1986, with Künsch's constant), clamped to between 1 and half the values.
fn block_length(values: &[f64]) -> usize {
    let n = values.len();
    let rho = autocorrelation(values).unwrap_or(0.0).clamp(0.0, MAX_AUTOCORRELATION);
    let length = (1.5 * n as f64).cbrt() * (2.0 * rho / (1.0 - rho * rho)).powi(2).cbrt();
    (length.round() as usize).clamp(1, n.div_ceil(2))
}

/// The median of all y − x; `differences` is a buffer.
fn median_difference(differences: &mut Vec<f64>, from: &[f64], to: &[f64]) -> f64 {
    differences.clear();
    differences.extend(from.iter().flat_map(|x| to.iter().map(move |y| y - x)));
    let half = differences.len() / 2;
    let (below, &mut middle, _) = differences.select_nth_unstable_by(half, f64::total_cmp);
    if from.len() * to.len() % 2 == 1 {
        return middle;
    }
    below.iter().copied().fold(f64::NEG_INFINITY, f64::max).midpoint(middle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::autoregressive;

    /// Launches of AR(1) values around levels that differ by `between`.
    fn side(k: usize, n: usize, between: f64, within: f64, random: &mut Stream) -> Vec<Vec<f64>> {
        (0..k)
            .map(|_| {
                let level = between * autoregressive(0.0, 1, random)[0];
                let noise = autoregressive(0.5, n, random);
                noise.iter().map(|value| level + within * value).collect()
            })
            .collect()
    }

    fn views(side: &[Vec<f64>]) -> Vec<&[f64]> {
        side.iter().map(Vec::as_slice).collect()
    }

    #[test]
    fn the_interval_covers_the_true_shift_as_often_as_it_says() {
        let cases =
            [(3, 0.02, 0.02), (5, 0.02, 0.02), (8, 0.02, 0.0), (8, 0.001, 0.05), (12, 0.02, 0.02)];
        for (k, between, within) in cases {
            let covers = |&seed: &u64| {
                let mut random = Stream::new(seed, "coverage", &[k as u64]);
                let mut one = || side(k, 100, between, within, &mut random);
                let (from, to) = (one(), one());
                let shift = shift_interval(&views(&from), &views(&to), 0.95, 1000, seed);
                let Estimate { low, high, .. } = shift.unwrap();
                low <= 0.0 && 0.0 <= high
            };
            let covered = (0..400).filter(covers).count();
            // Binomial(400, 0.95) falls below 363 with probability 1e-4; nor is it all of them.
            assert!((363..400).contains(&covered), "{covered} of 400 at {k}, {between}, {within}");
        }
    }

    #[test]
    fn equal_launches_have_the_noise_of_their_values_as_a_floor() {
        let values: Vec<f64> = (0..50).map(|i| f64::from(i * 37 % 50)).collect();
        let side = [values.as_slice(); 4];
        let shift = shift_interval(&side, &side, 0.95, 1000, 1).unwrap();
        assert_eq!(shift.value, 0.0);
        assert!(shift.low < -3.0 && shift.high > 3.0, "{shift:?}");
        let single: [&[f64]; 3] = [&[1.0], &[1.0], &[1.0]];
        let shift = shift_interval(&single, &single, 0.95, 1000, 1).unwrap();
        assert_eq!((shift.low, shift.high), (0.0, 0.0));
        assert_eq!(shift_interval(&single[..2], &single, 0.95, 1000, 1), None);
        assert_eq!(shift_interval(&[&[], &[1.0], &[1.0]], &single, 0.95, 1000, 1), None);
    }

    #[test]
    fn exchanged_sides_and_signs_mirror_it() {
        let mut random = Stream::new(1, "mirror", &[]);
        let (from, to) = (side(8, 20, 1.0, 1.0, &mut random), side(5, 20, 1.0, 1.0, &mut random));
        let there = shift_interval(&views(&from), &views(&to), 0.95, 1000, 1).unwrap();
        let mirrored = |shift: Option<Estimate>| {
            let Estimate { value, low, high } = shift.unwrap();
            assert_eq!((value, low, high), (-there.value, -there.high, -there.low));
        };
        mirrored(shift_interval(&views(&to), &views(&from), 0.95, 1000, 1));
        let negated = |side: &[Vec<f64>]| -> Vec<Vec<f64>> {
            side.iter().map(|values| values.iter().map(|value| -value).collect()).collect()
        };
        let (from, to) = (negated(&from), negated(&to));
        mirrored(shift_interval(&views(&from), &views(&to), 0.95, 1000, 1));
    }

    #[test]
    fn more_confidence_is_wider_on_both_sides() {
        let shift = Estimate { value: 1.0, low: 0.0, high: 3.0 };
        let wider = shift.at_confidence(0.999, 0.95, 16);
        // t(0.9995, 14) / t(0.975, 14) = 4.1405/2.1448
        assert!(
            (wider.low - (1.0 - 1.9305)).abs() < 1e-3 && (wider.high - 4.861).abs() < 1e-3,
            "{wider:?}"
        );
        assert_eq!(shift.at_confidence(0.95, 0.95, 16), shift);
    }
}
