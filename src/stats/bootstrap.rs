//! The interval of a shift between two sides whose values come in launches: a bootstrap of two levels.

use statrs::distribution::{ContinuousCDF as _, Normal};

use super::sample::{autocorrelation, mean, variance};
use super::t_test::t_quantile;
use crate::base::random::Stream;

/// Fewest launches of a side: two say too little of how far launches differ.
const FEWEST: usize = 3;

/// Resamples of each launch's values; the upper level draws from them.
const INNER: usize = 100;

/// Largest correlation of neighbours that is believed; beyond, blocks would be the whole series.
const LARGEST: f64 = 0.9;

/// How far one side lies above another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// Hodges and Lehmann's estimate over the medians of the launches.
    pub estimate: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Shift {
    /// The interval at another confidence: its arms grow as the quantiles of Student's t do.
    #[must_use]
    pub fn at(self, confidence: f64, stated: f64, launches: usize) -> Self {
        let grow = t(confidence, launches) / t(stated, launches);
        let low = self.estimate - grow * (self.estimate - self.low);
        let high = self.estimate + grow * (self.high - self.estimate);
        Self { low, high, ..self }
    }
}

/// How far `to` lies above `from`, each a list of launches, each of these values in order of time (their
/// logarithms, for a ratio). `None` for fewer than three launches of a side, or an empty one.
///
/// The upper level draws launches, the lower moving blocks of a launch's values (Künsch, 1989), as long as
/// their correlation asks for, of which the median is taken. The medians of launches already differ by what
/// their values' noise makes them, so that drawing at both levels would count it twice (Davison and Hinkley,
/// 1997, 3.8): the launches are first drawn together by its share. Where they agree better than their values
/// allow, the noise remains as a floor. Few launches make percentiles too narrow: deviations are enlarged by
/// √(K/(K−1)), and the percentiles are those at the quantiles of Student's t with the launches' degrees of
/// freedom (Hesterberg, 2015).
pub fn shift_interval(
    from: &[&[f64]],
    to: &[&[f64]],
    confidence: f64,
    resamples: usize,
    seed: u64,
) -> Option<Shift> {
    // Exchanged sides, or values with the other sign, give the same interval mirrored.
    let size = |side: &[&[f64]]| {
        side.iter().flat_map(|values| values.iter()).fold(0.0, |sum, v| sum + v.abs())
    };
    let names = if size(from) <= size(to) { ["one", "other"] } else { ["other", "one"] };
    let [mut first, mut second] = names.map(|name| Stream::new(seed, name, &[]));
    let (from, to) = (Side::new(from, &mut first)?, Side::new(to, &mut second)?);
    let mut pairs = Pairs::default();
    let estimate = pairs.middle(&from.medians, &to.medians);
    let (mut x, mut y) = (from.medians.clone(), to.medians.clone());
    let mut shifts: Vec<f64> = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        from.draw(&mut x, &mut first);
        to.draw(&mut y, &mut second);
        shifts.push(pairs.middle(&x, &y));
    }
    let tail = Normal::standard().cdf(-t(confidence, x.len() + y.len()));
    let rank = (tail * (resamples as f64 + 1.0)).round().max(1.0) as usize;
    let low = *shifts.select_nth_unstable_by(rank - 1, f64::total_cmp).1;
    let high = *shifts.select_nth_unstable_by(resamples - rank, f64::total_cmp).1;
    Some(Shift { estimate, low: low.min(estimate), high: high.max(estimate) })
}

/// The two-sided quantile of Student's t for so many launches on two sides.
fn t(confidence: f64, launches: usize) -> f64 {
    let freedom = launches.saturating_sub(2).max(1) as f64;
    t_quantile(f64::midpoint(1.0, confidence), freedom).unwrap_or(f64::INFINITY)
}

/// One side, ready to be drawn from.
struct Side {
    medians: Vec<f64>,
    /// Each launch's median, drawn towards the others.
    levels: Vec<f64>,
    /// What the noise of its values adds, as often as resampled.
    noise: Vec<[f64; INNER]>,
}

