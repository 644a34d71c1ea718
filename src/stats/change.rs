//! Change points of a series.

use crate::base::random::Stream;

use super::p_value::sequential_p;
use super::sample::Scale;

/// Fewest values between two changes.
pub const MIN_SEGMENT: usize = 5;

const SIGNIFICANCE: f64 = 0.01;

const PERMUTATIONS: usize = 999;

/// A test stops once this many permutations reach the series' own statistic: p can no longer fall below the
/// significance level.
const STOPPING_HITS: usize = 10;

/// Only the last values of a longer series are analysed. The time grows with the square of their number; this
/// bounds it to about half a second for each change found.
pub const SERIES_LIMIT: usize = 300;

/// A change of the distribution of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Index of the first value after the change.
    pub index: usize,
    /// p-value of the change within the segment between the previous and the next change; in (0, 0.01].
    pub p: f64,
}

/// The changes of `values`, in order of time: changes of level, spread or shape (E-divisive, Matteson and James,
/// 2014, with α = 1). The same seed gives the same changes.
///
/// A segment is split where the energy statistic Q = mk/(m + k) (2 E|x − y| − E|x − x′| − E|y − y′|), of the m
/// values before the split and the next k, is greatest over all splits and all k, if at most 1 % of permutations
/// of the segment reach that Q at any split. (If y were always all values that follow, a fault that was repaired
/// would stay hidden. A t-test at the chosen split would ignore that it was chosen: at 1 %, it finds changes in
/// 12 % of series of 40 values of noise.) Then changes that later splits have made redundant are removed, the
/// weakest first (after Hunter, Fleming et al., 2023): those whose Q, between their neighbours, more than 1 % of
/// permutations reach.
///
/// A permutation test assumes exchangeable values: autocorrelated values look like changes (at a correlation of
/// 0.3, in 10 % of series of 40 values). A segment has at least 5 values, and of more than [`SERIES_LIMIT`] values
/// only the last are analysed. Empty if a value is not finite or the range overflows.
pub fn change_points(values: &[f64], seed: u64) -> Vec<Change> {
    let skipped = values.len().saturating_sub(SERIES_LIMIT);
    let latest = &values[skipped..];
    let Some(scale) = Scale::of(latest) else { return Vec::new() };
    let series = Segmentation { values: scale.values(latest), seed };
    let changes = series.prune(series.split());
    changes.into_iter().map(|Change { index, p }| Change { index: index + skipped, p }).collect()
}

struct Segmentation {
    values: Vec<f64>,
    seed: u64,
}

impl Segmentation {
    /// Splits segments recursively while a split is significant; the splits, ascending.
    fn split(&self) -> Vec<usize> {
        let (mut segments, mut splits) = (vec![(0, self.values.len())], Vec::new());
        while let Some((start, end)) = segments.pop() {
            let Some((split, q)) = best_split(&self.values[start..end], None) else { continue };
            if self.p(q, start, end) <= SIGNIFICANCE {
                splits.push(start + split);
                segments.extend([(start, start + split), (start + split, end)]);
            }
        }
        splits.sort_unstable();
        splits
    }

    /// Removes the splits that are not significant between their neighbours, the weakest first.
    fn prune(&self, mut splits: Vec<usize>) -> Vec<Change> {
        loop {
            let change = |i: usize| {
                let start = if i > 0 { splits[i - 1] } else { 0 };
                let end = splits.get(i + 1).copied().unwrap_or(self.values.len());
                let best = best_split(&self.values[start..end], Some(splits[i] - start));
                let p = best.map_or(1.0, |(_, q)| self.p(q, start, end));
                Change { index: splits[i], p }
            };
            let changes: Vec<Change> = (0..splits.len()).map(change).collect();
            let weakest = (0..splits.len()).max_by(|&a, &b| changes[a].p.total_cmp(&changes[b].p));
            match weakest.filter(|&i| changes[i].p > SIGNIFICANCE) {
                Some(i) => splits.remove(i),
                None => return changes,
            };
        }
    }

    /// The share of permutations of a segment, itself among them, whose best Q reaches `q`; stops early when p is
    /// not significant.
    fn p(&self, q: f64, start: usize, end: usize) -> f64 {
        let mut random = Stream::new(self.seed, "change points", &[start as u64, end as u64]);
        let mut values = self.values[start..end].to_vec();
        // The sums of a permutation are rounded in another order.
        let threshold = q - 1e-9 * q.abs();
        sequential_p(PERMUTATIONS, STOPPING_HITS, || {
            for i in (1..values.len()).rev() {
                values.swap(i, random.below(i + 1));
            }
            best_split(&values, None).is_some_and(|(_, q)| q >= threshold)
        })
    }
}

/// The split (or `only` this one) with the greatest Q between the values before it and any number of values
/// after it, and this Q; `None` for too few values.
fn best_split(values: &[f64], only: Option<usize>) -> Option<(usize, f64)> {
    // Summed distances of the pairs from each value to the current end, and of those before each split.
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
        let latest = end.saturating_sub(MIN_SEGMENT);
        let splits = only.map_or(MIN_SEGMENT..=latest, |split| split..=latest.min(split));
        for split in splits {
            let q =
                energy_statistic([split, end - split], [before[split], within[split]], within[0]);
            if best.is_none_or(|(_, most)| q > most) {
                best = Some((split, q));
            }
        }
        if let Some(before) = before.get_mut(end) {
            *before = within[0];
        }
    }
    best
}

