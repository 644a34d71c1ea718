//! Change points of a series.

use super::order::median;
use super::p_value::clamp_p;
use super::sample::{Scale, autocorrelation, variance};
use super::step::Steps;
use super::t_test::{t_tail, welch};

/// Fewest values that can show a change.
pub const FEWEST: usize = 10;

/// Fewest values between two changes: fewer in a row may be outliers. After the last change there may be fewer.
pub const MIN_SEGMENT: usize = 4;

/// Only the last values of a longer series are analysed: the time grows with the square of their number.
pub const SERIES_LIMIT: usize = 300;

/// Probability of any change in a family of series that have none.
const SIGNIFICANCE: f64 = 0.05;

/// And of a change of level where it is the spread that changed.
const SIGNIFICANCE_OF_LEVEL: f64 = 0.01;

/// The correlation of neighbours is taken for no less: a short series cannot show that it has none.
const LEAST_CORRELATION: f64 = 0.5;

/// And for no more: beyond, only jumps would count.
const MOST_CORRELATION: f64 = 0.9;

/// Values on each side that tell whether one is an outlier, and the standard deviations that make it one.
const NEIGHBOURS: usize = MIN_SEGMENT - 1;
const OUTLIER: f64 = 4.0;

/// A change of the distribution of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// The most likely index of the first value after the change.
    pub index: usize,
    /// The first and the last index at which it may have been, within three standard errors.
    pub places: [usize; 2],
    /// Whether the level changed by more than its uncertainty; if not, only the spread did.
    pub is_of_level: bool,
    /// p-value of the change between the previous and the next one, adjusted for all places, for all series of the
    /// family and for the looks before; in (0, 0.05].
    pub p: f64,
}

/// The changes of `values`, in order of time: changes of level and of spread. `family` is the number of series that
/// are looked at together, after every new value: if nothing changes, a change is found in any of them, at any time,
/// with a probability of at most 5 %.
///
/// A segment is split where a step of the level, lasting or repaired, or a step of the spread (√|x − median|, which is
/// nearly normal; Hawkins, 1981) is most significant, if it is. Its p is that of t from generalised least squares
/// (see `Steps`), times three (for the three kinds), the number of steps of this kind, and of looks (Bonferroni). Then
/// changes that later splits have made redundant are removed, the weakest first.
///
/// Values may depend on their neighbours. The correlation is estimated from what the changes leave (after Kendall,
/// 1954, for small samples), and taken for at least 0.5. Lone outliers are pulled in to four standard deviations
/// from their neighbours (Hampel's filter).
///
/// The last change may have fewer than four values after it; these are as they are, and a last value alone must lie
/// beyond all others by as much as these span: else an outlier looks the same.
///
/// Of more than [`SERIES_LIMIT`] values only the last are analysed. Empty for fewer than 10 values, if one is not
/// finite or the range overflows.
pub fn change_points(values: &[f64], family: usize) -> Vec<Change> {
    let skipped = values.len().saturating_sub(SERIES_LIMIT);
    let latest = &values[skipped..];
    let Some(scale) = Scale::of(latest) else { return Vec::new() };
    if latest.len() < FEWEST {
        return Vec::new();
    }
    let mut series = Series::new(scale.values(latest), family);
    // What does not count as a change at the least correlation does at no other. The second time, what the estimate
    // has ruled out is no change.
    for _ in 0..2 {
        series.correlation = series.estimated_correlation(&series.split());
    }
    let later = |change: Change| Change {
        index: change.index + skipped,
        places: change.places.map(|place| place + skipped),
        ..change
    };
    series.prune(series.split()).into_iter().map(later).collect()
}

struct Series {
    values: Vec<f64>,
    /// The same without outliers.
    tame: Vec<f64>,
    /// The smallest difference between values.
    resolution: f64,
    correlation: f64,
    family: usize,
}

impl Series {
    fn new(values: Vec<f64>, family: usize) -> Self {
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let steps = sorted.windows(2).map(|two| two[1] - two[0]);
        // Values that are computed differ by roundings.
        let resolution = steps.filter(|step| *step > 1e-9).fold(1.0, f64::min);
        let tame = without_outliers(&values, resolution);
        Self { values, tame, resolution, correlation: LEAST_CORRELATION, family }
    }

    /// Splits segments recursively while a split is significant; the splits, ascending.
    fn split(&self) -> Vec<usize> {
        let (mut segments, mut splits) = (vec![(0, self.values.len())], Vec::new());
        while let Some((start, end)) = segments.pop() {
            let lasting = self.lasting(start, end).map(|change| (change.p, vec![change.index]));
            let both = [lasting, self.pulse(start, end)].into_iter().flatten();
            let best = both.min_by(|(one, _), (other, _)| one.total_cmp(other));
            let Some((_, found)) = best.filter(|(p, _)| *p <= SIGNIFICANCE) else { continue };
            let starts = std::iter::once(start).chain(found.iter().copied());
            segments.extend(starts.zip(found.iter().copied().chain([end])));
            splits.extend(found);
        }
        splits.sort_unstable();
        splits
    }

