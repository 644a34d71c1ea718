//! Where a series changes.

use crate::random::Stream;

use super::scale::Scale;

/// Fewest values between two changes.
const SHORTEST: usize = 5;

/// Largest p-value of a change.
const LEVEL: f64 = 0.01;

/// Permutations that a change is compared with.
const PERMUTATIONS: usize = 999;

/// So many permutations as good as the series itself end the comparison: its p-value cannot come below
/// the level any more.
const REFUTING: usize = 10;

/// Only the latest so many values are looked at: bounds the time, which grows with their square, to about
/// half a second for each change found.
const LONGEST: usize = 300;

/// A place where a series is no longer what it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// The index of the first value after it.
    pub index: usize,
    /// How often chance alone sets apart values in a row as much as the change does, among those between the
    /// changes before and after it; in (0, 0.01].
    pub p: f64,
}

/// The changes of `values`, in order of time: of level, spread or shape, in whichever direction (E-divisive,
/// Matteson and James, 2014, with α = 1). The same seed gives the same changes.
///
/// A piece is cut where the energy statistic Q = mk/(m + k) (2 E|x − y| − E|x − x′| − E|y − y′|), of the m
/// values before the cut and the next k, is greatest over all cuts and all k, if no more than 1 % of
/// permutations of the piece reach that anywhere. (Were y always all that follows, a fault that is repaired
/// would hide. A t-test at the place that was chosen would forget the choice: at 1 %, it finds changes in
/// 12 % of series of 40 values of noise.) Then changes that later cuts have explained are taken back, the
/// weakest first (after Hunter, Fleming et al., 2023): those whose Q, between their neighbours, is reached
/// by more than 1 %.
///
/// Permutations suppose that without changes the order means nothing: neighbours that depend on each
/// other look like changes (a correlation of 0.3, in 10 % of series of 40 values). Nothing shorter than 5 values is a piece, and of more than 300 values only the
/// last are looked at. Empty when some are not finite, or too far apart for a difference.
pub fn change_points(values: &[f64], seed: u64) -> Vec<Change> {
    let skipped = values.len().saturating_sub(LONGEST);
    let latest = &values[skipped..];
    let Some(scale) = Scale::of(latest) else { return Vec::new() };
    let series = Series { values: scale.values(latest), seed };
    let changes = series.merged(series.divided());
    changes.into_iter().map(|Change { index, p }| Change { index: index + skipped, p }).collect()
}

struct Series {
    values: Vec<f64>,
    seed: u64,
}

impl Series {
    /// Where pieces were cut, in order, until none could be.
    fn divided(&self) -> Vec<usize> {
        let (mut pieces, mut cuts) = (vec![(0, self.values.len())], Vec::new());
        while let Some((start, end)) = pieces.pop() {
            let Some((cut, gain)) = best(&self.values[start..end], None) else { continue };
            if self.p(gain, start, end) <= LEVEL {
                cuts.push(start + cut);
                pieces.extend([(start, start + cut), (start + cut, end)]);
            }
        }
        cuts.sort_unstable();
        cuts
    }

    /// The changes at `cuts` that still are some between their neighbours.
    fn merged(&self, mut cuts: Vec<usize>) -> Vec<Change> {
        loop {
            let change = |i: usize| {
                let start = if i > 0 { cuts[i - 1] } else { 0 };
                let end = cuts.get(i + 1).copied().unwrap_or(self.values.len());
                let best = best(&self.values[start..end], Some(cuts[i] - start));
                let p = best.map_or(1.0, |(_, gain)| self.p(gain, start, end));
                Change { index: cuts[i], p }
            };
            let changes: Vec<Change> = (0..cuts.len()).map(change).collect();
            let weakest = (0..cuts.len()).max_by(|&a, &b| changes[a].p.total_cmp(&changes[b].p));
            match weakest.filter(|&i| changes[i].p > LEVEL) {
                Some(i) => cuts.remove(i),
                None => return changes,
            };
        }
    }

    /// The share of permutations of a piece, itself among them, whose best gain reaches `gain`. When enough
    /// do, it is known no further (Besag and Clifford, 1991).
    fn p(&self, gain: f64, start: usize, end: usize) -> f64 {
        let mut random = Stream::new(self.seed, "change points", &[start as u64, end as u64]);
        let mut values = self.values[start..end].to_vec();
        // A little less counts as much: the sums are rounded in another order.
        let least = gain - 1e-9 * gain.abs();
        let mut reached = 0;
        for drawn in 1..=PERMUTATIONS {
            for i in (1..values.len()).rev() {
                values.swap(i, random.below(i + 1));
            }
            reached += usize::from(best(&values, None).is_some_and(|(_, gain)| gain >= least));
            if reached == REFUTING {
                return reached as f64 / drawn as f64;
            }
        }
        (reached + 1) as f64 / (PERMUTATIONS + 1) as f64
    }
}

/// The cut, or that asked for, with the greatest Q between the values before it and any number of those
/// after it, and this Q; `None` for too few values.
fn best(values: &[f64], only: Option<usize>) -> Option<(usize, f64)> {
    // Summed distances of the pairs from each value to the present end, and of those before each cut.
    let mut within = vec![0.0; values.len()];
    let mut before = vec![0.0; values.len()];
    let mut best: Option<(usize, f64)> = None;
    for (last, value) in values.iter().enumerate() {
        let mut sum = 0.0;
        for (within, earlier) in within[..last].iter_mut().zip(&values[..last]).rev() {
            sum += (value - earlier).abs();
            *within += sum;
        }
        let end = last + 1;
        let latest = end.saturating_sub(SHORTEST);
        let cuts = only.map_or(SHORTEST..=latest, |cut| cut..=latest.min(cut));
        for cut in cuts {
            let gain = q([cut, end - cut], [before[cut], within[cut]], within[0]);
            if best.is_none_or(|(_, most)| gain > most) {
                best = Some((cut, gain));
            }
        }
        if let Some(before) = before.get_mut(end) {
            *before = within[0];
        }
    }
    best
}

/// Q of two sides by their sizes, the summed distances of pairs within each, and of all pairs. Factors are
/// arranged for few divisions.
fn q([m, k]: [usize; 2], [left, right]: [f64; 2], all: f64) -> f64 {
    let (m, k) = (m as f64, k as f64);
    let within = (k * (k - 1.0) * left + m * (m - 1.0) * right) / ((m - 1.0) * (k - 1.0));
    2.0 * (all - left - right - within) / (m + k)
}

