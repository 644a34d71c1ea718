//! Whether a series of times reaches a steady state.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::order::median;

const MIN_VALUES: usize = 30;

/// The series is reduced to this many medians; bounds the time, and removes single spikes.
const BUCKETS: usize = 200;

/// Segments whose medians differ by less than this share are merged.
const TOLERANCE: f64 = 0.02;

/// Buckets in the shortest segment.
const MIN_SEGMENT: usize = 5;

const MAX_SEGMENTS: usize = 12;

/// The values of φ that are tried are 0 to this many tenths.
const PHI_TENTHS: u32 = 9;

/// Penalty of a change on n ln(squares), in units of ln n. BIC charges 2, for its position and its level
/// (Yao, 1988), and finds changes in 28 % of steady series at φ = 0.8 and n = 100; 4 finds them in 0.3 %, and in
/// 4 % at n = 30.
const PENALTY: f64 = 4.0;

/// Medians are winsorised at this distance from their own median, in standard deviations.
const WINSOR_DEVIATIONS: f64 = 3.0;

/// How a series of times reaches a steady state, in the classification of Barrett et al. (Virtual Machine Warmup
/// Blows Hot and Cold, OOPSLA 2017).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Steadiness {
    /// Steady throughout.
    Flat,
    /// Slower at first.
    Warming,
    /// Faster at first.
    Slowing,
    /// No steady state: the last segment is shorter than half of the series.
    None,
}

/// Classifies `values`, in order of time; with the index of the first steady value. `None` for fewer than 30
/// values.
///
/// A change counts if it explains the series better than autocorrelation does: each number of segments is fitted
/// with each φ of AR(1) noise, and the penalised likelihood selects among them. (Chakar et al., 2017, estimate φ
/// beforehand from differences; a hundred values are too few for that.)
pub fn steadiness(values: &[f64]) -> Option<(Steadiness, usize)> {
    let n = values.len();
    if n < MIN_VALUES {
        return None;
    }
    let buckets = n.min(BUCKETS);
    let edge = |bucket: usize| bucket * n / buckets;
    let medians: Option<Vec<f64>> =
        (0..buckets).map(|bucket| median(&values[edge(bucket)..edge(bucket + 1)])).collect();
    let starts = best_starts(&winsorise(medians?)?).into_iter().map(edge).collect();
    let segments = merge_similar(values, starts)?;
    let &(start, level) = segments.last()?;
    let is_faster = |&(_, earlier): &(usize, f64)| earlier < level * (1.0 - TOLERANCE);
    let steadiness = match segments.len() {
        1 => Steadiness::Flat,
        _ if 2 * (n - start) < n => Steadiness::None,
        _ if segments.iter().any(is_faster) => Steadiness::Slowing,
        _ => Steadiness::Warming,
    };
    Some((steadiness, start))
}

/// The deviations from the median, clamped to [`WINSOR_DEVIATIONS`], so that a spike makes no segment. A step of
/// the tolerance is never clamped.
fn winsorise(mut values: Vec<f64>) -> Option<Vec<f64>> {
    let middle = median(&values)?;
    values.iter_mut().for_each(|value| *value -= middle);
    let distances: Vec<f64> = values.iter().map(|value| value.abs()).collect();
    // The median distance of normal values is 0.6745 standard deviations.
    let reach = (WINSOR_DEVIATIONS * median(&distances)? / 0.6745).max(TOLERANCE * middle.abs());
    values.iter_mut().for_each(|value| *value = value.clamp(-reach, reach));
    Some(values)
}

/// The starts of the segments of the best fit: optimal partitions for each number of segments (Auger and
/// Lawrence, 1989) and each φ, compared by n ln(squares/n) plus the penalty.
fn best_starts(values: &[f64]) -> Vec<usize> {
    let n = values.len();
    let (mut best, mut starts) = (f64::INFINITY, vec![0]);
    for tenth in 0..=PHI_TENTHS {
        let fit = Fit::new(values, f64::from(tenth) / 10.0);
        // The residual squares of the values before each end, and the last cut of each such fit.
        let mut squares: Vec<f64> = (0..=n)
            .map(|end| if end < MIN_SEGMENT { f64::INFINITY } else { fit.squares(0, end) })
            .collect();
        let mut cuts: Vec<Vec<usize>> = Vec::new();
        for changes in 0..MAX_SEGMENTS {
            let penalty = PENALTY * changes as f64 * (n as f64).ln();
            let score = n as f64 * (squares[n] / n as f64).ln() + penalty;
            if score < best {
                (best, starts) = (score, backtrack(&cuts, n));
            }
            let (next, cut) = (0..=n).map(|end| fit.cut(&squares, end)).unzip();
            squares = next;
            cuts.push(cut);
        }
    }
    starts
}

/// The starts of the segments that end at `n`, from the best last cut for each number of segments.
fn backtrack(cuts: &[Vec<usize>], n: usize) -> Vec<usize> {
    let (mut end, mut starts) = (n, Vec::new());
    for cut in cuts.iter().rev() {
        end = cut[end];
        starts.push(end);
    }
    starts.push(0);
    starts.reverse();
    starts
}

/// Fits a level with AR(1) noise to any segment in constant time.
struct Fit<'a> {
    values: &'a [f64],
    phi: f64,
    /// Prefix sums of the innovations x_t − φ x_(t−1), and of their squares.
    sums: Vec<(f64, f64)>,
}

impl<'a> Fit<'a> {
    fn new(values: &'a [f64], phi: f64) -> Self {
        let innovations = values.windows(2).map(|pair| pair[1] - phi * pair[0]);
        let sums = innovations.scan((0.0, 0.0), |(sum, square), innovation| {
            *sum += innovation;
            *square += innovation * innovation;
            Some((*sum, *square))
        });
        // There is no innovation before the values 0 and 1.
        let sums = [(0.0, 0.0); 2].into_iter().chain(sums).collect();
        Self { values, phi, sums }
    }