    /// Places splits anew between their neighbours, and removes those that are not significant there, the weakest
    /// first.
    fn prune(&self, mut splits: Vec<usize>) -> Vec<Change> {
        loop {
            let mut changes: Vec<Change> = Vec::new();
            for (i, &index) in splits.iter().enumerate() {
                let start = changes.last().map_or(0, |change| change.index);
                let end = splits.get(i + 1).copied().unwrap_or(self.values.len());
                let none = Change { index, places: [index; 2], is_of_level: false, p: 1.0 };
                changes.push(self.lasting(start, end).unwrap_or(none));
            }
            let p = |i: &usize| changes[*i].p;
            let weakest = (0..splits.len()).max_by(|one, other| p(one).total_cmp(&p(other)));
            match weakest.filter(|i| p(i) > SIGNIFICANCE) {
                Some(i) => splits.remove(i),
                None => return changes,
            };
        }
    }

    /// The most significant lasting change of a segment; `None` if it is too short.
    fn lasting(&self, start: usize, end: usize) -> Option<Change> {
        let n = end - start;
        let last = self.last_place(start, end)?;
        let settled = last.min(n.saturating_sub(MIN_SEGMENT));
        let middle = median(&self.values[start..end])?;
        let spread = self.values[start..end].iter().map(|value| (value - middle).abs().sqrt());
        // The correlation of squares of normal values is that of the values squared.
        let spread = Steps::new(
            &spread.collect::<Vec<_>>(),
            self.correlation.powi(2),
            self.resolution.sqrt(),
        );
        let kinds = [
            (self.steps(&self.tame[start..end]), MIN_SEGMENT..=settled),
            (self.steps(&self.values[start..end]), MIN_SEGMENT.max(settled + 1)..=last),
            (spread, MIN_SEGMENT..=settled),
        ];
        let best = kinds.iter().filter_map(|(steps, places)| {
            Some((steps, steps.best(places.clone().map(|from| (from, n)))?))
        });
        let (steps, step) = best.min_by(|(_, one), (_, other)| one.p.total_cmp(&other.p))?;
        let index = start + step.from;
        Some(Change {
            index,
            places: steps.places(step, MIN_SEGMENT..=last).map(|place| start + place),
            is_of_level: self.level_moved(start, index, end),
            p: self.adjusted(step.p, n as f64),
        })
    }

    /// The most significant step of a segment's level that is repaired within it: its p, where it begins and ends.
    fn pulse(&self, start: usize, end: usize) -> Option<(f64, Vec<usize>)> {
        let (n, last) = (end - start, self.last_place(start, end)?);
        let ends = |from| (from + MIN_SEGMENT..=last).map(move |to| (from, to));
        let step = self.steps(&self.tame[start..end]).best((MIN_SEGMENT..=last).flat_map(ends))?;
        let p = self.adjusted(step.p, 0.5 * (n * n) as f64);
        Some((p, vec![start + step.from, start + step.to]))
    }

    fn steps(&self, values: &[f64]) -> Steps {
        Steps::new(values, self.correlation, self.resolution)
    }

    /// A p-value adjusted for so many steps of each of three kinds, in each series of the family, and for the looks at
    /// it before: as if each doubling of a series made two new ones, which simulation shows to suffice.
    fn adjusted(&self, p: f64, steps: f64) -> f64 {
        let looks = 2.0 + 2.0 * (self.values.len() as f64 / FEWEST as f64).log2();
        clamp_p(p * 3.0 * steps * looks * self.family as f64)
    }

    /// The last place in a segment at which it may change; `None` if it is too short.
    fn last_place(&self, start: usize, end: usize) -> Option<usize> {
        let (last, others) = self.values[start..end].split_last()?;
        let low = others.iter().copied().fold(f64::INFINITY, f64::min);
        let high = others.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let fewest_after = match (last - high).max(low - last) >= high - low {
            _ if end < self.values.len() => MIN_SEGMENT,
            true => 1,
            false => 2,
        };
        (end - start).checked_sub(fewest_after).filter(|last| *last >= MIN_SEGMENT)
    }

