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

/// Only the latest so many values are looked at: bounds the time, to about a second for each change found.
pub const LONGEST: usize = 5000;

/// A place where a series is no longer what it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// The index of the first value after it.
    pub index: usize,
    /// How often chance alone sets the values between the changes before and after it apart as much,
    /// wherever they are cut; in (0, 0.01].
    pub p: f64,
}

/// The changes of `values`, in order of time: of level, spread or shape, in whichever direction (E-divisive,
/// Matteson and James, 2014, with α = 1). The same seed gives the same changes.
///
/// A piece is cut where the energy statistic Q = mn/(m + n) (2 E|x − y| − E|x − x′| − E|y − y′|) is
/// greatest, if no more than 1 % of permutations of the piece reach that anywhere. A test at the place that
/// was chosen would forget the choice, and find changes in a third of all noise. Then changes that later cuts
/// have explained are taken back, the weakest first (after Hunter, Fleming et al., 2023): those whose Q,
/// between their neighbours, is reached by more than 1 %.
///
/// Permutations suppose that without changes the order means nothing: neighbours that depend on each
/// other look like changes. Nothing shorter than 5 values is a piece, and of more than 5000 values only the
/// last are looked at. Empty when some are not finite, or too far apart for a difference.
pub fn change_points(values: &[f64], seed: u64) -> Vec<Change> {
    let skipped = values.len().saturating_sub(LONGEST);
    let latest = &values[skipped..];
    let Some(scale) = Scale::of(latest) else { return Vec::new() };
    let series = Series { values: scale.values(latest), seed };
    let cuts = series.merged(series.divided());
    cuts.into_iter().map(|Change { index, p }| Change { index: index + skipped, p }).collect()
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
            let piece = Piece::new(&self.values[start..end]);
            let Some((cut, gain)) = piece.best(&piece.ranks) else { continue };
            if self.p(&piece, gain, start, end) <= LEVEL {
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
                let piece = Piece::new(&self.values[start..end]);
                let gain = piece.gain(&piece.ranks, cuts[i] - start);
                Change { index: cuts[i], p: self.p(&piece, gain, start, end) }
            };
            let changes: Vec<Change> = (0..cuts.len()).map(change).collect();
            let weakest = (0..cuts.len()).max_by(|&a, &b| changes[a].p.total_cmp(&changes[b].p));
            match weakest.filter(|&i| changes[i].p > LEVEL) {
                Some(i) => cuts.remove(i),
                None => return changes,
            };
        }
    }

    /// The share of permutations of `piece`, itself among them, whose best gain reaches `gain`. When enough
    /// do, it is known no further (Besag and Clifford, 1991).
    fn p(&self, piece: &Piece, gain: f64, start: usize, end: usize) -> f64 {
        let mut random = Stream::new(self.seed, "change points", &[start as u64, end as u64]);
        let mut ranks = piece.ranks.clone();
        let mut reached = 0;
        for drawn in 1..=PERMUTATIONS {
            for i in (1..ranks.len()).rev() {
                ranks.swap(i, random.below(i + 1));
            }
            // A little less counts as much: the sums are rounded in another order.
            let least = gain - 1e-9 * gain.abs();
            reached += usize::from(piece.best(&ranks).is_some_and(|(_, best)| best >= least));
            if reached == REFUTING {
                return reached as f64 / drawn as f64;
            }
        }
        (reached + 1) as f64 / (PERMUTATIONS + 1) as f64
    }
}

/// Values in a row that may be cut.
struct Piece {
    /// The values in rising order.
    sorted: Vec<f64>,
    /// The place of each among the sorted, in order of time.
    ranks: Vec<usize>,
    /// Each sorted value's distances from all others, summed.
    distances: Vec<f64>,
}

impl Piece {
    fn new(values: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
        let sorted: Vec<f64> = order.iter().map(|&time| values[time]).collect();
        let mut ranks = vec![0; values.len()];
        order.iter().enumerate().for_each(|(rank, &time)| ranks[time] = rank);
        let mut sums = Sums::new(sorted.len());
        (0..sorted.len()).for_each(|rank| sums.add(rank, sorted[rank]));
        let distances = (0..sorted.len()).map(|rank| sums.distances(rank, sorted[rank])).collect();
        Self { sorted, ranks, distances }
    }