    /// The minimum over levels μ of (1 − φ²)(x_first − μ)² + Σ (x_t − φ x_(t−1) − (1 − φ)μ)²: minus twice the
    /// log-likelihood, in units of the innovations' variance.
    fn squares(&self, start: usize, end: usize) -> f64 {
        let (first, phi) = (self.values[start], self.phi);
        let (before, until) = (self.sums[start + 1], self.sums[end]);
        let (sum, square) = (until.0 - before.0, until.1 - before.1);
        let weight = 1.0 - phi * phi;
        let linear = weight * first + (1.0 - phi) * sum;
        let quadratic = weight + (1.0 - phi).powi(2) * (end - start - 1) as f64;
        (weight * first * first + square - linear * linear / quadratic).max(0.0)
    }

    /// The best last cut of the values before `end`, given the residual squares before each cut; returns the
    /// residual squares with this cut, and the cut.
    fn cut(&self, squares: &[f64], end: usize) -> (f64, usize) {
        (MIN_SEGMENT..=end.saturating_sub(MIN_SEGMENT))
            .map(|cut| (squares[cut] + self.squares(cut, end), cut))
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .unwrap_or((f64::INFINITY, 0))
    }
}

/// Merges neighbouring segments whose medians differ by less than the tolerance, the most similar first; returns
/// starts and medians.
fn merge_similar(values: &[f64], mut starts: Vec<usize>) -> Option<Vec<(usize, f64)>> {
    loop {
        let ends = starts.iter().skip(1).copied().chain([values.len()]);
        let levels: Option<Vec<f64>> =
            starts.iter().zip(ends).map(|(&start, end)| median(&values[start..end])).collect();
        let levels = levels?;
        let gap = |i: usize| (levels[i] - levels[i - 1]).abs() / levels[i].max(levels[i - 1]);
        let closest = (1..levels.len()).min_by(|&a, &b| gap(a).total_cmp(&gap(b)));
        match closest.filter(|&i| gap(i) < TOLERANCE) {
            Some(i) => starts.remove(i),
            None => return Some(starts.into_iter().zip(levels).collect()),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::Stream;
    use crate::stats::autoregressive;

    /// Noise of `cv` around 1 ms, times what `shape` says for each share of the series.
    fn series(n: usize, phi: f64, cv: f64, seed: u64, shape: impl Fn(f64) -> f64) -> Vec<f64> {
        let noise = autoregressive(phi, n, &mut Stream::new(seed, "segments", &[]));
        let value =
            |(i, noise): (usize, &f64)| 1e6 * shape(i as f64 / n as f64) * (1.0 + cv * noise);
        noise.iter().enumerate().map(value).collect()
    }

    #[test]
    fn series_by_their_shapes() {
        let step = |at: f64, before: f64| move |share: f64| if share < at { before } else { 1.0 };
        for n in [100, 1000] {
            let of =
                |shape: &dyn Fn(f64) -> f64| steadiness(&series(n, 0.3, 0.02, 1, shape)).unwrap();
            assert_eq!(of(&|_| 1.0), (Steadiness::Flat, 0));
            let (warming, start) = of(&step(0.1, 1.2));
            assert_eq!(warming, Steadiness::Warming);
            assert!(start.abs_diff(n / 10) <= n / 50, "{start}");
            assert_eq!(of(&|share| 1.0 + 0.5 * (-20.0 * share).exp()).0, Steadiness::Warming);
            assert_eq!(of(&step(0.3, 0.9)).0, Steadiness::Slowing);
            assert_eq!(of(&step(0.7, 1.1)).0, Steadiness::None);
            assert_eq!(of(&step(0.7, 0.9)).0, Steadiness::None);
            // Less than the tolerance.
            assert_eq!(of(&step(0.3, 1.01)).0, Steadiness::Flat);
            assert_ne!(of(&|share| 1.0 + 0.2 * share).0, Steadiness::Flat);
        }
    }

    #[test]
    fn ticks_and_spikes_are_no_segments() {
        assert_eq!(steadiness(&[1.0; 29]), None);
        assert_eq!(steadiness(&[20.0; 30]), Some((Steadiness::Flat, 0)));
        assert_eq!(steadiness(&[0.0; 500]), Some((Steadiness::Flat, 0)));
        let ticks = |i: u32| 20.0 * f64::from(10 + u32::from(i.is_multiple_of(7)));
        assert_eq!(
            steadiness(&(0..100).map(ticks).collect::<Vec<_>>()).unwrap().0,
            Steadiness::Flat
        );
        let mut spikes = series(100, 0.0, 0.02, 2, |_| 1.0);
        spikes[50] *= 100.0;
        spikes[99] *= 100.0;
        assert_eq!(steadiness(&spikes).unwrap().0, Steadiness::Flat);
        let steps = [[30.0; 20], [20.0; 20], [20.0; 20], [20.0; 20]].concat();
        assert_eq!(steadiness(&steps), Some((Steadiness::Warming, 20)));
    }

    #[test]
    fn steady_noise_is_flat() {
        for (n, phi) in [(100, 0.0), (100, 0.8), (1000, 0.8)] {
            let flat = |&seed: &u64| {
                let values = series(n, phi, 0.02, seed, |_| 1.0);
                steadiness(&values).unwrap().0 == Steadiness::Flat
            };
            let flat = (0..50).filter(flat).count();
            assert!(flat >= 49, "{flat} of 50 at {n}, {phi}");
        }
    }
}