/// Q from the sizes of two sides, the summed distances of pairs within each, and those of all pairs. The factors
/// are arranged for few divisions.
fn energy_statistic([m, k]: [usize; 2], [left, right]: [f64; 2], all: f64) -> f64 {
    let (m, k) = (m as f64, k as f64);
    let within = (k * (k - 1.0) * left + m * (m - 1.0) * right) / ((m - 1.0) * (k - 1.0));
    2.0 * (all - left - right - within) / (m + k)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::autoregressive;
    use crate::stats::golden::{close, golden, number, numbers};
    use crate::stats::hostile::sample;
    use proptest::prelude::*;

    fn noise(n: usize, seed: u64) -> Vec<f64> {
        autoregressive(0.0, n, &mut Stream::new(seed, "change", &[]))
    }

    fn indices(values: &[f64]) -> Vec<usize> {
        change_points(values, 1).iter().map(|change| change.index).collect()
    }

    #[test]
    fn the_statistic_as_by_its_definition_in_numpy() {
        for case in golden("series") {
            let values = numbers(&case["values"]);
            for (cut, expected) in (MIN_SEGMENT..).zip(numbers(&case["gains"])) {
                close(best_split(&values, Some(cut)).unwrap().1, expected, 1e-11);
            }
            let (cut, gain) = best_split(&values, None).unwrap();
            assert_eq!(cut, case["cut"].as_u64().unwrap() as usize);
            close(gain, number(&case["gain"]), 1e-11);
        }
    }

    #[test]
    fn noise_rarely_changes() {
        let changed = |&seed: &u64| !change_points(&noise(40, seed), seed).is_empty();
        let changed = (0..1000).filter(changed).count();
        // Binomial(1000, 0.01) exceeds 22 with probability 3e-4.
        assert!(changed <= 22, "{changed} of 1000");
    }

    #[test]
    fn a_step_is_found_once_whichever_its_direction() {
        for step in [5.0, -5.0] {
            for at in [8, 20, 33] {
                let mut values = noise(40, 7);
                values[at..].iter_mut().for_each(|value| *value += step);
                let changes = change_points(&values, 1);
                assert_eq!(changes.len(), 1, "{step} at {at}: {changes:?}");
                assert!(changes[0].index.abs_diff(at) <= 1, "{step} at {at}: {changes:?}");
                assert!(changes[0].p > 0.0 && changes[0].p <= SIGNIFICANCE);
                let mirrored: Vec<f64> = values.iter().map(|value| -value).collect();
                assert_eq!(change_points(&mirrored, 1)[0].index, changes[0].index);
            }
        }
    }

    #[test]
    fn several_steps_a_pulse_and_a_change_of_spread() {
        let mut values = noise(120, 3);
        values[40..80].iter_mut().for_each(|value| *value += 6.0);
        let found = indices(&values);
        assert!(
            found.len() == 2 && found[0].abs_diff(40) <= 1 && found[1].abs_diff(80) <= 1,
            "{found:?}"
        );
        values[80..].iter_mut().for_each(|value| *value += 12.0);
        let found = indices(&values);
        assert!(
            found.len() == 2 && found[0].abs_diff(40) <= 1 && found[1].abs_diff(80) <= 1,
            "{found:?}"
        );
        let mut pulse = noise(60, 5);
        pulse[25..32].iter_mut().for_each(|value| *value += 6.0);
        let found = indices(&pulse);
        assert!(
            found.len() == 2 && found[0].abs_diff(25) <= 1 && found[1].abs_diff(32) <= 1,
            "{found:?}"
        );
        let mut spread = noise(150, 4);
        spread[75..].iter_mut().for_each(|value| *value *= 8.0);
        let found = indices(&spread);
        assert!(found.len() == 1 && found[0].abs_diff(75) <= 10, "{found:?}");
    }

    #[test]
    fn nothing_changes_in_what_is_short_or_does_not_vary() {
        let short = [[1.0; 4].as_slice(), &[9.0; 5]].concat();
        let not_a_number = [[1.0; 5], [f64::NAN; 5]].concat();
        for values in [&[][..], &[0.1; 100], &short, &not_a_number] {
            assert!(indices(values).is_empty(), "{values:?}");
        }
        assert_eq!(indices(&[[1.0; 5], [9.0; 5]].concat()), [5]);
    }

    #[test]
    fn a_cut_that_later_ones_explain_is_taken_back() {
        let series = Segmentation { values: [[0.0; 20], [1.0; 20]].concat(), seed: 1 };
        let found: Vec<usize> =
            series.prune(vec![10, 20, 30]).iter().map(|change| change.index).collect();
        assert_eq!(found, [20]);
    }

    #[test]
    fn of_a_long_series_the_end_is_looked_at() {
        let mut values = noise(SERIES_LIMIT + 100, 5);
        values[..50].iter_mut().for_each(|value| *value += 100.0);
        values[SERIES_LIMIT..].iter_mut().for_each(|value| *value += 5.0);
        assert_eq!(indices(&values), [SERIES_LIMIT]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn changes_are_few_and_apart(values in sample(0), seed in any::<u64>()) {
            let changes = change_points(&values, seed);
            prop_assert_eq!(&changes, &change_points(&values, seed));
            let ends = changes.iter().map(|change| change.index).chain([values.len()]);
            let starts = [0].into_iter().chain(changes.iter().map(|change| change.index));
            if !changes.is_empty() {
                prop_assert!(starts.zip(ends).all(|(start, end)| start + MIN_SEGMENT <= end));
            }
            prop_assert!(changes.iter().all(|change| change.p > 0.0 && change.p <= SIGNIFICANCE));
        }
    }
}