    /// Whether the means before and after a change differ by more than their uncertainty (Welch's t), which
    /// correlation enlarges, and the medians the same way. Of a few values after it, only the level can have shown
    /// a change. Where enough of them show that the spread changed, too, the place may have been found for a few far
    /// ones: then only as many values count as are independent, and the significance is stricter.
    fn level_moved(&self, start: usize, index: usize, end: usize) -> bool {
        let (before, after) = (&self.tame[start..index], &self.tame[index..end]);
        let sides = welch(before, after).filter(|_| after.len() >= MIN_SEGMENT);
        let Some(sides) = sides else { return true };
        let moved = median(after).zip(median(before)).map_or(0.0, |(after, before)| after - before);
        let enlarged = |correlation: f64| (1.0 + correlation) / (1.0 - correlation);
        let more = enlarged(self.correlation);
        let t = sides.difference.abs() / (more.sqrt() * sides.standard_error);
        // The variance of ln s² is 2/(n − 1) for normal values, enlarged by the correlation of their squares.
        let [a, b] = [before, after].map(|side| 2.0 / (side.len() as f64 - 1.0));
        let uncertainty = ((a + b) * enlarged(self.correlation.powi(2))).sqrt();
        let ratio =
            variance(after).max(f64::MIN_POSITIVE) / variance(before).max(f64::MIN_POSITIVE);
        let shown = after.len() >= 2 * MIN_SEGMENT;
        let (freedom, significance) = match shown && ratio.ln().abs() > 2.0 * uncertainty {
            true => (sides.freedom / more, SIGNIFICANCE_OF_LEVEL),
            false => (sides.freedom, SIGNIFICANCE),
        };
        moved * sides.difference > 0.0 && 2.0 * t_tail(t, freedom) <= significance
    }

    /// The correlation of neighbours in what the levels between `splits` leave.
    fn estimated_correlation(&self, splits: &[usize]) -> f64 {
        let n = self.tame.len();
        let starts = std::iter::once(0).chain(splits.iter().copied());
        let ends = splits.iter().copied().chain([n]);
        let left = starts.zip(ends).flat_map(|(start, end)| {
            let values = &self.tame[start..end];
            let level = median(values).unwrap_or_default();
            values.iter().map(move |value| value - level)
        });
        let raw = autocorrelation(&left.collect::<Vec<_>>()).unwrap_or_default();
        let lost = (splits.len() + 1) as f64 * (1.0 + 4.0 * raw) / n as f64;
        (raw + lost).clamp(LEAST_CORRELATION, MOST_CORRELATION)
    }
}