impl Side {
    fn new(launches: &[&[f64]], random: &mut Stream) -> Option<Self> {
        if launches.len() < FEWEST || launches.iter().any(|values| values.is_empty()) {
            return None;
        }
        let (medians, noise): (Vec<f64>, Vec<[f64; INNER]>) =
            launches.iter().map(|values| resampled(values, random)).unzip();
        let within = noise.iter().map(|noise| variance(noise)).sum::<f64>() / noise.len() as f64;
        let (centre, between) = (mean(&medians), variance(&medians));
        let own = if between > 0.0 { (1.0 - within / between).max(0.0) } else { 0.0 };
        let count = medians.len() as f64;
        let keep = (own * count / (count - 1.0)).sqrt();
        let levels = medians.iter().map(|median| centre + keep * (median - centre)).collect();
        Some(Self { medians, levels, noise })
    }

    /// As many launches as there are, drawn with their noise.
    fn draw(&self, to: &mut [f64], random: &mut Stream) {
        for value in to {
            let launch = random.below(self.levels.len());
            *value = self.levels[launch] + self.noise[launch][random.below(INNER)];
        }
    }
}

/// The median of a series, and how far the medians of its resamples lie from their mean.
fn resampled(values: &[f64], random: &mut Stream) -> (f64, [f64; INNER]) {
    let n = values.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0; n];
    order.iter().enumerate().for_each(|(rank, &place)| ranks[place] = rank);
    let sorted: Vec<f64> = order.iter().map(|&place| values[place]).collect();
    let block = block_length(values);
    let mut counts = vec![0u32; n];
    let mut noise = [0.0; INNER];
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

/// The median of values that each occur so many times.
fn counted_median(sorted: &[f64], counts: &[u32]) -> f64 {
    // The two in the middle, or twice the one.
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

/// The length of moving blocks that suits the mean of an AR(1) process: (3n/2)^⅓ (2ρ/(1−ρ²))^⅔ (Carlstein,
/// 1986, with Künsch's constant), between one value and half of them.
fn block_length(values: &[f64]) -> usize {
    let n = values.len();
    let rho = autocorrelation(values).unwrap_or(0.0).clamp(0.0, LARGEST);
    let length = (1.5 * n as f64).cbrt() * (2.0 * rho / (1.0 - rho * rho)).powi(2).cbrt();
    (length.round() as usize).clamp(1, n.div_ceil(2))
}

/// Room for all differences between two samples.
#[derive(Default)]
struct Pairs(Vec<f64>);

impl Pairs {
    /// The median of all y − x.
    fn middle(&mut self, from: &[f64], to: &[f64]) -> f64 {
        self.0.clear();
        self.0.extend(from.iter().flat_map(|x| to.iter().map(move |y| y - x)));
        let half = self.0.len() / 2;
        let (below, &mut middle, _) = self.0.select_nth_unstable_by(half, f64::total_cmp);
        if from.len() * to.len() % 2 == 1 {
            return middle;
        }
        below.iter().copied().fold(f64::NEG_INFINITY, f64::max).midpoint(middle)
    }
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
                let Shift { low, high, .. } = shift.unwrap();
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
        assert_eq!(shift.estimate, 0.0);
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
        let mirrored = |shift: Option<Shift>| {
            let Shift { estimate, low, high } = shift.unwrap();
            assert_eq!((estimate, low, high), (-there.estimate, -there.high, -there.low));
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
        let shift = Shift { estimate: 1.0, low: 0.0, high: 3.0 };
        let wider = shift.at(0.999, 0.95, 16);
        // t(0.9995, 14) / t(0.975, 14) = 4.1405/2.1448
        assert!(
            (wider.low - (1.0 - 1.9305)).abs() < 1e-3 && (wider.high - 4.861).abs() < 1e-3,
            "{wider:?}"
        );
        assert_eq!(shift.at(0.95, 0.95, 16), shift);
    }
}