    /// The best cut of the values in the order of `ranks`, and its Q; `None` when they are too few.
    fn best(&self, ranks: &[usize]) -> Option<(usize, f64)> {
        self.gains(ranks).max_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// Q at `cut`.
    fn gain(&self, ranks: &[usize], cut: usize) -> f64 {
        self.gains(ranks).find(|gain| gain.0 == cut).map_or(0.0, |gain| gain.1)
    }

    /// Q at each cut, in n log n steps: the sums of distances within both sides change by those of the
    /// value that changes sides.
    fn gains(&self, ranks: &[usize]) -> impl Iterator<Item = (usize, f64)> {
        let n = self.sorted.len();
        let total = self.distances.iter().sum::<f64>() / 2.0;
        let mut sums = Sums::new(n);
        let (mut left, mut right) = (0.0, total);
        let gains = ranks.iter().enumerate().map(move |(i, &rank)| {
            let value = self.sorted[rank];
            let before = sums.distances(rank, value);
            sums.add(rank, value);
            left += before;
            right -= self.distances[rank] - before;
            let pairs = |n: usize| (n * n.saturating_sub(1) / 2).max(1) as f64;
            let (m, k) = (i + 1, n - i - 1);
            let weight = (m * k) as f64;
            let apart = 2.0 * (total - left - right) / weight.max(1.0);
            (m, weight / n as f64 * (apart - left / pairs(m) - right / pairs(k)))
        });
        gains.filter(move |&(cut, _)| cut >= SHORTEST && cut + SHORTEST <= n)
    }
}

/// Counts and sums of the values seen so far, by rank (Fenwick, 1994).
struct Sums {
    tree: Vec<(f64, f64)>,
    all: (f64, f64),
}

impl Sums {
    fn new(n: usize) -> Self {
        Self { tree: vec![(0.0, 0.0); n + 1], all: (0.0, 0.0) }
    }

    fn add(&mut self, rank: usize, value: f64) {
        self.all = (self.all.0 + 1.0, self.all.1 + value);
        let mut node = rank + 1;
        while let Some((count, sum)) = self.tree.get_mut(node) {
            (*count, *sum) = (*count + 1.0, *sum + value);
            node += node & node.wrapping_neg();
        }
    }

    /// The distances of `value`, whose rank this is, from the values seen.
    fn distances(&self, rank: usize, value: f64) -> f64 {
        let (mut count, mut sum) = (0.0, 0.0);
        let mut node = rank;
        while node > 0 {
            (count, sum) = (count + self.tree[node].0, sum + self.tree[node].1);
            node &= node - 1;
        }
        let (more, rest) = (self.all.0 - count, self.all.1 - sum);
        (value * count - sum) + (rest - value * more)
    }
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
            let piece = Piece::new(&numbers(&case["values"]));
            let found: Vec<f64> = piece.gains(&piece.ranks).map(|(_, gain)| gain).collect();
            let expected = numbers(&case["gains"]);
            assert_eq!(found.len(), expected.len());
            let most = expected.iter().fold(0.0f64, |most, gain| most.max(gain.abs()));
            for (found, expected) in found.into_iter().zip(expected) {
                assert!((found - expected).abs() <= 1e-11 * most, "{found} {expected}");
            }
            let (cut, gain) = piece.best(&piece.ranks).unwrap();
            assert_eq!(cut, case["cut"].as_u64().unwrap() as usize);
            close(gain, number(&case["gain"]), 1e-11);
        }
    }

    #[test]
    fn noise_rarely_changes() {
        let changed = |&seed: &u64| !change_points(&noise(40, seed), seed).is_empty();
        let changed = (0..1000).filter(changed).count();
        // Binomial(1000, 0.01) exceeds 20 with probability 1e-3.
        assert!(changed <= 20, "{changed} of 1000");
    }

    #[test]
    fn a_step_is_found_once_whichever_its_direction() {
        for step in [3.0, -3.0] {
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
        let mut spread = noise(200, 4);
        spread[100..].iter_mut().for_each(|value| *value *= 8.0);
        let found = indices(&spread);
        assert!(found.len() == 1 && found[0].abs_diff(100) <= 10, "{found:?}");
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
        let series = Series { values: [[0.0; 20], [1.0; 20]].concat(), seed: 1 };
        let found: Vec<usize> =
            series.merged(vec![10, 20, 30]).iter().map(|change| change.index).collect();
        assert_eq!(found, [20]);
    }

    #[test]
    fn of_a_long_series_the_end_is_looked_at() {
        let mut values = noise(LONGEST + 1000, 5);
        values[..500].iter_mut().for_each(|value| *value += 100.0);
        values[LONGEST..].iter_mut().for_each(|value| *value += 3.0);
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