/// The values, but those far from the median of their neighbours no farther than outliers begin. The last ones have
/// too few neighbours.
fn without_outliers(values: &[f64], resolution: f64) -> Vec<f64> {
    let level = |i: usize| {
        let last = (i + NEIGHBOURS).min(values.len() - 1);
        median(&values[i.saturating_sub(NEIGHBOURS)..=last]).unwrap_or_default()
    };
    let levels: Vec<f64> = (0..values.len()).map(level).collect();
    let off: Vec<f64> =
        values.iter().zip(&levels).map(|(value, level)| (value - level).abs()).collect();
    let deviation = 1.4826 * median(&off).unwrap_or_default();
    let most = (OUTLIER * deviation).max(resolution);
    let known = values.len().saturating_sub(NEIGHBOURS);
    let pulled = |(i, value): (usize, &f64)| match i < known {
        true => value.clamp(levels[i] - most, levels[i] + most),
        false => *value,
    };
    values.iter().enumerate().map(pulled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::Stream;
    use crate::stats::autoregressive;
    use crate::stats::hostile::sample;
    use proptest::prelude::*;

    fn noise(n: usize, seed: u64) -> Vec<f64> {
        autoregressive(0.0, n, &mut Stream::new(seed, "change", &[]))
    }

    fn shifted(mut values: Vec<f64>, at: std::ops::Range<usize>, by: f64) -> Vec<f64> {
        values[at].iter_mut().for_each(|value| *value += by);
        values
    }

    fn indices(values: &[f64]) -> Vec<usize> {
        change_points(values, 1).iter().map(|change| change.index).collect()
    }

    #[test]
    fn noise_rarely_changes_whether_or_not_neighbours_are_alike() {
        for (correlation, n) in [(0.0, 40), (0.5, 20), (0.5, 40)] {
            let changed = |&seed: &u64| {
                let mut random = Stream::new(seed, "noise", &[]);
                let mut series = (0..4).map(|_| autoregressive(correlation, n, &mut random));
                series.any(|values| !change_points(&values, 4).is_empty())
            };
            let changed = (0..200).filter(changed).count();
            // Binomial(200, 0.05) exceeds 20 with probability 1e-3.
            assert!(changed <= 20, "{changed} of 200 at {correlation}, {n} values");
        }
    }

    #[test]
    fn a_step_is_found_once_whichever_its_direction() {
        for step in [6.0, -6.0] {
            for at in [8, 20, 33, 36] {
                let values = shifted(noise(40, 7), at..40, step);
                let changes = change_points(&values, 1);
                assert_eq!(changes.len(), 1, "{step} at {at}: {changes:?}");
                let Change { index, places: [first, last], is_of_level, p } = changes[0];
                assert!(index.abs_diff(at) <= 1 && is_of_level, "{step} at {at}: {changes:?}");
                assert!((first..=last).contains(&at), "{step} at {at}: {changes:?}");
                assert!(p > 0.0 && p <= SIGNIFICANCE);
                let mirrored: Vec<f64> = values.iter().map(|value| -value).collect();
                assert_eq!(change_points(&mirrored, 1)[0].index, index);
            }
        }
    }

    #[test]
    fn a_fresh_step_stands_where_it_is() {
        for fresh in 1..=5 {
            for seed in 0..20 {
                let values = shifted(noise(40, seed), 40 - fresh..40, 26.0);
                let changes = change_points(&values, 100);
                assert!(
                    matches!(changes[..], [Change { index, is_of_level: true, .. }] if index == 40 - fresh),
                    "the last {fresh}, seed {seed}: {changes:?}"
                );
            }
        }
    }

    #[test]
    fn a_lone_last_value_is_no_change_unless_it_is_far_off() {
        for (off, found) in [(5.0, 0..=1), (20.0, 10..=10)] {
            let found_of = |seed| change_points(&shifted(noise(40, seed), 39..40, off), 1).len();
            let count: usize = (0..10).map(found_of).sum();
            assert!(found.contains(&count), "{off}: {count} of 10");
        }
    }

    #[test]
    fn several_steps_and_a_pulse() {
        let stairs = shifted(shifted(noise(120, 3), 40..80, 6.0), 80..120, 12.0);
        let there_and_back = shifted(noise(120, 3), 40..80, 6.0);
        let pulse = shifted(noise(120, 5), 40..48, 6.0);
        for (values, second) in [(stairs, 80), (there_and_back, 80), (pulse, 48)] {
            let found = indices(&values);
            assert!(
                found.len() == 2 && found[0].abs_diff(40) <= 1 && found[1].abs_diff(second) <= 1,
                "{found:?}"
            );
        }
    }

    #[test]
    fn a_change_of_spread_is_none_of_level() {
        let level = |seed| {
            let mut values = noise(100, seed);
            values[50..].iter_mut().for_each(|value| *value *= 8.0);
            let changes = change_points(&values, 1);
            assert!(!changes.is_empty(), "{seed}");
            changes.iter().filter(|change| change.is_of_level).count()
        };
        assert!((0..20).map(level).sum::<usize>() <= 2);
    }

    #[test]
    fn outliers_neither_are_changes_nor_hide_one() {
        for seed in 0..10 {
            let mut values = shifted(noise(60, seed), 30..60, 8.0);
            for at in [7, 20, 44] {
                values[at] += 40.0;
            }
            let found = indices(&values);
            assert!(found.len() == 1 && found[0].abs_diff(30) <= 1, "{seed}: {found:?}");
        }
    }

    #[test]
    fn nothing_changes_in_what_is_short_or_does_not_vary() {
        let short = [[1.0; 4].as_slice(), &[9.0; 5]].concat();
        let not_a_number = [[1.0; 5], [f64::NAN; 5]].concat();
        for values in [&[][..], &[0.1; 100], &short, &not_a_number] {
            assert!(indices(values).is_empty(), "{values:?}");
        }
        assert_eq!(indices(&[[1.0; 13], [9.0; 13]].concat()), [13]);
    }

    #[test]
    fn one_tick_more_in_the_last_value_is_no_change() {
        let mut ticks = vec![20.0; 39];
        ticks.push(21.0);
        assert!(indices(&ticks).is_empty());
    }

    #[test]
    fn a_cut_that_later_ones_explain_is_taken_back() {
        let values = shifted(noise(40, 1), 20..40, 10.0);
        let found = Series::new(values, 1).prune(vec![10, 20, 30]);
        assert_eq!(found.iter().map(|change| change.index).collect::<Vec<_>>(), [20]);
    }

    #[test]
    fn of_a_long_series_the_end_is_looked_at() {
        let values = shifted(noise(SERIES_LIMIT + 100, 5), 0..50, 100.0);
        let values = shifted(values, SERIES_LIMIT..SERIES_LIMIT + 100, 8.0);
        let changes = change_points(&values, 1);
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert_eq!((changes[0].index, changes[0].places), (SERIES_LIMIT, [SERIES_LIMIT; 2]));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn changes_are_few_and_apart(values in sample(0), family in 1usize..100) {
            let changes = change_points(&values, family);
            prop_assert_eq!(&changes, &change_points(&values, family));
            let mut start = 0;
            for Change { index, places: [first, last], p, .. } in changes {
                prop_assert!(start + MIN_SEGMENT <= index && index < values.len());
                prop_assert!(start < first && first <= index && index <= last && last < values.len());
                prop_assert!(p > 0.0 && p <= SIGNIFICANCE);
                start = index;
            }
        }
    }
}
