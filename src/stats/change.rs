//! Where a series changes.

use crate::base::random::Stream;

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
pub const LONGEST: usize = 300;

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
    let series = Segmentation { values: scale.values(latest), seed };
    let changes = series.merged(series.divided());
    changes.into_iter().map(|Change { index, p }| Change { index: index + skipped, p }).collect()
}

struct Segmentation {
    values: Vec<f64>,
    seed: u64,
}

impl Segmentation {
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
            for (cut, expected) in (SHORTEST..).zip(numbers(&case["gains"])) {
                close(best(&values, Some(cut)).unwrap().1, expected, 1e-11);
            }
            let (cut, gain) = best(&values, None).unwrap();
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
                assert!(changes[0].p > 0.0 && changes[0].p <= LEVEL);
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
            series.merged(vec![10, 20, 30]).iter().map(|change| change.index).collect();
        assert_eq!(found, [20]);
    }

    #[test]
    fn of_a_long_series_the_end_is_looked_at() {
        let mut values = noise(LONGEST + 100, 5);
        values[..50].iter_mut().for_each(|value| *value += 100.0);
        values[LONGEST..].iter_mut().for_each(|value| *value += 5.0);
        assert_eq!(indices(&values), [LONGEST]);
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
                prop_assert!(starts.zip(ends).all(|(start, end)| start + SHORTEST <= end));
            }
            prop_assert!(changes.iter().all(|change| change.p > 0.0 && change.p <= LEVEL));
        }
    }
}
